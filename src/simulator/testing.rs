//! What the simulator's tests share.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::{Settings, Simulator};
use crate::model::Now;

/// 2026-01-01T00:00:00Z, on both clocks.
pub(super) fn now() -> Now {
    // A monotonic moment can only be taken from the clock; which one it is does not matter.
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    Now { instant: *START, wall: UNIX_EPOCH + Duration::from_hours(24 * 20_454) }
}

/// A simulator at [`now`].
pub(super) fn simulator(settings: Settings) -> Simulator {
    Simulator::new(settings, Arc::new(now))
}
