//! Failed files that are kept for pages.

use std::time::Duration;

use super::{account, file, key, start, tracker};
use crate::tracker::persist::{FailureRecord, SavedState};
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
fn failed_files_outlive_their_transfer_until_they_expire() {
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
        (1, 1)
    );
    let keep = tracker.settings.keep_unresolved;
    tracker.expire(now.after(keep));
    assert_eq!(paths(&tracker).len(), 1);
    tracker.expire(now.after(keep + Duration::from_secs(1)));
    assert_eq!(paths(&tracker).len(), 0);
    assert_eq!(unresolved(&mut tracker, later), []);
}

fn unresolved(tracker: &mut Tracker, now: Now) -> Vec<(Finished, u64)> {
    let views = tracker.snapshot(now);
    let view = views.connectors().next().unwrap();
    view.unresolved_failures.clone().into_iter().collect()
}

/// A retry is another transfer, which starts later. Both may be read in any order.
#[test]
fn a_later_transfer_that_completes_a_path_resolves_its_failures() {
    let now = start();
    let code = || Finished::Failed(FailureCode::new("TIMEOUT_ERROR"));
    let failed = [
        file("/x", "FAILED", "TIMEOUT_ERROR"),
        file("/y", "FAILED", "TIMEOUT_ERROR"),
    ];
    let completed = [file("/x", "COMPLETED", "")];
    let minute = |n| now.wall + n * Duration::from_mins(1);
    for (retry, left) in [
        (minute(5), 1),
        (minute(0), 1),
        (now.wall - Duration::from_secs(1), 2),
    ] {
        for failure_first in [true, false] {
            let mut tracker = tracker(now);
            let later = now.after(Duration::from_mins(10));
            tracker.track(key("a"), Origin::Api, Some(now.wall), now);
            tracker.track(key("b"), Origin::Api, Some(retry), later);
            let mut polls = [("a", &failed[..]), ("b", &completed[..])];
            if !failure_first {
                polls.reverse();
            }
            for (id, files) in polls {
                tracker.record_poll(&key(id), &PollResult::Files(files.to_vec()), later);
            }
            assert_eq!(unresolved(&mut tracker, later), [(code(), left)]);
            assert_eq!(paths(&tracker).len(), 2, "it is still listed");
        }
    }
}

#[test]
fn a_path_that_completes_in_the_same_transfer_or_connector_only_resolves_nothing() {
    let now = start();
    let mut tracker = tracker_with_events(now);
    let fact = event("f/1", "/x", "X", now);
    tracker.ingest(&fact, Origin::Events, now);
    let Fact::FileEnded(mut end) = fact else {
        unreachable!()
    };
    end.end = Finished::Completed;
    end.file_transfer_id = "f/2".into();
    tracker.ingest(&Fact::FileEnded(end.clone()), Origin::Events, now);
    let one = [(Finished::Failed(FailureCode::new("X")), 1)];
    assert_eq!(unresolved(&mut tracker, now), one, "the same transfer");
    end.key.connector = "c-11111111111111111".parse().unwrap();
    tracker.ingest(&Fact::FileEnded(end.clone()), Origin::Events, now);
    assert_eq!(unresolved(&mut tracker, now), one, "another connector");
    end.key = key("b");
    tracker.ingest(&Fact::FileEnded(end), Origin::Events, now);
    assert_eq!(unresolved(&mut tracker, now), []);
}

#[test]
fn an_acknowledgement_resolves_what_it_names_for_good() {
    let now = start();
    let mut tracker = tracker_with_events(now);
    tracker.restore(SavedState::default(), now);
    for (n, path) in ["/a", "/b", "/c"].into_iter().enumerate() {
        let code = if n == 0 { "X" } else { "Y" };
        let fact = event(&format!("f/{n}"), path, code, now);
        tracker.ingest(&fact, Origin::Events, now);
    }
    let by_code = |code: &str| FailureFilter {
        code: Some(code.to_owned()),
        ..FailureFilter::default()
    };
    assert_eq!(tracker.acknowledge_failures(&by_code("Z")), 0);
    assert_eq!(tracker.acknowledge_failures(&by_code("Y")), 2);
    assert_eq!(tracker.acknowledge_failures(&by_code("Y")), 0);
    let left = [(Finished::Failed(FailureCode::new("X")), 1)];
    assert_eq!(unresolved(&mut tracker, now), left);

    let changes = tracker.take_changes(now);
    let saved = SavedState {
        failures: changes.failures,
        connectors: changes
            .connectors
            .into_iter()
            .filter_map(|(key, record)| Some((key, record?)))
            .collect(),
        ..SavedState::default()
    };
    let mut restarted = tracker_with_events(now);
    restarted.restore(saved, now);
    assert_eq!(unresolved(&mut restarted, now), left);
    assert_eq!(restarted.failures(), tracker.failures());
    let path = FailureFilter {
        path: Some("/a".to_owned()),
        transfer: Some(key("a").transfer),
        ..FailureFilter::default()
    };
    assert_eq!(restarted.acknowledge_failures(&path), 1);
    assert_eq!(unresolved(&mut restarted, now), []);
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
            vec![FailureRecord {
                path: "/x".into(),
                code: "RENAME_ERROR".into(),
                message: Some("/x broke".into()),
                at: 1_800_000_000_000,
                since: 1_800_000_000_000,
                resolution: 0,
            }]
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
    let mut foreign = key("a");
    foreign.account = AccountName::new("removed");
    failures.push((foreign.clone(), changes.failures[0].1.clone()));
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
        [(foreign, vec![])],
        "failed files of an account that is not configured are removed"
    );
}
