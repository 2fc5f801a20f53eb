//! Parses messages of a queue and records of CloudTrail into facts. Pure.
//!
//! | body | facts |
//! | --- | --- |
//! | EventBridge event `SFTP Connector File ...` | the transfer exists; its file has ended |
//! | EventBridge event `SFTP Connector Directory Listing ...`, `Remote Move ...`, `Remote Delete ...` | the operation has ended |
//! | EventBridge event `AWS API Call via CloudTrail` of `StartFileTransfer` | the transfer has started; none if the call failed |
//! | `{"ConnectorId": ..., "TransferId": ...}` or a list of such objects, optionally with `StartedAt` and `Files` | the transfers have started |
//! | any of these as `Message` of an SNS notification | the same |
//! | any other EventBridge event | none: foreign |
//!
//! An event belongs to the configured account that its `account` and `region` name: see `routing`.
//!
//! The fields are those of <https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html>.
//! Optional ones may be missing or of another type. The ids are required: without them nothing can
//! be counted or polled.

mod cloudtrail;
mod eventbridge;
mod json;
mod routing;

use std::time::SystemTime;

use serde_json::Value;

use self::json::{text, written_time};
use super::ConnectorFilter;
use model::{Account, ConnectorId, Fact, TransferId, TransferKey, TransferStart};

pub use routing::{AccountRoute, MessageRouting, Unrouted};

/// Selects the events of one account.
#[derive(Clone, Copy, Debug)]
pub struct EventFilter<'a> {
    /// The account that the transfers belong to.
    pub account: &'a Account,
    /// The connectors.
    pub connectors: &'a ConnectorFilter,
}

/// A message that was understood.
#[derive(Clone, Debug, PartialEq)]
pub enum ParsedMessage {
    /// Facts, in the order of the body. Empty if the message reports that nothing has happened.
    Facts(Vec<Fact>, IgnoredFields),
    /// No event of a connector, or of none that the filter selects.
    Foreign,
    /// An event of a connector in an AWS account and Region that are not configured.
    Unrouted(Unrouted),
}

/// Number of optional fields of plain messages that are present and cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IgnoredFields {
    /// `StartedAt`.
    pub started_at: usize,
    /// `Files`.
    pub files: usize,
}

impl IgnoredFields {
    /// Returns the fields, by their names in a message.
    pub fn by_name(self) -> [(&'static str, usize); 2] {
        [("StartedAt", self.started_at), ("Files", self.files)]
    }
}

/// When a message was received and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageTimes {
    /// Time of the receive.
    pub now: SystemTime,
    /// When the message was sent to the queue, if the queue reports it.
    pub sent_at: Option<SystemTime>,
}

/// Why a message could not be parsed. The text repeats nothing of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseError {
    /// The body is not JSON.
    #[error("not JSON")]
    NotJson,
    /// Nested deeply, or of many small values: parsing would take much more memory than the body.
    #[error("nested too deeply, or too many values for its size")]
    TooDense,
    /// The body is JSON of no known kind.
    #[error("neither an event, nor a plain message with `ConnectorId` and `TransferId`")]
    UnknownKind,
    /// A required field is missing or invalid.
    #[error("missing or invalid `{0}`")]
    InvalidField(&'static str),
}

impl ParseError {
    /// Returns a name with bounded cardinality.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::TooDense => "too_dense",
            Self::UnknownKind => "unknown_kind",
            Self::InvalidField(field) => field,
        }
    }
}

/// Parses the body of a message.
///
/// # Errors
/// [`ParseError`]; for a list, also if one entry is invalid.
pub fn parse_message(
    text: &str,
    routing: MessageRouting<'_>,
    times: MessageTimes,
) -> Result<ParsedMessage, ParseError> {
    let body = json::parse(text)?;
    match body.get("Type").and_then(Value::as_str) {
        Some("Notification") => {
            let message = body
                .get("Message")
                .and_then(Value::as_str)
                .ok_or(ParseError::InvalidField("Message"))?;
            parse_unwrapped(&json::parse(message)?, routing, times)
        }
        _ => parse_unwrapped(&body, routing, times),
    }
}

/// Parses a record of the event history of an account. `at` is the time of the call if the record
/// has none.
///
/// # Errors
/// [`ParseError`].
pub fn parse_record(
    text: &str,
    filter: EventFilter<'_>,
    at: Option<SystemTime>,
) -> Result<ParsedMessage, ParseError> {
    let record = json::parse(text)?;
    if cloudtrail::is_start(&record)? && cloudtrail::is_in_region(&record, filter.account) {
        cloudtrail::parse(&record, filter, at)
    } else {
        Ok(ParsedMessage::Foreign)
    }
}

/// Parses a body outside of any SNS notification.
fn parse_unwrapped(
    body: &Value,
    routing: MessageRouting<'_>,
    times: MessageTimes,
) -> Result<ParsedMessage, ParseError> {
    let plain = |entries: &[Value]| {
        let (mut facts, mut ignored) = (Vec::new(), IgnoredFields::default());
        for entry in entries {
            facts.extend(parse_plain(
                entry,
                routing.queue_account(),
                times,
                &mut ignored,
            )?);
        }
        Ok(selected(facts, ignored))
    };
    match body {
        Value::Array(entries) if entries.is_empty() => {
            Ok(ParsedMessage::Facts(Vec::new(), IgnoredFields::default()))
        }
        Value::Array(entries) => plain(entries),
        Value::Object(event) if event.contains_key("detail-type") => {
            eventbridge::parse(event, routing, times.now)
        }
        other => plain(std::slice::from_ref(other)),
    }
}

/// Parses one object of a plain message; `None` if the filter does not select it.
fn parse_plain(
    entry: &Value,
    filter: EventFilter<'_>,
    times: MessageTimes,
    ignored: &mut IgnoredFields,
) -> Result<Option<Fact>, ParseError> {
    let has = |key: &str| entry.get(key).is_some();
    if !has("ConnectorId") && !has("TransferId") {
        return Err(ParseError::UnknownKind);
    }
    let connector: ConnectorId = text(entry, "ConnectorId")
        .parse()
        .map_err(|_| ParseError::InvalidField("ConnectorId"))?;
    let transfer: TransferId = text(entry, "TransferId")
        .parse()
        .map_err(|_| ParseError::InvalidField("TransferId"))?;
    if !filter.connectors.matches(connector.as_str()) {
        return Ok(None);
    }
    // A time in the future would remain the newest for long.
    let past = |at: SystemTime| at.min(times.now);
    let start = TransferStart {
        started_at: optional(entry, "StartedAt", written_time, &mut ignored.started_at).map(past),
        files: optional(entry, "Files", written_files, &mut ignored.files),
        reported_at: times.sent_at.map(past),
        key: filter.key(connector, transfer),
    };
    Ok(Some(Fact::Started(start)))
}

/// Returns an optional member as `read` reads it. One that it cannot read is counted in `ignored`.
fn optional<T>(
    entry: &Value,
    key: &str,
    read: impl Fn(&Value) -> Option<T>,
    ignored: &mut usize,
) -> Option<T> {
    let value = entry.get(key).filter(|value| !value.is_null())?;
    let found = read(value);
    *ignored += usize::from(found.is_none());
    found
}

fn written_files(value: &Value) -> Option<u32> {
    let files = u32::try_from(value.as_u64()?).ok()?;
    (1..=TransferStart::MAX_FILES)
        .contains(&files)
        .then_some(files)
}

impl EventFilter<'_> {
    fn key(&self, connector: ConnectorId, transfer: TransferId) -> TransferKey {
        TransferKey {
            account: self.account.name.clone(),
            connector,
            transfer,
        }
    }
}

/// Returns the selected facts, or that there were none.
fn selected(facts: Vec<Fact>, ignored: IgnoredFields) -> ParsedMessage {
    if facts.is_empty() {
        ParsedMessage::Foreign
    } else {
        ParsedMessage::Facts(facts, ignored)
    }
}

#[cfg(test)]
mod tests;
