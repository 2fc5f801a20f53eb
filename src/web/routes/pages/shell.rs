//! What every page has around it: head, navigation, style.

use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::html::Text;

const STYLE: &str = include_str!("style.css");

/// The policy of all pages: the one style sheet, known by its hash, and forms that come back here.
pub(super) fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
    });
    &POLICY
}

/// Where one can go; `here` is marked.
pub(super) fn start(title: &str, here: &str, telemetry_path: &str) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n<p class=\"name\">aws-transfer-exporter</p>\n\
         <nav aria-label=\"Site\">\n<ul>\n",
        Text(title)
    );
    for (path, name) in [
        ("/", "Overview"),
        ("/transfers", "Transfers"),
        (telemetry_path, "Metrics"),
    ] {
        let current = if path == here {
            " aria-current=\"page\""
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "<li><a href=\"{}\"{current}>{name}</a></li>",
            Text(path)
        );
    }
    out.push_str("</ul>\n</nav>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n");
    let _ = writeln!(out, "<h1>{}</h1>", Text(title));
    out
}

/// The end of a page; `notes` is HTML.
pub(super) fn end(mut out: String, notes: &str) -> String {
    let _ = write!(
        out,
        "</main>\n<footer>\n{notes}<p>aws-transfer-exporter {}. This page loads nothing else and makes no AWS call.</p>\n\
         </footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_ends_nowhere_but_at_its_end() {
        assert!(!STYLE.contains('<') && !STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
