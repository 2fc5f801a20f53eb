//! The request rate after throttling.
//!
//! - The first throttled response halves the rate. One near the remembered limit reduces it by a
//!   tenth, because the limit is known.
//! - Within 20 s the rate climbs back, fast at first and then more slowly, to slightly below where it
//!   was throttled.
//! - Then it probes, slowly at first and then faster, and reaches the ceiling 100 s later: the shape
//!   of CUBIC's curve (RFC 9438, section 4.1), flat around the throttled rate and steep away from it.

use std::time::{Duration, Instant};

/// Share of the rate that remains after throttling at an unknown limit.
const UNKNOWN_LIMIT_FACTOR: f64 = 0.5;
/// Share of the rate that remains after throttling near the remembered limit.
const KNOWN_LIMIT_FACTOR: f64 = 0.9;
/// A rate above this share of the remembered limit is near it.
const NEAR: f64 = 0.8;
/// Where the climb levels off, as a share of the throttled rate.
const PLATEAU: f64 = 0.97;
/// Duration of the climb to the plateau.
pub(super) const CLIMB: Duration = Duration::from_secs(20);
/// Duration of the climb from the plateau to the ceiling.
pub(super) const PROBE: Duration = Duration::from_secs(100);
/// The lowest rate: this share of the ceiling, at most [`MAX_FLOOR`].
const FLOOR: f64 = 0.05;
/// Upper bound of the lowest rate, in requests per second.
const MAX_FLOOR: f64 = 1.0;

/// The last throttling and the rate that follows from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttling {
    /// Time of the throttled response.
    pub(super) at: Instant,
    /// No request may be sent before.
    pub(super) resume: Instant,
    /// The rate that was throttled.
    pub(super) peak: f64,
    /// The rate at `resume`.
    pub(super) start: f64,
}

impl Throttling {
    /// Returns the state after a throttled response at `now`, when `rate` was allowed.
    pub(super) fn next(
        previous: Option<&Self>,
        rate: f64,
        ceiling: f64,
        now: Instant,
        resume: Instant,
    ) -> Self {
        let (peak, start) = match previous {
            // Halfway between the two rates: a limit with a burst is noticed late.
            Some(previous) if rate > previous.peak => (
                f64::midpoint(rate, previous.peak),
                KNOWN_LIMIT_FACTOR * previous.peak,
            ),
            Some(previous) if rate > NEAR * previous.peak => (rate, KNOWN_LIMIT_FACTOR * rate),
            _ => (rate, UNKNOWN_LIMIT_FACTOR * rate),
        };
        let floor = (FLOOR * ceiling).min(MAX_FLOOR);
        Self {
            at: now,
            resume,
            peak,
            start: start.max(floor),
        }
    }

    /// Returns the rate at `now`, in requests per second.
    pub(super) fn rate(&self, now: Instant, ceiling: f64) -> f64 {
        let seconds = now.saturating_duration_since(self.resume).as_secs_f64();
        let plateau = (PLATEAU * self.peak).clamp(self.start, ceiling);
        let climbed = seconds / CLIMB.as_secs_f64();
        if climbed < 1.0 {
            return plateau - (plateau - self.start) * (1.0 - climbed).powi(3);
        }
        let probed = (seconds - CLIMB.as_secs_f64()) / PROBE.as_secs_f64();
        plateau + (ceiling - plateau) * probed.min(1.0).powi(5)
    }

    /// Applies a changed ceiling.
    pub(super) fn cap(&mut self, ceiling: f64) {
        self.peak = self.peak.min(ceiling);
        self.start = self.start.min(ceiling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_flat_near_the_throttled_one_and_reaches_the_ceiling_after_two_minutes() {
        let start = Instant::now();
        let throttling = Throttling {
            at: start,
            resume: start,
            peak: 20.0,
            start: 18.0,
        };
        let rate = |seconds| throttling.rate(start + Duration::from_secs(seconds), 100.0);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(rate(0), 18.0) && close(rate(20), 19.4));
        assert!(rate(10) > 19.2 && rate(40) < 19.5);
        assert!(rate(60) < 21.0 && rate(100) > 40.0);
        assert!(close(rate(120), 100.0) && close(rate(1_000), 100.0));
    }
}
