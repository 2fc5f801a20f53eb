//! Concurrency and rate limit of one account, as a decorator.

mod token_bucket;

use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Instant;

use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use self::token_bucket::AdaptiveTokenBucket;
use super::{ApiFuture, Attempt, ErrorKind, ResultsPage, TransferApi, TransferError};
use model::{Clock, ConnectorId, TransferId};

/// The limits of one account in its Region, shared by everything that calls AWS for it.
pub struct AccountLimiter {
    in_flight: Semaphore,
    places: Lock<Places>,
    /// Held by the call whose turn it is to wait for the rate; the others queue. So a rate that falls or a pause that
    /// begins holds for all that have not gone yet.
    turn: Mutex<()>,
    rate: Lock<AdaptiveTokenBucket>,
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
    limits: &'a AccountLimiter,
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

impl AccountLimiter {
    /// At most `concurrency` calls in flight and `requests_per_second` requests.
    pub fn new(concurrency: usize, requests_per_second: f64, clock: Arc<dyn Clock>) -> Arc<Self> {
        let rate = AdaptiveTokenBucket::new(requests_per_second, clock.now().instant);
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

    pub(super) fn record_retry(&self) {
        self.with_rate(AdaptiveTokenBucket::charge);
    }

    /// An attempt was throttled.
    pub(super) fn record_throttling(&self, attempt: &Attempt) {
        self.with_rate(|rate, now| {
            let sent = now.checked_sub(attempt.duration).filter(|_| !attempt.retry);
            rate.throttled(now, sent, attempt.retry_after);
        });
    }

    pub(super) async fn acquire(&self) {
        let _turn = self.turn.lock().await;
        while let Err(wait) = self.with_rate(|rate, now| {
            rate.take(now)
                .map_err(|at| at.saturating_duration_since(now))
        }) {
            tokio::time::sleep(wait).await;
        }
    }

    fn with_rate<T>(&self, f: impl FnOnce(&mut AdaptiveTokenBucket, Instant) -> T) -> T {
        let now = self.clock.now().instant;
        f(
            &mut self.rate.lock().unwrap_or_else(PoisonError::into_inner),
            now,
        )
    }
}

/// Waits for its turn before each call.
pub struct RateLimited<A> {
    inner: A,
    limits: Arc<AccountLimiter>,
}

impl<A: TransferApi> RateLimited<A> {
    /// `inner`, within `limits`.
    pub fn new(inner: A, limits: Arc<AccountLimiter>) -> Self {
        Self { inner, limits }
    }
}

impl<A: TransferApi> TransferApi for RateLimited<A> {
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
            self.limits.acquire().await;
            self.inner
                .file_results_page(connector, transfer, next_token)
                .await
        })
    }
}

#[cfg(test)]
mod tests;
