//! `/transfers`: connectors, transfers and failed files.

mod details;
mod flows;

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;

use self::details::{Details, details};
use self::flows::{FlowRow, flows};
use super::Overview;
use super::html::{Elapsed, Moment, Number, href, link, timestamp};
use super::layout::Layout;
use super::query::BadParameter;
use super::spark::Sparkline;
use crate::tracker::query::{
    KeptFailure, ListedTransfer, MAX_FAILURES, Query, RecentFiles, Resolution, STUCK_AFTER,
    Selection, StateFilter,
};
use crate::web::Exporter;
use model::{ConnectorLabels, ConnectorView, FileCounts, TransferState};

/// Default number of rows of a table.
pub(super) const ROWS: usize = 25;
/// Uptime from which the last hour is known in full, in seconds.
const HOUR_SECONDS: u64 = 3_600;

const CONNECTOR_COLUMNS: [&str; 9] = [
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
const TRANSFER_COLUMNS: [&str; 7] = [
    "Transfer",
    "State",
    "Connector",
    "Started",
    "Unchanged for",
    "Files done",
    "Failed files",
];
const FLOW_COLUMNS: [&str; 7] = [
    "Flow",
    "State",
    "Deadline",
    "Files",
    "Last file",
    "Unresolved failures",
    "Expected",
];
const FAILURE_COLUMNS: [&str; 7] = [
    "File",
    "Code",
    "Message",
    "When",
    "State",
    "Connector",
    "Transfer",
];

#[derive(Template)]
#[template(path = "transfers.html")]
struct TransfersPage<'a> {
    layout: Layout<'a>,
    form: Form<'a>,
    connectors: Table<ConnectorRow<'a>>,
    flows: Table<FlowRow<'a>>,
    transfers: TransferTable<'a>,
    failures: Table<FailureRow<'a>>,
    generated_at: String,
    stuck_after: Elapsed,
    /// `None` once the last hour is known in full.
    uptime: Option<Elapsed>,
    max_failures: Number,
}

#[derive(Template)]
#[template(path = "bad_request.html")]
struct BadRequest<'a> {
    layout: Layout<'a>,
    error: &'a BadParameter,
}

struct Form<'a> {
    search: &'a str,
    states: Vec<Choice<'a>>,
    /// Empty with a single account.
    accounts: Vec<Choice<'a>>,
    connector: &'a str,
}

struct Choice<'a> {
    value: &'a str,
    selected: bool,
}

struct Table<Row> {
    caption: String,
    rows: Vec<Row>,
}

struct ConnectorLink<'a> {
    href: String,
    name: Option<&'a str>,
    id: &'a str,
}

struct ConnectorRow<'a> {
    connector: ConnectorLink<'a>,
    details: Option<Details<'a>>,
    account: &'a str,
    region: &'a str,
    spark: Sparkline,
    states: [StateCount; 5],
    files: String,
}

struct StateCount {
    label: &'static str,
    class: &'static str,
    transfers: Number,
}

struct TransferTable<'a> {
    /// Without rows, the reason.
    caption: String,
    rows: Vec<TransferRow<'a>>,
    first_page: Option<String>,
    next_page: Option<String>,
}

struct TransferRow<'a> {
    id: &'a str,
    state: &'static str,
    stuck: bool,
    /// Whether the last poll of an unfinished transfer failed.
    unreadable: bool,
    connector: ConnectorLink<'a>,
    since: Moment,
    /// Whether `since` is the first sight, for want of a start.
    first_seen: bool,
    unchanged: String,
    files: String,
    failed: Number,
    failed_link: Option<String>,
}

struct FailureRow<'a> {
    path: &'a str,
    code: &'a str,
    message: &'a str,
    at: Moment,
    connector: ConnectorLink<'a>,
    transfer: &'a str,
    transfer_link: String,
    resolution: &'static str,
    /// Where an acknowledgement is sent, if it can be.
    acknowledge: Option<String>,
}

fn layout(telemetry_path: &str) -> Layout<'_> {
    Layout {
        title: "Transfers",
        here: "/transfers",
        telemetry_path,
    }
}

/// Renders the page for a query.
pub(super) fn page(
    exporter: &dyn Exporter,
    query: &Query,
    telemetry_path: &str,
) -> askama::Result<String> {
    let overview = exporter.overview();
    let selection = exporter.select(query);
    let kept = exporter.failures();
    let known_flows = exporter.flows();
    let uptime = Elapsed::between(overview.started, overview.now);
    TransfersPage {
        layout: layout(telemetry_path),
        form: form(query, &overview),
        connectors: connectors(query, &overview),
        flows: flows(&known_flows, overview.now),
        transfers: transfers(query, &selection, &overview),
        failures: failures(query, &kept, &overview),
        generated_at: timestamp(overview.now),
        stuck_after: Elapsed(STUCK_AFTER),
        uptime: (uptime.0.as_secs() < HOUR_SECONDS).then_some(uptime),
        max_failures: Number::of(MAX_FAILURES),
    }
    .render()
}

/// Renders the page for a query that is refused.
pub(super) fn bad_request(error: &BadParameter, telemetry_path: &str) -> askama::Result<String> {
    BadRequest {
        layout: layout(telemetry_path),
        error,
    }
    .render()
}

fn form<'a>(query: &'a Query, overview: &'a Overview) -> Form<'a> {
    let account = |value: &'a str| Choice {
        value,
        selected: query.account.as_deref() == Some(value),
    };
    Form {
        search: query.search.as_deref().unwrap_or_default(),
        states: StateFilter::ALL
            .into_iter()
            .map(|state| Choice {
                value: state.as_str(),
                selected: query.state == Some(state),
            })
            .collect(),
        accounts: match overview.accounts.as_slice() {
            [] | [_] => Vec::new(),
            accounts => accounts
                .iter()
                .map(|(known, _)| account(known.name.as_str()))
                .collect(),
        },
        connector: query.connector.as_ref().map_or("", |id| id.as_str()),
    }
}

/// Returns the matching connectors: those with failures in the last hour first, then those with
/// unfinished transfers, then by name.
pub(super) fn matching_connectors<'a>(
    query: &Query,
    overview: &'a Overview,
) -> Vec<(&'a ConnectorView, &'a RecentFiles)> {
    let mut found: Vec<_> = overview
        .connectors()
        .filter(|(connector, _)| {
            query.admits(&connector.labels)
                && query.finds_connector(&connector.labels.id, known_name(connector))
        })
        .collect();
    let unfinished = |connector: &ConnectorView| {
        connector.states.of(TransferState::Pending) + connector.states.of(TransferState::Running)
    };
    found.sort_by(|(a, recent_a), (b, recent_b)| {
        let failed = recent_b.total_failed().cmp(&recent_a.total_failed());
        let running = (unfinished(b) > 0).cmp(&(unfinished(a) > 0));
        failed.then(running).then_with(|| a.name().cmp(b.name()))
    });
    found
}

fn known_name(connector: &ConnectorView) -> Option<&str> {
    connector.known_name().map(|name| &**name)
}

fn connector_link<'a>(name: Option<&'a str>, labels: &'a ConnectorLabels) -> ConnectorLink<'a> {
    ConnectorLink {
        href: link(
            &[
                ("account", labels.account.name.as_str()),
                ("connector_id", labels.id.as_str()),
            ],
            "",
        ),
        name,
        id: labels.id.as_str(),
    }
}

fn connectors<'a>(query: &Query, overview: &'a Overview) -> Table<ConnectorRow<'a>> {
    let found = matching_connectors(query, overview);
    let all = Number::of(found.len()).counted("connector");
    let shown = found.len().min(query.limit);
    let caption = if shown == found.len() {
        format!("{all}. Those with failures come first.")
    } else {
        format!("{shown} of {all}. Those with failures come first.")
    };
    let row = |(at, (connector, recent)): (usize, (&'a ConnectorView, &RecentFiles))| {
        let labels = &connector.labels;
        ConnectorRow {
            connector: connector_link(known_name(connector), labels),
            details: connector.details.as_deref().map(details),
            account: labels.account.name.as_str(),
            region: &labels.account.region,
            spark: Sparkline::new(recent, at + 1),
            states: state_counts(connector),
            files: files_done(connector.files.as_ref()),
        }
    };
    Table {
        caption,
        rows: found
            .into_iter()
            .take(query.limit)
            .enumerate()
            .map(row)
            .collect(),
    }
}

/// Returns the transfers by state, in the order of [`CONNECTOR_COLUMNS`].
fn state_counts(connector: &ConnectorView) -> [StateCount; 5] {
    let mut labels = CONNECTOR_COLUMNS[3..8].iter();
    TransferState::ALL.map(|state| {
        let transfers = connector.states.of(state);
        let bad = state == TransferState::Failed && transfers > 0;
        StateCount {
            label: labels.next().copied().unwrap_or_default(),
            class: if bad { "bad" } else { "count" },
            transfers: Number(transfers),
        }
    })
}

fn files_done(files: Option<&FileCounts>) -> String {
    files.map_or_else(
        || "not read yet".to_owned(),
        |files| {
            let (completed, total) = (Number(files.completed.into()), Number(files.total().into()));
            format!("{completed} of {total}")
        },
    )
}

fn transfers<'a>(
    query: &Query,
    selection: &'a Selection,
    overview: &Overview,
) -> TransferTable<'a> {
    let continued = query.after.is_some();
    let caption = match (selection.transfers.len(), selection.matching) {
        (0, 0) => "No transfer matches.".to_owned(),
        (0, _) => "There are no more transfers.".to_owned(),
        (shown, matching) => format!(
            "{} of {}, newest first{}.",
            Number::of(shown),
            Number(matching).counted("transfer"),
            if continued { ", continued" } else { "" }
        ),
    };
    TransferTable {
        caption,
        rows: selection
            .transfers
            .iter()
            .map(|listed| transfer_row(listed, overview))
            .collect(),
        first_page: continued.then(|| same_query(query, "")),
        next_page: selection
            .next
            .as_ref()
            .map(|next| same_query(query, &next.to_string())),
    }
}

/// Returns a link to the same query at another cursor.
fn same_query(query: &Query, cursor: &str) -> String {
    let limit = if query.limit == ROWS {
        String::new()
    } else {
        query.limit.to_string()
    };
    link(
        &[
            ("search", query.search.as_deref().unwrap_or_default()),
            ("state", query.state.map_or("", StateFilter::as_str)),
            ("account", query.account.as_deref().unwrap_or_default()),
            (
                "connector_id",
                query.connector.as_ref().map_or("", |id| id.as_str()),
            ),
            ("limit", &limit),
            ("cursor", cursor),
        ],
        "#transfers",
    )
}

fn transfer_row<'a>(listed: &'a ListedTransfer, overview: &Overview) -> TransferRow<'a> {
    let view = &listed.view;
    let failed = listed.failed_files();
    TransferRow {
        id: view.id.as_str(),
        state: view.state.as_label(),
        stuck: listed.stuck,
        unreadable: view.state.is_unfinished() && view.up == Some(false),
        connector: connector_link(listed.connector_name.as_deref(), &view.connector),
        since: Moment::new(view.since, overview.now),
        first_seen: !listed.started,
        unchanged: listed.unchanged_since.map_or_else(
            || "ended".to_owned(),
            |since| Elapsed::between(since, overview.now).to_string(),
        ),
        files: files_done(view.files.as_ref()),
        failed: Number(failed),
        failed_link: (failed > 0).then(|| link(&[("search", view.id.as_str())], "#failed")),
    }
}

/// Returns the address that acknowledges the failures of a path in one transfer.
fn acknowledge_link(failure: &KeptFailure) -> String {
    let prefix = href("/api/v1/failures/acknowledge?");
    let start = prefix.len();
    let mut out = form_urlencoded::Serializer::for_suffix(prefix, start);
    out.append_pair("account", failure.connector.account.name.as_str());
    out.append_pair("connector_id", failure.connector.id.as_str());
    out.append_pair("transfer_id", failure.transfer.as_str());
    out.append_pair("path", &failure.path);
    out.finish()
}

fn failures<'a>(
    query: &Query,
    kept: &'a [Arc<KeptFailure>],
    overview: &'a Overview,
) -> Table<FailureRow<'a>> {
    let names: BTreeMap<&Arc<ConnectorLabels>, &str> = overview
        .connectors()
        .filter_map(|(connector, _)| Some((&connector.labels, known_name(connector)?)))
        .collect();
    let name = |failure: &KeptFailure| names.get(&failure.connector).copied();
    let found: Vec<&'a KeptFailure> = kept
        .iter()
        .map(|failure| &**failure)
        .filter(|failure| query.finds_failure(failure, name(failure)))
        .collect();
    let shown = found.len().min(query.limit);
    let hint = match (shown < found.len(), query.state) {
        (true, _) => " Search to see others.",
        (false, Some(_)) => " The state filter applies to transfers only.",
        (false, None) => "",
    };
    let caption = format!(
        "{} of {}, newest first.{hint}",
        Number::of(shown),
        Number::of(found.len()).counted("failed file")
    );
    let row = |failure: &'a KeptFailure| FailureRow {
        path: &failure.path,
        code: failure.code.as_ref().map_or("none", |code| code.as_str()),
        message: failure.message.as_deref().unwrap_or("none"),
        at: Moment::new(failure.at, overview.now),
        connector: connector_link(name(failure), &failure.connector),
        transfer: failure.transfer.as_str(),
        transfer_link: link(&[("search", failure.transfer.as_str())], ""),
        resolution: match failure.resolution {
            Resolution::Unresolved => "unresolved",
            Resolution::Completed => "completed since",
            Resolution::Acknowledged => "acknowledged",
        },
        acknowledge: (overview.write_api && failure.resolution == Resolution::Unresolved)
            .then(|| acknowledge_link(failure)),
    };
    Table {
        caption,
        rows: found.into_iter().take(query.limit).map(row).collect(),
    }
}
