//! Time as a value: the core takes a [`Now`], only shells read a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic clock: for ages and intervals.
    pub instant: Instant,
    /// Wall clock: for timestamps that leave the process.
    pub wall: SystemTime,
}

impl Now {
    /// Returns the moment `later` after this one, on both clocks.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self {
            instant: self.instant + later,
            wall: self.wall + later,
        }
    }

    /// Returns the time since `earlier`; zero if `earlier` is in the future.
    pub fn since(self, earlier: Instant) -> Duration {
        self.instant.saturating_duration_since(earlier)
    }

    /// Returns the seconds since the Unix epoch; zero for a clock set before it.
    pub fn unix_seconds(self) -> f64 {
        self.wall
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
    }
}

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// Returns the milliseconds since the Unix epoch; zero for a time before it.
pub fn millis(at: SystemTime) -> Millis {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Returns the time of [`millis`]; the Unix epoch if it is too far in the future.
pub fn time(millis: Millis) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(UNIX_EPOCH)
}

/// Source of [`Now`] for shells.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present moment.
    fn now(&self) -> Now;
}

impl<F: Fn() -> Now + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Now {
        self()
    }
}
