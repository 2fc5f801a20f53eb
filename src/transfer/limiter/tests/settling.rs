//! The limiter against models of a service that throttles, in paused time: the share of throttled
//! calls once the rate has settled, and the time to refresh all transfers.

#![expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "counts are far below 2^52, and the figures are for the reader"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::transfer::fake::FakeTransferApi;
use crate::transfer::limiter::{
    AccountLimiter, RateLimited, RetryTime, begin_attempt, reserve_retry,
};
use crate::transfer::{
    Attempt, AttemptOutcome, ErrorKind, Operation, ResultsPage, TransferApi, TransferError,
};
use model::Now;

const TRANSFERS: u64 = 500;
const LIMIT: f64 = 20.0;

/// How the service enforces its limit.
#[derive(Clone, Copy, Debug)]
enum Enforcement {
    /// A token bucket of this size.
    Bucket(f64),
    /// A fixed window of one second.
    Window,
    /// A sliding window of one second.
    Sliding,
}

struct State {
    tokens: f64,
    refilled: Instant,
    passed: VecDeque<Instant>,
    random: u64,
}

/// A service that throttles, with the retries of the SDK.
struct Service {
    enforcement: Enforcement,
    limit: Mutex<f64>,
    /// Share of requests that are throttled at any rate.
    stray: f64,
    retry_after: Option<Duration>,
    limiter: Arc<AccountLimiter>,
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
        match self.enforcement {
            Enforcement::Bucket(burst) => {
                let refill = (now - state.refilled).as_secs_f64() * limit;
                state.tokens = (state.tokens + refill).min(burst);
                state.refilled = now;
                let passes = state.tokens >= 1.0;
                state.tokens -= f64::from(u8::from(passes));
                return passes;
            }
            Enforcement::Window => state.passed.retain(|at| second(*at) == second(now)),
            Enforcement::Sliding => state.passed.retain(|at| *at + Duration::from_secs(1) > now),
        }
        let passes = (state.passed.len() as f64) < limit;
        if passes {
            state.passed.push_back(now);
        }
        passes
    }

    fn random(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.random = state
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.random >> 33
    }

    /// Returns a latency of 20 to 80 ms.
    fn latency(&self) -> Duration {
        Duration::from_millis(20 + self.random() % 60)
    }

    /// A call with the retries of the SDK.
    async fn call(&self) -> Result<ResultsPage, TransferError> {
        for attempt in 1.. {
            begin_attempt(attempt);
            if self.attempt(attempt > 1).await {
                return Ok(ResultsPage::default());
            }
            let backoff = |failed| Duration::from_millis(200) * failed;
            let backoff = |failed| self.retry_after.unwrap_or_else(|| backoff(failed));
            match reserve_retry(3, backoff, Duration::from_secs(2)) {
                RetryTime::After(wait) => tokio::time::sleep(wait).await,
                _ => break,
            }
        }
        Err(TransferError::new(ErrorKind::Throttled, ""))
    }

    fn api(self: &Arc<Self>) -> FakeTransferApi {
        let service = Arc::clone(self);
        FakeTransferApi::with_future(move |_| {
            let service = Arc::clone(&service);
            Box::pin(async move { service.call().await })
        })
    }

    async fn attempt(&self, retry: bool) -> bool {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        tokio::time::sleep(self.latency()).await;
        let is_stray = ((self.random() % 10_000) as f64) < self.stray * 10_000.0;
        let passes = !is_stray && self.passes();
        tokio::time::sleep(self.latency()).await;
        let outcome = if passes {
            AttemptOutcome::Ok
        } else {
            self.throttled.fetch_add(1, Ordering::Relaxed);
            AttemptOutcome::Throttled
        };
        self.limiter.record_attempt(&Attempt {
            operation: Operation::ListFileTransferResults,
            retry,
            outcome,
            account_up: Some(true),
            duration: start.elapsed(),
            retry_after: self.retry_after.filter(|_| !passes),
        });
        passes
    }
}

fn service(
    enforcement: Enforcement,
    ceiling: f64,
    retry_after: Option<Duration>,
    seed: u64,
) -> Arc<Service> {
    throttling_service(enforcement, ceiling, retry_after, seed, 0.0)
}

/// A service that also throttles a share of requests at any rate.
fn throttling_service(
    enforcement: Enforcement,
    ceiling: f64,
    retry_after: Option<Duration>,
    seed: u64,
    stray: f64,
) -> Arc<Service> {
    let clock = || Now {
        instant: Instant::now().into_std(),
        wall: std::time::SystemTime::UNIX_EPOCH,
    };
    let start = Instant::now();
    let tokens = if let Enforcement::Bucket(burst) = enforcement {
        burst
    } else {
        0.0
    };
    Arc::new(Service {
        enforcement,
        limit: Mutex::new(LIMIT),
        stray,
        retry_after,
        limiter: AccountLimiter::new(16, ceiling, Arc::new(clock)),
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

/// Refreshes all transfers in rounds until `until`, with 16 workers. A transfer whose call failed waits
/// for the next round. Returns the longest time between two results of a transfer.
async fn refresh(service: &Arc<Service>, until: Instant) -> Duration {
    let (next, now) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let transfers = usize::try_from(TRANSFERS).unwrap();
    let refreshed = Arc::new(Mutex::new((vec![now; transfers], Duration::ZERO)));
    let workers = (0..16).map(|_| {
        let (next, refreshed) = (Arc::clone(&next), Arc::clone(&refreshed));
        let limited = RateLimited::new(service.api(), Arc::clone(&service.limiter));
        async move {
            let (connector, transfer) =
                ("c-0123456789abcdef0".parse().unwrap(), "t".parse().unwrap());
            while Instant::now() < until {
                let index = next.fetch_add(1, Ordering::Relaxed) % TRANSFERS;
                let index = usize::try_from(index).unwrap();
                let result = limited.file_results_page(&connector, &transfer, None);
                if result.await.is_ok() {
                    let (at, longest) = &mut *refreshed.lock().unwrap();
                    *longest = (*longest).max(at[index].elapsed());
                    at[index] = Instant::now();
                }
            }
        }
    });
    futures_util::future::join_all(workers).await;
    let (at, longest) = &*refreshed.lock().unwrap();
    at.iter()
        .map(Instant::elapsed)
        .fold(*longest, Duration::max)
}

/// Figures of a model once the rate has settled.
struct Settled {
    /// Share of attempts that were throttled.
    throttled: f64,
    /// Longest time between two results of a transfer, relative to the ideal period.
    period: f64,
}

async fn settled(service: &Arc<Service>) -> Settled {
    refresh(service, Instant::now() + Duration::from_mins(1)).await;
    let counts = || {
        (
            service.attempts.load(Ordering::Relaxed),
            service.throttled.load(Ordering::Relaxed),
        )
    };
    let before = counts();
    let longest = refresh(service, Instant::now() + Duration::from_mins(10)).await;
    let after = counts();
    Settled {
        throttled: (after.1 - before.1) as f64 / (after.0 - before.0) as f64,
        period: longest.as_secs_f64() / (TRANSFERS as f64 / LIMIT),
    }
}

#[tokio::test(start_paused = true)]
async fn few_calls_are_throttled_and_refreshing_takes_little_more_than_the_ideal_period() {
    let second = Some(Duration::from_secs(1));
    let mut misses = Vec::new();
    for enforcement in [
        Enforcement::Bucket(LIMIT),
        Enforcement::Bucket(5.0),
        Enforcement::Window,
        Enforcement::Sliding,
    ] {
        for ceiling in [25.0, 100.0, 2_000.0] {
            for retry_after in [None, second] {
                for seed in [1, 2] {
                    let service = service(enforcement, ceiling, retry_after, seed);
                    let Settled { throttled, period } = settled(&service).await;
                    let line = format!(
                        "{enforcement:?}, ceiling {ceiling}, retry after {retry_after:?}: \
                         {:.2} % throttled, {period:.3} of the ideal period",
                        throttled * 100.0
                    );
                    println!("{line}");
                    if throttled >= 0.02 || period > 1.4 {
                        misses.push(line);
                    }
                }
            }
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}

#[tokio::test(start_paused = true)]
async fn rate_reaches_the_ceiling_within_a_minute_after_the_limit_is_lifted() {
    for enforcement in [Enforcement::Bucket(LIMIT), Enforcement::Window] {
        let service = service(enforcement, 100.0, Some(Duration::from_secs(1)), 1);
        settled(&service).await;
        let rate = service.limiter.rate();
        assert!((10.0..26.0).contains(&rate), "{enforcement:?}: {rate}");
        *service.limit.lock().unwrap() = 10_000.0;
        refresh(&service, Instant::now() + Duration::from_mins(1)).await;
        let rate = service.limiter.rate();
        assert!(rate > 99.0, "{enforcement:?}: {rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn stray_throttling_leaves_most_of_the_ceiling() {
    const CEILING: f64 = 100.0;
    // Each pause that AWS asks for is kept if it lowers the rate.
    let second = Some(Duration::from_secs(1));
    for (stray, retry_after, least) in [
        (0.01, None, 0.9),
        (0.05, None, 0.75),
        (0.01, second, 0.75),
        (0.05, second, 0.75),
    ] {
        for seed in [1, 2] {
            let service =
                throttling_service(Enforcement::Window, CEILING, retry_after, seed, stray);
            *service.limit.lock().unwrap() = 10_000.0;
            let start = Instant::now();
            refresh(&service, start + Duration::from_mins(10)).await;
            let attempts = service.attempts.load(Ordering::Relaxed) as f64;
            let throttled = service.throttled.load(Ordering::Relaxed) as f64;
            let goodput = (attempts - throttled) / start.elapsed().as_secs_f64() / CEILING;
            println!(
                "{stray} stray, retry after {retry_after:?}: goodput {goodput:.3} of the ceiling, \
                 {:.2} % throttled",
                throttled / attempts * 100.0
            );
            assert!(goodput >= least, "{stray}, {retry_after:?}: {goodput}");
        }
    }
}
