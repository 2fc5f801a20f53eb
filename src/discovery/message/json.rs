//! Lenient access to JSON: a member of another type counts as absent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// Parses a date and time: RFC 3339 with any offset, or without one, which is UTC. A space may
/// replace the `T`.
pub(super) fn timestamp(text: &str) -> Option<SystemTime> {
    if !text.is_ascii() {
        return None;
    }
    let text = text.trim().to_ascii_uppercase();
    // `YYYY-MM-DDTHH:MM:SS` has no sign of an offset.
    let sign = text.get(19..)?.find(['+', '-']).map(|at| at + 19);
    let Some(sign) = sign else {
        return humantime::parse_rfc3339_weak(&text).ok();
    };
    let (local, offset) = (text[..sign].trim_end(), &text[sign..]);
    let at = humantime::parse_rfc3339_weak(local)
        .ok()
        .filter(|_| !local.ends_with('Z'))?;
    let by = offset_length(&offset[1..])?;
    if offset.starts_with('+') {
        at.checked_sub(by)
    } else {
        at.checked_add(by)
    }
}

/// Parses `HH:MM`, `HHMM` or `HH`.
fn offset_length(text: &str) -> Option<Duration> {
    let (hours, minutes) = match text.len() {
        5 => text.split_once(':')?,
        4 => text.split_at(2),
        2 => (text, "00"),
        _ => return None,
    };
    let number = |digits: &str, below: u64| {
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.parse().ok().filter(|_| is_number)?;
        (number < below).then_some(number)
    };
    let minutes = number(hours, 24)? * 60 + number(minutes, 60)?;
    Some(Duration::from_mins(minutes))
}

/// Returns a time that a caller wrote: a date and time as [`timestamp`] reads it, or Unix time in
/// seconds or milliseconds, as a number or a string. A number is in seconds if it is a time from
/// 2001 to 5138 so, and likewise in milliseconds; other numbers are no time.
pub(super) fn written_time(value: &Value) -> Option<SystemTime> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.trim().parse() {
            Ok(number) => Some(number),
            Err(_) => return timestamp(text),
        },
        _ => None,
    }?;
    let seconds = if (1e9..1e11).contains(&number) {
        number
    } else if (1e12..1e14).contains(&number) {
        number / 1e3
    } else {
        return None;
    };
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
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
