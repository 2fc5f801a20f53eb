//! The limiter in paused time.

mod comparison;
mod settling;

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::transfer::fake::FakeTransferApi;
use crate::transfer::{AttemptOutcome, Operation};

fn limiter(concurrency: usize, requests_per_second: f64) -> Arc<AccountLimiter> {
    let clock = || model::Now {
        instant: Instant::now().into_std(),
        wall: std::time::SystemTime::UNIX_EPOCH,
    };
    AccountLimiter::new(concurrency, requests_per_second, Arc::new(clock))
}

fn throttled(duration_ms: u64, retry_after_seconds: u64) -> Attempt {
    Attempt {
        operation: Operation::ListFileTransferResults,
        retry: false,
        outcome: AttemptOutcome::Throttled,
        account_up: Some(true),
        duration: Duration::from_millis(duration_ms),
        retry_after: Some(Duration::from_secs(retry_after_seconds)),
    }
}

/// Records as many throttled responses as lower the rate.
fn record_throttling(limiter: &AccountLimiter, duration_ms: u64, retry_after_seconds: u64) {
    for _ in 0..3 {
        limiter.record_attempt(&throttled(duration_ms, retry_after_seconds));
    }
}

/// Makes concurrent calls of 100 ms each. Returns when each started, in tenths of a second, and the most in flight.
async fn call(times: usize, limiter: Arc<AccountLimiter>) -> (Vec<u64>, usize) {
    let api =
        FakeTransferApi::with_delay(Duration::from_millis(100), |_| Ok(ResultsPage::default()));
    let client = RateLimited::new(api.clone(), limiter);
    let (connector, transfer) = ("c-0123456789abcdef0".parse().unwrap(), "t".parse().unwrap());
    let start = Instant::now();
    let calls = (0..times).map(|_| client.file_results_page(&connector, &transfer, None));
    futures_util::future::join_all(calls).await;
    let started = api
        .calls()
        .iter()
        .map(|call| tenths(call.started - start))
        .collect();
    (started, api.max_in_flight())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few tenths of a second"
)]
fn tenths(time: Duration) -> u64 {
    (time.as_secs_f64() * 10.0).round() as u64
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_the_rate() {
    assert_eq!(
        call(7, limiter(16, 3.0)).await,
        (vec![0, 3, 7, 10, 13, 17, 20], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn calls_above_the_concurrency_wait_for_others_to_end() {
    assert_eq!(
        call(6, limiter(2, 100.0)).await,
        (vec![0, 0, 1, 1, 2, 2], 2)
    );
}

#[tokio::test(start_paused = true)]
async fn lower_concurrency_applies_as_calls_end_and_higher_at_once() {
    let limiter = limiter(4, 1000.0);
    let running = tokio::spawn(call(4, Arc::clone(&limiter)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    limiter.change(1, 1000.0);
    let fewer = call(2, Arc::clone(&limiter)).await;
    assert_eq!(running.await.unwrap(), (vec![0; 4], 4));
    assert_eq!(fewer.1, 1, "one after the other");
    limiter.change(3, 1000.0);
    assert_eq!(
        call(6, Arc::clone(&limiter)).await,
        (vec![0, 0, 0, 1, 1, 1], 3)
    );
    let running = tokio::spawn(call(3, Arc::clone(&limiter)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    limiter.change(1, 1000.0);
    limiter.change(2, 1000.0);
    running.await.unwrap();
    assert_eq!(
        call(4, Arc::clone(&limiter)).await,
        (vec![0, 0, 1, 1], 2),
        "lowered and raised during a call"
    );
}

#[tokio::test(start_paused = true)]
async fn throttling_delays_later_calls() {
    let limiter = limiter(16, 4.0);
    record_throttling(&limiter, 0, 1);
    assert!((limiter.rate() - 2.0).abs() < 1e-9);
    // Nothing for one second, then two a second.
    assert_eq!(call(3, limiter).await.0, [10, 15, 20]);
}

/// A service on which every attempt fails, and which is retried as the SDK does.
async fn fail(at: &Mutex<Vec<Duration>>, start: Instant) -> Result<ResultsPage, TransferError> {
    for attempt in 1.. {
        begin_attempt(attempt);
        at.lock().unwrap().push(start.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let backoff = |failed| Duration::from_millis(100) * failed;
        match reserve_retry(3, backoff, Duration::from_secs(2)) {
            RetryTime::After(wait) => tokio::time::sleep(wait).await,
            _ => break,
        }
    }
    Err(TransferError::new(ErrorKind::InternalServiceError, ""))
}

#[tokio::test(start_paused = true)]
async fn no_second_has_more_attempts_than_the_rate_when_all_fail() {
    let limiter = limiter(16, 4.0);
    let start = Instant::now();
    let attempts = Arc::<Mutex<Vec<Duration>>>::default();
    let seen = Arc::clone(&attempts);
    let api = FakeTransferApi::with_future(move |_| {
        let seen = Arc::clone(&seen);
        Box::pin(async move { fail(&seen, start).await })
    });
    let client = RateLimited::new(api, limiter);
    let (connector, transfer) = ("c-0123456789abcdef0".parse().unwrap(), "t".parse().unwrap());
    let calls = (0..20).map(|_| client.file_results_page(&connector, &transfer, None));
    futures_util::future::join_all(calls).await;
    let mut attempts = attempts.lock().unwrap().clone();
    attempts.sort();
    assert!(attempts.len() > 40, "{} attempts", attempts.len());
    for pair in attempts.windows(2) {
        let apart = (pair[1] - pair[0]).as_secs_f64();
        assert!((0.22..0.28).contains(&apart), "{attempts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reserved_time_of_a_cancelled_call_is_free_again() {
    let limiter = limiter(16, 1.0);
    let api = FakeTransferApi::with_future(|_| {
        Box::pin(async {
            let wait = reserve_retry(3, |_| Duration::from_secs(1), Duration::from_secs(2));
            assert_eq!(wait, RetryTime::After(Duration::from_secs(1)));
            let again = reserve_retry(3, |_| Duration::from_secs(1), Duration::from_secs(2));
            assert_eq!(again, wait, "asked twice");
            std::future::pending().await
        })
    });
    let client = RateLimited::new(api, Arc::clone(&limiter));
    let (connector, transfer) = ("c-0123456789abcdef0".parse().unwrap(), "t".parse().unwrap());
    let never = client.file_results_page(&connector, &transfer, None);
    tokio::time::timeout(Duration::from_millis(500), never)
        .await
        .unwrap_err();
    assert_eq!(call(2, limiter).await.0, [5, 15]);
}

#[tokio::test(start_paused = true)]
async fn pause_applies_to_calls_that_already_wait() {
    let limiter = limiter(16, 1.0);
    let waiting = tokio::spawn(call(3, Arc::clone(&limiter)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    record_throttling(&limiter, 400, 20);
    let started = waiting.await.unwrap().0;
    assert!(
        started[0] == 0 && started[1] >= 205 && started[2] > started[1] + 10,
        "{started:?}"
    );
}
