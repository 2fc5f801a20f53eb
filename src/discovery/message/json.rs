//! Lenient access to JSON: a member of another type counts as absent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::ParseError;

/// Maximum nesting of a body.
const MAX_DEPTH: usize = 64;

/// Bytes of memory that values may take beyond what the size of the body allows, in tenths: any
/// body of an event is below.
const FREE_WEIGHT: usize = 64 << 10;

/// Parses a body whose values take at most about ten times its size in memory.
pub(super) fn parse(text: &str) -> Result<Value, ParseError> {
    if !is_bounded(text) {
        return Err(ParseError::TooDense);
    }
    serde_json::from_str(text).map_err(|_| ParseError::NotJson)
}

/// Returns whether the nesting and the number of values of a body are within bounds. Exact for
/// JSON, where quotes and escapes have one meaning.
fn is_bounded(text: &str) -> bool {
    let (mut depth, mut weight) = (0_usize, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return false;
                }
                // A mapping takes a node with room for eleven entries.
                weight += if byte == b'{' { 48 } else { 8 };
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b':' => weight += 8,
            _ => {}
        }
    }
    weight <= FREE_WEIGHT + text.len()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_bounded_in_depth_and_in_values_for_their_size() {
        let nested = |depth: usize| format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
        let long = |item: &str| format!("[{}]", vec![item; 20_000].join(","));
        for (body, expected) in [
            (nested(MAX_DEPTH), true),
            (nested(MAX_DEPTH + 1), false),
            (r#"{"a":{"b":"#.repeat(100), false),
            (format!("{{\"a\":\"{}\\\"[\"}}", "[".repeat(200)), true),
            (long("0"), false),
            (long("{}"), false),
            (long(r#"{"a":0}"#), false),
            (long(r#""0123456789""#), true),
            (
                long(
                    r#"{"ConnectorId":"c-0123456789abcdef0",
                        "TransferId":"01234567-89ab-cdef-0123-456789abcdef"}"#,
                ),
                true,
            ),
        ] {
            let start: String = body.chars().take(40).collect();
            assert_eq!(is_bounded(&body), expected, "{start}");
            let is_refused = matches!(parse(&body), Err(ParseError::TooDense));
            assert_eq!(is_refused, !expected, "{start}");
        }
    }
}
