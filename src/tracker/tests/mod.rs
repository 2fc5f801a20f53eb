mod failures;
mod interleaved;
mod properties;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::*;
use model::{Chunk, ConnectorView, FailureCode, FileStatus, Finished, TransferState, TransferView};

const SECOND: Duration = Duration::from_secs(1);
const SETTINGS: TrackerSettings = TrackerSettings {
    min_refresh_interval: Duration::from_secs(10),
    max_refresh_interval: Duration::from_mins(5),
    gone_after: Duration::from_mins(15),
    keep_settled: Duration::from_hours(1),
    shown: 100,
    shard: Shard::ONLY,
    events: false,
};

pub(super) fn start() -> Now {
    Now {
        instant: Instant::now() + Duration::from_secs(1_000),
        wall: UNIX_EPOCH + Duration::from_hours(500_000),
    }
}

pub(super) fn account() -> Account {
    Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    }
}

pub(super) fn key(transfer: &str) -> TransferKey {
    TransferKey {
        account: account().name,
        connector: "c-0123456789abcdef0".parse().unwrap(),
        transfer: transfer.parse().unwrap(),
    }
}

pub(super) fn tracker(now: Now) -> Tracker {
    let mut tracker = Tracker::new(SETTINGS, now.wall);
    tracker.configure(SETTINGS, [account()]);
    tracker
}

pub(super) fn file(path: &str, status: &str, code: &str) -> FileResult {
    FileResult {
        path: path.into(),
        status: FileStatus::from_wire(status),
        failure_code: FailureCode::new(code),
        failure_message: (status == "FAILED").then(|| format!("{path} broke")),
    }
}

fn files(list: &[(&str, &str, &str)]) -> PollResult {
    PollResult::Files(
        list.iter()
            .map(|(path, status, code)| file(path, status, code))
            .collect(),
    )
}

fn connector(tracker: &mut Tracker, now: Now) -> ConnectorView {
    tracker.snapshot(now).connectors().next().unwrap().clone()
}

fn transfer(tracker: &mut Tracker, id: &str, now: Now) -> TransferView {
    let snapshot = tracker.snapshot(now);
    snapshot
        .transfers()
        .find(|transfer| transfer.id.as_str() == id)
        .unwrap()
        .clone()
}

/// Those with series of their own, sorted.
fn ids(tracker: &mut Tracker, now: Now) -> Vec<String> {
    let mut ids: Vec<_> = tracker
        .snapshot(now)
        .transfers()
        .map(|t| t.id.to_string())
        .collect();
    ids.sort();
    ids
}

fn results_age(tracker: &mut Tracker, now: Now) -> Option<Duration> {
    tracker
        .snapshot(now)
        .results_ages
        .first()
        .map(|(_, age)| *age)
}

fn finished(tracker: &mut Tracker, now: Now) -> Vec<(Finished, u64)> {
    connector(tracker, now)
        .finished
        .into_iter()
        .map(|(end, seen)| (end, seen.files))
        .collect()
}

/// Tracked from a source that tells a start after the process's own.
fn track_new(tracker: &mut Tracker, id: &str, now: Now) {
    tracker.track(key(id), Origin::Demo, Some(now.wall), now);
}

#[test]
fn a_transfer_is_pending_until_its_results_are_read() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    assert_eq!(
        transfer(&mut tracker, "a", now).state,
        TransferState::Pending
    );
    assert_eq!(transfer(&mut tracker, "a", now).up, None);
    tracker.record_poll(&key("a"), &PollResult::Failed, now);
    let failed = transfer(&mut tracker, "a", now);
    assert_eq!(
        (failed.state, failed.up, failed.files),
        (TransferState::Pending, Some(false), None)
    );
    tracker.record_poll(&key("a"), &files(&[("f", "QUEUED", "")]), now);
    let read = transfer(&mut tracker, "a", now);
    assert_eq!((read.state, read.up), (TransferState::Running, Some(true)));
    assert_eq!(read.files.unwrap().queued, 1);
}

#[test]
fn a_failed_look_keeps_the_last_known_counts() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    tracker.record_poll(
        &key("a"),
        &files(&[("f", "QUEUED", ""), ("g", "COMPLETED", "")]),
        now,
    );
    tracker.record_poll(&key("a"), &PollResult::Failed, now);
    let view = transfer(&mut tracker, "a", now);
    assert_eq!((view.up, view.files.unwrap().total()), (Some(false), 2));
}

#[test]
fn a_transfer_settles_when_its_last_file_finishes_and_is_never_due_again() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    tracker.track(key("b"), Origin::Config, None, now);
    assert!(
        tracker
            .record_poll(&key("a"), &files(&[("f", "COMPLETED", "")]), now)
            .settled
    );
    let failed = files(&[("f", "COMPLETED", ""), ("g", "FAILED", "CONNECTION_ERROR")]);
    assert!(tracker.record_poll(&key("b"), &failed, now).settled);
    assert_eq!(
        transfer(&mut tracker, "a", now).state,
        TransferState::Completed
    );
    assert_eq!(
        transfer(&mut tracker, "b", now).state,
        TransferState::Failed
    );
    assert_eq!(tracker.due(now.after(Duration::from_secs(1_000_000))), []);
}

#[test]
fn an_unknown_status_is_counted_under_its_own_name_and_keeps_the_file_unfinished() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    tracker.record_poll(
        &key("a"),
        &files(&[("f", "COMPLETED", ""), ("g", "PAUSED", "")]),
        now,
    );
    let view = transfer(&mut tracker, "a", now);
    assert_eq!(view.state, TransferState::Running);
    assert_eq!(view.files.unwrap().other, [("PAUSED".into(), 1)]);
}

#[test]
fn those_never_looked_at_are_due_first_then_those_looked_at_longest_ago() {
    let now = start();
    let mut tracker = tracker(now);
    for id in ["a", "b", "c", "d"] {
        tracker.track(key(id), Origin::Config, None, now);
    }
    let running = files(&[("f", "QUEUED", "")]);
    tracker.record_poll(&key("b"), &running, now);
    tracker.record_poll(&key("a"), &running, now.after(SECOND));
    tracker.record_poll(&key("c"), &PollResult::Failed, now.after(2 * SECOND));
    let later = now.after(11 * SECOND);
    assert_eq!(
        tracker.due(later),
        [key("d"), key("b"), key("a"), key("c")],
        "one that failed has had its turn"
    );
    assert_eq!(
        tracker.due(now.after(10 * SECOND)),
        [key("d"), key("b"), key("c")]
    );
}

#[test]
fn what_does_not_change_is_asked_for_ever_less_often() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    let (mut at, mut looks) = (now, Vec::new());
    while at.since(now.instant) < Duration::from_hours(12) {
        if !tracker.due(at).is_empty() {
            looks.push(at.since(now.instant));
            tracker.record_poll(&key("a"), &files(&[("f", "QUEUED", "")]), at);
        }
        at = at.after(SECOND);
    }
    let gap_after = |time: Duration| {
        let next = looks.iter().position(|look| *look > time).unwrap();
        looks[next] - looks[next - 1]
    };
    assert_eq!(gap_after(30 * SECOND), 10 * SECOND, "min_refresh_interval");
    assert_eq!(
        gap_after(Duration::from_mins(10)),
        29 * SECOND,
        "a twentieth of 9 min 28 s"
    );
    assert_eq!(
        gap_after(Duration::from_hours(10)),
        Duration::from_mins(5),
        "max_refresh_interval"
    );
    assert!(
        looks.len() < 220,
        "{} looks in 12 hours; every 10 s it were 4,320",
        looks.len()
    );
    tracker.record_poll(&key("a"), &files(&[("f", "IN_PROGRESS", "")]), at);
    assert_eq!(tracker.due(at.after(9 * SECOND)), []);
    assert_eq!(
        tracker.due(at.after(10 * SECOND)),
        [key("a")],
        "a change makes it lively again"
    );
}

#[test]
fn results_that_aws_keeps_no_longer_are_gone_at_once() {
    let now = start();
    let mut tracker = tracker(now);
    let days = |days: u64| now.wall - Duration::from_hours(24 * days);
    tracker.track(key("old"), Origin::Demo, Some(days(7)), now);
    tracker.track(key("young"), Origin::Demo, Some(days(6)), now);
    assert!(
        tracker
            .record_poll(&key("old"), &PollResult::Unknown, now)
            .gone
    );
    assert!(
        !tracker
            .record_poll(&key("young"), &PollResult::Unknown, now)
            .gone
    );
}

#[test]
fn the_newest_are_shown_and_all_are_in_the_sums() {
    let now = start();
    let mut tracker = tracker(now);
    let settings = |shown| TrackerSettings { shown, ..SETTINGS };
    tracker.configure(settings(2), [account()]);
    for (id, age) in [("middle", 20), ("oldest", 30), ("newest", 10)] {
        tracker.track(key(id), Origin::Demo, Some(now.wall - age * SECOND), now);
        tracker.record_poll(&key(id), &files(&[("f", "COMPLETED", "")]), now);
    }
    assert_eq!(ids(&mut tracker, now), ["middle", "newest"]);
    assert_eq!(connector(&mut tracker, now).files.unwrap().completed, 3);
    tracker.configure(settings(0), [account()]);
    assert_eq!(ids(&mut tracker, now), Vec::<String>::new());
    tracker.configure(settings(3), [account()]);
    assert_eq!(ids(&mut tracker, now).len(), 3);
    tracker.configure(settings(1), [account()]);
    assert_eq!(ids(&mut tracker, now), ["newest"]);
    tracker.expire(now.after(SETTINGS.keep_settled));
    assert_eq!(
        connector(&mut tracker, now).files,
        None,
        "nothing is known of any transfer"
    );
}

#[test]
fn a_snapshot_tells_anew_only_the_pages_that_have_changed() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.configure(
        TrackerSettings {
            shown: 10_000,
            ..SETTINGS
        },
        [account()],
    );
    for n in 0..2_000 {
        let id = format!("t{n}");
        tracker.track(key(&id), Origin::Demo, Some(now.wall), now);
        let status = if n < 1_900 { "COMPLETED" } else { "QUEUED" };
        tracker.record_poll(&key(&id), &files(&[("f", status, "")]), now);
    }
    let before = tracker.snapshot(now);
    let told_anew = |tracker: &mut Tracker| {
        let snapshot = tracker.snapshot(now);
        let is_old =
            |page: &Chunk<TransferView>| before.transfers.iter().any(|old| Arc::ptr_eq(old, page));
        snapshot
            .transfers
            .iter()
            .filter(|page| !is_old(page))
            .count()
    };
    assert_eq!(told_anew(&mut tracker), 0);
    tracker.record_poll(
        &key("t1950"),
        &files(&[("f", "QUEUED", "")]),
        now.after(SECOND),
    );
    assert_eq!(told_anew(&mut tracker), 0, "it is as it was");
    assert!(Arc::ptr_eq(
        &tracker.snapshot(now).connectors[0],
        &before.connectors[0]
    ));
    tracker.record_poll(
        &key("t1950"),
        &files(&[("f", "IN_PROGRESS", "")]),
        now.after(SECOND),
    );
    assert_eq!(told_anew(&mut tracker), 1);
    assert!(!Arc::ptr_eq(
        &tracker.snapshot(now).connectors[0],
        &before.connectors[0]
    ));
}

#[test]
fn an_answer_younger_than_the_refresh_interval_is_not_fetched_again() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    tracker.record_poll(&key("a"), &files(&[("f", "QUEUED", "")]), now);
    assert_eq!(
        tracker.due(now.after(SETTINGS.min_refresh_interval - Duration::from_nanos(1))),
        []
    );
    assert_eq!(
        tracker.due(now.after(SETTINGS.min_refresh_interval)),
        [key("a")]
    );
}

#[test]
fn not_found_and_an_empty_list_are_the_same() {
    for unknown in [PollResult::Unknown, PollResult::Files(Vec::new())] {
        let now = start();
        let mut tracker = tracker(now);
        tracker.track(key("a"), Origin::Config, None, now);
        tracker.record_poll(&key("a"), &unknown, now);
        let view = transfer(&mut tracker, "a", now);
        assert_eq!(
            (view.state, view.up, view.files),
            (TransferState::Pending, Some(false), None)
        );
        let almost = now.after(SETTINGS.gone_after - SECOND);
        assert_eq!(tracker.due(almost), [key("a")]);
        assert!(!tracker.record_poll(&key("a"), &unknown, almost).gone);
        assert!(
            tracker
                .record_poll(&key("a"), &unknown, now.after(SETTINGS.gone_after))
                .gone
        );
        assert_eq!(transfer(&mut tracker, "a", now).state, TransferState::Gone);
        assert_eq!(tracker.due(now.after(1_000 * SETTINGS.gone_after)), []);
    }
}

#[test]
fn results_in_between_start_the_time_until_gone_anew() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    tracker.record_poll(&key("a"), &PollResult::Unknown, now);
    tracker.record_poll(&key("a"), &files(&[("f", "QUEUED", "")]), now.after(SECOND));
    assert!(
        !tracker
            .record_poll(
                &key("a"),
                &PollResult::Unknown,
                now.after(SETTINGS.gone_after)
            )
            .gone
    );
    let gone = now.after(2 * SETTINGS.gone_after);
    assert!(
        tracker
            .record_poll(&key("a"), &PollResult::Unknown, gone)
            .gone
    );
    let view = transfer(&mut tracker, "a", gone);
    assert_eq!(
        (view.state, view.files.unwrap().queued),
        (TransferState::Gone, 1)
    );
}

#[test]
fn what_had_finished_before_the_first_look_is_the_base() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    let base = [
        ("f", "COMPLETED", ""),
        ("g", "FAILED", "TIMEOUT_ERROR"),
        ("h", "QUEUED", ""),
        ("i", "QUEUED", ""),
    ];
    let applied = tracker.record_poll(&key("a"), &files(&base), now);
    assert_eq!(
        applied.failed.len(),
        1,
        "a failed file of the base is told to the log all the same"
    );
    assert_eq!(finished(&mut tracker, now), []);
    assert_eq!(
        (
            connector(&mut tracker, now).last_completed,
            connector(&mut tracker, now).last_failed
        ),
        (None, None)
    );

    let later = now.after(20 * SECOND);
    let on = [
        ("f", "COMPLETED", ""),
        ("g", "FAILED", "TIMEOUT_ERROR"),
        ("h", "COMPLETED", ""),
        ("i", "QUEUED", ""),
    ];
    tracker.record_poll(&key("a"), &files(&on), later);
    assert_eq!(finished(&mut tracker, later), [(Finished::Completed, 1)]);
    assert_eq!(
        connector(&mut tracker, later).last_completed,
        Some(later.wall)
    );
}

#[test]
fn a_transfer_that_began_after_the_process_has_no_base() {
    let now = start();
    let mut tracker = tracker(now);
    track_new(&mut tracker, "a", now);
    tracker.track(key("old"), Origin::Demo, Some(now.wall - SECOND), now);
    let answer = files(&[
        ("f", "COMPLETED", ""),
        ("g", "FAILED", ""),
        ("h", "FAILED", "CONNECTION_ERROR"),
    ]);
    let applied = tracker.record_poll(&key("a"), &answer, now);
    assert_eq!(
        applied
            .failed
            .iter()
            .map(|f| f.path.as_str())
            .collect::<Vec<_>>(),
        ["g", "h"]
    );
    tracker.record_poll(&key("old"), &answer, now);
    let coded = Finished::Failed(FailureCode::new("CONNECTION_ERROR"));
    assert_eq!(
        finished(&mut tracker, now),
        [
            (Finished::Completed, 1),
            (Finished::Failed(None), 1),
            (coded, 1)
        ]
    );
}

#[test]
fn equal_paths_are_counted_each_and_once() {
    let now = start();
    let mut tracker = tracker(now);
    track_new(&mut tracker, "a", now);
    tracker.record_poll(
        &key("a"),
        &files(&[
            ("f", "FAILED", ""),
            ("f", "QUEUED", ""),
            ("z", "QUEUED", ""),
        ]),
        now,
    );
    tracker.record_poll(
        &key("a"),
        &files(&[
            ("f", "COMPLETED", ""),
            ("f", "FAILED", ""),
            ("z", "QUEUED", ""),
        ]),
        now,
    );
    tracker.record_poll(
        &key("a"),
        &files(&[
            ("f", "FAILED", ""),
            ("f", "COMPLETED", ""),
            ("z", "QUEUED", ""),
        ]),
        now,
    );
    assert_eq!(
        finished(&mut tracker, now),
        [(Finished::Completed, 1), (Finished::Failed(None), 1)]
    );
}

#[test]
fn a_file_that_is_told_otherwise_later_is_not_counted_again() {
    let now = start();
    let mut tracker = tracker(now);
    track_new(&mut tracker, "a", now);
    for status in ["COMPLETED", "IN_PROGRESS", "FAILED", "COMPLETED"] {
        tracker.record_poll(
            &key("a"),
            &files(&[("f", status, ""), ("z", "QUEUED", "")]),
            now,
        );
    }
    assert_eq!(finished(&mut tracker, now), [(Finished::Completed, 1)]);
}

#[test]
fn a_code_on_a_file_that_did_not_fail_is_ignored() {
    let now = start();
    let mut tracker = tracker(now);
    track_new(&mut tracker, "a", now);
    tracker.record_poll(
        &key("a"),
        &files(&[("f", "COMPLETED", "CONNECTION_ERROR")]),
        now,
    );
    let counts = transfer(&mut tracker, "a", now).files.unwrap();
    assert_eq!((counts.completed, counts.failed_files()), (1, 0));
}

#[test]
fn past_a_hundred_unlisted_codes_the_rest_count_as_other() {
    let now = start();
    let mut tracker = tracker(now);
    track_new(&mut tracker, "a", now);
    let codes: Vec<_> = (0..103).map(|n| format!("CODE_{n}")).collect();
    let answer = codes
        .iter()
        .map(|code| file(code, "FAILED", code))
        .chain([file("listed", "FAILED", "PATH_NOT_FOUND")]);
    tracker.record_poll(&key("a"), &PollResult::Files(answer.collect()), now);
    let counts = transfer(&mut tracker, "a", now).files.unwrap();
    let of = |code: &str| {
        counts
            .failed
            .iter()
            .find(|(known, _)| known.as_str() == code)
            .map(|(_, files)| *files)
    };
    assert_eq!(
        (
            of("CODE_99"),
            of("CODE_100"),
            of("OTHER"),
            of("PATH_NOT_FOUND")
        ),
        (Some(1), None, Some(3), Some(1))
    );
    assert_eq!(tracker.snapshot(now).folded_failure_codes, 3);

    track_new(&mut tracker, "b", now);
    let again = PollResult::Files(vec![
        file("x", "FAILED", "CODE_5"),
        file("y", "FAILED", "CODE_100"),
    ]);
    tracker.record_poll(&key("b"), &again, now);
    assert_eq!(tracker.snapshot(now).folded_failure_codes, 4);
}

#[test]
fn unlisted_statuses_are_bounded_too() {
    let now = start();
    let mut tracker = tracker(now);
    track_new(&mut tracker, "a", now);
    let answer = (0..25).map(|n| file(&n.to_string(), &format!("STATUS_{n}"), ""));
    tracker.record_poll(&key("a"), &PollResult::Files(answer.collect()), now);
    let counts = transfer(&mut tracker, "a", now).files.unwrap();
    assert_eq!((counts.other.len(), counts.unfinished_files()), (21, 25));
}

#[test]
fn a_finished_transfer_expires_unless_the_configuration_names_it() {
    let now = start();
    let mut tracker = tracker(now);
    for id in ["configured", "both"] {
        tracker.track(key(id), Origin::Config, None, now);
    }
    for id in ["both", "done", "running"] {
        track_new(&mut tracker, id, now);
    }
    for id in ["configured", "both", "done"] {
        tracker.record_poll(&key(id), &files(&[("f", "COMPLETED", "")]), now);
    }
    let kept = now.after(SETTINGS.keep_settled - SECOND);
    tracker.expire(kept);
    assert_eq!(
        ids(&mut tracker, kept),
        ["both", "configured", "done", "running"]
    );
    let over = now.after(SETTINGS.keep_settled);
    tracker.expire(over);
    assert_eq!(ids(&mut tracker, over), ["both", "configured", "running"]);
    assert_eq!(
        finished(&mut tracker, over),
        [(Finished::Completed, 2)],
        "what was counted stays"
    );
}

#[test]
fn a_transfer_leaves_with_its_last_origin() {
    let now = start();
    let mut tracker = tracker(now);
    for id in ["stays", "leaves", "both"] {
        tracker.track(key(id), Origin::Config, None, now);
    }
    track_new(&mut tracker, "both", now);
    tracker.retain_origin(Origin::Config, &|known| known.transfer.as_str() == "stays");
    assert_eq!(tracker.due(now), [key("stays"), key("both")]);
    assert_eq!(
        tracker
            .snapshot(now)
            .origins
            .into_iter()
            .collect::<Vec<_>>(),
        [(Origin::Config, 1), (Origin::Demo, 1)]
    );
    tracker.retain_origin(Origin::Config, &|_| false);
    tracker.retain_origin(Origin::Demo, &|_| false);
    assert_eq!(
        ids(&mut tracker, now).len(),
        0,
        "what a source has told stays known"
    );
}

#[test]
fn a_connector_that_only_an_earlier_configuration_knew_leaves_with_its_name() {
    let now = start();
    let mut tracker = tracker(now);
    let title = ConnectorTitle {
        name: "acme".into(),
        labels: BTreeMap::new(),
    };
    tracker.upsert_connector(key("a").connector_key(), Some(title), now);
    tracker.retain_origin(Origin::Config, &|_| false);
    assert_eq!(
        connector(&mut tracker, now).title.unwrap().name.as_ref(),
        "acme"
    );
    tracker.configure(SETTINGS, [account()]);
    tracker.upsert_connector(key("a").connector_key(), None, now);
    tracker.retain_origin(Origin::Config, &|_| false);
    assert_eq!(connector(&mut tracker, now).title, None);
    tracker.configure(SETTINGS, [account()]);
    tracker.retain_origin(Origin::Config, &|_| false);
    assert!(tracker.snapshot(now).connectors().next().is_none());
}

#[test]
fn ages_and_timestamps_are_of_the_unfinished_alone() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Demo, Some(now.wall - 30 * SECOND), now);
    tracker.track(key("b"), Origin::Config, None, now.after(SECOND));
    let oldest = |tracker: &mut Tracker, now| {
        (
            connector(tracker, now).oldest_unfinished,
            results_age(tracker, now),
        )
    };
    assert_eq!(
        oldest(&mut tracker, now),
        (Some(now.wall - 30 * SECOND), None)
    );
    tracker.record_poll(
        &key("b"),
        &files(&[("f", "QUEUED", "")]),
        now.after(2 * SECOND),
    );
    tracker.record_poll(
        &key("a"),
        &files(&[("f", "COMPLETED", "")]),
        now.after(SECOND),
    );
    assert_eq!(
        oldest(&mut tracker, now.after(5 * SECOND)),
        (Some(now.wall + SECOND), Some(3 * SECOND))
    );
    tracker.record_poll(
        &key("b"),
        &files(&[("f", "FAILED", "")]),
        now.after(6 * SECOND),
    );
    let view = connector(&mut tracker, now.after(7 * SECOND));
    assert_eq!(oldest(&mut tracker, now.after(7 * SECOND)), (None, None));
    assert_eq!(view.last_failed, Some(now.after(6 * SECOND).wall));
}

#[test]
fn answers_for_what_is_not_tracked_change_nothing() {
    let now = start();
    let mut tracker = tracker(now);
    assert_eq!(
        tracker.record_poll(&key("a"), &files(&[("f", "FAILED", "")]), now),
        PollEffects::default()
    );
    let stranger = TransferKey {
        account: AccountName::new("other"),
        ..key("a")
    };
    tracker.track(stranger, Origin::Config, None, now);
    assert!(tracker.snapshot(now).connectors().next().is_none());
    assert_eq!(tracker.due(now), []);
}

#[test]
fn an_account_that_is_configured_no_more_takes_its_transfers_along() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    tracker.record_poll(&key("a"), &files(&[("f", "QUEUED", "")]), now);
    let settings = TrackerSettings {
        min_refresh_interval: 20 * SECOND,
        ..SETTINGS
    };
    tracker.configure(
        settings,
        [Account {
            name: AccountName::new("other"),
            region: "us-east-1".into(),
        }],
    );
    assert!(tracker.snapshot(now).connectors().next().is_none());
    assert_eq!(tracker.due(now), []);
}

#[test]
fn a_clock_set_back_does_not_take_a_timestamp_back() {
    let now = start();
    let mut tracker = tracker(now);
    track_new(&mut tracker, "a", now);
    tracker.record_poll(
        &key("a"),
        &files(&[("f", "COMPLETED", ""), ("g", "QUEUED", "")]),
        now.after(9 * SECOND),
    );
    let set_back = Now {
        instant: now.instant + 10 * SECOND,
        wall: SystemTime::UNIX_EPOCH,
    };
    tracker.record_poll(
        &key("a"),
        &files(&[("f", "COMPLETED", ""), ("g", "COMPLETED", "")]),
        set_back,
    );
    assert_eq!(
        connector(&mut tracker, set_back).last_completed,
        Some(now.after(9 * SECOND).wall)
    );
}
