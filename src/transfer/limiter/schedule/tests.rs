//! The schedule as a pure function of time.

use proptest::prelude::*;

use super::*;
use crate::transfer::limiter::adaptive_rate::{CLIMB, LONGEST_TRIAL, PROBE, trial};

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

/// Returns when requests that all wait at `start` are sent, in seconds.
fn sent(schedule: &mut SendSchedule, start: Instant, requests: usize) -> Vec<f64> {
    let mut now = start;
    let mut sent = Vec::new();
    while sent.len() < requests {
        match schedule.take(now) {
            Ok(()) => sent.push((now - start).as_secs_f64()),
            Err(later) => now = later,
        }
    }
    sent
}

/// Records as many throttled responses at `now` as lower the rate.
fn throttle(schedule: &mut SendSchedule, now: Instant, retry_after: Option<Duration>) {
    while schedule
        .throttling
        .is_none_or(|throttling| throttling.at != now)
    {
        schedule.record_response(now, now, true, retry_after);
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[track_caller]
fn assert_sent(schedule: &mut SendSchedule, start: Instant, expected: &[f64]) {
    let sent = sent(schedule, start, expected.len());
    let is_expected = sent.iter().zip(expected).all(|(a, b)| close(*a, *b));
    assert!(is_expected, "{sent:?}, expected {expected:?}");
}

#[test]
fn requests_are_evenly_spaced_also_after_a_time_without_requests() {
    for (rate, expected) in [(10.0, [0.0, 0.1, 0.2]), (0.5, [0.0, 2.0, 4.0])] {
        let start = Instant::now();
        let mut schedule = SendSchedule::new(rate);
        assert_sent(&mut schedule, start, &expected);
        assert_sent(&mut schedule, start + seconds(60.0), &expected);
    }
}

#[test]
fn late_requests_are_made_up_for_up_to_a_bound() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(1_000.0);
    schedule.take(start).unwrap();
    let at_once = |schedule: &mut SendSchedule, now| {
        (0..100).take_while(|_| schedule.take(now).is_ok()).count()
    };
    assert_eq!(
        at_once(&mut schedule, start + seconds(0.005)),
        5,
        "5 ms late"
    );
    assert_eq!(at_once(&mut schedule, start + seconds(1.0)), 1, "idle");
}

#[test]
fn changed_ceiling_applies_to_the_next_request() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(10.0);
    assert_sent(&mut schedule, start, &[0.0]);
    schedule.set_ceiling(2.0);
    assert_sent(&mut schedule, start, &[0.5, 1.0]);
    schedule.set_ceiling(10.0);
    assert_sent(&mut schedule, start + seconds(1.0), &[0.1, 0.2]);
    let later = start + seconds(10.0);
    throttle(&mut schedule, later, None);
    schedule.set_ceiling(1.0);
    assert!(schedule.rate(later) <= 1.0 && schedule.rate(later + seconds(30.0)) <= 1.0);
}

#[test]
fn reserved_times_are_left_out_and_gaps_before_them_are_used() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(2.0);
    let retry = |schedule: &mut SendSchedule, earliest: f64, latest: f64| {
        let (earliest, latest) = (start + seconds(earliest), start + seconds(latest));
        let time = schedule.reserve(start, earliest, latest)?;
        Some((time - start).as_secs_f64())
    };
    schedule.take(start).unwrap();
    assert_eq!(retry(&mut schedule, 1.2, 2.0), Some(1.2));
    assert_eq!(retry(&mut schedule, 1.2, 2.0), Some(1.7));
    assert_eq!(retry(&mut schedule, 1.2, 2.0), None, "2.2 is too late");
    schedule.release(start + seconds(1.7), start);
    assert_eq!(retry(&mut schedule, 1.3, 2.0), Some(1.7), "released");
    assert_sent(&mut schedule, start, &[0.5, 2.2, 2.7]);
}

/// Records responses, a `share` of them throttled at regular intervals, to requests that are sent from
/// `from` at the current rate. Returns the time of the last one.
fn respond(schedule: &mut SendSchedule, from: Instant, seconds: f64, share: f64) -> Instant {
    let (mut now, mut owed) = (from, 0.0);
    while now < from + Duration::from_secs_f64(seconds) {
        owed += share;
        let throttled = owed >= 1.0;
        owed -= f64::from(u8::from(throttled));
        schedule.record_response(now, now, throttled, None);
        now += schedule.interval(now);
    }
    now
}

#[test]
fn one_throttled_response_is_no_evidence_of_an_unknown_limit() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(100.0);
    schedule.record_response(start, start, true, Some(seconds(9.0)));
    assert!(close(schedule.rate(start), 100.0));
    let later = respond(&mut schedule, start, 600.0, 0.0005);
    assert!(close(schedule.rate(later), 100.0));
}

#[test]
fn throttling_halves_the_rate_for_a_trial_and_near_a_limit_reduces_it_by_a_tenth() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(100.0);
    throttle(&mut schedule, start, None);
    assert!(close(schedule.rate(start), 50.0));
    let held = start + REACTION + trial(50.0);
    assert!(close(schedule.rate(held), 50.0), "held");
    let near = held + CLIMB + seconds(1.0);
    let before = schedule.rate(near);
    assert!((97.0..98.0).contains(&before), "{before}");
    schedule.record_response(near, near, true, None);
    assert!(
        close(schedule.rate(near), before),
        "below the limit, one may be stray"
    );
    let near = held + CLIMB + seconds(25.0);
    let before = schedule.rate(near);
    assert!((97.5..100.0).contains(&before), "{before}");
    schedule.record_response(near, near, true, None);
    assert!(close(schedule.rate(near), 0.9 * before));
    let climbing = near + seconds(3.0);
    let before = schedule.rate(climbing);
    throttle(&mut schedule, climbing, None);
    assert!(close(schedule.rate(climbing), 0.5 * before), "a trial");
}

#[test]
fn a_share_that_does_not_depend_on_the_rate_restores_it() {
    for share in [0.01, 0.05, 0.1] {
        let start = Instant::now();
        let mut schedule = SendSchedule::new(200.0);
        let mut later = start;
        while close(schedule.rate(later), 200.0) {
            later = respond(&mut schedule, later, 1.0, share);
        }
        assert!(close(schedule.rate(later), 100.0), "{share}: a trial");
        let later = respond(&mut schedule, later, 9.0, share);
        assert!(close(schedule.rate(later), 200.0), "{share}: {schedule:?}");
        let later = respond(&mut schedule, later, 600.0, share);
        assert!(close(schedule.rate(later), 200.0), "{share}: remembered");
    }
}

#[test]
fn a_share_that_vanishes_at_half_the_rate_is_a_limit() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(200.0);
    throttle(&mut schedule, start, None);
    let trial = start + REACTION;
    let later = respond(&mut schedule, trial, 8.0, 0.0);
    let rate = schedule.rate(later);
    assert!((101.0..194.0).contains(&rate), "it climbs: {rate}");
}

/// Throttled responses in a trial at five a second, until its time is over.
#[track_caller]
fn assert_rate_after_a_trial_of(share: f64, is_expected: impl Fn(f64) -> bool) {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(10.0);
    let mut excess = start;
    for n in 1..100 {
        schedule.record_response(excess, excess, n % 9 == 0, None);
        if schedule.rate(excess) < 10.0 {
            break;
        }
        excess += seconds(0.1);
    }
    let later = respond(&mut schedule, excess + REACTION, 14.0, share);
    assert!(close(schedule.rate(later), 5.0), "undecided: {schedule:?}");
    let later = respond(&mut schedule, later, 3.0, 0.0);
    let rate = schedule.rate(later);
    assert!(is_expected(rate), "{share}: {rate}, {schedule:?}");
}

#[test]
fn a_trial_without_enough_requests_ends_with_the_likelier_answer() {
    assert_rate_after_a_trial_of(0.02, |rate| close(rate, 10.0));
    assert_rate_after_a_trial_of(0.0, |rate| (5.0..7.0).contains(&rate));
}

#[test]
fn a_share_that_remains_just_below_a_remembered_limit_is_tried_at_half_the_rate() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(100.0);
    throttle(&mut schedule, start, None);
    let climb = respond(&mut schedule, start + REACTION, 20.0, 0.0);
    let ceiling = climb + CLIMB + PROBE;
    assert!(close(schedule.rate(ceiling), 100.0));
    schedule.throttling.as_mut().unwrap().peak = 60.0;
    throttle(&mut schedule, ceiling, None);
    assert!(close(schedule.rate(ceiling), 54.0), "just below");
    let later = respond(&mut schedule, ceiling + REACTION, 4.0, 0.1);
    assert!(close(schedule.rate(later), 27.0), "{schedule:?}");
}

#[test]
fn throttling_at_half_the_rate_halves_it_again_if_the_share_is_that_of_a_limit() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(200.0);
    throttle(&mut schedule, start, None);
    let later = respond(&mut schedule, start + REACTION, 0.5, 0.7);
    assert!(close(schedule.rate(later), 50.0), "{schedule:?}");
}

#[test]
fn a_background_that_ends_is_forgotten() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(200.0);
    let later = respond(&mut schedule, start, 14.0, 0.05);
    assert!(close(schedule.rate(later), 200.0), "{schedule:?}");
    let later = respond(&mut schedule, later, 60.0, 0.0);
    let later = respond(&mut schedule, later, 2.0, 0.05);
    assert!(close(schedule.rate(later), 100.0), "another trial");
}

#[test]
fn throttling_of_requests_sent_before_the_reduction_is_ignored() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(100.0);
    throttle(&mut schedule, start, None);
    for (at, sent) in [(0.5, 0.0), (0.6, 0.2), (1.6, 0.05), (1.6, 0.99)] {
        for _ in 0..9 {
            schedule.record_response(start + seconds(at), start + seconds(sent), true, None);
        }
    }
    assert!(close(schedule.throttling.unwrap().start, 50.0));
    throttle(&mut schedule, start + seconds(1.7), None);
    assert!(schedule.throttling.unwrap().start < 40.0);
}

#[test]
fn no_request_is_sent_during_the_pause_that_aws_asks_for() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(10.0);
    throttle(&mut schedule, start, Some(seconds(3.0)));
    let later = start + seconds(2.0);
    let retry = schedule.reserve(start, later, start + seconds(9.0));
    assert_eq!(retry, Some(start + seconds(3.0)), "a retry");
    // Five a second.
    let sent = sent(&mut schedule, start, 2);
    for (at, expected) in sent.iter().zip([3.2, 3.4]) {
        assert!((at - expected).abs() < 0.03, "{sent:?}");
    }
    schedule.record_response(
        start + seconds(2.0),
        start + seconds(0.5),
        true,
        Some(seconds(9_000.0)),
    );
    assert_eq!(
        schedule.take(start + seconds(6.0)),
        Err(start + seconds(2.0) + MAX_PAUSE)
    );
}

#[test]
fn rate_never_falls_below_its_floor() {
    let start = Instant::now();
    for (ceiling, floor) in [(10.0, 0.5), (1_000.0, 1.0), (0.5, 0.025)] {
        let mut schedule = SendSchedule::new(ceiling);
        for at in 1..100 {
            throttle(&mut schedule, start + seconds(f64::from(at) * 3.5), None);
        }
        let throttling = schedule.throttling.unwrap();
        assert!(close(throttling.start, floor), "{schedule:?}");
    }
}

#[test]
fn a_limit_is_forgotten_after_an_hour() {
    let start = Instant::now();
    let mut schedule = SendSchedule::new(10.0);
    throttle(&mut schedule, start, None);
    let later = start + MEMORY + seconds(1.0);
    throttle(&mut schedule, later, None);
    assert!(close(schedule.rate(later), 5.0), "as at an unknown limit");
}

proptest! {
    /// Requests, retries and throttling at random times: no second has more requests than the
    /// ceiling allows, and no two are closer than the interval allows.
    #[test]
    fn no_second_exceeds_the_ceiling(
        ceiling in 1.0..200.0_f64,
        steps in proptest::collection::vec((0_u64..200, 0_u64..2_000, 0_u8..50), 1..400),
    ) {
        let start = Instant::now();
        let mut schedule = SendSchedule::new(ceiling);
        let mut now = start;
        let mut times = Vec::new();
        for (gap, backoff, action) in steps {
            now += Duration::from_millis(gap);
            match action {
                0 => schedule.record_response(now, now, true, Some(Duration::from_millis(gap))),
                1..10 => {
                    let earliest = now + Duration::from_millis(backoff);
                    let time = schedule.reserve(now, earliest, now + Duration::from_secs(2));
                    prop_assert!(time.is_none_or(|time| time >= earliest));
                    times.extend(time);
                }
                _ => while schedule.take(now).is_ok() {
                    times.push(now);
                }
            }
            prop_assert!(schedule.times.len() < 2 + 2 * 200);
        }
        times.sort();
        // Requests may be as early, and later ones make up for as much.
        let late = CATCH_UP + EARLY + Duration::from_micros(1);
        for window in 1..10_usize {
            let apart = Duration::from_secs_f64(f64::from(u32::try_from(window).unwrap()) / ceiling);
            for pair in times.windows(window + 1) {
                prop_assert!(pair[window] - pair[0] + late >= apart, "{:?}", pair);
            }
        }
    }

    #[test]
    fn ceiling_is_reached_at_most_a_minute_after_the_last_pause(
        ceiling in 0.1..10_000.0_f64,
        gaps in proptest::collection::vec((0_u64..60_000, 0_u64..60), 1..100),
    ) {
        let start = Instant::now();
        let mut schedule = SendSchedule::new(ceiling);
        let mut now = start;
        for (gap, retry_after) in gaps {
            now += Duration::from_millis(gap);
            schedule.record_response(now, now, true, Some(Duration::from_secs(retry_after)));
            let rate = schedule.rate(now);
            prop_assert!(rate > 0.0 && rate <= ceiling + 1e-9, "{}", rate);
        }
        let rate = schedule.rate(now + MAX_PAUSE + REACTION + LONGEST_TRIAL + CLIMB + PROBE);
        prop_assert!((rate - ceiling).abs() < 1e-6 * ceiling, "{}", rate);
    }
}
