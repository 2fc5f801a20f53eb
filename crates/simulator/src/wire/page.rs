//! The page that shows the state of the simulator. It has no script, and reloads itself.

use std::fmt::{self, Write as _};

use crate::snapshot::SimulatorSnapshot;

/// The style sheet of the page.
pub(crate) const STYLE: &str = include_str!("page.css");

/// Text with the characters that HTML reserves escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Returns the page.
pub(crate) fn render(state: &SimulatorSnapshot) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, state);
    page
}

fn write_page(page: &mut String, state: &SimulatorSnapshot) -> fmt::Result {
    page.push_str(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"2\">\n<title>Transfer simulator</title>\n\
         <link rel=\"stylesheet\" href=\"/_simulator/page.css\">\n</head>\n<body>\n\
         <h1>Transfer simulator</h1>\n",
    );
    writeln!(
        page,
        "<p>Time of the account: <time>{}</time>, speed {}. Control: \
         <a href=\"/_simulator/\">routes</a>, <a href=\"/_simulator/openapi.json\">OpenAPI</a>, \
         <a href=\"/_simulator/state\">state as JSON</a>.</p>",
        state.time.now, state.time.speed
    )?;
    if let Some(scenario) = &state.scenario {
        write!(
            page,
            "<p>Scenario <strong>{}</strong>: {}",
            Escaped(&scenario.name),
            Escaped(&scenario.description)
        )?;
        if let Some(at) = &scenario.next_step_at {
            write!(page, " The next step is at <time>{at}</time>.")?;
        }
        page.push_str("</p>\n");
    }
    write_connectors(page, state)?;
    write_transfers(page, state)?;
    write_lists(page, state)?;
    page.push_str("</body>\n</html>\n");
    Ok(())
}

fn write_connectors(page: &mut String, state: &SimulatorSnapshot) -> fmt::Result {
    page.push_str(
        "<h2>Connectors</h2>\n<table>\n<thead><tr><th>ID</th><th>Partner</th><th>Transfers</th>\
         <th>Connection</th></tr></thead>\n<tbody>\n",
    );
    for connector in &state.connectors {
        let (class, connection) = match &connector.problem {
            Some(problem) => ("failed", problem.as_str()),
            None => ("completed", "OK"),
        };
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{}</td></tr>",
            Escaped(&connector.id),
            Escaped(&connector.host),
            connector.transfer_count,
            Escaped(connection)
        )?;
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

fn write_transfers(page: &mut String, state: &SimulatorSnapshot) -> fmt::Result {
    writeln!(
        page,
        "<h2>Transfers</h2>\n<p>The newest {} of {}.</p>\n<table>\n<thead><tr><th>Started</th>\
         <th>Connector and transfer</th><th>Direction</th><th>File</th><th>Status</th></tr></thead>\n<tbody>",
        state.transfers.len(),
        state.transfer_count
    )?;
    for transfer in &state.transfers {
        for file in &transfer.files {
            let class = match file.status.as_str() {
                "COMPLETED" => "completed",
                "FAILED" => "failed",
                _ => "unfinished",
            };
            write!(
                page,
                "<tr><td><time>{}</time></td><td>{}<br>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{}",
                transfer.started_at,
                Escaped(&transfer.connector),
                Escaped(&transfer.id),
                transfer.direction,
                Escaped(&file.path),
                Escaped(&file.status)
            )?;
            for detail in [&file.failure_code, &file.failure_message]
                .into_iter()
                .flatten()
            {
                write!(page, "<br>{}", Escaped(detail))?;
            }
            page.push_str("</td></tr>\n");
        }
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

fn write_lists(page: &mut String, state: &SimulatorSnapshot) -> fmt::Result {
    let queue = &state.queue;
    writeln!(
        page,
        "<h2>Queue of events</h2>\n<p>{} available, {} in flight, {} delayed.</p>",
        queue.available, queue.in_flight, queue.delayed
    )?;
    page.push_str("<h2>Calls</h2>\n<ul>\n");
    for calls in &state.calls {
        writeln!(page, "<li>{}: {}</li>", calls.operation, calls.calls)?;
    }
    page.push_str("</ul>\n");
    for (title, value) in [
        ("Rules", serde_json::to_string_pretty(&state.rules)),
        ("Faults", serde_json::to_string_pretty(&state.faults)),
    ] {
        let text = value.unwrap_or_default();
        writeln!(page, "<h2>{title}</h2>\n<pre>{}</pre>", Escaped(&text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::simulator;
    use crate::{ConnectorSpec, FileScript, LifeScript, Settings};

    #[test]
    fn the_page_shows_files_with_their_reasons_and_escapes_them() {
        let simulator = simulator(Settings::default());
        let connector = "c-0123456789abcdef0".parse().unwrap();
        let spec = ConnectorSpec {
            connection_error: Some("<no login>".to_owned()),
            ..ConnectorSpec::default()
        };
        simulator.add_connector("c-0123456789abcdef0".parse().unwrap(), spec);
        let life = LifeScript::failed("TIMEOUT_ERROR", "a & b");
        let files = vec![FileScript::new("/<script>.csv", life)];
        simulator.start_scripted(&connector, files);
        let page = render(&simulator.snapshot());
        for expected in [
            "<td>/&lt;script&gt;.csv</td><td class=\"failed\">FAILED<br>TIMEOUT_ERROR<br>a &amp; b</td>",
            "<td class=\"failed\">&lt;no login&gt;</td>",
            "<p>The newest 1 of 1.</p>",
            "<time>2026-01-01T00:00:00.000Z</time>, speed 1.",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
        assert!(!page.contains("<script"), "{page}");
    }
}
