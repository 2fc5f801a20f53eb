//! The landing page.

/// Version, links, a line of state.
pub(super) fn landing(telemetry_path: &str, state_line: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>aws-transfer-exporter</title>\n\
         <style>body{{font-family:system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;line-height:1.5}}\
         code{{background:#8882;padding:.1em .3em;border-radius:.2em}}</style>\n</head>\n<body>\n\
         <h1>aws-transfer-exporter</h1>\n\
         <p>Prometheus exporter for the SFTP connectors of AWS Transfer Family, version {version}.</p>\n\
         <p>{state}</p>\n<ul>\n<li><a href=\"{path}\">Metrics</a></li>\n<li><a href=\"/-/healthy\">Healthy</a></li>\n\
         <li><a href=\"/-/ready\">Ready</a></li>\n</ul>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
        state = escape(state_line),
        path = escape(telemetry_path),
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_page_is_markup_that_is_not_ours() {
        let page = landing("/\"><script>", "<b>&");
        assert!(page.contains("href=\"/&quot;&gt;&lt;script&gt;\""), "{page}");
        assert!(page.contains("<p>&lt;b&gt;&amp;</p>"), "{page}");
    }
}
