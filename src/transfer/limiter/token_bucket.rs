//! How many requests a second one account may send, and how that follows from what AWS throttles. Pure: `now` comes
//! from above.
//!
//! A token bucket. As long as nothing is throttled it refills at the configured ceiling and holds one second's worth.
//! A throttled answer lowers the rate and is remembered:
//!
//! - the first one halves the rate; one that comes near the remembered rate takes a tenth, since the limit is known;
//! - within 20 s the rate climbs back, fast at first and then ever slower, to a little below where it was throttled;
//! - then it probes, hardly at first and then ever faster, so that the ceiling is back 100 s later. CUBIC's curve
//!   (RFC 9438, section 4.1) in shape: flat around the rate that was throttled, steep away from it;
//! - the bucket is small, so requests go evenly spaced: a limit counted in short windows is not hit by bursts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What throttling at an unknown limit leaves of the rate.
const HALF: f64 = 0.5;
/// What throttling near a known limit leaves of the rate.
const NEAR: f64 = 0.9;
/// Throttling above this share of the remembered rate is near it.
const KNOWN: f64 = 0.8;
/// Where the climb levels off, as a share of the rate that was throttled.
const PLATEAU: f64 = 0.97;
/// How long the climb to the plateau takes.
const HOLD: Duration = Duration::from_secs(20);
/// How long the climb from the plateau to the ceiling takes.
const PROBE: Duration = Duration::from_secs(100);
/// The lowest rate: this share of the ceiling, and at most [`LOWEST`].
const FLOOR: f64 = 0.05;
/// Requests per second to which any ceiling may fall.
const LOWEST: f64 = 1.0;
/// Throttled answers within this time are one sign, not many: a window of one second that is full stays full.
const REACTION: Duration = Duration::from_secs(1);
/// How long throttling is remembered.
const MEMORY: Duration = Duration::from_hours(1);
/// Seconds' worth of requests that may go at once while a limit is remembered; at least two requests, which makes up
/// for timers that are a millisecond late.
const SPACING: f64 = 0.05;
/// The longest pause that AWS may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A token bucket whose rate falls on throttling and climbs back.
#[derive(Debug)]
pub(super) struct AdaptiveTokenBucket {
    ceiling: f64,
    throttling: Option<Throttling>,
    /// Requests that may go at once; below zero where retries have gone without asking.
    tokens: f64,
    refilled: Instant,
    /// When the newest requests went, oldest first: as many as one window takes at the ceiling.
    sent: VecDeque<Instant>,
}

/// The newest throttling, and what follows from it.
#[derive(Clone, Copy, Debug)]
struct Throttling {
    at: Instant,
    /// Nothing goes before.
    resume: Instant,
    /// The rate that was throttled.
    peak: f64,
    /// The rate at `resume`.
    start: f64,
}

impl Throttling {
    fn rate(&self, now: Instant, ceiling: f64) -> f64 {
        let seconds = now.saturating_duration_since(self.resume).as_secs_f64();
        let plateau = (PLATEAU * self.peak).clamp(self.start, ceiling);
        let climbed = seconds / HOLD.as_secs_f64();
        if climbed < 1.0 {
            return plateau - (plateau - self.start) * (1.0 - climbed).powi(3);
        }
        let probed = (seconds - HOLD.as_secs_f64()) / PROBE.as_secs_f64();
        plateau + (ceiling - plateau) * probed.min(1.0).powi(5)
    }
}

impl AdaptiveTokenBucket {
    /// A limit of `ceiling` requests per second, which must be above zero.
    pub(super) fn new(ceiling: f64, now: Instant) -> Self {
        Self {
            ceiling,
            throttling: None,
            tokens: places(ceiling),
            refilled: now,
            sent: VecDeque::new(),
        }
    }

    /// Requests per second that are allowed now.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        self.throttling.map_or(self.ceiling, |throttling| {
            throttling.rate(now, self.ceiling)
        })
    }

    /// Takes a place for one request that goes now.
    ///
    /// # Errors
    /// When to ask again: no request may go before.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        self.refill(now);
        let free = [
            self.throttling.map(|throttling| throttling.resume),
            self.window_free(),
        ];
        if let Some(later) = free.into_iter().flatten().max().filter(|free| *free > now) {
            return Err(later);
        }
        // Less than a whole one by what floating point loses.
        if self.tokens < 1.0 - 1e-6 {
            return Err(now + Duration::from_secs_f64((1.0 - self.tokens) / self.rate(now)));
        }
        self.spend(now);
        Ok(())
    }

    /// Notes a request that went without asking (a retry), so that later ones make room for it.
    pub(super) fn charge(&mut self, now: Instant) {
        self.refill(now);
        self.spend(now);
    }

    /// Notes that AWS throttled, at `now`, a request of `sent`, and for how long it wants none. `sent` is `None` for a
    /// request that went without asking: it tells nothing of the rate.
    pub(super) fn throttled(
        &mut self,
        now: Instant,
        sent: Option<Instant>,
        retry_after: Option<Duration>,
    ) {
        self.refill(now);
        let resume = now + retry_after.unwrap_or_default().min(LONGEST_PAUSE);
        let rate = self.rate(now);
        let floor = (FLOOR * self.ceiling).min(LOWEST);
        let (peak, start) = match &mut self.throttling {
            // It did not go at the rate that is allowed now.
            Some(known)
                if sent.is_none_or(|sent| sent <= known.at)
                    || now.saturating_duration_since(known.at) < REACTION =>
            {
                known.resume = known.resume.max(resume);
                self.refilled = self.refilled.max(known.resume);
                return;
            }
            // Between what was throttled before and what is now: a limit with a burst is noticed late.
            Some(known) if rate > known.peak => {
                (f64::midpoint(rate, known.peak), NEAR * known.peak)
            }
            Some(known) if rate > KNOWN * known.peak => (rate, NEAR * rate),
            _ => (rate, HALF * rate),
        };
        self.throttling = Some(Throttling {
            at: now,
            resume,
            peak,
            start: start.max(floor),
        });
        self.tokens = self.tokens.min(0.0);
        self.refilled = resume;
    }

    /// Has another ceiling from `now` on. What is remembered of throttling stays, as far as it lies below.
    pub(super) fn set_ceiling(&mut self, ceiling: f64, now: Instant) {
        self.refill(now);
        // Requests that might have gone at once before a raise may go now: the window below bounds them.
        let raised = places(ceiling) - places(self.ceiling);
        self.tokens += raised.max(0.0);
        self.tokens = self.tokens.min(places(ceiling));
        self.ceiling = ceiling;
        if let Some(throttling) = &mut self.throttling {
            throttling.peak = throttling.peak.min(ceiling);
            throttling.start = throttling.start.min(ceiling);
            self.tokens = self.tokens.min(2.0);
        }
        self.forget_sent();
    }

    fn refill(&mut self, now: Instant) {
        if self
            .throttling
            .is_some_and(|throttling| now.saturating_duration_since(throttling.at) > MEMORY)
        {
            self.throttling = None;
        }
        let rate = self.rate(now);
        let most = match self.throttling {
            None => places(self.ceiling),
            Some(_) => (SPACING * rate).max(2.0).min(places(self.ceiling)),
        };
        let refill = now.saturating_duration_since(self.refilled).as_secs_f64() * rate;
        self.tokens = (self.tokens + refill).min(most);
        self.refilled = self.refilled.max(now);
    }

    /// From when on the newest second, or `1 / ceiling` seconds below one a second, holds less than the ceiling. A
    /// full bucket and its refill would be twice the ceiling in the first second.
    fn window_free(&self) -> Option<Instant> {
        let oldest = self.sent.len().checked_sub(whole_places(self.ceiling))?;
        Some(self.sent[oldest] + Duration::from_secs_f64((1.0 / self.ceiling).max(1.0)))
    }

    fn spend(&mut self, now: Instant) {
        self.tokens -= 1.0;
        self.sent.push_back(now);
        self.forget_sent();
    }

    fn forget_sent(&mut self) {
        while self.sent.len() > whole_places(self.ceiling) {
            self.sent.pop_front();
        }
    }
}

/// Requests that one window takes at the ceiling.
fn places(ceiling: f64) -> f64 {
    ceiling.floor().max(1.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the configuration bounds the ceiling"
)]
fn whole_places(ceiling: f64) -> usize {
    places(ceiling) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    /// When `requests` go that are all there at `start`.
    fn grants(limit: &mut AdaptiveTokenBucket, start: Instant, requests: usize) -> Vec<Duration> {
        let mut now = start;
        let mut granted = Vec::new();
        while granted.len() < requests {
            match limit.take(now) {
                Ok(()) => granted.push(now - start),
                Err(later) => now = later,
            }
        }
        granted
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn ten_at_once_then_ten_in_the_next_second() {
        let start = Instant::now();
        let granted = grants(&mut AdaptiveTokenBucket::new(10.0, start), start, 25);
        assert_eq!(granted[..10], [Duration::ZERO; 10]);
        assert_eq!(granted[10..20], [seconds(1.0); 10]);
        assert_eq!(granted[20..], [seconds(2.0); 5]);
    }

    #[test]
    fn another_ceiling_holds_at_once_and_no_second_exceeds_it() {
        let start = Instant::now();
        let mut limit = AdaptiveTokenBucket::new(10.0, start);
        assert_eq!(grants(&mut limit, start, 10), [Duration::ZERO; 10]);
        limit.set_ceiling(2.0, start);
        assert_eq!(
            grants(&mut limit, start, 4),
            [1.0, 1.0, 2.0, 2.0].map(seconds),
            "lowered: two a second"
        );
        let later = start + seconds(10.0);
        limit.set_ceiling(10.0, later);
        let granted = grants(&mut limit, later, 20);
        assert_eq!(
            (granted[9], granted[10]),
            (Duration::ZERO, seconds(1.0)),
            "raised: ten a second"
        );
        limit.throttled(later, Some(later), None);
        limit.set_ceiling(1.0, later);
        assert!(limit.rate(later) <= 1.0 && limit.rate(later + seconds(30.0)) <= 1.0);
    }

    #[test]
    fn a_rate_below_one_spaces_single_requests() {
        let start = Instant::now();
        assert_eq!(
            grants(&mut AdaptiveTokenBucket::new(0.5, start), start, 3),
            [0.0, 2.0, 4.0].map(seconds)
        );
    }

    #[test]
    fn a_retry_takes_the_place_of_a_later_request() {
        let start = Instant::now();
        let mut limit = AdaptiveTokenBucket::new(2.0, start);
        limit.charge(start);
        limit.charge(start);
        assert_eq!(limit.take(start), Err(start + seconds(1.0)));
    }

    #[test]
    fn an_unknown_limit_halves_the_rate_and_a_known_one_takes_a_tenth() {
        let start = Instant::now();
        let mut limit = AdaptiveTokenBucket::new(100.0, start);
        limit.throttled(start, Some(start), None);
        assert!(close(limit.rate(start), 50.0));
        let later = start + seconds(2.0);
        limit.throttled(later, Some(later), None);
        let far = limit.rate(later);
        assert!(
            (29.0..32.0).contains(&far),
            "{far}: half of what it had climbed to"
        );
        let again = later + HOLD;
        let before = limit.rate(again);
        limit.throttled(again, Some(again), None);
        assert!(close(limit.rate(again), 0.9 * before));
    }

    #[test]
    fn answers_to_what_went_before_the_fall_are_no_further_sign() {
        let start = Instant::now();
        let mut limit = AdaptiveTokenBucket::new(100.0, start);
        limit.throttled(start + seconds(0.1), Some(start), None);
        limit.throttled(start + seconds(0.6), Some(start + seconds(0.2)), None);
        limit.throttled(start + seconds(1.6), Some(start + seconds(0.05)), None);
        limit.throttled(start + seconds(1.6), None, None);
        assert!(close(limit.throttling.unwrap().start, 50.0));
        limit.throttled(start + seconds(1.7), Some(start + seconds(1.6)), None);
        assert!(limit.throttling.unwrap().start < 40.0);
    }

    #[test]
    fn nothing_goes_before_the_end_of_the_pause_that_aws_asks_for() {
        let start = Instant::now();
        let mut limit = AdaptiveTokenBucket::new(10.0, start);
        limit.throttled(start, Some(start), Some(seconds(3.0)));
        assert_eq!(limit.take(start), Err(start + seconds(3.0)));
        // Five a second, evenly spaced, and slowly more.
        let granted = grants(&mut limit, start, 3);
        for (at, expected) in granted.iter().zip([3.2, 3.4, 3.6]) {
            assert!((at.as_secs_f64() - expected).abs() < 0.03, "{granted:?}");
        }
        limit.throttled(
            start + seconds(5.0),
            Some(start + seconds(4.5)),
            Some(seconds(9_000.0)),
        );
        assert_eq!(
            limit.take(start + seconds(6.0)),
            Err(start + seconds(5.0) + LONGEST_PAUSE)
        );
    }

    #[test]
    fn the_rate_is_flat_near_what_was_throttled_and_the_ceiling_is_back_after_two_minutes() {
        let start = Instant::now();
        let mut limit = AdaptiveTokenBucket::new(100.0, start);
        limit.throttling = Some(Throttling {
            at: start,
            resume: start,
            peak: 20.0,
            start: 18.0,
        });
        let rate = |s: f64| limit.rate(start + seconds(s));
        assert!(close(rate(0.0), 18.0) && close(rate(20.0), 19.4));
        assert!(
            rate(10.0) > 19.2 && rate(40.0) < 19.5,
            "{} {}",
            rate(10.0),
            rate(40.0)
        );
        assert!(
            rate(60.0) < 21.0 && rate(100.0) > 40.0,
            "{} {}",
            rate(60.0),
            rate(100.0)
        );
        assert!(close(rate(120.0), 100.0) && close(rate(1_000.0), 100.0));
    }

    #[test]
    fn the_rate_never_falls_below_its_floor() {
        let start = Instant::now();
        for (ceiling, floor) in [(10.0, 0.5), (1_000.0, 1.0), (0.5, 0.025)] {
            let mut limit = AdaptiveTokenBucket::new(ceiling, start);
            for at in 1..100 {
                let at = start + seconds(f64::from(at) * 1.5);
                limit.throttled(at, Some(at), None);
            }
            assert!(close(limit.throttling.unwrap().start, floor), "{limit:?}");
        }
    }

    #[test]
    fn throttling_is_forgotten_after_an_hour() {
        let start = Instant::now();
        let mut limit = AdaptiveTokenBucket::new(10.0, start);
        limit.throttled(start, Some(start), None);
        let later = start + MEMORY + seconds(1.0);
        assert_eq!(grants(&mut limit, later, 10), [Duration::ZERO; 10]);
    }

    proptest! {
        /// What is asked for, when, and whether it is throttled: no window holds more than the ceiling allows, and
        /// after throttling no stretch of time holds more than the rate over it and the small bucket.
        #[test]
        fn no_second_holds_more_than_the_ceiling_and_no_stretch_more_than_the_rate(
            ceiling in 1.0..200.0_f64,
            steps in proptest::collection::vec((0_u64..200, proptest::bool::weighted(0.02)), 1..400),
        ) {
            let start = Instant::now();
            let mut limit = AdaptiveTokenBucket::new(ceiling, start);
            let mut now = start;
            let mut granted = Vec::new();
            // Since the newest throttling: what the rate allowed, and what went.
            let (mut allowed, mut went) = (f64::INFINITY, 0.0);
            for (gap, throttled) in steps {
                let later = now + Duration::from_millis(gap);
                let resume = limit.throttling.map_or(now, |throttling| throttling.resume.max(now));
                allowed += later.saturating_duration_since(resume).as_secs_f64() * limit.rate(later);
                now = later;
                if throttled {
                    let before = limit.rate(now);
                    limit.throttled(now, Some(now), Some(Duration::from_millis(gap)));
                    prop_assert!(limit.rate(now) <= before + 1e-9);
                    (allowed, went) = ((SPACING * ceiling).max(2.0), 0.0);
                }
                while limit.take(now).is_ok() {
                    granted.push(now);
                    went += 1.0;
                }
                prop_assert!(went <= allowed + 1e-3, "{went} of {allowed}");
            }
            let places = whole_places(ceiling);
            for at in places..granted.len() {
                prop_assert!(granted[at] >= granted[at - places] + Duration::from_secs(1));
            }
        }

        #[test]
        fn whatever_was_throttled_the_ceiling_is_back_two_minutes_after_the_last(
            ceiling in 0.1..10_000.0_f64,
            gaps in proptest::collection::vec((0_u64..60_000, 0_u64..60), 1..100),
        ) {
            let start = Instant::now();
            let mut limit = AdaptiveTokenBucket::new(ceiling, start);
            let mut now = start;
            for (gap, retry_after) in gaps {
                now += Duration::from_millis(gap);
                limit.throttled(now, Some(now), Some(Duration::from_secs(retry_after)));
                let rate = limit.rate(now);
                prop_assert!(rate > 0.0 && rate <= ceiling + 1e-9, "{}", rate);
            }
            let rate = limit.rate(now + LONGEST_PAUSE + HOLD + PROBE);
            prop_assert!((rate - ceiling).abs() < 1e-6 * ceiling, "{}", rate);
        }
    }
}
