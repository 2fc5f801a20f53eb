//! The limiter in paused time.

mod settling;

use std::time::Duration;

use super::*;
use crate::transfer::{AttemptOutcome, Operation};

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

fn limits(concurrency: usize, requests_per_second: f64) -> Arc<AccountLimiter> {
    let clock = || model::Now {
        instant: tokio::time::Instant::now().into_std(),
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

async fn begin(calls: usize, limits: Arc<AccountLimiter>) -> (Vec<u64>, usize) {
    let slow = Arc::<Slow>::default();
    let limited = RateLimited::new(Arc::clone(&slow), limits);
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
    limits.record_retry();
    limits.record_throttling(&throttled(0, 1));
    assert!((limits.rate() - 2.0).abs() < 1e-9);
    // Nothing for one second, then two a second.
    assert_eq!(begin(3, limits).await.0, [15, 19, 24]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_for_calls_that_wait_already() {
    let limits = limits(16, 1.0);
    let waiting = tokio::spawn(begin(3, Arc::clone(&limits)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    limits.record_throttling(&throttled(400, 20));
    let begun = waiting.await.unwrap().0;
    assert!(
        begun[0] == 0 && begun[1] > 205 && begun[2] > begun[1] + 10,
        "{begun:?}"
    );
}
