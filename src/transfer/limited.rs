//! Concurrency and rate limit of one account, as a decorator.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::{ApiFuture, ErrorKind, ResultsPage, TransferApi, TransferError};
use crate::model::{Clock, ConnectorId, TransferId};

/// The lowest rate that throttling leads to, as a share of the ceiling.
const FLOOR: f64 = 0.05;
/// What one second without throttling gives back, as a share of the ceiling.
const CLIMB_PER_SECOND: f64 = 0.05;
/// Throttled answers within this time are one sign, not many: they were all sent at the same rate.
const REACTION: Duration = Duration::from_secs(1);

/// Allows at most so many requests in any window of one second, whole ones (a rate below one allows one request in
/// `1/rate` seconds), halves on throttling and climbs back. Pure: `now` comes from above.
#[derive(Debug)]
pub struct RateLimit {
    ceiling: f64,
    rate: f64,
    rate_since: Instant,
    throttled: Option<Instant>,
    /// When the newest requests were sent or may be sent, oldest first: as many as one window takes.
    granted: VecDeque<Instant>,
}

impl RateLimit {
    /// A limit of `ceiling` requests per second, which must be above zero.
    pub fn new(ceiling: f64, now: Instant) -> Self {
        Self { ceiling, rate: ceiling, rate_since: now, throttled: None, granted: VecDeque::new() }
    }

    /// Requests per second that are allowed now.
    pub fn rate(&self, now: Instant) -> f64 {
        let climbed = now.saturating_duration_since(self.rate_since).as_secs_f64() * CLIMB_PER_SECOND * self.ceiling;
        (self.rate + climbed).min(self.ceiling)
    }

    /// Takes a place for one request: it may be sent at the instant that comes back.
    pub fn reserve(&mut self, now: Instant) -> Instant {
        let (places, window) = self.window(now);
        let free = self.granted.len().checked_sub(places).map(|at| self.granted[at] + window);
        let grant = free.map_or(now, |free| free.max(now));
        self.push(grant, places);
        grant
    }

    /// Notes a request that was sent without asking (a retry), so that later ones make room for it.
    pub fn charge(&mut self, now: Instant) {
        let (places, _) = self.window(now);
        self.push(now, places);
    }

    /// Notes that AWS throttled a request.
    pub fn throttled(&mut self, now: Instant) {
        if self.throttled.is_some_and(|at| now.saturating_duration_since(at) < REACTION) {
            return;
        }
        self.rate = (self.rate(now) / 2.0).max(self.ceiling * FLOOR);
        self.rate_since = now;
        self.throttled = Some(now);
    }

    /// How many requests fit into how long a window.
    fn window(&self, now: Instant) -> (usize, Duration) {
        let rate = self.rate(now);
        let places = rate.floor().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the ceiling")]
        (places as usize, Duration::from_secs_f64((1.0 / rate).max(1.0)))
    }

    fn push(&mut self, at: Instant, places: usize) {
        let sorted = self.granted.partition_point(|known| *known <= at);
        self.granted.insert(sorted, at);
        // A higher rate later needs more of the past than this one: keep what the ceiling needs.
        let keep = places.max(ceiling_places(self.ceiling)) + 1;
        while self.granted.len() > keep {
            self.granted.pop_front();
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the configuration bounds the ceiling")]
fn ceiling_places(ceiling: f64) -> usize {
    ceiling.floor().max(1.0) as usize
}

/// The limits of one account, shared by everything that calls AWS for it.
pub struct Limits {
    in_flight: Semaphore,
    rate: Mutex<RateLimit>,
    clock: Arc<dyn Clock>,
}

impl Limits {
    /// At most `concurrency` calls in flight and `requests_per_second` requests.
    pub fn new(concurrency: usize, requests_per_second: f64, clock: Arc<dyn Clock>) -> Arc<Self> {
        let rate = RateLimit::new(requests_per_second, clock.now().instant);
        Arc::new(Self { in_flight: Semaphore::new(concurrency), rate: Mutex::new(rate), clock })
    }

    /// Requests per second that are allowed now.
    pub fn rate(&self) -> f64 {
        self.with_rate(|rate, now| rate.rate(now))
    }

    pub(super) fn charge_retry(&self) {
        self.with_rate(RateLimit::charge);
    }

    pub(super) fn throttled(&self) {
        self.with_rate(RateLimit::throttled);
    }

    fn with_rate<T>(&self, f: impl FnOnce(&mut RateLimit, Instant) -> T) -> T {
        let now = self.clock.now().instant;
        f(&mut self.rate.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

/// Waits for its turn before each call.
pub struct Limited<A> {
    inner: A,
    limits: Arc<Limits>,
}

impl<A: TransferApi> Limited<A> {
    /// `inner`, within `limits`.
    pub fn new(inner: A, limits: Arc<Limits>) -> Self {
        Self { inner, limits }
    }
}

impl<A: TransferApi> TransferApi for Limited<A> {
    fn file_results_page<'a>(
        &'a self,
        connector: &'a ConnectorId,
        transfer: &'a TransferId,
        next_token: Option<&'a str>,
    ) -> ApiFuture<'a, ResultsPage> {
        Box::pin(async move {
            let closed = |_| TransferError::new(ErrorKind::Network, "the limit was closed");
            let _in_flight = self.limits.in_flight.acquire().await.map_err(closed)?;
            let (grant, now) = self.limits.with_rate(|rate, now| (rate.reserve(now), now));
            let wait = grant.saturating_duration_since(now);
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            self.inner.file_results_page(connector, transfer, next_token).await
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    #[test]
    fn ten_at_once_then_ten_in_the_next_second() {
        let start = Instant::now();
        let mut limit = RateLimit::new(10.0, start);
        let grants: Vec<_> = (0..25).map(|_| limit.reserve(start) - start).collect();
        assert_eq!(grants[..10], [Duration::ZERO; 10]);
        assert_eq!(grants[10..20], [seconds(1.0); 10]);
        assert_eq!(grants[20..], [seconds(2.0); 5]);
    }

    #[test]
    fn a_rate_below_one_spaces_single_requests() {
        let start = Instant::now();
        let mut limit = RateLimit::new(0.5, start);
        let grants: Vec<_> = (0..3).map(|_| limit.reserve(start) - start).collect();
        assert_eq!(grants, [seconds(0.0), seconds(2.0), seconds(4.0)]);
    }

    #[test]
    fn throttling_halves_the_rate_once_a_second_and_it_climbs_back_to_the_ceiling() {
        let start = Instant::now();
        let mut limit = RateLimit::new(10.0, start);
        limit.throttled(start);
        limit.throttled(start + seconds(0.5));
        assert!((limit.rate(start) - 5.0).abs() < 1e-9);
        assert!((limit.rate(start + seconds(4.0)) - 7.0).abs() < 1e-9);
        assert!((limit.rate(start + seconds(60.0)) - 10.0).abs() < 1e-9);
        for at in 1..100 {
            limit.throttled(start + seconds(f64::from(at) * 1.5));
        }
        let floor = limit.rate(start + seconds(99.0 * 1.5));
        assert!((0.5..1.5).contains(&floor), "{floor}");
    }

    #[test]
    fn a_retry_takes_the_place_of_a_later_request() {
        let start = Instant::now();
        let mut limit = RateLimit::new(2.0, start);
        limit.charge(start);
        limit.charge(start);
        assert_eq!(limit.reserve(start) - start, seconds(1.0));
    }

    /// Takes 100 ms a call, and notes when each began and how many were in flight.
    #[derive(Default)]
    struct Slow {
        begun: Mutex<Vec<tokio::time::Instant>>,
        in_flight: Mutex<(usize, usize)>,
    }

    impl TransferApi for Arc<Slow> {
        fn file_results_page<'a>(
            &'a self,
            _: &'a ConnectorId,
            _: &'a TransferId,
            _: Option<&'a str>,
        ) -> ApiFuture<'a, ResultsPage> {
            Box::pin(async {
                self.begun.lock().unwrap().push(tokio::time::Instant::now());
                {
                    let (now, most) = &mut *self.in_flight.lock().unwrap();
                    *now += 1;
                    *most = (*most).max(*now);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.in_flight.lock().unwrap().0 -= 1;
                Ok(ResultsPage::default())
            })
        }
    }

    fn limits(concurrency: usize, requests_per_second: f64) -> Arc<Limits> {
        let clock = || crate::model::Now {
            instant: tokio::time::Instant::now().into_std(),
            wall: std::time::SystemTime::UNIX_EPOCH,
        };
        Limits::new(concurrency, requests_per_second, Arc::new(clock))
    }

    async fn begin(calls: usize, limits: Arc<Limits>) -> (Vec<u64>, usize) {
        let slow = Arc::<Slow>::default();
        let limited = Limited::new(Arc::clone(&slow), limits);
        let (connector, transfer) = ("c-0123456789abcdef0".parse().unwrap(), "t".parse().unwrap());
        let start = tokio::time::Instant::now();
        let calls = (0..calls).map(|_| limited.file_results_page(&connector, &transfer, None));
        futures_util::future::join_all(calls).await;
        let begun =
            slow.begun.lock().unwrap().iter().map(|at| (*at - start).as_secs_f64() * 10.0).map(tenths).collect();
        (begun, slow.in_flight.lock().unwrap().1)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few tenths of a second")]
    fn tenths(at: f64) -> u64 {
        at.round() as u64
    }

    #[tokio::test(start_paused = true)]
    async fn calls_wait_for_the_rate() {
        assert_eq!(begin(7, limits(16, 3.0)).await, (vec![0, 0, 0, 10, 10, 10, 20], 3));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_wait_for_one_another() {
        assert_eq!(begin(6, limits(2, 100.0)).await, (vec![0, 0, 1, 1, 2, 2], 2));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_and_throttling_slow_down_later_calls() {
        let limits = limits(16, 4.0);
        limits.charge_retry();
        limits.charge_retry();
        limits.throttled();
        assert!((limits.rate() - 2.0).abs() < 1e-9);
        // Two places in the first second, both taken by the retries.
        assert_eq!(begin(3, limits).await.0, [10, 10, 20]);
    }

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_ceiling(
            ceiling in 1.0..50.0_f64,
            steps in proptest::collection::vec((0_u64..200, proptest::bool::weighted(0.05)), 1..300),
        ) {
            let start = Instant::now();
            let mut limit = RateLimit::new(ceiling, start);
            let mut now = start;
            let mut grants = Vec::new();
            for (gap, throttled) in steps {
                now += Duration::from_millis(gap);
                if throttled {
                    limit.throttled(now);
                }
                grants.push(limit.reserve(now));
            }
            let ceiling = ceiling_places(ceiling);
            for at in ceiling..grants.len() {
                prop_assert!(grants[at] >= grants[at - ceiling] + Duration::from_secs(1));
            }
        }
    }
}
