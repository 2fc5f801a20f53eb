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

use super::adaptive_rate::Throttling;

/// Throttled responses within this time count once: a window of one second that is full stays full.
const REACTION: Duration = Duration::from_secs(1);
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
pub(super) struct Schedule {
    ceiling: f64,
    throttling: Option<Throttling>,
    /// The last time that was taken and has passed, then the reserved ones, in order.
    times: VecDeque<Instant>,
}

impl Schedule {
    /// Creates a schedule of `ceiling` requests per second, which must be positive.
    pub(super) fn new(ceiling: f64) -> Self {
        Self {
            ceiling,
            throttling: None,
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

    /// Records a throttled response at `now` to a request sent at `sent`, and the pause that AWS asks
    /// for. `sent` is `None` for a retry, whose call has been throttled before. Retries that have been
    /// reserved keep their times.
    pub(super) fn record_throttling(
        &mut self,
        now: Instant,
        sent: Option<Instant>,
        retry_after: Option<Duration>,
    ) {
        let is_forgotten =
            |throttling: Throttling| now.saturating_duration_since(throttling.at) > MEMORY;
        if self.throttling.is_some_and(is_forgotten) {
            self.throttling = None;
        }
        let resume = now + retry_after.unwrap_or_default().min(MAX_PAUSE);
        let rate = self.rate(now);
        if let Some(throttling) = &mut self.throttling {
            // The request was not sent at the rate that is allowed now.
            let is_old = sent.is_none_or(|sent| sent <= throttling.at)
                || now.saturating_duration_since(throttling.at) < REACTION;
            if is_old {
                throttling.resume = throttling.resume.max(resume);
                return;
            }
        }
        let previous = self.throttling.as_ref();
        self.throttling = Some(Throttling::next(previous, rate, self.ceiling, now, resume));
    }

    /// Changes the ceiling. Throttling below it is still remembered.
    pub(super) fn set_ceiling(&mut self, ceiling: f64) {
        self.ceiling = ceiling;
        if let Some(throttling) = &mut self.throttling {
            throttling.cap(ceiling);
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
