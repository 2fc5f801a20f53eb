//! Durations in JSON: a number of seconds, a text such as `50ms` or `7d`, or `forever`.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Text for `Duration::MAX`.
const FOREVER: &str = "forever";

/// Parses a text such as `50ms`, `7d` or `forever`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if text == FOREVER {
        return Ok(Duration::MAX);
    }
    humantime::parse_duration(text)
        .map_err(|error| format!("`{text}` is no duration such as `50ms` or `7d`: {error}"))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_any(Span)
}

pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    if *span == Duration::MAX {
        to.serialize_str(FOREVER)
    } else {
        to.serialize_f64(span.as_secs_f64())
    }
}

struct Span;

impl Visitor<'_> for Span {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, or a text such as `50ms`")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds)
            .map(Duration::from_secs)
            .map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Duration, E> {
        Duration::try_from_secs_f64(seconds).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_seconds_and_texts_name_their_unit() {
        let read = |json: &str| deserialize(&mut serde_json::Deserializer::from_str(json));
        assert_eq!(read("2").unwrap(), Duration::from_secs(2));
        assert_eq!(read("0.25").unwrap(), Duration::from_millis(250));
        assert_eq!(read("\"50ms\"").unwrap(), Duration::from_millis(50));
        assert_eq!(read("\"forever\"").unwrap(), Duration::MAX);
        for bad in ["-1", "-0.5", "\"soon\"", "true", "null", "1e300"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
