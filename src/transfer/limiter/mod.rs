//! Concurrency and request rate of one account.

mod adaptive_rate;
mod token_bucket;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use self::token_bucket::AdaptiveTokenBucket;
use super::{ApiFuture, Attempt, ErrorKind, ResultsPage, TransferApi, TransferError};
use model::{Clock, ConnectorId, TransferId};

use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};

/// Limits of one account in its Region, shared by all its calls for results.
pub struct AccountLimiter {
    in_flight: Semaphore,
    permits: Mutex<Permits>,
    /// Held by the call that waits for the rate; others queue behind it. So a lower rate or a pause
    /// applies to every call that has not been sent.
    queue: AsyncMutex<()>,
    bucket: Mutex<AdaptiveTokenBucket>,
    clock: Arc<dyn Clock>,
}

/// How many calls may be in flight.
struct Permits {
    configured: usize,
    /// Permits above the configured number: withdrawn as soon as their calls end.
    surplus: usize,
}

/// The permit of a call in flight.
struct CallPermit<'a> {
    limiter: &'a AccountLimiter,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        let mut permits = self.limiter.permits();
        if permits.surplus > 0 {
            permits.surplus -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

impl AccountLimiter {
    /// Creates a limiter of `concurrency` calls in flight and `requests_per_second` requests.
    pub fn new(concurrency: usize, requests_per_second: f64, clock: Arc<dyn Clock>) -> Arc<Self> {
        let bucket = AdaptiveTokenBucket::new(requests_per_second, clock.now().instant);
        Arc::new(Self {
            in_flight: Semaphore::new(concurrency),
            permits: Mutex::new(Permits {
                configured: concurrency,
                surplus: 0,
            }),
            queue: AsyncMutex::new(()),
            bucket: Mutex::new(bucket),
            clock,
        })
    }

    /// Changes the limits. Calls in flight continue; if there are more than `concurrency`, none starts
    /// until enough of them have ended. Throttling is still remembered.
    pub fn change(&self, concurrency: usize, requests_per_second: f64) {
        let mut permits = self.permits();
        if let Some(more) = concurrency.checked_sub(permits.configured) {
            let kept = more.min(permits.surplus);
            permits.surplus -= kept;
            self.in_flight.add_permits(more - kept);
        } else {
            let fewer = permits.configured - concurrency;
            permits.surplus += fewer - self.in_flight.forget_permits(fewer);
        }
        permits.configured = concurrency;
        drop(permits);
        self.with_bucket(|bucket, now| bucket.set_ceiling(requests_per_second, now));
    }

    /// Returns the current rate, in requests per second.
    pub fn rate(&self) -> f64 {
        self.with_bucket(|bucket, now| bucket.rate(now))
    }

    pub(super) fn record_retry(&self) {
        self.with_bucket(AdaptiveTokenBucket::record_retry);
    }

    pub(super) fn record_throttling(&self, attempt: &Attempt) {
        self.with_bucket(|bucket, now| {
            let sent = now.checked_sub(attempt.duration).filter(|_| !attempt.retry);
            bucket.record_throttling(now, sent, attempt.retry_after);
        });
    }

    /// Waits until a request may be sent.
    pub(super) async fn acquire(&self) {
        let _turn = self.queue.lock().await;
        while let Err(wait) = self.with_bucket(|bucket, now| {
            bucket
                .try_acquire(now)
                .map_err(|at| at.saturating_duration_since(now))
        }) {
            tokio::time::sleep(wait).await;
        }
    }

    fn with_bucket<T>(&self, f: impl FnOnce(&mut AdaptiveTokenBucket, Instant) -> T) -> T {
        let now = self.clock.now().instant;
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut bucket, now)
    }

    fn permits(&self) -> std::sync::MutexGuard<'_, Permits> {
        self.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A [`TransferApi`] that waits for its account's limiter before each call.
pub struct RateLimited<A> {
    inner: A,
    limiter: Arc<AccountLimiter>,
}

impl<A: TransferApi> RateLimited<A> {
    /// Limits the calls of `inner`.
    pub fn new(inner: A, limiter: Arc<AccountLimiter>) -> Self {
        Self { inner, limiter }
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
            let closed = |_| TransferError::new(ErrorKind::Network, "the limiter is closed");
            let permit = self.limiter.in_flight.acquire().await.map_err(closed)?;
            let _permit = CallPermit {
                limiter: &self.limiter,
                permit: Some(permit),
            };
            self.limiter.acquire().await;
            self.inner
                .file_results_page(connector, transfer, next_token)
                .await
        })
    }
}

#[cfg(test)]
mod tests;
