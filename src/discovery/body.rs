//! What messages of a queue and records of CloudTrail say. Pure: a text becomes facts.
//!
//! | body | tells |
//! | --- | --- |
//! | event `SFTP Connector File ...` of EventBridge | that a file has ended, and so that there is its transfer |
//! | event `SFTP Connector Directory Listing ...`, `Remote Move ...`, `Remote Delete ...` | how that operation ended |
//! | event `AWS API Call via CloudTrail` of `StartFileTransfer` | that a transfer has started; nothing where the call was refused |
//! | `{"ConnectorId": ..., "TransferId": ...}`, or a list of such | the same; `StartedAt` may stand beside them |
//! | any of these as `Message` of an SNS notification | the same |
//! | any other event of EventBridge | nothing, and nobody else waits for it here |
//!
//! The fields are those of <https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html>. Optional
//! ones may be missing or of another type. The ids have to be there: without them nothing can be counted or asked for.

use std::time::SystemTime;

use serde_json::{Map, Value};

use super::Include;
use model::{
    Account, ConnectorId, ConnectorKey, Direction, Fact, FileEnd, Finished, OperationEnd,
    RemoteOperation, StartedTransfer, TransferId, TransferKey,
};

/// Of every event of Transfer Family, those that CloudTrail sends included.
const SOURCE: &str = "aws.transfer";
/// `eventSource` of CloudTrail's records.
const EVENT_SOURCE: &str = "transfer.amazonaws.com";
const API_CALL: &str = "AWS API Call via CloudTrail";
const START: &str = "StartFileTransfer";

/// Whose transfers are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The account that a body's transfers belong to, and its Region: what is of another Region is foreign.
    pub account: &'a Account,
    /// The connectors.
    pub include: &'a Include,
}

/// What a body that is understood says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Facts, in the order of the body. None if it tells that nothing has happened.
    Facts(Vec<Fact>),
    /// Nothing about what is wanted.
    Foreign,
}

/// Why nobody understands a body. Repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unknown {
    /// No JSON.
    #[error("not JSON")]
    NotJson,
    /// JSON of no kind that is known.
    #[error("neither an event, nor a plain message with `ConnectorId` and `TransferId`")]
    NoKind,
    /// Of a known kind, without a field that is needed, or with one that cannot be.
    #[error("no `{0}` that is one")]
    Lacks(&'static str),
}

impl Unknown {
    /// A bounded name.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NoKind => "no_kind",
            Self::Lacks(field) => field,
        }
    }
}

/// Reads the body of a message that was received at `now`.
///
/// # Errors
/// [`Unknown`], of a list also if one entry of it is.
pub fn read(text: &str, wanted: Wanted<'_>, now: SystemTime) -> Result<Body, Unknown> {
    let body = json(text)?;
    match body.get("Type").and_then(Value::as_str) {
        Some("Notification") => {
            let message = body
                .get("Message")
                .and_then(Value::as_str)
                .ok_or(Unknown::Lacks("Message"))?;
            unwrapped(&json(message)?, wanted, now)
        }
        _ => unwrapped(&body, wanted, now),
    }
}

/// Reads a record of CloudTrail, whose event was at `at` if it does not say so itself.
///
/// # Errors
/// [`Unknown`].
pub fn read_record(
    text: &str,
    wanted: Wanted<'_>,
    at: Option<SystemTime>,
) -> Result<Body, Unknown> {
    record(&json(text)?, wanted, at)
}

fn json(text: &str) -> Result<Value, Unknown> {
    serde_json::from_str(text).map_err(|_| Unknown::NotJson)
}

fn unwrapped(body: &Value, wanted: Wanted<'_>, now: SystemTime) -> Result<Body, Unknown> {
    match body {
        Value::Array(entries) => {
            let facts = entries
                .iter()
                .map(|entry| plain(entry, wanted))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(left(
                facts.into_iter().flatten().collect(),
                entries.is_empty(),
            ))
        }
        Value::Object(event) if event.contains_key("detail-type") => {
            eventbridge(event, wanted, now)
        }
        other => Ok(left(plain(other, wanted)?.into_iter().collect(), false)),
    }
}

/// One entry of a plain message; `None` where it is not wanted.
fn plain(entry: &Value, wanted: Wanted<'_>) -> Result<Option<Fact>, Unknown> {
    let has = |key: &str| entry.get(key).is_some();
    if !has("ConnectorId") && !has("TransferId") {
        return Err(Unknown::NoKind);
    }
    let connector = text(entry, "ConnectorId")
        .parse()
        .map_err(|_| Unknown::Lacks("ConnectorId"))?;
    let transfer = text(entry, "TransferId")
        .parse()
        .map_err(|_| Unknown::Lacks("TransferId"))?;
    Ok(wanted.started(connector, transfer, time(entry, "StartedAt")))
}

fn eventbridge(
    event: &Map<String, Value>,
    wanted: Wanted<'_>,
    now: SystemTime,
) -> Result<Body, Unknown> {
    let of = |key: &str| event.get(key).and_then(Value::as_str);
    let (Some(source), Some(detail_type)) = (of("source"), of("detail-type")) else {
        return Err(Unknown::NoKind);
    };
    let detail = event
        .get("detail")
        .filter(|detail| detail.is_object())
        .ok_or(Unknown::Lacks("detail"))?;
    if source != SOURCE || of("region").is_some_and(|region| region != &*wanted.account.region) {
        return Ok(Body::Foreign);
    }
    if detail_type == API_CALL {
        return record(detail, wanted, of("time").and_then(timestamp));
    }
    let Some((kind, completed)) = Kind::of(detail_type) else {
        return Ok(Body::Foreign);
    };
    let event = Event {
        detail,
        id: of("id").unwrap_or_default(),
        at: of("time").and_then(timestamp),
        completed,
        connector: text(detail, "connector-id")
            .parse()
            .map_err(|_| Unknown::Lacks("detail.connector-id"))?,
    };
    if !wanted.include.takes(event.connector.as_str()) {
        return Ok(Body::Foreign);
    }
    Ok(Body::Facts(match kind {
        Kind::File(direction) => event.file(direction, wanted, now)?,
        Kind::Operation(operation) => vec![event.operation(operation, wanted)?],
    }))
}

fn record(record: &Value, wanted: Wanted<'_>, at: Option<SystemTime>) -> Result<Body, Unknown> {
    if !record.is_object() {
        return Err(Unknown::NoKind);
    }
    let name = record
        .get("eventName")
        .and_then(Value::as_str)
        .ok_or(Unknown::Lacks("eventName"))?;
    let of_here = |key: &str, here: &str| text(record, key).is_empty() || text(record, key) == here;
    if name != START
        || !of_here("eventSource", EVENT_SOURCE)
        || !of_here("awsRegion", &wanted.account.region)
    {
        return Ok(Body::Foreign);
    }
    // A call that was refused has started nothing.
    if record.get("errorCode").is_some_and(|code| !code.is_null()) {
        return Ok(Body::Facts(Vec::new()));
    }
    let member = |section: &str, key| record.get(section).map_or("", |section| text(section, key));
    let connector = member("requestParameters", "connectorId").parse();
    let connector = connector.map_err(|_| Unknown::Lacks("requestParameters.connectorId"))?;
    let transfer = member("responseElements", "transferId").parse();
    let transfer = transfer.map_err(|_| Unknown::Lacks("responseElements.transferId"))?;
    let started = wanted.started(connector, transfer, time(record, "eventTime").or(at));
    Ok(left(started.into_iter().collect(), false))
}

impl Wanted<'_> {
    fn started(
        &self,
        connector: ConnectorId,
        transfer: TransferId,
        started_at: Option<SystemTime>,
    ) -> Option<Fact> {
        let wanted = self.include.takes(connector.as_str());
        wanted.then(|| {
            Fact::Started(StartedTransfer {
                key: self.key(connector, transfer),
                started_at,
            })
        })
    }

    fn key(&self, connector: ConnectorId, transfer: TransferId) -> TransferKey {
        TransferKey {
            account: self.account.name.clone(),
            connector,
            transfer,
        }
    }
}

/// What is left where [`Include`] has taken its own.
fn left(facts: Vec<Fact>, told_none: bool) -> Body {
    if facts.is_empty() && !told_none {
        Body::Foreign
    } else {
        Body::Facts(facts)
    }
}

/// What a type of event is about.
#[derive(Clone, Copy)]
enum Kind {
    File(Direction),
    Operation(RemoteOperation),
}

impl Kind {
    /// With true for `Completed`; `None` for what is none of the ten types.
    fn of(detail_type: &str) -> Option<(Self, bool)> {
        let (kind, end) = detail_type
            .strip_prefix("SFTP Connector ")?
            .rsplit_once(' ')?;
        let completed = match end {
            "Completed" => true,
            "Failed" => false,
            _ => return None,
        };
        let kind = match kind {
            "File Send" => Self::File(Direction::Send),
            "File Retrieve" => Self::File(Direction::Retrieve),
            "Directory Listing" => Self::Operation(RemoteOperation::List),
            "Remote Move" => Self::Operation(RemoteOperation::Move),
            "Remote Delete" => Self::Operation(RemoteOperation::Delete),
            _ => return None,
        };
        Some((kind, completed))
    }
}

/// An event of a connector.
struct Event<'a> {
    detail: &'a Value,
    id: &'a str,
    at: Option<SystemTime>,
    completed: bool,
    connector: ConnectorId,
}

impl Event<'_> {
    /// That there is the transfer, and that its file has ended.
    fn file(
        self,
        direction: Direction,
        wanted: Wanted<'_>,
        now: SystemTime,
    ) -> Result<Vec<Fact>, Unknown> {
        let transfer = text(self.detail, "transfer-id")
            .parse()
            .map_err(|_| Unknown::Lacks("detail.transfer-id"))?;
        let (start, end) = (
            time(self.detail, "start-timestamp"),
            time(self.detail, "end-timestamp"),
        );
        let end_of = self.end();
        let message = self.message();
        let file_transfer_id = self.file_transfer_id();
        let key = wanted.key(self.connector, transfer);
        let file = FileEnd {
            key: key.clone(),
            file_transfer_id,
            direction,
            path: text(self.detail, "file-path").to_owned(),
            end: end_of,
            message,
            bytes: self.detail.get("bytes").map_or(0, whole),
            duration: start
                .zip(end)
                .and_then(|(start, end)| end.duration_since(start).ok()),
            // No file ends in the future: a time that says so would stand as the newest for long.
            ended_at: end.or(self.at).map_or(now, |at| at.min(now)),
        };
        Ok(vec![
            Fact::Started(StartedTransfer {
                key,
                started_at: None,
            }),
            Fact::FileEnded(file),
        ])
    }

    fn operation(self, operation: RemoteOperation, wanted: Wanted<'_>) -> Result<Fact, Unknown> {
        let name = match operation {
            RemoteOperation::List => "listing-id",
            RemoteOperation::Move => "move-id",
            RemoteOperation::Delete => "delete-id",
        };
        // Copies of an event have its id in common.
        let id = [text(self.detail, name), self.id]
            .into_iter()
            .find(|id| !id.is_empty());
        let id = id.ok_or(Unknown::Lacks("id"))?.to_owned();
        let (end, message) = (self.end(), self.message());
        let connector = ConnectorKey {
            account: wanted.account.name.clone(),
            id: self.connector,
        };
        Ok(Fact::OperationEnded(OperationEnd {
            connector,
            operation,
            id,
            end,
            message,
        }))
    }

    /// What `status-code` says, else the type.
    fn end(&self) -> Finished {
        let code = text(self.detail, "failure-code");
        let status = if self.completed {
            "COMPLETED"
        } else {
            "FAILED"
        };
        let told = Finished::from_wire(text(self.detail, "status-code"), Some(code));
        told.or_else(|| Finished::from_wire(status, Some(code)))
            .unwrap_or(Finished::Completed)
    }

    fn message(&self) -> Option<String> {
        let message = text(self.detail, "failure-message");
        (!message.is_empty()).then(|| message.to_owned())
    }

    /// `file-transfer-id`. An event without one gets an id of its transfer and its path, which every copy has in common;
    /// then one path twice in a transfer is one file. Without a path the event's own id stands for it.
    fn file_transfer_id(&self) -> String {
        let told = text(self.detail, "file-transfer-id");
        if !told.is_empty() {
            return told.to_owned();
        }
        let path = text(self.detail, "file-path");
        // No `file-transfer-id` holds a line break.
        format!(
            "{}\n{}",
            text(self.detail, "transfer-id"),
            if path.is_empty() { self.id } else { path }
        )
    }
}

/// A member that is a text; empty where it is none.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn time(value: &Value, key: &str) -> Option<SystemTime> {
    timestamp(text(value, key))
}

/// RFC 3339 in UTC.
fn timestamp(text: &str) -> Option<SystemTime> {
    match text.strip_suffix("+00:00") {
        Some(utc) => humantime::parse_rfc3339(&format!("{utc}Z")).ok(),
        None => humantime::parse_rfc3339(text).ok(),
    }
}

/// A count, however it is written; 0 for what is none.
fn whole(value: &Value) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and has 0 for no number"
    )]
    let float = || value.as_f64().map(|number| number as u64);
    let text = || value.as_str().and_then(|text| text.parse().ok());
    value.as_u64().or_else(float).or_else(text).unwrap_or(0)
}

#[cfg(test)]
#[path = "body_fuzz_tests.rs"]
mod body_fuzz_tests;
#[cfg(test)]
#[path = "body_tests.rs"]
mod body_tests;
