//! The events that Transfer Family sends to EventBridge, by the shapes of its detail reference
//! (<https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html>).

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::connector::{ConnectorSpec, Egress};
use super::random::SplitMix64;
use super::remote::{RemoteKind, RemoteRun};
use super::script::{End, FileScript};
use super::started_transfer::StartedTransfer;
use model::{ConnectorId, Direction};

/// The subject of an event. Rendered on receive.
#[derive(Clone)]
pub(crate) enum Event {
    /// The end of the file at this index of a transfer.
    File(Arc<StartedTransfer>, usize),
    /// The end of a listing, move or delete.
    Remote(Arc<RemoteRun>),
}

/// The source of an event.
pub(crate) struct EventSource<'a> {
    pub(crate) seed: u64,
    pub(crate) account_id: &'a str,
    pub(crate) region: &'a str,
}

impl Event {
    /// Returns a key that is unique per event and equal for its duplicates.
    pub(crate) fn subject(&self) -> (&str, u64) {
        match self {
            Self::File(started, index) => (
                started.transfer.as_str(),
                u64::try_from(*index).unwrap_or(u64::MAX),
            ),
            Self::Remote(run) => (&run.id, 0),
        }
    }

    /// Returns the event as JSON.
    pub(crate) fn render(&self, place: &EventSource<'_>) -> String {
        let (subject, number) = self.subject();
        let mut random = SplitMix64::keyed(place.seed, subject, number);
        let id = random.uuid();
        let (kind, at, connector, mut detail) = match self {
            Self::File(started, index) => match started.files.get(*index) {
                Some(file) => of_file(started, file, &mut random),
                None => return String::new(),
            },
            Self::Remote(run) => of_remote(run, &mut random),
        };
        let (connector, spec) = connector;
        detail["connector-id"] = connector.as_str().into();
        match spec.egress {
            Egress::ServiceManaged => detail["url"] = format!("sftp://{}", spec.host).into(),
            Egress::VpcLattice => detail["egress-type"] = "VPC_LATTICE".into(),
        }
        json!({
            "version": "0",
            "id": id,
            "detail-type": format!("SFTP Connector {kind}"),
            "source": "aws.transfer",
            "account": place.account_id,
            "time": humantime::format_rfc3339_seconds(at).to_string(),
            "region": place.region,
            "resources": [format!("arn:aws:transfer:{}:{}:connector/{connector}", place.region, place.account_id)],
            "detail": detail,
        })
        .to_string()
    }
}

/// Detail type, end time, connector and detail.
type Rendered<'a> = (
    String,
    SystemTime,
    (&'a ConnectorId, &'a ConnectorSpec),
    Value,
);

fn of_file<'a>(
    started: &'a StartedTransfer,
    file: &FileScript,
    random: &mut SplitMix64,
) -> Rendered<'a> {
    let ended_at = started.ended_at(file).unwrap_or(started.started_at);
    let begun_at = started
        .started_at
        .checked_add(file.life.queued_for)
        .unwrap_or(ended_at);
    let (bucket, key) = local_file(&file.path, started);
    let file_id = random.uuid();
    let drawn = size(random);
    let mut detail = json!({
        "operation": started.direction.as_str(),
        "transfer-id": started.transfer.as_str(),
        "file-transfer-id": format!("{}/{file_id}", started.transfer),
        "file-path": file.path,
        "start-timestamp": stamp(begun_at),
        "end-timestamp": stamp(ended_at),
        "local-file-location": { "domain": "S3", "bucket": bucket, "key": key },
    });
    let directory = started.directory.clone();
    let word = match started.direction {
        Direction::Send => {
            detail["remote-directory-path"] = directory.unwrap_or_default().into();
            "Send"
        }
        Direction::Retrieve => {
            let directory = directory.unwrap_or_else(|| format!("/{bucket}"));
            detail["local-directory-path"] = directory.into();
            "Retrieve"
        }
    };
    let end = if let End::Failed { code, message } = &file.life.end {
        detail["bytes"] = 0.into();
        failed(&mut detail, code.as_deref(), message.as_deref())
    } else {
        detail["bytes"] = file.bytes.unwrap_or(drawn).into();
        completed(&mut detail)
    };
    (
        format!("File {word} {end}"),
        ended_at,
        (&started.connector, &started.spec),
        detail,
    )
}

fn of_remote<'a>(run: &'a RemoteRun, random: &mut SplitMix64) -> Rendered<'a> {
    let (words, mut detail) = match &run.kind {
        RemoteKind::List {
            directory,
            output,
            max_items,
        } => {
            let (bucket, prefix) = local(output, Direction::Send);
            let items = u64::try_from(random.below(400)).unwrap_or(0);
            let mut detail = json!({
                "listing-id": run.id,
                "remote-directory-path": directory,
                "output-directory-path": output,
                "max-items": max_items,
            });
            if run.failure.is_none() {
                detail["item-count"] = items.min(*max_items).into();
                detail["truncated"] = (items > *max_items).into();
                let key = format!("{prefix}/{}-{}.json", run.connector, run.id);
                detail["output-file-location"] =
                    json!({ "domain": "S3", "bucket": bucket, "key": key });
            }
            ("Directory Listing", detail)
        }
        RemoteKind::Move { source, target } => (
            "Remote Move",
            json!({ "operation": "MOVE", "move-id": run.id, "move-source-path": source, "move-target-path": target }),
        ),
        RemoteKind::Delete { path } => (
            "Remote Delete",
            json!({ "operation": "DELETE", "delete-id": run.id, "delete-path": path }),
        ),
    };
    detail["start-timestamp"] = stamp(run.started_at).into();
    detail["end-timestamp"] = stamp(run.ended_at).into();
    let end = match &run.failure {
        Some((code, message)) => failed(&mut detail, Some(code), Some(message)),
        None => completed(&mut detail),
    };
    (
        format!("{words} {end}"),
        run.ended_at,
        (&run.connector, &run.spec),
        detail,
    )
}

fn completed(detail: &mut Value) -> &'static str {
    detail["status-code"] = "COMPLETED".into();
    "Completed"
}

fn failed(detail: &mut Value, code: Option<&str>, message: Option<&str>) -> &'static str {
    detail["status-code"] = "FAILED".into();
    for (member, value) in [("failure-code", code), ("failure-message", message)] {
        if let Some(value) = value {
            detail[member] = value.into();
        }
    }
    "Failed"
}

/// Returns bucket and key of a file. A retrieved file goes to the local directory, if there is one.
fn local_file(path: &str, started: &StartedTransfer) -> (String, String) {
    let (bucket, key) = local(path, started.direction);
    match (started.direction, &started.directory) {
        (Direction::Retrieve, Some(directory)) => {
            let directory = directory.trim_matches('/');
            let (bucket, prefix) = directory.split_once('/').unwrap_or((directory, ""));
            let slash = if prefix.is_empty() { "" } else { "/" };
            (bucket.to_owned(), format!("{prefix}{slash}{key}"))
        }
        _ => (bucket.to_owned(), key.to_owned()),
    }
}

/// Returns bucket and key. Sent files come from the bucket in their path; retrieved files go to a
/// fixed bucket.
fn local(path: &str, direction: Direction) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    match (direction, path.split_once('/')) {
        (Direction::Send, Some((bucket, key))) => (bucket, key),
        (Direction::Send, None) | (Direction::Retrieve, _) => {
            ("transfer-inbound", path.rsplit('/').next().unwrap_or(path))
        }
    }
}

/// Draws a size between 1 KiB and 32 MiB, uniform in magnitude.
fn size(random: &mut SplitMix64) -> u64 {
    let least = 1_usize << (10 + random.below(15));
    u64::try_from(least + random.below(least)).unwrap_or(0)
}

fn stamp(at: SystemTime) -> String {
    humantime::format_rfc3339_micros(at).to_string()
}
