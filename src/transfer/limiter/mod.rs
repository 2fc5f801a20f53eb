//! Concurrency and request rate of one account.

mod adaptive_rate;
mod schedule;
mod throttling_share;

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::schedule::SendSchedule;
use super::{
    ApiFuture, Attempt, AttemptOutcome, ErrorKind, ResultsPage, TransferApi, TransferError,
};
use model::{Clock, ConnectorId, TransferId};

use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};

/// Limits of one account in its Region, shared by all its calls for results.
pub struct AccountLimiter {
    in_flight: Semaphore,
    permits: Mutex<Permits>,
    /// Held by the call that waits for the rate; others queue behind it. So a lower rate or a pause
    /// applies to every call that has not been sent.
    queue: AsyncMutex<()>,
    schedule: Mutex<SendSchedule>,
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
        Arc::new(Self {
            in_flight: Semaphore::new(concurrency),
            permits: Mutex::new(Permits {
                configured: concurrency,
                surplus: 0,
            }),
            queue: AsyncMutex::new(()),
            schedule: Mutex::new(SendSchedule::new(requests_per_second)),
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
        self.with_schedule(|schedule, _| schedule.set_ceiling(requests_per_second));
    }

    /// Returns the current rate, in requests per second.
    pub fn rate(&self) -> f64 {
        self.with_schedule(|schedule, now| schedule.rate(now))
    }

    /// Records the end of an attempt. A retry is no evidence of the rate, because its call has been
    /// throttled before; nor is an attempt that was not sent.
    pub(super) fn record_attempt(&self, attempt: &Attempt) {
        if attempt.retry || attempt.outcome == AttemptOutcome::NotSent {
            return;
        }
        let throttled = attempt.outcome == AttemptOutcome::Throttled;
        self.with_schedule(|schedule, now| {
            let sent = now.checked_sub(attempt.duration).unwrap_or(now);
            schedule.record_response(now, sent, throttled, attempt.retry_after);
        });
    }

    /// Waits until a request may be sent.
    pub(super) async fn acquire(&self) {
        let _turn = self.queue.lock().await;
        while let Err(wait) = self.with_schedule(|schedule, now| {
            schedule
                .take(now)
                .map_err(|time| time.saturating_duration_since(now))
        }) {
            tokio::time::sleep(wait).await;
        }
    }

    fn with_schedule<T>(&self, f: impl FnOnce(&mut SendSchedule, Instant) -> T) -> T {
        let now = self.clock.now().instant;
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut schedule, now)
    }

    fn permits(&self) -> std::sync::MutexGuard<'_, Permits> {
        self.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

tokio::task_local! {
    static CALL: LimitedCall;
}

/// A call under way in the current task.
struct LimitedCall {
    limiter: Arc<AccountLimiter>,
    /// Number of its latest attempt; the first is 1.
    attempt: Cell<u32>,
    next: Cell<NextAttempt>,
}

/// When the next attempt of a call leaves.
#[derive(Clone, Copy, Default)]
enum NextAttempt {
    #[default]
    Undecided,
    At(Instant),
    TooLate,
}

impl Drop for LimitedCall {
    fn drop(&mut self) {
        if let NextAttempt::At(time) = self.next.take() {
            self.limiter
                .with_schedule(|schedule, now| schedule.release(time, now));
        }
    }
}

/// When a call may be attempted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryTime {
    /// Nothing is reserved: the call is not limited, or has no further attempt.
    NotReserved,
    /// After this time, which is reserved for it.
    After(Duration),
    /// Too late to wait for.
    TooLate,
}

/// Records that an attempt of the call under way in this task begins; the first is 1.
pub(super) fn begin_attempt(number: u32) {
    // Calls of other services are not limited.
    let _ = CALL.try_with(|call| {
        call.attempt.set(number);
        call.next.take();
    });
}

/// Reserves the time of the next attempt of the call under way in this task. The SDK asks more than
/// once for an attempt, and gets the same time. `backoff` is the shortest pause after an attempt with
/// a number, and `longest` the longest.
pub(super) fn reserve_retry(
    max_attempts: u32,
    backoff: impl FnOnce(u32) -> Duration,
    longest: Duration,
) -> RetryTime {
    let reserve = |call: &LimitedCall| {
        let attempt = call.attempt.get();
        if attempt >= max_attempts {
            return RetryTime::NotReserved;
        }
        call.limiter.with_schedule(|schedule, now| {
            if let NextAttempt::Undecided = call.next.get() {
                let time = schedule.reserve(now, now + backoff(attempt), now + longest);
                call.next
                    .set(time.map_or(NextAttempt::TooLate, NextAttempt::At));
            }
            match call.next.get() {
                NextAttempt::At(time) => RetryTime::After(time.saturating_duration_since(now)),
                _ => RetryTime::TooLate,
            }
        })
    };
    CALL.try_with(reserve).unwrap_or(RetryTime::NotReserved)
}

/// A [`TransferApi`] that waits for its account's limiter before each attempt.
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
            let call = LimitedCall {
                limiter: Arc::clone(&self.limiter),
                attempt: Cell::new(1),
                next: Cell::default(),
            };
            let page = self
                .inner
                .file_results_page(connector, transfer, next_token);
            CALL.scope(call, page).await
        })
    }
}

#[cfg(test)]
mod tests;
