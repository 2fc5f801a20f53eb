//! Started transfers, files that wait, transfers that cannot be read, and failures in a row.

use super::leaving::{restart, write};
use super::life::{HOUR, MINUTE, event, failed, report, start_of, watching};
use super::*;
use crate::tracker::persist::SavedState;
use model::TransferStart;

fn started_at(id: &str, at: SystemTime) -> TransferStart {
    TransferStart {
        started_at: Some(at),
        ..start_of(id)
    }
}

#[test]
fn a_transfer_that_starts_while_it_is_watched_is_counted_once() {
    let (mut tracker, now) = watching();
    let counts = |tracker: &mut Tracker| {
        let view = connector(tracker, now);
        (view.started, view.last_started)
    };
    let before = now.wall - 2 * HOUR;
    report(&mut tracker, started_at("old", before), Origin::Api, now);
    assert_eq!(counts(&mut tracker), (0, Some(before)), "not watched");

    tracker.track(key("named"), Origin::Config, None, now);
    assert_eq!(counts(&mut tracker), (0, Some(before)), "no start is known");

    let start = now.wall - MINUTE;
    for origin in [Origin::Api, Origin::Cloudtrail, Origin::Events] {
        report(&mut tracker, started_at("new", start), origin, now);
    }
    report(
        &mut tracker,
        started_at("named", start),
        Origin::Cloudtrail,
        now,
    );
    event(&mut tracker, "event", 1, "/a", Finished::Completed, now);
    event(&mut tracker, "event", 2, "/b", Finished::Completed, now);
    let newest = now.wall - SECOND;
    assert_eq!(counts(&mut tracker), (3, Some(newest)));

    assert!(tracker.untrack(&key("new"), Origin::Api, now));
    assert!(tracker.untrack(&key("new"), Origin::Cloudtrail, now));
    assert!(tracker.untrack(&key("new"), Origin::Events, now));
    report(&mut tracker, started_at("new", start), Origin::Api, now);
    assert_eq!(counts(&mut tracker).0, 3, "it was counted before it left");
}

#[test]
fn the_oldest_file_of_each_open_status_is_that_of_all_transfers() {
    let now = start();
    let mut saved = SavedState::default();
    let mut tracker = restart(&mut saved, Shard::ONLY, now);
    let minute = |n: u32| now.after(n * MINUTE);
    for (id, n) in [("a", 0), ("b", 1)] {
        track_new(&mut tracker, id, minute(n));
    }
    let queued = files(&[("/x", "QUEUED", "")]);
    let running = files(&[("/x", "IN_PROGRESS", "")]);
    let done = files(&[("/x", "COMPLETED", "")]);
    let oldest = |tracker: &mut Tracker, n| {
        let view = connector(tracker, minute(n));
        let since = |at: SystemTime| at.duration_since(now.wall).unwrap().as_secs() / 60;
        (
            view.oldest_queued.map(since),
            view.oldest_in_progress.map(since),
        )
    };
    tracker.record_poll(&key("a"), &queued, minute(2));
    tracker.record_poll(&key("b"), &queued, minute(2));
    assert_eq!(oldest(&mut tracker, 2), (Some(0), None));
    tracker.record_poll(&key("a"), &running, minute(5));
    assert_eq!(oldest(&mut tracker, 5), (Some(1), Some(5)));

    write(&mut saved, tracker.take_changes(minute(5)));
    let mut restarted = restart(&mut saved, Shard::ONLY, minute(6));
    assert_eq!(oldest(&mut restarted, 6), (Some(1), Some(5)));

    tracker.record_poll(&key("b"), &running, minute(7));
    assert_eq!(oldest(&mut tracker, 7), (None, Some(5)));
    settle(&mut tracker, "a", &done, minute(8));
    assert_eq!(oldest(&mut tracker, 8), (None, Some(7)));
    settle(&mut tracker, "b", &done, minute(9));
    assert_eq!(oldest(&mut tracker, 9), (None, None));
}

#[test]
fn a_transfer_is_unreadable_after_a_failed_poll_or_without_a_first_one() {
    let (mut tracker, now) = watching();
    let unreadable = |tracker: &mut Tracker, now| connector(tracker, now).unreadable;
    track_new(&mut tracker, "a", now);
    track_new(&mut tracker, "b", now);
    assert_eq!(unreadable(&mut tracker, now), 0, "they have just begun");
    tracker.record_poll(&key("a"), &PollResult::Failed, now);
    assert_eq!(unreadable(&mut tracker, now), 1);
    tracker.record_poll(&key("a"), &PollResult::Unknown, now);
    assert_eq!(unreadable(&mut tracker, now), 1);
    let later = now.after(2 * SETTINGS.max_refresh_interval + SECOND);
    assert_eq!(unreadable(&mut tracker, later), 2, "b was never polled");
    tracker.record_poll(&key("b"), &files(&[("/x", "QUEUED", "")]), later);
    settle(&mut tracker, "a", &files(&[("/x", "COMPLETED", "")]), later);
    assert_eq!(unreadable(&mut tracker, later), 0);
}

#[test]
fn failures_in_a_row_end_with_a_completed_file() {
    let (mut tracker, now) = watching();
    let in_a_row = |tracker: &mut Tracker| connector(tracker, now).consecutive_failures;
    for n in 1..=3 {
        event(&mut tracker, "a", n, &format!("/{n}"), failed("X"), now);
        assert_eq!(in_a_row(&mut tracker), u64::from(n));
    }
    event(&mut tracker, "a", 3, "/3", failed("X"), now);
    assert_eq!(in_a_row(&mut tracker), 3, "a duplicate");
    event(&mut tracker, "b", 1, "/1", Finished::Completed, now);
    assert_eq!(in_a_row(&mut tracker), 0);
}
