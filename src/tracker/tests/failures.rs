//! Failed files that are kept for pages.

use std::time::Duration;

use super::{account, file, key, start, tracker};
use crate::tracker::persist::SavedState;
use crate::tracker::*;
use model::{Direction, Fact, FailureCode, FileEnd, Finished, Now};

fn event(id: &str, path: &str, code: &str, now: Now) -> Fact {
    Fact::FileEnded(FileEnd {
        key: key("a"),
        file_transfer_id: id.into(),
        direction: Direction::Send,
        path: path.into(),
        end: Finished::Failed(FailureCode::new(code)),
        message: Some(format!("{path}: reported by event")),
        bytes: 0,
        duration: None,
        ended_at: now.wall - Duration::from_secs(30),
    })
}

fn paths(tracker: &Tracker) -> Vec<String> {
    tracker
        .failures()
        .iter()
        .map(|failure| failure.path.to_string())
        .collect()
}

fn tracker_with_events(now: Now) -> Tracker {
    let mut tracker = tracker(now);
    tracker.configure(
        TrackerSettings {
            events: true,
            ..tracker.settings
        },
        [account()],
        now,
    );
    tracker
}

#[test]
fn a_failed_file_is_kept_once_whichever_source_reports_it_first() {
    let now = start();
    let failed = file("/x", "FAILED", "TIMEOUT_ERROR");
    let open = file("/y", "QUEUED", "");
    // Whether the transfer started before the process, and the order of reports: `a` for the API,
    // `e` for an event.
    for (baseline, order) in [
        (false, "aea"),
        (false, "eae"),
        (false, "ee"),
        (true, "aee"),
        (true, "aae"),
        (true, "ea"),
    ] {
        let mut tracker = tracker_with_events(now);
        let started_at = if baseline {
            now.wall - Duration::from_hours(1)
        } else {
            now.wall
        };
        tracker.track(key("a"), Origin::Cloudtrail, Some(started_at), now);
        for source in order.chars() {
            if source == 'a' {
                tracker.record_poll(
                    &key("a"),
                    &PollResult::Files(vec![failed.clone(), open.clone()]),
                    now,
                );
            } else {
                tracker.ingest(
                    &event("f/1", "/x", "TIMEOUT_ERROR", now),
                    Origin::Events,
                    now,
                );
            }
        }
        assert_eq!(paths(&tracker), ["/x"], "baseline: {baseline}, {order}");
        let failure = &tracker.failures()[0];
        let by_event = order.starts_with('e');
        assert_eq!(
            failure.message.as_deref(),
            Some(if by_event {
                "/x: reported by event"
            } else {
                "/x broke"
            }),
            "{order}"
        );
        let at = if by_event {
            now.wall - Duration::from_secs(30)
        } else {
            now.wall
        };
        assert_eq!(
            (failure.at, failure.code.as_ref().unwrap().as_str()),
            (at, "TIMEOUT_ERROR"),
            "{order}"
        );
    }
}

#[test]
fn failed_files_are_removed_with_their_transfer() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Api, Some(now.wall), now);
    tracker.record_poll(
        &key("a"),
        &PollResult::Files(vec![file("/x", "FAILED", "")]),
        now,
    );
    tracker.record_poll(
        &key("a"),
        &PollResult::Files(vec![file("/x", "FAILED", "")]),
        now.after(Duration::from_mins(1)),
    );
    assert_eq!(paths(&tracker), ["/x"]);
    let later = now.after(Duration::from_hours(2));
    tracker.expire(later);
    tracker.track(key("b"), Origin::Api, Some(later.wall), later);
    assert_eq!(
        (paths(&tracker).len(), tracker.transfers.slots().len()),
        (0, 1)
    );
}

#[test]
fn failed_files_are_restored_and_written_only_when_they_change() {
    let now = start();
    let mut before = tracker(now);
    before.restore(SavedState::default(), now);
    for id in ["a", "b"] {
        before.track(key(id), Origin::Api, Some(now.wall), now);
    }
    let failed = [
        file("/x", "FAILED", "RENAME_ERROR"),
        file("/y", "QUEUED", ""),
    ];
    before.record_poll(&key("a"), &PollResult::Files(failed.to_vec()), now);
    let changes = before.take_changes(now);
    assert_eq!(
        changes.failures,
        [(
            key("a"),
            vec![(
                "/x".into(),
                "RENAME_ERROR".into(),
                Some("/x broke".into()),
                1_800_000_000_000
            )]
        )]
    );
    let finished = [failed[0].clone(), file("/y", "COMPLETED", "")];
    before.record_poll(&key("a"), &PollResult::Files(finished.to_vec()), now);
    let more = before.take_changes(now);
    assert_eq!(
        (more.transfers.len(), more.failures.len()),
        (1, 0),
        "the failed files are unchanged"
    );
    before.requeue(&changes);
    assert_eq!(before.take_changes(now).failures, changes.failures);
    before.mark_all_dirty();
    assert_eq!(before.take_changes(now).failures, changes.failures);

    let transfers = more
        .transfers
        .iter()
        .filter_map(|(key, record)| Some((key.clone(), record.clone()?)))
        .collect();
    let connectors = changes
        .connectors
        .iter()
        .filter_map(|(key, record)| Some((key.clone(), record.clone()?)));
    let mut failures = changes.failures.clone();
    failures.push((key("not-there"), changes.failures[0].1.clone()));
    let saved = SavedState {
        transfers,
        failures,
        connectors: connectors.collect(),
        ..SavedState::default()
    };
    let mut after = tracker(now);
    after.restore(saved, now);
    assert_eq!(after.failures(), before.failures());
    let dropped = after.take_changes(now);
    assert_eq!(
        dropped.failures,
        [(key("not-there"), vec![])],
        "failed files without a transfer are removed"
    );
}
