//! Which files are counted, and under which labels.

use super::*;

#[test]
fn files_that_finished_before_the_first_poll_are_not_counted() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    let baseline = [
        ("f", "COMPLETED", ""),
        ("g", "FAILED", "TIMEOUT_ERROR"),
        ("h", "QUEUED", ""),
        ("i", "QUEUED", ""),
    ];
    let effects = tracker.record_poll(&key("a"), &files(&baseline), now);
    assert_eq!(
        effects.failed.len(),
        1,
        "failed files of the baseline are logged"
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
    let progress = [
        ("f", "COMPLETED", ""),
        ("g", "FAILED", "TIMEOUT_ERROR"),
        ("h", "COMPLETED", ""),
        ("i", "QUEUED", ""),
    ];
    tracker.record_poll(&key("a"), &files(&progress), later);
    assert_eq!(finished(&mut tracker, later), [(Finished::Completed, 1)]);
    assert_eq!(
        connector(&mut tracker, later).last_completed,
        Some(later.wall)
    );
}

#[test]
fn files_of_a_transfer_that_started_after_the_process_are_all_counted() {
    let now = start();
    let mut tracker = tracker(now);
    track_new(&mut tracker, "a", now);
    tracker.track(key("old"), Origin::Api, Some(now.wall - SECOND), now);
    let answer = files(&[
        ("f", "COMPLETED", ""),
        ("g", "FAILED", ""),
        ("h", "FAILED", "CONNECTION_ERROR"),
    ]);
    let effects = tracker.record_poll(&key("a"), &answer, now);
    assert_eq!(
        effects
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
fn files_with_equal_paths_are_each_counted_once() {
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
fn a_file_whose_status_changes_later_is_not_counted_again() {
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
fn undocumented_codes_beyond_the_limit_count_as_other() {
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
fn undocumented_statuses_beyond_the_limit_count_as_other() {
    let now = start();
    let mut tracker = tracker(now);
    track_new(&mut tracker, "a", now);
    let answer = (0..25).map(|n| file(&n.to_string(), &format!("STATUS_{n}"), ""));
    tracker.record_poll(&key("a"), &PollResult::Files(answer.collect()), now);
    let counts = transfer(&mut tracker, "a", now).files.unwrap();
    assert_eq!((counts.other.len(), counts.unfinished_files()), (21, 25));
}

#[test]
fn timestamps_in_the_future_are_cut_when_the_clock_is_set_back() {
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
        wall: now.wall - Duration::from_hours(1),
    };
    tracker.record_poll(
        &key("a"),
        &files(&[("f", "COMPLETED", ""), ("g", "QUEUED", "")]),
        set_back,
    );
    assert_eq!(
        connector(&mut tracker, set_back).last_completed,
        Some(set_back.wall)
    );
}

/// A sender of events may invent any number of files of one transfer. Each is counted once, and none
/// costs more than a pass over a ledger of a bounded size.
#[test]
fn the_ledger_of_a_transfer_is_bounded_and_every_event_counts_once() {
    let (mut tracker, now) = super::life::watching();
    let send = |tracker: &mut Tracker, n: u32| {
        let path = format!("/f{n}");
        super::life::event(tracker, "a", n, &path, Finished::Completed, now)
    };
    for n in 0..20_000 {
        assert_eq!(send(&mut tracker, n), Ingested::New { failed: None });
    }
    for n in (0..20_000).step_by(999) {
        assert_eq!(send(&mut tracker, n), Ingested::Duplicate, "{n}");
    }
    assert_eq!(super::life::count(&mut tracker, now), 20_000);
    let slot = tracker.slot(&key("a")).unwrap();
    let bytes = tracker.transfers[slot].ledger().bytes().len();
    assert!(bytes <= 13 << 10, "{bytes}");
    // After it has left as well.
    tracker.retain_origin(Origin::Events, &|_| false, now);
    for n in [1, 19_999] {
        assert_eq!(send(&mut tracker, n), Ingested::Duplicate, "{n}");
    }
    assert_eq!(send(&mut tracker, 20_000), Ingested::New { failed: None });
    assert_eq!(super::life::count(&mut tracker, now), 20_001);
}
