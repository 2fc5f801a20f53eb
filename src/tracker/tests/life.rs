//! A transfer's life by evidence: what counts, when it has settled, and what outlives it.

use super::*;
use model::{Direction, Fact, FileEnd, TransferStart};

pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);

/// Evidence of the start of transfer `a`, with the time that it names.
type Evidence = fn(&mut Tracker, SystemTime, Now);
pub(super) fn start_of(id: &str) -> TransferStart {
    TransferStart {
        key: key(id),
        started_at: None,
        reported_at: None,
        files: None,
    }
}

pub(super) fn report(
    tracker: &mut Tracker,
    start: TransferStart,
    origin: Origin,
    now: Now,
) -> Ingested {
    tracker.ingest(&Fact::Started(start), origin, now)
}

/// Ingests the event of file `n`.
pub(in crate::tracker) fn event(
    tracker: &mut Tracker,
    id: &str,
    n: u32,
    path: &str,
    end: Finished,
    now: Now,
) -> Ingested {
    let fact = Fact::FileEnded(FileEnd {
        key: key(id),
        file_transfer_id: format!("{id}/{n}"),
        direction: Direction::Send,
        path: path.into(),
        end,
        message: None,
        bytes: 100,
        duration: Some(SECOND),
        ended_at: now.wall,
    });
    tracker.ingest(&fact, Origin::Events, now)
}

pub(in crate::tracker) fn failed(code: &str) -> Finished {
    Finished::Failed(FailureCode::new(code))
}

pub(super) fn count(tracker: &mut Tracker, now: Now) -> u64 {
    finished(tracker, now).iter().map(|(_, files)| files).sum()
}

fn state(tracker: &mut Tracker, id: &str, now: Now) -> TransferState {
    transfer(tracker, id, now).state
}

/// A tracker that has run for an hour, so that what starts now is watched.
pub(in crate::tracker) fn watching() -> (Tracker, Now) {
    let began = start();
    let mut tracker = tracker(began);
    tracker.watch([], began);
    (tracker, began.after(HOUR))
}

#[test]
fn a_failed_event_after_the_transfer_has_settled_counts_and_reopens_it() {
    let (mut tracker, now) = watching();
    track_new(&mut tracker, "a", now);
    settle(&mut tracker, "a", &files(&[("/a", "COMPLETED", "")]), now);
    let later = now.after(MINUTE);
    let ingested = event(&mut tracker, "a", 2, "/b", failed("TIMEOUT_ERROR"), later);
    assert!(
        matches!(ingested, Ingested::New { failed: Some(_) }),
        "it is logged"
    );
    assert_eq!(
        finished(&mut tracker, later),
        [(Finished::Completed, 1), (failed("TIMEOUT_ERROR"), 1)]
    );
    assert_eq!(tracker.due(later), [key("a")]);
    assert_eq!(state(&mut tracker, "a", later), TransferState::Running);
    let both = files(&[("/a", "COMPLETED", ""), ("/b", "FAILED", "TIMEOUT_ERROR")]);
    settle(&mut tracker, "a", &both, later);
    assert_eq!(count(&mut tracker, later), 2);
    assert_eq!(state(&mut tracker, "a", later), TransferState::Failed);
}

#[test]
fn a_transfer_does_not_settle_before_all_expected_files_have_rows() {
    let (mut tracker, now) = watching();
    let start = TransferStart {
        started_at: Some(now.wall),
        files: Some(3),
        ..start_of("a")
    };
    report(&mut tracker, start, Origin::Cloudtrail, now);
    settle(&mut tracker, "a", &files(&[("/a", "COMPLETED", "")]), now);
    assert_eq!(state(&mut tracker, "a", now), TransferState::Running);
    let later = now.after(HOUR);
    let all = files(&[
        ("/a", "COMPLETED", ""),
        ("/b", "FAILED", "TIMEOUT_ERROR"),
        ("/c", "COMPLETED", ""),
    ]);
    let effects = tracker.record_poll(&key("a"), &all, later);
    assert!(
        effects.settled,
        "the expected number needs no second answer"
    );
    assert_eq!(effects.failed.len(), 1);
    assert_eq!(count(&mut tracker, later), 3);
}

#[test]
fn an_expected_number_that_is_reported_late_reopens_a_settled_transfer() {
    let (mut tracker, now) = watching();
    track_new(&mut tracker, "a", now);
    settle(&mut tracker, "a", &files(&[("/a", "COMPLETED", "")]), now);
    let later = now.after(HOUR);
    assert_eq!(tracker.due(later), []);
    let start = TransferStart {
        files: Some(2),
        ..start_of("a")
    };
    report(&mut tracker, start, Origin::Cloudtrail, later);
    assert_eq!(tracker.due(later), [key("a")]);
}

#[test]
fn a_transfer_does_not_settle_with_fewer_rows_than_events() {
    let (mut tracker, now) = watching();
    track_new(&mut tracker, "a", now);
    event(&mut tracker, "a", 1, "/a", Finished::Completed, now);
    event(&mut tracker, "a", 2, "/b", Finished::Completed, now);
    let one = files(&[("/a", "COMPLETED", "")]);
    assert!(!settle(&mut tracker, "a", &one, now).settled);
    let two = files(&[("/a", "COMPLETED", ""), ("/b", "COMPLETED", "")]);
    assert!(settle(&mut tracker, "a", &two, now.after(HOUR)).settled);
    assert_eq!(count(&mut tracker, now), 2);
}

#[test]
fn rows_that_appear_one_by_one_are_all_counted() {
    let (mut tracker, now) = watching();
    track_new(&mut tracker, "a", now);
    let paths: Vec<_> = (0..10).map(|n| format!("/f{n}")).collect();
    let mut at = now;
    for rows in 1..=10 {
        let rows: Vec<_> = paths[..rows]
            .iter()
            .map(|path| (path.as_str(), "COMPLETED", ""))
            .collect();
        assert!(tracker.due(at).contains(&key("a")), "{} rows", rows.len());
        let effects = tracker.record_poll(&key("a"), &files(&rows), at);
        assert!(!effects.settled);
        at = at.after(31 * SECOND);
    }
    assert_eq!(count(&mut tracker, at), 10);
}

/// The process began at hour 0, the account was configured at hour 1. A transfer is polled once, at
/// hour 2, when its only file has ended.
#[test]
fn a_file_counts_if_there_is_evidence_that_it_ended_while_its_transfer_was_watched() {
    let hour = |began: Now, hours: i64| began.wall + HOUR * u32::try_from(hours).unwrap();
    let exact: Evidence = |tracker, at, now| {
        let start = TransferStart {
            started_at: Some(at),
            ..start_of("a")
        };
        report(tracker, start, Origin::Cloudtrail, now);
    };
    let reported: Evidence = |tracker, at, now| {
        let start = TransferStart {
            reported_at: Some(at),
            ..start_of("a")
        };
        report(tracker, start, Origin::Events, now);
    };
    let listed: Evidence = |tracker, _, now| tracker.track(key("a"), Origin::Files, None, now);
    let unknown: Evidence = |tracker, _, now| {
        tracker.track(key("a"), Origin::Config, None, now);
        tracker.record_poll(&key("a"), &PollResult::Unknown, now);
    };
    let empty: Evidence = |tracker, _, now| {
        tracker.track(key("a"), Origin::Config, None, now);
        tracker.record_poll(&key("a"), &PollResult::Files(Vec::new()), now);
    };
    for (name, evidence, at, before, after) in [
        ("a start after the account was configured", exact, 2, 1, 1),
        ("a start before the account was configured", exact, 0, 0, 0),
        (
            "a message sent after the account was configured",
            reported,
            2,
            1,
            1,
        ),
        (
            "a message sent before the account was configured",
            reported,
            0,
            0,
            0,
        ),
        ("only a list", listed, 0, 0, 0),
        ("an answer without files", unknown, 0, 1, 1),
        ("an empty answer", empty, 0, 1, 1),
    ] {
        let began = start();
        let mut tracker = Tracker::new(SETTINGS, began.wall);
        tracker.configure(SETTINGS, [], began);
        tracker.watch([], began);
        let configured = began.after(HOUR);
        tracker.configure(SETTINGS, [account()], configured);
        tracker.watch([], configured);
        let now = began.after(2 * HOUR);
        let answer = files(&[("/a", "FAILED", "TIMEOUT_ERROR")]);
        evidence(&mut tracker, hour(began, at), now);
        tracker.record_poll(&key("a"), &answer, now);
        assert_eq!(count(&mut tracker, now), before, "{name}, before the poll");
        // The same evidence arrives after the poll.
        if name.contains("answer") {
            continue;
        }
        let mut tracker = Tracker::new(SETTINGS, began.wall);
        tracker.configure(SETTINGS, [], began);
        tracker.watch([], began);
        tracker.configure(SETTINGS, [account()], configured);
        tracker.watch([], configured);
        tracker.track(key("a"), Origin::Config, None, now);
        tracker.record_poll(&key("a"), &answer, now);
        assert_eq!(count(&mut tracker, now), 0, "{name}");
        evidence(&mut tracker, hour(began, at), now.after(SECOND));
        assert_eq!(count(&mut tracker, now), after, "{name}, after the poll");
        evidence(&mut tracker, hour(began, at), now.after(2 * SECOND));
        assert_eq!(count(&mut tracker, now), after, "{name}, twice");
    }
}

#[test]
fn a_report_after_the_files_were_read_is_no_evidence_of_the_start() {
    let (mut tracker, now) = watching();
    tracker.track(key("a"), Origin::Config, None, now);
    settle(&mut tracker, "a", &files(&[("/a", "COMPLETED", "")]), now);
    let later = now.after(HOUR);
    let start = TransferStart {
        reported_at: Some(later.wall),
        ..start_of("a")
    };
    report(&mut tracker, start, Origin::Api, later);
    assert_eq!(count(&mut tracker, later), 0);
}

#[test]
fn a_start_in_the_future_is_cut_to_now() {
    let (mut tracker, now) = watching();
    tracker.track(key("a"), Origin::Api, Some(now.wall + HOUR), now);
    assert_eq!(transfer(&mut tracker, "a", now).since, now.wall);
}

#[test]
fn a_source_counts_from_its_first_configuration() {
    let (mut tracker, now) = watching();
    tracker.watch([(account().name, Origin::Cloudtrail)], now);
    let starts = [("old", now.wall - MINUTE), ("new", now.wall + MINUTE)];
    let later = now.after(HOUR);
    for (id, at) in starts {
        tracker.track(key(id), Origin::Cloudtrail, Some(at), later);
        tracker.record_poll(&key(id), &files(&[("/a", "COMPLETED", "")]), later);
    }
    assert_eq!(count(&mut tracker, later), 1);
}

#[test]
fn a_gone_transfer_is_polled_again_on_evidence() {
    let (mut tracker, now) = watching();
    tracker.track(key("a"), Origin::Config, None, now);
    tracker.record_poll(&key("a"), &PollResult::Unknown, now);
    let gone = now.after(SETTINGS.gone_after);
    assert!(
        tracker
            .record_poll(&key("a"), &PollResult::Unknown, gone)
            .gone
    );
    let again = gone.after(HOUR);
    let effects = tracker.record_poll(&key("a"), &PollResult::Unknown, again);
    assert!(!effects.gone, "it is reported once");
    let later = again.after(10 * SECOND);
    assert_eq!(tracker.due(later), []);
    event(&mut tracker, "a", 1, "/a", failed("TIMEOUT_ERROR"), later);
    assert_eq!(tracker.due(later), [key("a")]);
    assert_eq!(state(&mut tracker, "a", later), TransferState::Pending);
    let rows = files(&[("/a", "FAILED", "TIMEOUT_ERROR"), ("/b", "COMPLETED", "")]);
    tracker.record_poll(&key("a"), &rows, later);
    assert_eq!(count(&mut tracker, later), 2);
}

#[test]
fn a_changed_account_makes_its_gone_transfers_due() {
    let (mut tracker, now) = watching();
    tracker.track(key("a"), Origin::Config, None, now);
    tracker.record_poll(&key("a"), &PollResult::Unknown, now);
    let gone = now.after(SETTINGS.gone_after);
    tracker.record_poll(&key("a"), &PollResult::Unknown, gone);
    tracker.retry_account(&account().name, gone);
    assert_eq!(tracker.due(gone), [key("a")]);
    // What the other account did not know may have ended before.
    tracker.record_poll(&key("a"), &files(&[("/a", "COMPLETED", "")]), gone);
    assert_eq!(count(&mut tracker, gone), 0);
}

#[test]
fn polls_that_fail_back_off_and_end_with_the_results() {
    let (mut tracker, began) = watching();
    tracker.track(key("a"), Origin::Config, None, began);
    let (mut now, mut polls) = (began, Vec::new());
    while now.since(began.instant) < Duration::from_hours(8 * 24) {
        if tracker.due(now).is_empty() {
            now = now.after(SECOND);
        } else {
            polls.push(now.since(began.instant));
            tracker.record_poll(&key("a"), &PollResult::Failed, now);
        }
    }
    let gaps: Vec<_> = polls
        .windows(2)
        .map(|two| (two[1] - two[0]).as_secs())
        .collect();
    let first = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
    assert_eq!(gaps[..first.len()], first, "then every 5 minutes");
    let last = polls.last().unwrap();
    assert!(*last <= Duration::from_hours(7 * 24) + SETTINGS.max_refresh_interval);
    assert_eq!(state(&mut tracker, "a", now), TransferState::Gone);
}

#[test]
fn one_unknown_answer_during_a_clock_step_does_not_end_a_transfer() {
    let (mut tracker, now) = watching();
    track_new(&mut tracker, "a", now);
    tracker.record_poll(&key("a"), &files(&[("/a", "IN_PROGRESS", "")]), now);
    let stepped = Now {
        instant: now.instant + MINUTE,
        wall: now.wall + Duration::from_hours(30 * 24),
    };
    tracker.record_poll(&key("a"), &PollResult::Unknown, stepped);
    tracker.expire(stepped);
    let later = now.after(2 * HOUR);
    assert_eq!(tracker.due(later), [key("a")]);
    tracker.record_poll(&key("a"), &files(&[("/a", "COMPLETED", "")]), later);
    assert_eq!(count(&mut tracker, later), 1);
}

#[test]
fn unfinished_transfers_expire_without_polls() {
    let (mut tracker, now) = watching();
    track_new(&mut tracker, "a", now);
    tracker.expire(now.after(Duration::from_hours(6 * 24)));
    assert_eq!(tracker.transfers.slots().len(), 1);
    let over = now.after(Duration::from_hours(7 * 24));
    tracker.expire(over);
    tracker.expire(over.after(SETTINGS.keep_settled));
    assert_eq!(tracker.transfers.slots().len(), 0);
}

#[test]
fn the_start_of_a_file_is_no_evidence_for_the_other_files() {
    let (mut tracker, now) = watching();
    event(&mut tracker, "a", 1, "/a", Finished::Completed, now);
    let rows = files(&[("/a", "COMPLETED", ""), ("/b", "COMPLETED", "")]);
    tracker.record_poll(&key("a"), &rows, now);
    assert_eq!(count(&mut tracker, now), 1);
}

#[test]
fn a_report_later_than_the_start_of_a_file_is_no_evidence_of_the_start() {
    let (mut tracker, now) = watching();
    let fact = Fact::FileEnded(FileEnd {
        key: key("a"),
        file_transfer_id: "a/1".into(),
        direction: Direction::Send,
        path: "/a".into(),
        end: Finished::Completed,
        message: None,
        bytes: 100,
        duration: Some(2 * HOUR),
        ended_at: now.wall,
    });
    tracker.ingest(&fact, Origin::Events, now);
    let reported = TransferStart {
        reported_at: Some(now.wall - SECOND),
        ..start_of("a")
    };
    report(&mut tracker, reported, Origin::Events, now);
    let rows = files(&[("/a", "COMPLETED", ""), ("/b", "COMPLETED", "")]);
    tracker.record_poll(&key("a"), &rows, now);
    assert_eq!(count(&mut tracker, now), 1);
}
