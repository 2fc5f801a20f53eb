//! Concurrency and rate limit of one account, as a decorator.

use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Instant;

use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::rate::RateLimit;
use super::{ApiFuture, Attempt, ErrorKind, ResultsPage, TransferApi, TransferError};
use model::{Clock, ConnectorId, TransferId};

/// The limits of one account in its Region, shared by everything that calls AWS for it.
pub struct Limits {
    in_flight: Semaphore,
    places: Lock<Places>,
    /// Held by the call whose turn it is to wait for the rate; the others queue. So a rate that falls or a pause that
    /// begins holds for all that have not gone yet.
    turn: Mutex<()>,
    rate: Lock<RateLimit>,
    clock: Arc<dyn Clock>,
}

/// How many calls may be in flight.
struct Places {
    wanted: usize,
    /// Those that are to go as soon as their calls have ended.
    surplus: usize,
}

/// A call in flight.
struct Place<'a> {
    limits: &'a Limits,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self
            .limits
            .places
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if places.surplus > 0 {
            places.surplus -= 1;
            self.permit
                .take()
                .into_iter()
                .for_each(SemaphorePermit::forget);
        }
    }
}

impl Limits {
    /// At most `concurrency` calls in flight and `requests_per_second` requests.
    pub fn new(concurrency: usize, requests_per_second: f64, clock: Arc<dyn Clock>) -> Arc<Self> {
        let rate = RateLimit::new(requests_per_second, clock.now().instant);
        Arc::new(Self {
            in_flight: Semaphore::new(concurrency),
            places: Lock::new(Places {
                wanted: concurrency,
                surplus: 0,
            }),
            turn: Mutex::new(()),
            rate: Lock::new(rate),
            clock,
        })
    }

    /// Has other limits from now on. Calls in flight go on; where there are more than `concurrency`, none begins until
    /// enough of them have ended. What is remembered of throttling stays.
    pub fn change(&self, concurrency: usize, requests_per_second: f64) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = concurrency.checked_sub(places.wanted) {
            let kept = more.min(places.surplus);
            places.surplus -= kept;
            self.in_flight.add_permits(more - kept);
        } else {
            let fewer = places.wanted - concurrency;
            places.surplus += fewer - self.in_flight.forget_permits(fewer);
        }
        places.wanted = concurrency;
        drop(places);
        self.with_rate(|rate, now| rate.set_ceiling(requests_per_second, now));
    }

    /// Requests per second that are allowed now.
    pub fn rate(&self) -> f64 {
        self.with_rate(|rate, now| rate.rate(now))
    }

    pub(super) fn charge_retry(&self) {
        self.with_rate(RateLimit::charge);
    }

    /// An attempt was throttled.
    pub(super) fn throttled(&self, attempt: &Attempt) {
        self.with_rate(|rate, now| {
            let sent = now.checked_sub(attempt.duration).filter(|_| !attempt.retry);
            rate.throttled(now, sent, attempt.retry_after);
        });
    }

    pub(super) async fn wait_for_rate(&self) {
        let _turn = self.turn.lock().await;
        while let Err(wait) = self.with_rate(|rate, now| {
            rate.take(now)
                .map_err(|at| at.saturating_duration_since(now))
        }) {
            tokio::time::sleep(wait).await;
        }
    }

    fn with_rate<T>(&self, f: impl FnOnce(&mut RateLimit, Instant) -> T) -> T {
        let now = self.clock.now().instant;
        f(
            &mut self.rate.lock().unwrap_or_else(PoisonError::into_inner),
            now,
        )
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
            let permit = Some(self.limits.in_flight.acquire().await.map_err(closed)?);
            let _place = Place {
                limits: &self.limits,
                permit,
            };
            self.limits.wait_for_rate().await;
            self.inner
                .file_results_page(connector, transfer, next_token)
                .await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transfer::{Operation, Outcome};

    /// Takes 100 ms a call, and notes when each began and how many were in flight.
    #[derive(Default)]
    struct Slow {
        begun: Lock<Vec<tokio::time::Instant>>,
        in_flight: Lock<(usize, usize)>,
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
        let clock = || model::Now {
            instant: tokio::time::Instant::now().into_std(),
            wall: std::time::SystemTime::UNIX_EPOCH,
        };
        Limits::new(concurrency, requests_per_second, Arc::new(clock))
    }

    fn throttled(duration_ms: u64, retry_after_seconds: u64) -> Attempt {
        Attempt {
            operation: Operation::ListFileTransferResults,
            retry: false,
            outcome: Outcome::Throttled,
            account_up: Some(true),
            duration: Duration::from_millis(duration_ms),
            retry_after: Some(Duration::from_secs(retry_after_seconds)),
        }
    }

    async fn begin(calls: usize, limits: Arc<Limits>) -> (Vec<u64>, usize) {
        let slow = Arc::<Slow>::default();
        let limited = Limited::new(Arc::clone(&slow), limits);
        let (connector, transfer) = ("c-0123456789abcdef0".parse().unwrap(), "t".parse().unwrap());
        let start = tokio::time::Instant::now();
        let calls = (0..calls).map(|_| limited.file_results_page(&connector, &transfer, None));
        futures_util::future::join_all(calls).await;
        let begun = slow
            .begun
            .lock()
            .unwrap()
            .iter()
            .map(|at| (*at - start).as_secs_f64() * 10.0)
            .map(tenths)
            .collect();
        (begun, slow.in_flight.lock().unwrap().1)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few tenths of a second"
    )]
    fn tenths(at: f64) -> u64 {
        at.round() as u64
    }

    #[tokio::test(start_paused = true)]
    async fn calls_wait_for_the_rate() {
        assert_eq!(
            begin(7, limits(16, 3.0)).await,
            (vec![0, 0, 0, 10, 10, 10, 20], 3)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn calls_wait_for_one_another() {
        assert_eq!(
            begin(6, limits(2, 100.0)).await,
            (vec![0, 0, 1, 1, 2, 2], 2)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn fewer_places_hold_as_soon_as_the_calls_in_flight_have_ended_and_more_at_once() {
        let limits = limits(4, 1000.0);
        let running = tokio::spawn(begin(4, Arc::clone(&limits)));
        tokio::time::sleep(Duration::from_millis(50)).await;
        limits.change(1, 1000.0);
        let fewer = begin(2, Arc::clone(&limits)).await;
        assert_eq!(running.await.unwrap(), (vec![0; 4], 4));
        assert_eq!(fewer.1, 1, "one after the other");
        limits.change(3, 1000.0);
        assert_eq!(
            begin(6, Arc::clone(&limits)).await,
            (vec![0, 0, 0, 1, 1, 1], 3)
        );
        let running = tokio::spawn(begin(3, Arc::clone(&limits)));
        tokio::time::sleep(Duration::from_millis(50)).await;
        limits.change(1, 1000.0);
        limits.change(2, 1000.0);
        running.await.unwrap();
        assert_eq!(
            begin(4, Arc::clone(&limits)).await,
            (vec![0, 0, 1, 1], 2),
            "down and up within a call"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn retries_and_throttling_slow_down_later_calls() {
        let limits = limits(16, 4.0);
        limits.charge_retry();
        limits.throttled(&throttled(0, 1));
        assert!((limits.rate() - 2.0).abs() < 1e-9);
        // Nothing for one second, then two a second.
        assert_eq!(begin(3, limits).await.0, [15, 19, 24]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_for_calls_that_wait_already() {
        let limits = limits(16, 1.0);
        let waiting = tokio::spawn(begin(3, Arc::clone(&limits)));
        tokio::time::sleep(Duration::from_millis(500)).await;
        limits.throttled(&throttled(400, 20));
        let begun = waiting.await.unwrap().0;
        assert!(
            begun[0] == 0 && begun[1] > 205 && begun[2] > begun[1] + 10,
            "{begun:?}"
        );
    }
}
