//! Time, as it is handed down: the core takes a [`Now`], only shells read a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment on both clocks: ages are measured on the monotonic one, timestamps are told from the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: for ages and intervals.
    pub instant: Instant,
    /// Wall clock: for timestamps that leave the process.
    pub wall: SystemTime,
}

impl Now {
    /// The moment `later` after this one, on both clocks.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self {
            instant: self.instant + later,
            wall: self.wall + later,
        }
    }

    /// Time since `earlier`; zero if `earlier` lies in the future.
    pub fn since(self, earlier: Instant) -> Duration {
        self.instant.saturating_duration_since(earlier)
    }

    /// Seconds since the Unix epoch; zero for a clock set before it.
    pub fn unix_seconds(self) -> f64 {
        self.wall
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
    }
}

/// Where shells get their [`Now`] from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Now;
}

impl<F: Fn() -> Now + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Now {
        self()
    }
}
