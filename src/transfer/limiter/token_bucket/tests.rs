//! The bucket as a pure function of time.

use proptest::prelude::*;

use super::*;
use crate::transfer::limiter::adaptive_rate::{CLIMB, PROBE};

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

/// Returns when requests that all wait at `start` are granted.
fn grants(bucket: &mut AdaptiveTokenBucket, start: Instant, requests: usize) -> Vec<Duration> {
    let mut now = start;
    let mut granted = Vec::new();
    while granted.len() < requests {
        match bucket.try_acquire(now) {
            Ok(()) => granted.push(now - start),
            Err(later) => now = later,
        }
    }
    granted
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[test]
fn full_bucket_grants_one_second_of_requests_at_once() {
    let start = Instant::now();
    let granted = grants(&mut AdaptiveTokenBucket::new(10.0, start), start, 25);
    assert_eq!(granted[..10], [Duration::ZERO; 10]);
    assert_eq!(granted[10..20], [seconds(1.0); 10]);
    assert_eq!(granted[20..], [seconds(2.0); 5]);
}

#[test]
fn changed_ceiling_applies_at_once_and_no_second_exceeds_it() {
    let start = Instant::now();
    let mut bucket = AdaptiveTokenBucket::new(10.0, start);
    assert_eq!(grants(&mut bucket, start, 10), [Duration::ZERO; 10]);
    bucket.set_ceiling(2.0, start);
    assert_eq!(
        grants(&mut bucket, start, 4),
        [1.0, 1.0, 2.0, 2.0].map(seconds),
        "lowered: two a second"
    );
    let later = start + seconds(10.0);
    bucket.set_ceiling(10.0, later);
    let granted = grants(&mut bucket, later, 20);
    assert_eq!(
        (granted[9], granted[10]),
        (Duration::ZERO, seconds(1.0)),
        "raised: ten a second"
    );
    bucket.record_throttling(later, Some(later), None);
    bucket.set_ceiling(1.0, later);
    assert!(bucket.rate(later) <= 1.0 && bucket.rate(later + seconds(30.0)) <= 1.0);
}

#[test]
fn rate_below_one_spaces_single_requests() {
    let start = Instant::now();
    assert_eq!(
        grants(&mut AdaptiveTokenBucket::new(0.5, start), start, 3),
        [0.0, 2.0, 4.0].map(seconds)
    );
}

#[test]
fn retry_delays_a_later_request() {
    let start = Instant::now();
    let mut bucket = AdaptiveTokenBucket::new(2.0, start);
    bucket.record_retry(start);
    bucket.record_retry(start);
    assert_eq!(bucket.try_acquire(start), Err(start + seconds(1.0)));
}

#[test]
fn throttling_halves_the_rate_and_near_a_known_limit_reduces_it_by_a_tenth() {
    let start = Instant::now();
    let mut bucket = AdaptiveTokenBucket::new(100.0, start);
    bucket.record_throttling(start, Some(start), None);
    assert!(close(bucket.rate(start), 50.0));
    let later = start + seconds(2.0);
    bucket.record_throttling(later, Some(later), None);
    let climbed = bucket.rate(later);
    assert!(
        (29.0..32.0).contains(&climbed),
        "{climbed}: half of the rate that it had climbed to"
    );
    let again = later + CLIMB;
    let before = bucket.rate(again);
    bucket.record_throttling(again, Some(again), None);
    assert!(close(bucket.rate(again), 0.9 * before));
}

#[test]
fn throttling_of_requests_sent_before_the_reduction_is_ignored() {
    let start = Instant::now();
    let mut bucket = AdaptiveTokenBucket::new(100.0, start);
    bucket.record_throttling(start + seconds(0.1), Some(start), None);
    bucket.record_throttling(start + seconds(0.6), Some(start + seconds(0.2)), None);
    bucket.record_throttling(start + seconds(1.6), Some(start + seconds(0.05)), None);
    bucket.record_throttling(start + seconds(1.6), None, None);
    assert!(close(bucket.throttling.unwrap().start, 50.0));
    bucket.record_throttling(start + seconds(1.7), Some(start + seconds(1.6)), None);
    assert!(bucket.throttling.unwrap().start < 40.0);
}

#[test]
fn no_request_is_granted_during_the_pause_that_aws_asks_for() {
    let start = Instant::now();
    let mut bucket = AdaptiveTokenBucket::new(10.0, start);
    bucket.record_throttling(start, Some(start), Some(seconds(3.0)));
    assert_eq!(bucket.try_acquire(start), Err(start + seconds(3.0)));
    // Five a second, evenly spaced, then slowly more.
    let granted = grants(&mut bucket, start, 3);
    for (at, expected) in granted.iter().zip([3.2, 3.4, 3.6]) {
        assert!((at.as_secs_f64() - expected).abs() < 0.03, "{granted:?}");
    }
    bucket.record_throttling(
        start + seconds(5.0),
        Some(start + seconds(4.5)),
        Some(seconds(9_000.0)),
    );
    assert_eq!(
        bucket.try_acquire(start + seconds(6.0)),
        Err(start + seconds(5.0) + MAX_PAUSE)
    );
}

#[test]
fn rate_never_falls_below_its_floor() {
    let start = Instant::now();
    for (ceiling, floor) in [(10.0, 0.5), (1_000.0, 1.0), (0.5, 0.025)] {
        let mut bucket = AdaptiveTokenBucket::new(ceiling, start);
        for at in 1..100 {
            let at = start + seconds(f64::from(at) * 1.5);
            bucket.record_throttling(at, Some(at), None);
        }
        assert!(close(bucket.throttling.unwrap().start, floor), "{bucket:?}");
    }
}

#[test]
fn throttling_expires_after_an_hour() {
    let start = Instant::now();
    let mut bucket = AdaptiveTokenBucket::new(10.0, start);
    bucket.record_throttling(start, Some(start), None);
    let later = start + MEMORY + seconds(1.0);
    assert_eq!(grants(&mut bucket, later, 10), [Duration::ZERO; 10]);
}

proptest! {
    /// Requests and throttling at random times: no window has more requests than the ceiling allows,
    /// and no period after throttling more than the rate over it and the small bucket.
    #[test]
    fn no_second_exceeds_the_ceiling_and_no_period_the_rate(
        ceiling in 1.0..200.0_f64,
        steps in proptest::collection::vec((0_u64..200, proptest::bool::weighted(0.02)), 1..400),
    ) {
        let start = Instant::now();
        let mut bucket = AdaptiveTokenBucket::new(ceiling, start);
        let mut now = start;
        let mut granted = Vec::new();
        // Since the last throttling: requests that the rate allowed, and requests granted.
        let (mut allowed, mut sent) = (f64::INFINITY, 0.0);
        for (gap, throttled) in steps {
            let later = now + Duration::from_millis(gap);
            let resume = bucket.throttling.map_or(now, |throttling| throttling.resume.max(now));
            allowed += later.saturating_duration_since(resume).as_secs_f64() * bucket.rate(later);
            now = later;
            if throttled {
                let before = bucket.rate(now);
                bucket.record_throttling(now, Some(now), Some(Duration::from_millis(gap)));
                prop_assert!(bucket.rate(now) <= before + 1e-9);
                (allowed, sent) = ((BURST * ceiling).max(2.0), 0.0);
            }
            while bucket.try_acquire(now).is_ok() {
                granted.push(now);
                sent += 1.0;
            }
            prop_assert!(sent <= allowed + 1e-3, "{sent} of {allowed}");
        }
        let window = window_size(ceiling);
        for at in window..granted.len() {
            prop_assert!(granted[at] >= granted[at - window] + Duration::from_secs(1));
        }
    }

    #[test]
    fn ceiling_is_reached_two_minutes_after_the_last_throttling(
        ceiling in 0.1..10_000.0_f64,
        gaps in proptest::collection::vec((0_u64..60_000, 0_u64..60), 1..100),
    ) {
        let start = Instant::now();
        let mut bucket = AdaptiveTokenBucket::new(ceiling, start);
        let mut now = start;
        for (gap, retry_after) in gaps {
            now += Duration::from_millis(gap);
            bucket.record_throttling(now, Some(now), Some(Duration::from_secs(retry_after)));
            let rate = bucket.rate(now);
            prop_assert!(rate > 0.0 && rate <= ceiling + 1e-9, "{}", rate);
        }
        let rate = bucket.rate(now + MAX_PAUSE + CLIMB + PROBE);
        prop_assert!((rate - ceiling).abs() < 1e-6 * ceiling, "{}", rate);
    }
}
