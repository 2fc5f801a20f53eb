//! The limiter in paused time.

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
        (vec![0, 0, 0, 10, 10, 10, 20], 3)
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
async fn retries_and_throttling_delay_later_calls() {
    let limiter = limiter(16, 4.0);
    limiter.record_retry();
    limiter.record_throttling(&throttled(0, 1));
    assert!((limiter.rate() - 2.0).abs() < 1e-9);
    // Nothing for one second, then two a second.
    assert_eq!(call(3, limiter).await.0, [15, 19, 24]);
}

#[tokio::test(start_paused = true)]
async fn pause_applies_to_calls_that_already_wait() {
    let limiter = limiter(16, 1.0);
    let waiting = tokio::spawn(call(3, Arc::clone(&limiter)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    limiter.record_throttling(&throttled(400, 20));
    let started = waiting.await.unwrap().0;
    assert!(
        started[0] == 0 && started[1] > 205 && started[2] > started[1] + 10,
        "{started:?}"
    );
}
