//! A token bucket whose rate adapts to throttling. Pure: the caller passes `now`.
//!
//! Until AWS throttles, the bucket refills at the configured ceiling and holds one second of requests.
//! After throttling, the rate follows [`super::adaptive_rate`] and the bucket is small, so that
//! requests are evenly spaced: a limit that is enforced in short windows is not hit by bursts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::adaptive_rate::Throttling;
use model::burst_size;

/// Throttled responses within this time count once: a window of one second that is full stays full.
const REACTION: Duration = Duration::from_secs(1);
/// How long throttling is remembered.
const MEMORY: Duration = Duration::from_hours(1);
/// Size of the bucket while throttling is remembered, in seconds of requests; at least two requests,
/// to compensate for timers that are a millisecond late.
const BURST: f64 = 0.05;
/// Longest pause that AWS may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A token bucket whose rate falls on throttling and climbs back.
#[derive(Debug)]
pub(super) struct AdaptiveTokenBucket {
    ceiling: f64,
    throttling: Option<Throttling>,
    /// Requests that may be sent at once; negative after retries, which do not wait.
    tokens: f64,
    refilled: Instant,
    /// Times of the newest requests, oldest first: as many as one window allows at the ceiling.
    sent: VecDeque<Instant>,
}

impl AdaptiveTokenBucket {
    /// Creates a bucket of `ceiling` requests per second, which must be positive.
    pub(super) fn new(ceiling: f64, now: Instant) -> Self {
        Self {
            ceiling,
            throttling: None,
            tokens: burst_size(ceiling),
            refilled: now,
            sent: VecDeque::new(),
        }
    }

    /// Returns the rate at `now`, in requests per second.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        self.throttling.map_or(self.ceiling, |throttling| {
            throttling.rate(now, self.ceiling)
        })
    }

    /// Acquires a token for a request that is sent at `now`.
    ///
    /// # Errors
    /// The time before which no token will be available.
    pub(super) fn try_acquire(&mut self, now: Instant) -> Result<(), Instant> {
        self.refill(now);
        let earliest = [
            self.throttling.map(|throttling| throttling.resume),
            self.window_end(),
        ];
        if let Some(later) = earliest.into_iter().flatten().max()
            && later > now
        {
            return Err(later);
        }
        // The tolerance covers rounding errors.
        if self.tokens < 1.0 - 1e-6 {
            return Err(now + Duration::from_secs_f64((1.0 - self.tokens) / self.rate(now)));
        }
        self.spend(now);
        Ok(())
    }

    /// Records a retry, which was sent without a token, so that later requests wait for it.
    pub(super) fn record_retry(&mut self, now: Instant) {
        self.refill(now);
        self.spend(now);
    }

    /// Records a throttled response at `now` to a request sent at `sent`, and the pause that AWS asks
    /// for. `sent` is `None` for a retry, which is no evidence of the rate.
    pub(super) fn record_throttling(
        &mut self,
        now: Instant,
        sent: Option<Instant>,
        retry_after: Option<Duration>,
    ) {
        self.refill(now);
        let resume = now + retry_after.unwrap_or_default().min(MAX_PAUSE);
        let rate = self.rate(now);
        if let Some(throttling) = &mut self.throttling {
            // The request was not sent at the rate that is allowed now.
            let is_old = sent.is_none_or(|sent| sent <= throttling.at)
                || now.saturating_duration_since(throttling.at) < REACTION;
            if is_old {
                throttling.resume = throttling.resume.max(resume);
                self.refilled = self.refilled.max(throttling.resume);
                return;
            }
        }
        let previous = self.throttling.as_ref();
        self.throttling = Some(Throttling::next(previous, rate, self.ceiling, now, resume));
        self.tokens = self.tokens.min(0.0);
        self.refilled = resume;
    }

    /// Changes the ceiling from `now` on. Throttling below it is still remembered.
    pub(super) fn set_ceiling(&mut self, ceiling: f64, now: Instant) {
        self.refill(now);
        // The requests that a higher ceiling adds may be sent at once: the window still limits them.
        let added = burst_size(ceiling) - burst_size(self.ceiling);
        self.tokens += added.max(0.0);
        self.tokens = self.tokens.min(burst_size(ceiling));
        self.ceiling = ceiling;
        if let Some(throttling) = &mut self.throttling {
            throttling.cap(ceiling);
            self.tokens = self.tokens.min(2.0);
        }
        self.trim_sent();
    }

    fn refill(&mut self, now: Instant) {
        let is_expired =
            |throttling: Throttling| now.saturating_duration_since(throttling.at) > MEMORY;
        if self.throttling.is_some_and(is_expired) {
            self.throttling = None;
        }
        let rate = self.rate(now);
        let size = match self.throttling {
            None => burst_size(self.ceiling),
            Some(_) => (BURST * rate).max(2.0).min(burst_size(self.ceiling)),
        };
        let refill = now.saturating_duration_since(self.refilled).as_secs_f64() * rate;
        self.tokens = (self.tokens + refill).min(size);
        self.refilled = self.refilled.max(now);
    }

    /// Returns when the window of the last second (of `1 / ceiling` seconds below one a second) has
    /// room. Without it, a full bucket and its refill would be twice the ceiling in the first second.
    fn window_end(&self) -> Option<Instant> {
        let oldest = self.sent.len().checked_sub(window_size(self.ceiling))?;
        Some(self.sent[oldest] + Duration::from_secs_f64((1.0 / self.ceiling).max(1.0)))
    }

    fn spend(&mut self, now: Instant) {
        self.tokens -= 1.0;
        self.sent.push_back(now);
        self.trim_sent();
    }

    fn trim_sent(&mut self) {
        while self.sent.len() > window_size(self.ceiling) {
            self.sent.pop_front();
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the configuration limits the ceiling"
)]
fn window_size(ceiling: f64) -> usize {
    burst_size(ceiling) as usize
}

#[cfg(test)]
mod tests;
