//! Histograms with classic and exponential buckets.

use std::collections::BTreeMap;

/// Upper bounds of the classic buckets, in seconds: from half a second to the 12 hours that AWS
/// allows a file
/// (<https://docs.aws.amazon.com/transfer/latest/userguide/scale-and-limits-sftp-connector.html>).
pub const DURATION_BOUNDS: [f64; 12] = [
    0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0,
];

/// Schema of the exponential buckets: each is wider than the last by the factor 2^(2^-3), 9 %.
pub const HISTOGRAM_SCHEMA: i32 = 3;

/// Upper bounds of the classic buckets of file sizes, in bytes: 1 KiB to 128 GiB. AWS transfers files
/// of at most 150 GiB
/// (<https://docs.aws.amazon.com/transfer/latest/userguide/scale-and-limits-sftp-connector.html>).
pub const SIZE_BOUNDS: [f64; 10] = [
    1_024.0,
    8_192.0,
    65_536.0,
    524_288.0,
    4_194_304.0,
    33_554_432.0,
    268_435_456.0,
    2_147_483_648.0,
    17_179_869_184.0,
    137_438_953_472.0,
];

/// Histogram with classic and exponential buckets.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Upper bounds of the classic buckets.
    pub bounds: &'static [f64],
    /// Observations at or below each bound and above the previous one; the last element counts those
    /// above all bounds.
    pub classic: Vec<u64>,
    /// Observations by the index of their exponential bucket: in (2^((i-1)/8), 2^(i/8)].
    pub exponential: BTreeMap<i32, u64>,
    /// Observations of zero.
    pub zeros: u64,
    /// Sum of all observations.
    pub sum: f64,
}

impl Histogram {
    /// Returns an empty histogram.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            classic: vec![0; bounds.len() + 1],
            exponential: BTreeMap::new(),
            zeros: 0,
            sum: 0.0,
        }
    }

    /// Adds one observation, which is not negative.
    pub fn observe(&mut self, value: f64) {
        let at = self.bounds.iter().position(|bound| value <= *bound);
        self.classic[at.unwrap_or(self.bounds.len())] += 1;
        self.sum += value;
        if value > 0.0 {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the logarithm of a duration or a size is a small number"
            )]
            let index = (value.log2() * f64::from(1 << HISTOGRAM_SCHEMA)).ceil() as i32;
            *self.exponential.entry(index).or_default() += 1;
        } else {
            self.zeros += 1;
        }
    }

    /// Adds the observations of another histogram with the same bounds.
    pub fn add(&mut self, more: &Self) {
        for (sum, added) in self.classic.iter_mut().zip(&more.classic) {
            *sum += added;
        }
        for (index, added) in &more.exponential {
            *self.exponential.entry(*index).or_default() += added;
        }
        self.zeros += more.zeros;
        self.sum += more.sum;
    }

    /// Returns the number of observations.
    pub fn count(&self) -> u64 {
        self.classic.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn observation_counts_in_one_bucket_of_each_kind() {
        let mut durations = Histogram::new(&DURATION_BOUNDS);
        for millis in [0, 500, 501, 1_000, 60_000, 100_000_000] {
            durations.observe(Duration::from_millis(millis).as_secs_f64());
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
