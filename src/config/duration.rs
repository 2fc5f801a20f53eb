//! Durations as people write them: `500ms`, `10s`, `1h30m`.

use std::fmt::Write as _;
use std::time::Duration;

/// Unit and its milliseconds, the largest first.
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
pub(super) enum DurationFault {
    /// A bare number.
    NoUnit,
    /// A number below zero.
    Negative,
    /// More than 584 million years.
    TooLong,
    /// Anything else.
    Malformed,
}

/// Reads whole numbers with the units `w`, `d`, `h`, `m`, `s` and `ms`, each at most once, the largest first.
pub(super) fn parse(text: &str) -> Result<Duration, DurationFault> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    if let Some(positive) = text.strip_prefix('-')
        && digits(positive) > 0
    {
        return Err(DurationFault::Negative);
    }
    if text.parse::<f64>().is_ok() {
        return Err(DurationFault::NoUnit);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(digits(rest));
        let unit_len = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(unit_len);
        if number.is_empty() {
            return Err(DurationFault::Malformed);
        }
        let (_, factor) = units
            .find(|(name, _)| *name == unit)
            .ok_or(DurationFault::Malformed)?;
        let number: u64 = number.parse().map_err(|_| DurationFault::TooLong)?;
        millis = number
            .checked_mul(*factor)
            .and_then(|add| millis.checked_add(add))
            .ok_or(DurationFault::TooLong)?;
        rest = tail;
    }
    if text.is_empty() {
        Err(DurationFault::Malformed)
    } else {
        Ok(Duration::from_millis(millis))
    }
}

/// The shortest text that [`parse`] reads as `duration`, which is whole milliseconds.
pub(super) fn show(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    // Weeks are read but not written, and one day neither: `14d` and `24h` tell more than `2w` and `1d`.
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
    fn durations_are_read_with_their_units() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, fault) in [
            ("10", DurationFault::NoUnit),
            ("1.5", DurationFault::NoUnit),
            ("-5s", DurationFault::Negative),
            ("-5", DurationFault::Negative),
            ("", DurationFault::Malformed),
            ("s", DurationFault::Malformed),
            ("10 s", DurationFault::Malformed),
            ("10S", DurationFault::Malformed),
            ("1.5s", DurationFault::Malformed),
            ("1s1m", DurationFault::Malformed),
            ("1m1m", DurationFault::Malformed),
            ("1y", DurationFault::Malformed),
            ("99999999999999999999s", DurationFault::TooLong),
            ("18446744073709551615w", DurationFault::TooLong),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn a_shown_duration_reads_back() {
        for text in [
            "0s", "1ms", "100ms", "10m", "24h", "2d", "14d", "365d", "1h30m", "1s500ms",
        ] {
            assert_eq!(parse(text).map(show).as_deref(), Ok(text));
        }
    }
}
