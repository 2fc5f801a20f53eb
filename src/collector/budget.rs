//! The time that a scrape may wait.

use std::time::Duration;

/// The configured time budget of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeBudget {
    /// Used if the client sends no valid timeout.
    pub timeout: Duration,
    /// Subtracted from the timeout, so that the response arrives before the client gives up.
    pub offset: Duration,
    /// Upper limit of the timeout that a client asks for.
    pub max_timeout: Duration,
}

impl ScrapeBudget {
    /// Returns the time to wait for a scrape with the given value of
    /// `X-Prometheus-Scrape-Timeout-Seconds`. A value that is not a positive number of seconds is
    /// ignored. If the offset exceeds the timeout, half of the timeout is used.
    pub fn for_header(self, header: Option<&str>) -> Duration {
        let requested = header
            .and_then(|value| value.trim().parse::<f64>().ok())
            .filter(|seconds| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|timeout| !timeout.is_zero())
            .map(|timeout| timeout.min(self.max_timeout));
        let timeout = requested.unwrap_or(self.timeout);
        match timeout.checked_sub(self.offset) {
            Some(budget) if !budget.is_zero() => budget,
            _ => timeout / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUDGET: ScrapeBudget = ScrapeBudget {
        timeout: Duration::from_secs(10),
        offset: Duration::from_millis(500),
        max_timeout: Duration::from_mins(2),
    };

    #[test]
    fn the_offset_is_subtracted_from_the_header() {
        assert_eq!(BUDGET.for_header(Some("15")), Duration::from_millis(14_500));
        assert_eq!(BUDGET.for_header(Some("7.500000")), Duration::from_secs(7));
        assert_eq!(BUDGET.for_header(Some(" 3 ")), Duration::from_millis(2_500));
    }

    #[test]
    fn an_invalid_header_is_ignored() {
        for header in [
            None,
            Some(""),
            Some("0"),
            Some("-1"),
            Some("-0"),
            Some("ten"),
            Some("NaN"),
            Some("inf"),
            Some("1e300"),
        ] {
            assert_eq!(
                BUDGET.for_header(header),
                Duration::from_millis(9_500),
                "{header:?}"
            );
        }
    }

    #[test]
    fn a_timeout_below_the_offset_leaves_half() {
        assert_eq!(BUDGET.for_header(Some("0.4")), Duration::from_millis(200));
        assert_eq!(BUDGET.for_header(Some("0.5")), Duration::from_millis(250));
    }

    #[test]
    fn a_client_cannot_ask_for_more_than_the_limit() {
        for header in ["120", "121", "600", "86400", "1e9"] {
            assert_eq!(
                BUDGET.for_header(Some(header)),
                Duration::from_millis(119_500),
                "{header}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_budget_is_positive_and_within_the_timeout(seconds in 0.000_001_f64..1e6) {
            let budget = BUDGET.for_header(Some(&seconds.to_string()));
            prop_assert!(!budget.is_zero());
            prop_assert!(budget.as_secs_f64() <= seconds + 1e-9);
            prop_assert!(budget < BUDGET.max_timeout);
        }
    }
}
