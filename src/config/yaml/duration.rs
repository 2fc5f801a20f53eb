//! Durations in the notation of Prometheus: `500ms`, `10s`, `1h30m`.

use std::fmt::Write as _;
use std::time::Duration;

/// Units and their milliseconds, the largest first.
const UNITS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DurationError {
    MissingUnit,
    Negative,
    /// More than 584 million years.
    TooLong,
    Malformed,
}

/// Parses whole numbers with the units `w`, `d`, `h`, `m`, `s` and `ms`, each at most once, the
/// largest first.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    if let Some(positive) = text.strip_prefix('-')
        && digits(positive) > 0
    {
        return Err(DurationError::Negative);
    }
    if text.parse::<f64>().is_ok() {
        return Err(DurationError::MissingUnit);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(digits(rest));
        let unit_len = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(unit_len);
        if number.is_empty() {
            return Err(DurationError::Malformed);
        }
        let (_, factor) = units
            .find(|(name, _)| *name == unit)
            .ok_or(DurationError::Malformed)?;
        let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
        millis = number
            .checked_mul(*factor)
            .and_then(|add| millis.checked_add(add))
            .ok_or(DurationError::TooLong)?;
        rest = tail;
    }
    if text.is_empty() {
        Err(DurationError::Malformed)
    } else {
        Ok(Duration::from_millis(millis))
    }
}

/// Formats `duration`, rounded down to milliseconds, as the shortest text for [`parse_duration`].
pub(crate) fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    // Not weeks, nor a single day: `14d` and `24h` are easier to read than `2w` and `1d`.
    let largest = if millis < 2 * 86_400_000 { 2 } else { 1 };
    for (unit, factor) in &UNITS[largest..] {
        let count = millis / factor;
        millis %= factor;
        if count > 0 {
            let _ = write!(out, "{count}{unit}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_units() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for (text, error) in [
            ("10", DurationError::MissingUnit),
            ("1.5", DurationError::MissingUnit),
            ("-5s", DurationError::Negative),
            ("-5", DurationError::Negative),
            ("", DurationError::Malformed),
            ("s", DurationError::Malformed),
            ("10 s", DurationError::Malformed),
            ("10S", DurationError::Malformed),
            ("1.5s", DurationError::Malformed),
            ("1s1m", DurationError::Malformed),
            ("1m1m", DurationError::Malformed),
            ("1y", DurationError::Malformed),
            ("99999999999999999999s", DurationError::TooLong),
            ("18446744073709551615w", DurationError::TooLong),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn formatted_durations_parse_to_the_same_duration() {
        for text in [
            "0s", "1ms", "100ms", "10m", "24h", "2d", "14d", "365d", "1h30m", "1s500ms",
        ] {
            assert_eq!(
                parse_duration(text).map(format_duration).as_deref(),
                Ok(text)
            );
        }
    }
}
