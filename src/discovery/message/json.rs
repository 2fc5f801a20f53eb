//! Lenient access to JSON: a member of another type counts as absent.

use std::time::SystemTime;

use serde_json::Value;

use super::ParseError;

pub(super) fn parse(text: &str) -> Result<Value, ParseError> {
    serde_json::from_str(text).map_err(|_| ParseError::NotJson)
}

/// Returns a string member, or an empty string.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Returns a timestamp member.
pub(super) fn time(value: &Value, key: &str) -> Option<SystemTime> {
    timestamp(text(value, key))
}

/// Parses RFC 3339 in UTC.
pub(super) fn timestamp(text: &str) -> Option<SystemTime> {
    match text.strip_suffix("+00:00") {
        Some(utc) => humantime::parse_rfc3339(&format!("{utc}Z")).ok(),
        None => humantime::parse_rfc3339(text).ok(),
    }
}

/// Returns a count written as a number or a string, or 0.
pub(super) fn count(value: &Value) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and has 0 for NaN"
    )]
    let float = || value.as_f64().map(|number| number as u64);
    let text = || value.as_str().and_then(|text| text.parse().ok());
    value.as_u64().or_else(float).or_else(text).unwrap_or(0)
}
