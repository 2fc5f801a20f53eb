//! `rate_limit`.

use std::time::Duration;

use crate::config::yaml::{
    Field, FromScalar, ProblemList, Scalar, ScalarError, Spanned, escape, mapping,
};

/// Maximum of `burst`; a larger bucket limits nothing.
const MAX_BURST: i64 = 1_000_000;

const BURST_HINT: &str = "set how many requests are accepted at once, for example `burst: 20`";

mapping! {
    pub(super) struct RateLimitSection {
        interval: GoDuration,
        burst: i64,
    }
}

/// A token bucket of `burst` requests that gains one request per `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Greater than 0.
    pub interval: Duration,
    /// 1 to 1,000,000.
    pub burst: u32,
}

pub(super) fn resolve(
    section: &Spanned<RateLimitSection>,
    problems: &mut ProblemList,
) -> Option<RateLimitConfig> {
    let RateLimitSection { interval, burst } = &section.value;
    let interval = match interval {
        Field::Invalid => return None,
        Field::Valid(interval) => interval.value.0,
        Field::Absent => Duration::ZERO,
    };
    if interval.is_zero() {
        // As in the toolkit, an interval of 0 disables the limit.
        if let Some(burst) = burst.value().filter(|burst| burst.value > 0) {
            problems
                .report(
                    burst.line,
                    "rate_limit.burst",
                    "has no effect without `interval`",
                )
                .with_hint(
                    "set how often one more request is accepted, for example `interval: 100ms`",
                );
        }
        return None;
    }
    if burst.is_absent() {
        let message = "required key is missing: no request would be accepted";
        problems
            .report(section.line, "rate_limit.burst", message)
            .with_hint(BURST_HINT);
    }
    let burst = burst.value()?;
    if !(1..=MAX_BURST).contains(&burst.value) {
        let message = format!("value is out of range: {}", burst.value);
        problems
            .report(burst.line, "rate_limit.burst", message)
            .with_hint("allowed: 1 to 1000000");
        return None;
    }
    let burst = u32::try_from(burst.value).ok()?;
    Some(RateLimitConfig { interval, burst })
}

/// A duration in Go's notation, which the toolkit uses: `1m30s`, `1.5s`, `100us`, but not days.
#[derive(Debug)]
pub(super) struct GoDuration(Duration);

impl FromScalar for GoDuration {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, ScalarError> {
        let error = |message| ScalarError {
            message,
            shown: match scalar {
                Scalar::Text { text, .. } => Some(escape(text)),
                _ => None,
            },
            hint: Some(
                "write a number with `ns`, `us`, `ms`, `s`, `m` or `h`, at most 24 hours, for example `100ms` or `1m30s`",
            ),
        };
        match scalar {
            Scalar::Int(0) => Ok(Self(Duration::ZERO)),
            Scalar::Int(_) | Scalar::Float(_) => Err(error("duration without a unit")),
            Scalar::Text { text, .. } => parse_go_duration(text)
                .map(Self)
                .ok_or_else(|| error("invalid duration")),
            Scalar::Bool(_) => Err(error("invalid duration")),
        }
    }
}

/// Units in nanoseconds.
const GO_UNITS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Go accepts longer durations, but they make no sense for a rate.
const MAX_NANOS: f64 = 24.0 * 3600e9;

fn parse_go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number);
        let unit = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let (_, factor) = GO_UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    (!text.is_empty() && nanos <= MAX_NANOS).then(|| Duration::from_secs_f64(nanos / 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_the_notation_of_go() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("1s", 1000),
            ("1.5s", 1500),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1000us", 1),
            (".5s", 500),
        ] {
            let duration = Some(Duration::from_millis(millis));
            assert_eq!(parse_go_duration(text), duration, "{text}");
        }
        for text in [
            "", "s", "1", "1d", "1 s", "-1s", "1s ", "1.2.3s", "1e3s", "25h", "infs",
        ] {
            assert_eq!(parse_go_duration(text), None, "{text}");
        }
    }
}
