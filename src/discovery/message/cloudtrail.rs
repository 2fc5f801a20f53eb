//! Records of CloudTrail, from the event history or from EventBridge.

use std::time::SystemTime;

use serde_json::Value;

use super::json::{text, time};
use super::{EventFilter, ParseError, ParsedMessage, selected};

const EVENT_NAME: &str = "StartFileTransfer";
const EVENT_SOURCE: &str = "transfer.amazonaws.com";

/// Parses a record. `at` is the time of the call if the record has none.
pub(super) fn parse(
    record: &Value,
    filter: EventFilter<'_>,
    at: Option<SystemTime>,
) -> Result<ParsedMessage, ParseError> {
    if !record.is_object() {
        return Err(ParseError::UnknownKind);
    }
    let name = record
        .get("eventName")
        .and_then(Value::as_str)
        .ok_or(ParseError::InvalidField("eventName"))?;
    let absent_or = |key: &str, expected: &str| {
        let found = text(record, key);
        found.is_empty() || found == expected
    };
    if name != EVENT_NAME
        || !absent_or("eventSource", EVENT_SOURCE)
        || !absent_or("awsRegion", &filter.account.region)
    {
        return Ok(ParsedMessage::Foreign);
    }
    // A call that failed has started nothing.
    if record.get("errorCode").is_some_and(|code| !code.is_null()) {
        return Ok(ParsedMessage::Facts(Vec::new()));
    }
    let member = |section: &str, key| record.get(section).map_or("", |section| text(section, key));
    let connector = member("requestParameters", "connectorId")
        .parse()
        .map_err(|_| ParseError::InvalidField("requestParameters.connectorId"))?;
    let transfer = member("responseElements", "transferId")
        .parse()
        .map_err(|_| ParseError::InvalidField("responseElements.transferId"))?;
    let started_at = time(record, "eventTime").or(at);
    Ok(selected(filter.started(connector, transfer, started_at)))
}
