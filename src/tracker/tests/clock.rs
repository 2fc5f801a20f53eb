//! Starts in the future, and clocks that were wrong.

use super::leaving::{restart, write};
use super::life::{HOUR, MINUTE, count, event, failed, report, start_of, watching};
use super::*;
use crate::tracker::persist::SavedState;
use model::TransferStart;

const DAY: Duration = Duration::from_hours(24);

fn started_at(id: &str, at: SystemTime) -> TransferStart {
    TransferStart {
        started_at: Some(at),
        ..start_of(id)
    }
}

/// Moves the wall clock.
fn set_back(now: Now, by: Duration) -> Now {
    Now {
        wall: now.wall - by,
        ..now
    }
}

#[test]
fn a_start_in_the_future_does_not_hide_transfers_that_start_later() {
    let (mut tracker, now) = watching();
    let limited = TrackerSettings {
        max_transfers: 2,
        ..SETTINGS
    };
    tracker.configure(limited, [account()], now);
    for n in 0..5 {
        let invented = started_at(&format!("invented-{n}"), now.wall + 365 * DAY);
        report(&mut tracker, invented, Origin::Api, now);
    }
    let later = now.after(MINUTE);
    for id in ["real-1", "real-2"] {
        report(&mut tracker, started_at(id, later.wall), Origin::Api, later);
    }
    assert_eq!(ids(&mut tracker, later), ["real-1", "real-2"]);
}

#[test]
fn a_clock_that_was_ahead_does_not_hide_what_starts_after_it_was_set_right() {
    let (mut tracker, ahead) = watching();
    let limited = TrackerSettings {
        max_transfers: 1,
        ..SETTINGS
    };
    tracker.configure(limited, [account()], ahead);
    report(
        &mut tracker,
        started_at("old", ahead.wall),
        Origin::Api,
        ahead,
    );
    settle(
        &mut tracker,
        "old",
        &files(&[("/a", "COMPLETED", "")]),
        ahead,
    );
    let right = set_back(ahead.after(MINUTE), 20 * DAY);
    let new = started_at("new", right.wall);
    report(&mut tracker, new, Origin::Api, right);
    assert_eq!(ids(&mut tracker, right), ["new"]);
    // What has settled leaves after `keep_settled`, and not 20 days later.
    let left = right.after(HOUR + MINUTE);
    tracker.expire(left);
    assert!(tracker.slot(&key("old")).is_none());
}

/// Counts a failure of a transfer that starts at `start`, while a clock is wrong, and of one that
/// starts after it was set right.
#[test]
fn a_clock_that_is_20_days_ahead_at_the_first_start_silences_no_counter() {
    let running = files(&[("/a", "IN_PROGRESS", "")]);
    let timed_out = files(&[("/a", "FAILED", "TIMEOUT_ERROR")]);
    let fails = |tracker: &mut Tracker, id: &str, now: Now| {
        tracker.record_poll(&key(id), &running, now);
        tracker.record_poll(&key(id), &timed_out, now.after(MINUTE));
        now.after(2 * MINUTE)
    };
    let mut saved = SavedState::default();
    let real = start();
    let ahead = Now {
        wall: real.wall + 20 * DAY,
        ..real
    };
    let mut tracker = restart(&mut saved, Shard::ONLY, ahead);
    let put = TransferStart {
        reported_at: Some(ahead.wall),
        ..start_of("put")
    };
    report(&mut tracker, put, Origin::Api, ahead);
    let now = fails(&mut tracker, "put", ahead);
    assert_eq!(count(&mut tracker, now), 1, "by the write API");
    // CloudTrail and events have the time of AWS.
    let trail = started_at("trail", real.wall);
    report(&mut tracker, trail, Origin::Cloudtrail, now);
    let now = fails(&mut tracker, "trail", now);
    assert_eq!(count(&mut tracker, now), 2, "by CloudTrail");
    event(
        &mut tracker,
        "event",
        1,
        "/a",
        failed("TIMEOUT_ERROR"),
        set_back(now, 20 * DAY),
    );
    assert_eq!(count(&mut tracker, now), 3, "by an event");
    write(&mut saved, tracker.take_changes(now));

    // The clock is set right, with and without a restart.
    let right = set_back(now.after(MINUTE), 20 * DAY);
    let mut restarted = restart(&mut saved, Shard::ONLY, right);
    for tracker in [&mut tracker, &mut restarted] {
        let new = TransferStart {
            reported_at: Some(right.wall),
            ..start_of("new")
        };
        report(tracker, new, Origin::Api, right);
        tracker.record_poll(&key("new"), &timed_out, right.after(MINUTE));
        assert_eq!(count(tracker, right), 4, "the first poll shows the failure");
    }
}
