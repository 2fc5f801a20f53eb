//! Parses messages of a queue and records of CloudTrail into facts. Pure.
//!
//! | body | facts |
//! | --- | --- |
//! | EventBridge event `SFTP Connector File ...` | the transfer exists; its file has ended |
//! | EventBridge event `SFTP Connector Directory Listing ...`, `Remote Move ...`, `Remote Delete ...` | the operation has ended |
//! | EventBridge event `AWS API Call via CloudTrail` of `StartFileTransfer` | the transfer has started; none if the call failed |
//! | `{"ConnectorId": ..., "TransferId": ...}` or a list of such objects, optionally with `StartedAt` | the transfers have started |
//! | any of these as `Message` of an SNS notification | the same |
//! | any other EventBridge event | none: foreign |
//!
//! The fields are those of <https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html>.
//! Optional ones may be missing or of another type. The ids are required: without them nothing can
//! be counted or polled.

mod cloudtrail;
mod eventbridge;
mod json;

use std::time::SystemTime;

use serde_json::Value;

use self::json::{text, time};
use super::ConnectorFilter;
use model::{Account, ConnectorId, Fact, TransferId, TransferKey, TransferStart};

/// Selects the events of one source.
#[derive(Clone, Copy, Debug)]
pub struct EventFilter<'a> {
    /// The account that the transfers belong to, and its Region: events of another are foreign.
    pub account: &'a Account,
    /// The connectors.
    pub connectors: &'a ConnectorFilter,
}

/// A message that was understood.
#[derive(Clone, Debug, PartialEq)]
pub enum ParsedMessage {
    /// Facts, in the order of the body. Empty if the message reports that nothing has happened.
    Facts(Vec<Fact>),
    /// Nothing that the filter selects.
    Foreign,
}

/// Why a message could not be parsed. The text repeats nothing of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseError {
    /// The body is not JSON.
    #[error("not JSON")]
    NotJson,
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
            Self::UnknownKind => "unknown_kind",
            Self::InvalidField(field) => field,
        }
    }
}

/// Parses the body of a message that was received at `now`.
///
/// # Errors
/// [`ParseError`]; for a list, also if one entry is invalid.
pub fn parse_message(
    text: &str,
    filter: EventFilter<'_>,
    now: SystemTime,
) -> Result<ParsedMessage, ParseError> {
    let body = json::parse(text)?;
    match body.get("Type").and_then(Value::as_str) {
        Some("Notification") => {
            let message = body
                .get("Message")
                .and_then(Value::as_str)
                .ok_or(ParseError::InvalidField("Message"))?;
            parse_unwrapped(&json::parse(message)?, filter, now)
        }
        _ => parse_unwrapped(&body, filter, now),
    }
}

/// Parses a record of CloudTrail. `at` is the time of the call if the record has none.
///
/// # Errors
/// [`ParseError`].
pub fn parse_record(
    text: &str,
    filter: EventFilter<'_>,
    at: Option<SystemTime>,
) -> Result<ParsedMessage, ParseError> {
    cloudtrail::parse(&json::parse(text)?, filter, at)
}

/// Parses a body outside of any SNS notification.
fn parse_unwrapped(
    body: &Value,
    filter: EventFilter<'_>,
    now: SystemTime,
) -> Result<ParsedMessage, ParseError> {
    match body {
        Value::Array(entries) if entries.is_empty() => Ok(ParsedMessage::Facts(Vec::new())),
        Value::Array(entries) => {
            let facts = entries
                .iter()
                .map(|entry| parse_plain(entry, filter))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(selected(facts.into_iter().flatten()))
        }
        Value::Object(event) if event.contains_key("detail-type") => {
            eventbridge::parse(event, filter, now)
        }
        other => Ok(selected(parse_plain(other, filter)?)),
    }
}

/// Parses one object of a plain message; `None` if the filter does not select it.
fn parse_plain(entry: &Value, filter: EventFilter<'_>) -> Result<Option<Fact>, ParseError> {
    let has = |key: &str| entry.get(key).is_some();
    if !has("ConnectorId") && !has("TransferId") {
        return Err(ParseError::UnknownKind);
    }
    let connector = text(entry, "ConnectorId")
        .parse()
        .map_err(|_| ParseError::InvalidField("ConnectorId"))?;
    let transfer = text(entry, "TransferId")
        .parse()
        .map_err(|_| ParseError::InvalidField("TransferId"))?;
    Ok(filter.started(connector, transfer, time(entry, "StartedAt")))
}

impl EventFilter<'_> {
    /// Returns the start of a transfer, if its connector is selected.
    fn started(
        &self,
        connector: ConnectorId,
        transfer: TransferId,
        started_at: Option<SystemTime>,
    ) -> Option<Fact> {
        self.connectors.matches(connector.as_str()).then(|| {
            Fact::Started(TransferStart {
                key: self.key(connector, transfer),
                started_at,
                reported_at: None,
                files: None,
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

/// Returns the selected facts, or that there were none.
fn selected(facts: impl IntoIterator<Item = Fact>) -> ParsedMessage {
    let facts: Vec<_> = facts.into_iter().collect();
    if facts.is_empty() {
        ParsedMessage::Foreign
    } else {
        ParsedMessage::Facts(facts)
    }
}

#[cfg(test)]
mod tests;
