//! The rate limit against models of a service that throttles, in paused time: what share of the calls is throttled once
//! settled in, and how long a round of all transfers takes.

#![expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "counts far below 2^52, and figures to read"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::transfer::limiter::{AccountLimiter, RateLimited};
use crate::transfer::{
    ApiFuture, Attempt, AttemptOutcome, ErrorKind, Operation, ResultsPage, TransferApi,
    TransferError,
};
use model::{ConnectorId, Now, TransferId};

const TRANSFERS: u64 = 500;
const LIMIT: f64 = 20.0;

/// How a service enforces its limit.
#[derive(Clone, Copy, Debug)]
enum Enforced {
    /// A bucket that holds so many.
    Bucket(f64),
    /// So many in each second of the clock.
    Window,
    /// So many in any stretch of one second.
    Sliding,
}

struct State {
    tokens: f64,
    refilled: Instant,
    passed: VecDeque<Instant>,
    random: u64,
}

/// A service that throttles, and the retries that the SDK makes against it.
struct Service {
    enforced: Enforced,
    limit: Mutex<f64>,
    retry_after: Option<Duration>,
    limits: Arc<AccountLimiter>,
    start: Instant,
    state: Mutex<State>,
    attempts: AtomicU64,
    throttled: AtomicU64,
}

impl Service {
    fn passes(&self) -> bool {
        let (now, limit) = (Instant::now(), *self.limit.lock().unwrap());
        let mut state = self.state.lock().unwrap();
        let second = |at: Instant| (at - self.start).as_secs();
        match self.enforced {
            Enforced::Bucket(burst) => {
                let refill = (now - state.refilled).as_secs_f64() * limit;
                state.tokens = (state.tokens + refill).min(burst);
                state.refilled = now;
                let passes = state.tokens >= 1.0;
                state.tokens -= f64::from(u8::from(passes));
                return passes;
            }
            Enforced::Window => state.passed.retain(|at| second(*at) == second(now)),
            Enforced::Sliding => state.passed.retain(|at| *at + Duration::from_secs(1) > now),
        }
        let passes = (state.passed.len() as f64) < limit;
        if passes {
            state.passed.push_back(now);
        }
        passes
    }

    /// 20 to 80 ms each way.
    fn latency(&self) -> Duration {
        let mut state = self.state.lock().unwrap();
        state.random = state
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(20 + (state.random >> 33) % 60)
    }

    async fn attempt(&self, retry: bool) -> bool {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        tokio::time::sleep(self.latency()).await;
        let passes = self.passes();
        tokio::time::sleep(self.latency()).await;
        if !passes {
            self.throttled.fetch_add(1, Ordering::Relaxed);
            self.limits.record_throttling(&Attempt {
                operation: Operation::ListFileTransferResults,
                retry,
                outcome: AttemptOutcome::Throttled,
                account_up: Some(true),
                duration: start.elapsed(),
                retry_after: self.retry_after,
            });
        }
        passes
    }
}

impl TransferApi for Arc<Service> {
    fn file_results_page<'a>(
        &'a self,
        _: &'a ConnectorId,
        _: &'a TransferId,
        _: Option<&'a str>,
    ) -> ApiFuture<'a, ResultsPage> {
        Box::pin(async {
            for attempt in 0..3 {
                if attempt > 0 {
                    tokio::time::sleep(
                        self.retry_after
                            .unwrap_or(Duration::from_millis(100) * attempt),
                    )
                    .await;
                    self.limits.record_retry();
                }
                if self.attempt(attempt > 0).await {
                    return Ok(ResultsPage::default());
                }
            }
            Err(TransferError::new(ErrorKind::Throttled, ""))
        })
    }
}

fn service(
    enforced: Enforced,
    ceiling: f64,
    retry_after: Option<Duration>,
    seed: u64,
) -> Arc<Service> {
    let clock = || Now {
        instant: Instant::now().into_std(),
        wall: std::time::SystemTime::UNIX_EPOCH,
    };
    let start = Instant::now();
    let tokens = if let Enforced::Bucket(burst) = enforced {
        burst
    } else {
        0.0
    };
    Arc::new(Service {
        enforced,
        limit: Mutex::new(LIMIT),
        retry_after,
        limits: AccountLimiter::new(16, ceiling, Arc::new(clock)),
        start,
        state: Mutex::new(State {
            tokens,
            refilled: start,
            passed: VecDeque::new(),
            random: seed,
        }),
        attempts: AtomicU64::new(0),
        throttled: AtomicU64::new(0),
    })
}

/// Refreshes all transfers, round after round, until `until`, with 16 workers. A transfer whose call failed has its turn
/// again in the next round. Answers the longest time between two answers for one transfer.
async fn refresh(service: &Arc<Service>, until: Instant) -> Duration {
    let (next, now) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let answered = Arc::new(Mutex::new((
        vec![now; usize::try_from(TRANSFERS).unwrap()],
        Duration::ZERO,
    )));
    let workers = (0..16).map(|_| {
        let (next, answered) = (Arc::clone(&next), Arc::clone(&answered));
        let limited = RateLimited::new(Arc::clone(service), Arc::clone(&service.limits));
        async move {
            let (connector, transfer) =
                ("c-0123456789abcdef0".parse().unwrap(), "t".parse().unwrap());
            while Instant::now() < until {
                let turn =
                    usize::try_from(next.fetch_add(1, Ordering::Relaxed) % TRANSFERS).unwrap();
                if limited
                    .file_results_page(&connector, &transfer, None)
                    .await
                    .is_ok()
                {
                    let (at, longest) = &mut *answered.lock().unwrap();
                    *longest = (*longest).max(at[turn].elapsed());
                    at[turn] = Instant::now();
                }
            }
        }
    });
    futures_util::future::join_all(workers).await;
    let (at, longest) = &*answered.lock().unwrap();
    at.iter()
        .map(Instant::elapsed)
        .fold(*longest, Duration::max)
}

/// How one model went once settled in: the share of attempts that were throttled, the longest time between two answers
/// of a transfer over the ideal period.
async fn settled(service: &Arc<Service>) -> (f64, f64) {
    let settle = Instant::now() + Duration::from_mins(1);
    refresh(service, settle).await;
    let (attempts, throttled) = (
        service.attempts.load(Ordering::Relaxed),
        service.throttled.load(Ordering::Relaxed),
    );
    let longest = refresh(service, Instant::now() + Duration::from_mins(10)).await;
    let attempts = service.attempts.load(Ordering::Relaxed) - attempts;
    let throttled = service.throttled.load(Ordering::Relaxed) - throttled;
    (
        throttled as f64 / attempts as f64,
        longest.as_secs_f64() / (TRANSFERS as f64 / LIMIT),
    )
}

#[tokio::test(start_paused = true)]
async fn few_calls_are_throttled_and_500_transfers_are_refreshed_in_little_more_than_the_ideal_period()
 {
    let second = Some(Duration::from_secs(1));
    let mut misses = Vec::new();
    for enforced in [
        Enforced::Bucket(LIMIT),
        Enforced::Bucket(5.0),
        Enforced::Window,
        Enforced::Sliding,
    ] {
        for ceiling in [25.0, 100.0, 2_000.0] {
            for retry_after in [None, second] {
                for seed in [1, 2] {
                    let service = service(enforced, ceiling, retry_after, seed);
                    let (share, ratio) = settled(&service).await;
                    let line = format!(
                        "{enforced:?}, ceiling {ceiling}, retry after {retry_after:?}: {:.2} % throttled, {ratio:.3} of the ideal period",
                        share * 100.0
                    );
                    println!("{line}");
                    if share >= 0.02 || ratio > 1.2 {
                        misses.push(line);
                    }
                }
            }
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_lifted_is_noticed_within_two_minutes() {
    for enforced in [Enforced::Bucket(LIMIT), Enforced::Window] {
        let service = service(enforced, 100.0, Some(Duration::from_secs(1)), 1);
        settled(&service).await;
        let learned = service.limits.rate();
        assert!((10.0..26.0).contains(&learned), "{enforced:?}: {learned}");
        *service.limit.lock().unwrap() = 10_000.0;
        refresh(&service, Instant::now() + Duration::from_mins(2)).await;
        let rate = service.limits.rate();
        assert!(rate > 99.0, "{enforced:?}: {rate}");
    }
}
