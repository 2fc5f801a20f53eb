//! `/transfers`: connectors, transfers and failed files for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::http::StatusCode;

use super::html::{Ago, Number, Span, TABLE_END, Text, query, table_head, table_row, timestamp};
use super::query::{MAX_LIMIT, TRANSFERS, transfers as read};
use super::{Overview, PageResponse, shell, spark};
use crate::tracker::query::RecentFiles;
use crate::tracker::query::{KeptFailure, MAX_FAILURES};
use crate::tracker::query::{ListedTransfer, Query, STUCK_AFTER, StateFilter};
use crate::web::Exporter;
use crate::web::response::HTML;
use model::{ConnectorLabels, ConnectorTitle, ConnectorView, FileCounts, TransferState};

/// Rows of a table where the query names no limit.
const ROWS: usize = 25;
const TITLE: &str = "Transfers";

pub(super) fn page(exporter: &dyn Exporter, asked: &str, telemetry_path: &str) -> PageResponse {
    let asked = match read(asked, &TRANSFERS, ROWS, MAX_LIMIT) {
        Ok(asked) => asked,
        Err(error) => {
            let mut out = shell::start(TITLE, "/transfers", telemetry_path);
            let _ = writeln!(
                out,
                "<p role=\"alert\">The parameter {}.</p>\n<p><a href=\"/transfers\">All transfers</a></p>",
                Text(&error.to_string())
            );
            return PageResponse {
                status: StatusCode::BAD_REQUEST,
                content_type: HTML,
                body: shell::end(out, ""),
            };
        }
    };
    let overview = exporter.overview();
    let mut out = shell::start(TITLE, "/transfers", telemetry_path);
    form(&mut out, &asked, &overview);
    out.push_str(
        "<nav aria-label=\"On this page\"><ul><li><a href=\"#connectors\">Connectors</a></li>\
         <li><a href=\"#transfers\">Transfers</a></li><li><a href=\"#failed\">Failed files</a></li></ul></nav>\n",
    );
    connectors(&mut out, &asked, &overview);
    transfers(&mut out, &asked, exporter, &overview);
    failed_files(&mut out, &asked, &exporter.failures(), &overview);
    PageResponse {
        status: StatusCode::OK,
        content_type: HTML,
        body: shell::end(out, &notes(&overview)),
    }
}

fn form(out: &mut String, asked: &Query, overview: &Overview) {
    let search = Text(asked.search.as_deref().unwrap_or_default()).to_string();
    let _ = write!(
        out,
        "<form role=\"search\" action=\"/transfers\" method=\"get\" aria-label=\"Filter\">\n\
         <p><label for=\"search\">Search</label><input id=\"search\" name=\"search\" type=\"search\" maxlength=\"200\" \
         value=\"{search}\" aria-describedby=\"search-in\"></p>\n\
         <p><label for=\"state\">State</label><select id=\"state\" name=\"state\"><option value=\"\">any</option>"
    );
    for state in StateFilter::ALL {
        option(
            out,
            state.as_str(),
            state.as_str(),
            asked.state == Some(state),
        );
    }
    out.push_str("</select></p>\n");
    if overview.accounts.len() > 1 {
        out.push_str("<p><label for=\"account\">Account</label><select id=\"account\" name=\"account\"><option value=\"\">any</option>");
        for (account, _) in &overview.accounts {
            let name = account.name.as_str();
            option(out, name, name, asked.account.as_deref() == Some(name));
        }
        out.push_str("</select></p>\n");
    }
    let connector = asked.connector.as_ref().map_or("", |id| id.as_str());
    let _ = write!(
        out,
        "<p><label for=\"connector\">Connector id</label><input id=\"connector\" name=\"connector_id\" value=\"{connector}\" \
         maxlength=\"19\" placeholder=\"c-…\" autocomplete=\"off\" spellcheck=\"false\"></p>\n\
         <p class=\"actions\"><button type=\"submit\">Filter</button> <a href=\"/transfers\">Clear</a></p>\n\
         <p class=\"hint\" id=\"search-in\">Searches transfer ids, connector ids and names, and paths, codes and messages of \
         failed files.</p>\n</form>\n",
    );
}

fn option(out: &mut String, value: &str, name: &str, chosen: bool) {
    let selected = if chosen { " selected" } else { "" };
    let _ = write!(
        out,
        "<option value=\"{}\"{selected}>{}</option>",
        Text(value),
        Text(name)
    );
}

/// Those that want a look first: what has failed within the hour, then what is on its way, then by name.
pub(super) fn wanted_connectors<'a>(
    asked: &Query,
    overview: &'a Overview,
) -> Vec<(&'a ConnectorView, &'a RecentFiles)> {
    let admitted = |(connector, _): &(&ConnectorView, &RecentFiles)| {
        asked.admits(&connector.labels)
            && asked.finds_connector(&connector.labels.id, connector.title.as_deref())
    };
    let mut found: Vec<_> = overview.connectors().filter(admitted).collect();
    let unfinished = |connector: &ConnectorView| {
        connector.states.of(TransferState::Pending) + connector.states.of(TransferState::Running)
    };
    found.sort_by(|(a, of_a), (b, of_b)| {
        let failed = of_b.all_failed().cmp(&of_a.all_failed());
        let running = (unfinished(b) > 0).cmp(&(unfinished(a) > 0));
        failed.then(running).then_with(|| {
            name(a.title.as_deref(), &a.labels).cmp(name(b.title.as_deref(), &b.labels))
        })
    });
    found
}

fn name<'a>(title: Option<&'a ConnectorTitle>, labels: &'a ConnectorLabels) -> &'a str {
    title.map_or(labels.id.as_str(), |title| &title.name)
}

/// A connector's name and id, as a link to what is its own.
fn connector_cell(title: Option<&ConnectorTitle>, labels: &ConnectorLabels) -> String {
    let link = query(&[
        ("account", labels.account.name.as_str()),
        ("connector_id", labels.id.as_str()),
    ]);
    let id = labels.id.as_str();
    let named = title.map_or_else(String::new, |title| format!("{} ", Text(&title.name)));
    format!(
        "<a href=\"/transfers{}\">{named}<code>{id}</code></a>",
        Text(&link)
    )
}

fn connectors(out: &mut String, asked: &Query, overview: &Overview) {
    let found = wanted_connectors(asked, overview);
    out.push_str(
        "<section aria-labelledby=\"connectors\">\n<h2 id=\"connectors\">Connectors</h2>\n",
    );
    if found.is_empty() {
        out.push_str("<p>No connector has this in its id or name.</p>\n</section>\n");
        return;
    }
    let shown = found.len().min(asked.limit);
    let caption = match shown {
        all if all == found.len() => format!(
            "{} connectors. Those with failures come first.",
            Number(all as u64)
        ),
        some => format!(
            "{} of {} connectors. Those with failures come first.",
            some,
            Number(found.len() as u64)
        ),
    };
    let columns = [
        "Connector",
        "Account, Region",
        "Last hour",
        "Pending",
        "Running",
        "Completed",
        "Failed",
        "Gone",
        "Files done",
    ];
    table_head(out, caption, &columns);
    for (at, (connector, recent)) in found.into_iter().take(asked.limit).enumerate() {
        let labels = &connector.labels;
        let mut cells = vec![
            connector_cell(connector.title.as_deref(), labels),
            format!(
                "{}, {}",
                Text(labels.account.name.as_str()),
                Text(&labels.account.region)
            ),
            format!(
                "{}<span class=\"words\">{}</span>",
                spark::sparkline(recent, at + 1),
                spark::words(recent)
            ),
        ];
        cells.extend(TransferState::ALL.map(|state| {
            let class = if state == TransferState::Failed && connector.states.of(state) > 0 {
                "bad"
            } else {
                "count"
            };
            format!(
                "<span class=\"{class}\">{}</span>",
                Number(connector.states.of(state))
            )
        }));
        cells.push(
            connector
                .files
                .as_ref()
                .map_or_else(|| "not read yet".to_owned(), done),
        );
        table_row(out, &columns, &cells);
    }
    out.push_str(TABLE_END);
    out.push_str("</section>\n");
}

fn done(files: &FileCounts) -> String {
    format!(
        "{} of {}",
        Number(files.completed.into()),
        Number(files.total().into())
    )
}

fn transfers(out: &mut String, asked: &Query, exporter: &dyn Exporter, overview: &Overview) {
    let found = exporter.select(asked);
    out.push_str("<section aria-labelledby=\"transfers\">\n<h2 id=\"transfers\">Transfers</h2>\n");
    if found.transfers.is_empty() {
        let _ = writeln!(
            out,
            "<p>{}</p>\n</section>",
            if found.matching == 0 {
                "No transfer matches."
            } else {
                "There are no more."
            }
        );
        return;
    }
    let caption = format!(
        "{} of {} transfers, the newest first{}.",
        Number(found.transfers.len() as u64),
        Number(found.matching),
        if asked.after.is_some() {
            ", continued"
        } else {
            ""
        }
    );
    let columns = [
        "Transfer",
        "State",
        "Connector",
        "Started",
        "Unchanged for",
        "Files done",
        "Failed files",
    ];
    table_head(out, caption, &columns);
    for listed in &found.transfers {
        table_row(out, &columns, &transfer_cells(listed, overview));
    }
    out.push_str(TABLE_END);
    if asked.after.is_some() || found.next.is_some() {
        out.push_str("<nav aria-label=\"Pages of transfers\"><ul>");
        if asked.after.is_some() {
            let _ = write!(
                out,
                "<li><a href=\"/transfers{}#transfers\">First page</a></li>",
                again(asked, "")
            );
        }
        if let Some(next) = &found.next {
            let link = again(asked, &next.to_string());
            let _ = write!(
                out,
                "<li><a rel=\"next\" href=\"/transfers{link}#transfers\">Next page</a></li>"
            );
        }
        out.push_str("</ul></nav>\n");
    }
    out.push_str("</section>\n");
}

/// The same query with another cursor, for an attribute.
fn again(asked: &Query, cursor: &str) -> String {
    let limit = if asked.limit == ROWS {
        String::new()
    } else {
        asked.limit.to_string()
    };
    let link = query(&[
        ("search", asked.search.as_deref().unwrap_or_default()),
        ("state", asked.state.map_or("", StateFilter::as_str)),
        ("account", asked.account.as_deref().unwrap_or_default()),
        (
            "connector_id",
            asked.connector.as_ref().map_or("", |id| id.as_str()),
        ),
        ("limit", &limit),
        ("cursor", cursor),
    ]);
    Text(&link).to_string()
}

fn transfer_cells(listed: &ListedTransfer, overview: &Overview) -> Vec<String> {
    let (view, now) = (&listed.view, overview.now);
    let state = view.state.as_label();
    let mut told = format!("<span class=\"state {state}\">{state}</span>");
    if listed.stuck {
        told.push_str(" <span class=\"state stuck\">stuck</span>");
    }
    if view.state.is_unfinished() && view.up == Some(false) {
        told.push_str(" <span class=\"words\">the newest look told no files</span>");
    }
    let seen = if listed.started {
        ""
    } else {
        " <span class=\"words\">(first seen)</span>"
    };
    let unchanged = listed.unchanged_since.map_or_else(
        || "ended".to_owned(),
        |since| Span(now.duration_since(since).unwrap_or_default()).to_string(),
    );
    let failed = view.files.as_ref().map_or(0, FileCounts::failed_files);
    let failed = match failed {
        0 => "0".to_owned(),
        failed => {
            let link = query(&[("search", view.id.as_str())]);
            format!(
                "<a class=\"bad\" href=\"/transfers{}#failed\">{}</a>",
                Text(&link),
                Number(failed.into())
            )
        }
    };
    vec![
        format!("<code>{}</code>", Text(view.id.as_str())),
        told,
        connector_cell(listed.title.as_deref(), &view.connector),
        format!(
            "{}{seen}",
            Ago {
                at: view.since,
                now
            }
        ),
        unchanged,
        view.files
            .as_ref()
            .map_or_else(|| "not read yet".to_owned(), done),
        failed,
    ]
}

fn failed_files(out: &mut String, asked: &Query, kept: &[Arc<KeptFailure>], overview: &Overview) {
    let titles: BTreeMap<&Arc<ConnectorLabels>, &ConnectorTitle> = overview
        .connectors()
        .filter_map(|(connector, _)| Some((&connector.labels, connector.title.as_deref()?)))
        .collect();
    let title = |failure: &KeptFailure| titles.get(&failure.connector).copied();
    let found: Vec<_> = kept
        .iter()
        .filter(|failure| asked.finds_failure(failure, title(failure)))
        .collect();
    out.push_str("<section aria-labelledby=\"failed\">\n<h2 id=\"failed\">Failed files</h2>\n");
    if found.is_empty() {
        out.push_str("<p>No failed file matches.</p>\n</section>\n");
        return;
    }
    let shown = found.len().min(asked.limit);
    let hint = match (shown < found.len(), asked.state) {
        (true, _) => " Search to see others.",
        (false, Some(_)) => " The state filters transfers alone.",
        (false, None) => "",
    };
    let caption = format!(
        "{} of {} failed files, the newest first.{hint}",
        Number(shown as u64),
        Number(found.len() as u64)
    );
    let columns = ["File", "Code", "Message", "When", "Connector", "Transfer"];
    table_head(out, caption, &columns);
    for failure in found.into_iter().take(asked.limit) {
        let code = failure
            .code
            .as_ref()
            .map_or_else(|| "none".to_owned(), |code| Text(code.as_str()).to_string());
        let link = query(&[("search", failure.transfer.as_str())]);
        table_row(
            out,
            &columns,
            &[
                format!("<bdi class=\"path\">{}</bdi>", Text(&failure.path)),
                format!("<span class=\"bad\">{code}</span>"),
                format!(
                    "<bdi>{}</bdi>",
                    Text(failure.message.as_deref().unwrap_or("none"))
                ),
                Ago {
                    at: failure.at,
                    now: overview.now,
                }
                .to_string(),
                connector_cell(title(failure), &failure.connector),
                format!(
                    "<a href=\"/transfers{}\"><code>{}</code></a>",
                    Text(&link),
                    Text(failure.transfer.as_str())
                ),
            ],
        );
    }
    out.push_str(TABLE_END);
    out.push_str("</section>\n");
}

fn notes(overview: &Overview) -> String {
    let young = overview
        .now
        .duration_since(overview.started)
        .unwrap_or_default();
    let hour = if young.as_secs() < 3_600 {
        format!(
            " The exporter has run for {}: what ended before is not in it.",
            Span(young)
        )
    } else {
        String::new()
    };
    format!(
        "<p>As of <time datetime=\"{now}\">{now}</time>. <a href=\"/api/v1/transfers\">The same as JSON</a>.</p>\n\
         <details open>\n<summary>How to read this page</summary>\n<ul>\n\
         <li>Stuck: pending or running, and nothing of it has changed for more than {stuck}.</li>\n\
         <li>Last hour: files that ended, by the minute, completed above failed; in memory alone.{hour}</li>\n\
         <li>Failed files: the newest {kept} of the transfers that are tracked. A file that failed before it could be watched \
         is told at the time at which it was first seen.</li>\n\
         <li>A character that cannot be seen stands as its number, such as [U+202E].</li>\n</ul>\n</details>\n",
        now = timestamp(overview.now),
        stuck = Span(STUCK_AFTER),
        kept = Number(MAX_FAILURES as u64),
    )
}
