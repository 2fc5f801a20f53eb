//! The times at which the requests of an account leave. Pure: the caller passes `now`.
//!
//! Requests are evenly spaced, first attempts and retries alike: a limit that is enforced in short
//! windows is not hit by bursts. The rate is the configured ceiling until AWS throttles, and
//! afterwards follows [`super::adaptive_rate`].
//!
//! A first attempt takes a time when it leaves. A retry reserves one in advance, because the SDK
//! waits for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::adaptive_rate::{REACTION, Throttling};
use super::throttling_share::{Phase, ThrottlingShare, ThrottlingVerdict};

/// How long throttling is remembered.
const MEMORY: Duration = Duration::from_hours(1);
/// How much of the time that requests left late is made up for, so that timers which are a
/// millisecond late do not lower the rate.
const CATCH_UP: Duration = Duration::from_millis(20);
/// How much earlier than its time a request may leave: less than what a timer can measure.
const EARLY: Duration = Duration::from_micros(500);
/// Longest pause that AWS may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A schedule whose rate falls on throttling and climbs back.
#[derive(Debug)]
pub(super) struct SendSchedule {
    ceiling: f64,
    throttling: Option<Throttling>,
    share: ThrottlingShare,
    /// Requests sent from then on are evidence of the current rate.
    evidence_from: Option<Instant>,
    /// The state before the reductions that are on trial, and the time of the first.
    before_trial: Option<(Option<Throttling>, Instant)>,
    /// The last time that was taken and has passed, then the reserved ones, in order.
    times: VecDeque<Instant>,
}

impl SendSchedule {
    /// Creates a schedule of `ceiling` requests per second, which must be positive.
    pub(super) fn new(ceiling: f64) -> Self {
        Self {
            ceiling,
            throttling: None,
            share: ThrottlingShare::new(),
            evidence_from: None,
            before_trial: None,
            times: VecDeque::new(),
        }
    }

    /// Returns the rate at `now`, in requests per second.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        self.throttling.map_or(self.ceiling, |throttling| {
            throttling.rate(now, self.ceiling)
        })
    }

    /// Takes a time for a request that is sent at `now`.
    ///
    /// # Errors
    /// The earliest time at which a request may be sent.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let interval = self.interval(now);
        let passed = self.times.partition_point(|time| *time <= now);
        let due = passed
            .checked_sub(1)
            .map(|last| self.times[last] + interval);
        let from = due
            .filter(|due| *due <= now && now.duration_since(*due) <= CATCH_UP)
            .unwrap_or(now);
        let time = self.earliest(from, now, interval);
        if time > now + EARLY {
            return Err(time);
        }
        self.insert(time, now);
        Ok(())
    }

    /// Reserves the first free time from `earliest` to `latest` for a retry. Returns `None` if there
    /// is none.
    pub(super) fn reserve(
        &mut self,
        now: Instant,
        earliest: Instant,
        latest: Instant,
    ) -> Option<Instant> {
        let time = self.earliest(earliest, now, self.interval(now));
        if time > latest {
            return None;
        }
        self.insert(time, now);
        Some(time)
    }

    /// Returns a reserved time that has not passed.
    pub(super) fn release(&mut self, time: Instant, now: Instant) {
        if time > now
            && let Ok(index) = self.times.binary_search(&time)
        {
            self.times.remove(index);
        }
    }

    /// Records the response at `now` to a request sent at `sent`: whether it was throttled, and the
    /// pause that AWS asks for. If throttling depends on the rate, the pause applies to all requests,
    /// except retries that have been reserved.
    pub(super) fn record_response(
        &mut self,
        now: Instant,
        sent: Instant,
        throttled: bool,
        retry_after: Option<Duration>,
    ) {
        let resume = now + retry_after.unwrap_or_default().min(MAX_PAUSE);
        if self.evidence_from.is_some_and(|from| sent < from) {
            if throttled && let Some(throttling) = &mut self.throttling {
                // Sent before the reduction.
                throttling.pause(resume);
            }
            return;
        }
        let is_forgotten =
            |throttling: &Throttling| now.saturating_duration_since(throttling.at) > MEMORY;
        if self.throttling.as_ref().is_some_and(is_forgotten) {
            self.throttling = None;
        }
        let is_over = |throttling: Throttling| now >= throttling.climb;
        if self.share.is_in_trial() && self.throttling.is_some_and(is_over) {
            let verdict = self.share.end_trial();
            self.apply(verdict, now, now);
            if verdict != ThrottlingVerdict::Limit {
                return;
            }
        }
        let phase = self.phase(now);
        let elapsed = now.saturating_duration_since(self.evidence_from.unwrap_or(now));
        let verdict = self.share.record(throttled, self.rate(now), phase, elapsed);
        self.apply(verdict, now, resume);
    }

    fn apply(&mut self, verdict: ThrottlingVerdict, now: Instant, resume: Instant) {
        match verdict {
            ThrottlingVerdict::Keep => {}
            ThrottlingVerdict::Excess => self.reduce(now, resume),
            ThrottlingVerdict::Limit => {
                if let Some(throttling) = &mut self.throttling {
                    throttling.climb = throttling.climb.min(now);
                }
            }
            ThrottlingVerdict::Background => {
                if let Some((before, since)) = self.before_trial.take() {
                    self.throttling = before.map(|before| before.continued(since, now));
                }
            }
        }
    }

    /// Reduces the rate because of throttling at `now`. No request may be sent before `resume`.
    fn reduce(&mut self, now: Instant, resume: Instant) {
        let rate = self.rate(now);
        let phase = self.phase(now);
        if !matches!(phase, Phase::Reduced | Phase::Climb) {
            self.before_trial = Some((self.throttling, now));
        }
        let is_near = matches!(phase, Phase::Climb | Phase::NearLimit);
        let limit = self
            .throttling
            .filter(|limit| is_near && limit.explains(rate));
        self.throttling = Some(if let Some(limit) = limit {
            if phase == Phase::NearLimit {
                self.share.restart_below_limit();
            } else {
                self.share.restart();
            }
            limit.near(rate, self.ceiling, now, resume)
        } else {
            let previous = self.throttling.as_ref();
            let reduced = Throttling::halved(previous, rate, self.ceiling, now, resume);
            self.share.begin_trial(reduced.is_half());
            reduced
        });
        self.evidence_from = Some(resume + REACTION);
    }

    fn phase(&self, now: Instant) -> Phase {
        self.throttling.map_or(Phase::Unknown, |throttling| {
            throttling.phase(now, self.ceiling)
        })
    }

    /// Changes the ceiling. Throttling below it is still remembered.
    pub(super) fn set_ceiling(&mut self, ceiling: f64) {
        self.ceiling = ceiling;
        if let Some(throttling) = &mut self.throttling {
            throttling.cap(ceiling);
        }
        if let Some((Some(before), _)) = &mut self.before_trial {
            before.cap(ceiling);
        }
    }

    /// Returns the time between two requests.
    fn interval(&self, now: Instant) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate(now))
    }

    /// Returns the first time from `from` that is an interval away from all others, and not within a
    /// pause that AWS asks for.
    fn earliest(&self, from: Instant, now: Instant, interval: Duration) -> Instant {
        let resume = self.throttling.map(|throttling| throttling.resume);
        let mut time = resume
            .filter(|resume| *resume > now)
            .map_or(from, |resume| resume.max(from));
        for other in &self.times {
            if *other >= time + interval {
                break;
            }
            time = time.max(*other + interval);
        }
        time
    }

    fn insert(&mut self, time: Instant, now: Instant) {
        let index = self.times.partition_point(|other| *other <= time);
        self.times.insert(index, time);
        while self.times.get(1).is_some_and(|second| *second <= now) {
            self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
