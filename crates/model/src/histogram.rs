//! A histogram of durations, with classic and exponential buckets.

use std::collections::BTreeMap;
use std::time::Duration;

/// Upper bounds of the classic buckets, in seconds: from half a second to the 12 hours that AWS
/// allows a file
/// (<https://docs.aws.amazon.com/transfer/latest/userguide/scale-and-limits-sftp-connector.html>).
pub const DURATION_BOUNDS: [f64; 12] = [
    0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0,
];

/// Schema of the exponential buckets: each is wider than the last by the factor 2^(2^-3), 9 %.
pub const DURATION_SCHEMA: i32 = 3;

/// Histogram of durations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durations {
    /// Observations at or below each of [`DURATION_BOUNDS`] and above the previous bound; the last
    /// element counts those above all bounds.
    pub classic: [u64; DURATION_BOUNDS.len() + 1],
    /// Observations by the index of their exponential bucket: in (2^((i-1)/8), 2^(i/8)] seconds.
    pub exponential: BTreeMap<i32, u64>,
    /// Observations of zero.
    pub zeros: u64,
    /// Sum of all observations, in seconds.
    pub sum: f64,
}

impl Durations {
    /// Adds one observation.
    pub fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let at = DURATION_BOUNDS
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(DURATION_BOUNDS.len());
        self.classic[at] += 1;
        self.sum += seconds;
        if duration.is_zero() {
            self.zeros += 1;
        } else {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a duration's logarithm is a small number"
            )]
            let index = (seconds.log2() * f64::from(1 << DURATION_SCHEMA)).ceil() as i32;
            *self.exponential.entry(index).or_default() += 1;
        }
    }

    /// Returns the number of observations.
    pub fn count(&self) -> u64 {
        self.classic.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observation_counts_in_one_bucket_of_each_kind() {
        let mut durations = Durations::default();
        for millis in [0, 500, 501, 1_000, 60_000, 100_000_000] {
            durations.observe(Duration::from_millis(millis));
        }
        assert_eq!(durations.classic, [2, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(durations.count(), 6);
        assert_eq!(durations.zeros, 1);
        // 0.5 s is 2^(-8/8): upper bounds are inclusive.
        assert_eq!(
            durations.exponential,
            BTreeMap::from([(-8, 1), (-7, 1), (0, 1), (48, 1), (133, 1)])
        );
        assert!((durations.sum - 100_062.001).abs() < 1e-6);
    }
}
