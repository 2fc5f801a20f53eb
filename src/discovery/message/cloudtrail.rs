//! Records of CloudTrail, from the event history or from EventBridge.

use std::time::SystemTime;

use serde_json::Value;

use super::json::{text, time};
use super::{EventFilter, IgnoredFields, ParseError, ParsedMessage, selected};
use model::{Account, ConnectorId, Fact, TransferId, TransferStart};

const EVENT_NAME: &str = "StartFileTransfer";
const EVENT_SOURCE: &str = "transfer.amazonaws.com";

/// Returns whether the record is one of `StartFileTransfer`.
pub(super) fn is_start(record: &Value) -> Result<bool, ParseError> {
    if !record.is_object() {
        return Err(ParseError::UnknownKind);
    }
    let name = record
        .get("eventName")
        .and_then(Value::as_str)
        .ok_or(ParseError::InvalidField("eventName"))?;
    Ok(name == EVENT_NAME && absent_or(record, "eventSource", EVENT_SOURCE))
}

/// Returns false if the record names another Region than that of `account`.
pub(super) fn is_in_region(record: &Value, account: &Account) -> bool {
    absent_or(record, "awsRegion", &account.region)
}

fn absent_or(record: &Value, key: &str, expected: &str) -> bool {
    let found = text(record, key);
    found.is_empty() || found == expected
}

/// Parses a record for which [`is_start`] is true. `at` is the time of the call if the record has
/// none.
pub(super) fn parse(
    record: &Value,
    filter: EventFilter<'_>,
    at: Option<SystemTime>,
) -> Result<ParsedMessage, ParseError> {
    // A call that failed has started nothing.
    if record.get("errorCode").is_some_and(|code| !code.is_null()) {
        return Ok(ParsedMessage::Facts(Vec::new(), IgnoredFields::default()));
    }
    let member = |section: &str, key| record.get(section).map_or("", |section| text(section, key));
    let connector: ConnectorId = member("requestParameters", "connectorId")
        .parse()
        .map_err(|_| ParseError::InvalidField("requestParameters.connectorId"))?;
    let transfer: TransferId = member("responseElements", "transferId")
        .parse()
        .map_err(|_| ParseError::InvalidField("responseElements.transferId"))?;
    let is_selected = filter.connectors.matches(connector.as_str());
    let start = TransferStart {
        key: filter.key(connector, transfer),
        started_at: time(record, "eventTime").or(at),
        reported_at: None,
        files: requested_files(record),
    };
    let facts = is_selected.then_some(Fact::Started(start));
    Ok(selected(
        facts.into_iter().collect(),
        IgnoredFields::default(),
    ))
}

/// Returns the number of files that the call requested. A record that does not list them, as some
/// do for reasons of security, reports no number.
fn requested_files(record: &Value) -> Option<u32> {
    let parameters = record.get("requestParameters")?;
    let lists = ["sendFilePaths", "retrieveFilePaths"]
        .into_iter()
        .filter_map(|key| parameters.get(key)?.as_array());
    let files = u32::try_from(lists.map(Vec::len).sum::<usize>()).ok()?;
    (files > 0).then_some(files)
}
