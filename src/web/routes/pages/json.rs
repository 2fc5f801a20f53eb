//! `/api/v1/transfers` and `/api/v1/targets`. What they tell is described in openapi.json; a test compares.

use std::time::SystemTime;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::html::timestamp;
use super::query::{BadParameter, MAX_LIMIT, MAX_TARGETS, TARGETS, TRANSFERS, transfers as read};
use super::transfers::wanted_connectors;
use super::{PageResponse, bad_parameter};
use crate::tracker::query::KeptFailure;
use crate::tracker::query::RecentFiles;
use crate::tracker::query::{ListedTransfer, STUCK_AFTER, StateFilter};
use crate::web::Exporter;
use crate::web::response::JSON;
use model::{ConnectorView, FailureCode, FileCounts, Origin, TransferState};

/// Transfers of an answer where the query names no limit.
const LIMIT: usize = 100;

pub(super) fn transfers(exporter: &dyn Exporter, query: &str) -> PageResponse {
    let asked = match read(query, &TRANSFERS, LIMIT, MAX_LIMIT) {
        Ok(asked) => asked,
        Err(error) => return bad_parameter(&error),
    };
    let overview = exporter.overview();
    let found = exporter.select(&asked);
    let connectors = wanted_connectors(&asked, &overview);
    // They are told with the first page.
    let told = if asked.after.is_some() {
        0
    } else {
        asked.limit
    };
    let shown: Vec<_> = connectors
        .iter()
        .take(told)
        .map(|(connector, recent)| tell(connector, recent))
        .collect();
    answer(&json!({
        "generated_at": timestamp(overview.now),
        "process_started_at": timestamp(overview.started),
        "stuck_after_seconds": STUCK_AFTER.as_secs(),
        "connectors_matching": connectors.len(),
        "connectors": shown,
        "transfers_matching": found.matching,
        "transfers": found.transfers.iter().map(transfer).collect::<Vec<_>>(),
        "next_cursor": found.next.map(|cursor| cursor.to_string()),
    }))
}

pub(super) fn targets(exporter: &dyn Exporter, query: &str) -> PageResponse {
    let mut asked = match read(query, &TARGETS, MAX_TARGETS, MAX_TARGETS) {
        Ok(asked) => asked,
        Err(error) => return bad_parameter(&error),
    };
    asked.state.get_or_insert(StateFilter::Unfinished);
    let found = exporter.select(&asked).transfers;
    let group = |listed: &ListedTransfer| {
        let (labels, id) = (&listed.view.connector, listed.view.id.as_str());
        json!({
            "targets": [format!("{}/{id}", labels.id)],
            "labels": {
                "__metrics_path__": "/probe",
                "__param_account": labels.account.name.as_str(),
                "__param_connector_id": labels.id.as_str(),
                "__param_transfer_id": id,
            },
        })
    };
    answer(&found.iter().map(group).collect())
}

/// What is wrong with a parameter.
pub(super) fn error(fault: &BadParameter) -> String {
    format!(
        "{}\n",
        json!({ "error": fault.to_string(), "parameter": fault.parameter })
    )
}

fn answer(value: &Value) -> PageResponse {
    PageResponse {
        status: StatusCode::OK,
        content_type: JSON,
        body: format!("{value}\n"),
    }
}

fn files(files: Option<&FileCounts>) -> Value {
    files.map_or(Value::Null, |files| {
        let other: u32 = files.other.iter().map(|(_, files)| files).sum();
        json!({
            "queued": files.queued,
            "in_progress": files.in_progress,
            "completed": files.completed,
            "failed": files.failed_files(),
            "other": other,
        })
    })
}

fn tell(connector: &ConnectorView, recent: &RecentFiles) -> Value {
    let states = TransferState::ALL.into_iter();
    let states: serde_json::Map<_, _> = states
        .map(|state| {
            (
                state.as_label().to_owned(),
                connector.states.of(state).into(),
            )
        })
        .collect();
    json!({
        "account": connector.labels.account.name.as_str(),
        "region": &*connector.labels.account.region,
        "connector_id": connector.labels.id.as_str(),
        "connector_name": connector.title.as_ref().map(|title| &*title.name),
        "transfers": states,
        "files": files(connector.files.as_ref()),
        "last_hour": { "completed": &recent.completed[..], "failed": &recent.failed[..] },
        "oldest_unfinished_at": time(connector.oldest_unfinished),
        "last_completed_at": time(connector.last_completed),
        "last_failed_at": time(connector.last_failed),
    })
}

fn transfer(listed: &ListedTransfer) -> Value {
    let view = &listed.view;
    json!({
        "account": view.connector.account.name.as_str(),
        "region": &*view.connector.account.region,
        "connector_id": view.connector.id.as_str(),
        "connector_name": listed.title.as_ref().map(|title| &*title.name),
        "transfer_id": view.id.as_str(),
        "state": view.state.as_label(),
        "stuck": listed.stuck,
        "since": timestamp(view.since),
        "since_is_start": listed.started,
        "unchanged_since": time(listed.unchanged_since),
        "results_up": view.up,
        "origins": listed.origins.iter().map(|origin: &Origin| origin.as_label()).collect::<Vec<_>>(),
        "files": files(view.files.as_ref()),
        "failed_files": listed.failures.iter().map(|failure| failed(failure)).collect::<Vec<_>>(),
    })
}

fn failed(failure: &KeptFailure) -> Value {
    json!({
        "path": &*failure.path,
        "failure_code": failure.code.as_ref().map(FailureCode::as_str),
        "failure_message": failure.message.as_deref(),
        "failed_at": timestamp(failure.at),
    })
}

fn time(at: Option<SystemTime>) -> Option<String> {
    at.map(timestamp)
}
