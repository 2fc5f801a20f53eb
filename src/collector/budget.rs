//! How long a scrape may wait.

use std::time::Duration;

/// No scrape waits longer, whatever its header says.
const LONGEST: Duration = Duration::from_mins(10);

/// The configured budget of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeBudget {
    /// Where the client sends no usable time-out.
    pub timeout: Duration,
    /// Taken off, so that the answer arrives before the client gives up.
    pub offset: Duration,
}

impl ScrapeBudget {
    /// The time to wait, from the value of `X-Prometheus-Scrape-Timeout-Seconds` if there is one. A value that is no
    /// number of seconds above zero counts as absent; where the offset would leave nothing, half is left.
    pub fn of(self, header: Option<&str>) -> Duration {
        let told = header
            .and_then(|value| value.trim().parse::<f64>().ok())
            .filter(|seconds| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|timeout| !timeout.is_zero());
        let timeout = told.unwrap_or(self.timeout).min(LONGEST);
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
    };

    #[test]
    fn the_header_less_the_offset() {
        assert_eq!(BUDGET.of(Some("15")), Duration::from_millis(14_500));
        assert_eq!(BUDGET.of(Some("7.500000")), Duration::from_secs(7));
        assert_eq!(BUDGET.of(Some(" 3 ")), Duration::from_millis(2_500));
    }

    #[test]
    fn an_unusable_header_counts_as_absent() {
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
                BUDGET.of(header),
                Duration::from_millis(9_500),
                "{header:?}"
            );
        }
    }

    #[test]
    fn a_time_out_below_the_offset_leaves_half() {
        assert_eq!(BUDGET.of(Some("0.4")), Duration::from_millis(200));
        assert_eq!(BUDGET.of(Some("0.5")), Duration::from_millis(250));
    }

    proptest! {
        #[test]
        fn the_budget_is_never_nothing_and_never_past_the_time_out(seconds in 0.000_001_f64..1e6) {
            let budget = BUDGET.of(Some(&seconds.to_string()));
            prop_assert!(!budget.is_zero());
            prop_assert!(budget.as_secs_f64() <= seconds + 1e-9);
        }
    }
}
