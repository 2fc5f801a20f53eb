//! Pauses of a source after failures.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Longest first pause.
const FIRST: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST: Duration = Duration::from_mins(1);

/// Exponential backoff with jitter.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the pause after one more failure: 1 s, then at random between half and all of 2 s,
    /// 4 s and so on up to 60 s, so that several exporters do not retry at the same time.
    pub(super) fn next_pause(&mut self) -> Duration {
        // The hasher's keys are random: random enough for jitter.
        let random = RandomState::new().hash_one(self.failures);
        let pause = Self::pause(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// Starts over after a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    fn pause(failures: u32, random: u64) -> Duration {
        let most = FIRST
            .saturating_mul(2_u32.saturating_pow(failures))
            .min(LONGEST);
        let half = most / 2;
        let share = u32::try_from(random % 1_001).unwrap_or(0);
        (half + half * share / 1_000).max(FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_from_one_second_to_one_minute() {
        let bounds = |failures| {
            (
                Backoff::pause(failures, 0).as_millis(),
                Backoff::pause(failures, 1_000).as_millis(),
            )
        };
        assert_eq!(bounds(0), (1_000, 1_000));
        assert_eq!(bounds(1), (1_000, 2_000));
        assert_eq!(bounds(2), (2_000, 4_000));
        assert_eq!(bounds(6), (30_000, 60_000));
        assert_eq!(bounds(u32::MAX), (30_000, 60_000));
    }

    #[test]
    fn backoff_stays_in_bounds_and_starts_over_after_a_success() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..20).map(|_| backoff.next_pause()).collect();
        assert!(pauses.iter().all(|pause| (FIRST..=LONGEST).contains(pause)));
        assert!(pauses[19] >= LONGEST / 2);
        backoff.reset();
        assert_eq!(backoff.next_pause(), FIRST);
    }
}
