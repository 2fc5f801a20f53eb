//! The request rate after throttling.
//!
//! - Throttling at an unknown limit halves the rate and holds it for a trial. Near the remembered
//!   limit it reduces the rate by a tenth.
//! - Within 15 s the rate climbs back, fast at first and then more slowly, to slightly below where it
//!   was throttled.
//! - Then it probes, slowly at first and then faster, and reaches the ceiling 35 s later: the shape
//!   of CUBIC's curve (RFC 9438, section 4.1), flat around the throttled rate and steep away from it.

use std::time::{Duration, Instant};

use super::throttling_share::Phase;

/// Share of the rate that remains after throttling at an unknown limit.
const UNKNOWN_LIMIT_FACTOR: f64 = 0.5;
/// Share of the rate that remains after throttling near the remembered limit.
const KNOWN_LIMIT_FACTOR: f64 = 0.9;
/// A rate up to this multiple of the remembered limit is near it: a limit with a burst is noticed
/// late.
const NEAR: f64 = 1.5;
/// A rate below this share of the remembered limit is not near it: what is throttled there may be
/// stray, and a few of those would lower the rate further and further.
const BELOW: f64 = 0.975;
/// A rate above this share of the remembered limit, and below it, is close to it.
const CLOSE: f64 = 0.75;
/// When the remembered limit has fallen to this share of what a trial found, another trial follows.
const FOUND: f64 = 0.8;
/// Where the climb levels off, as a share of the throttled rate.
const PLATEAU: f64 = 0.97;
/// Requests of this time after a reduction are no evidence: a window of one second that is full stays
/// full.
pub(super) const REACTION: Duration = Duration::from_secs(1);
/// Longest duration of a trial with [`TRIAL_REQUESTS`]. With fewer, a trial is up to
/// [`LONGEST_TRIAL`].
const TRIAL: Duration = Duration::from_secs(10);
const TRIAL_REQUESTS: f64 = 80.0;
pub(super) const LONGEST_TRIAL: Duration = Duration::from_secs(20);
/// Duration of the climb to the plateau.
pub(super) const CLIMB: Duration = Duration::from_secs(15);
/// Duration of the climb from the plateau to the ceiling.
pub(super) const PROBE: Duration = Duration::from_secs(35);
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
    /// The rate is held until then.
    pub(super) climb: Instant,
    /// The rate that was throttled.
    pub(super) peak: f64,
    /// The rate that the last trial found to be too high.
    pub(super) found: f64,
    /// The rate at `climb`.
    pub(super) start: f64,
}

impl Throttling {
    /// Returns the state after throttling at `now` at an unknown limit, when `rate` was allowed. The
    /// rate is held for a trial: half of it, or just below a limit that was remembered.
    pub(super) fn halved(
        previous: Option<&Self>,
        rate: f64,
        ceiling: f64,
        now: Instant,
        resume: Instant,
    ) -> Self {
        let below_limit = previous
            .filter(|previous| rate > previous.peak)
            .map_or(0.0, |previous| KNOWN_LIMIT_FACTOR * previous.peak);
        let start = (UNKNOWN_LIMIT_FACTOR * rate)
            .max(below_limit)
            .max(floor(ceiling));
        Self {
            at: now,
            resume,
            climb: resume + REACTION + trial(start),
            peak: rate,
            found: rate,
            start,
        }
    }

    /// Returns whether the rate for a trial is half of what it was.
    pub(super) fn is_half(&self) -> bool {
        self.start <= 1.02 * UNKNOWN_LIMIT_FACTOR * self.peak
    }

    /// Returns the state after throttling at `now` near this limit.
    pub(super) fn near(&self, rate: f64, ceiling: f64, now: Instant, resume: Instant) -> Self {
        // Halfway between the two rates: a limit with a burst is noticed late.
        let (peak, start) = if rate > self.peak {
            (f64::midpoint(rate, self.peak), self.peak)
        } else {
            (rate, rate)
        };
        Self {
            at: now,
            resume,
            climb: resume,
            peak,
            found: self.found,
            start: (KNOWN_LIMIT_FACTOR * start).max(floor(ceiling)),
        }
    }

    /// Returns where the rate is at `now`.
    pub(super) fn phase(&self, now: Instant, ceiling: f64) -> Phase {
        if now < self.climb + CLIMB {
            if self.rate(now, ceiling) <= 1.05 * self.start {
                Phase::Reduced
            } else {
                Phase::Climb
            }
        } else if self.rate(now, ceiling) < BELOW * self.peak {
            Phase::Climb
        } else if self.rate(now, ceiling) <= NEAR * self.peak {
            Phase::NearLimit
        } else {
            Phase::Unknown
        }
    }

    /// Returns whether `rate` is about this limit, and the limit about where a trial found it.
    pub(super) fn explains(&self, rate: f64) -> bool {
        rate > CLOSE * self.peak && self.peak > FOUND * self.found
    }

    /// Delays requests until `resume`.
    pub(super) fn pause(&mut self, resume: Instant) {
        let pause = resume.saturating_duration_since(self.resume);
        self.resume += pause;
        self.climb += pause;
    }

    /// Continues at `now` as it would have at `since`.
    pub(super) fn continued(mut self, since: Instant, now: Instant) -> Self {
        let pause = now.saturating_duration_since(since);
        self.resume += pause;
        self.climb += pause;
        self
    }

    /// Returns the rate at `now`, in requests per second.
    pub(super) fn rate(&self, now: Instant, ceiling: f64) -> f64 {
        let seconds = now.saturating_duration_since(self.climb).as_secs_f64();
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
        self.found = self.found.min(ceiling);
        self.start = self.start.min(ceiling);
    }
}

/// Returns the longest duration of a trial at a rate.
pub(super) fn trial(rate: f64) -> Duration {
    Duration::from_secs_f64((TRIAL_REQUESTS / rate).min(LONGEST_TRIAL.as_secs_f64())).max(TRIAL)
}

fn floor(ceiling: f64) -> f64 {
    (FLOOR * ceiling).min(MAX_FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_flat_near_the_throttled_one_and_reaches_the_ceiling_in_less_than_a_minute() {
        let start = Instant::now();
        let throttling = Throttling {
            at: start,
            resume: start,
            climb: start,
            peak: 20.0,
            found: 20.0,
            start: 18.0,
        };
        let rate = |seconds| throttling.rate(start + Duration::from_secs(seconds), 100.0);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(rate(0), 18.0) && close(rate(15), 19.4));
        assert!(rate(8) > 19.2 && rate(22) < 19.5);
        assert!(rate(30) < 21.0 && rate(44) > 40.0);
        assert!(close(rate(50), 100.0) && close(rate(1_000), 100.0));
    }
}
