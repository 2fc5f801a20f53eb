//! Polls: due transfers and the states of a transfer.

use super::*;

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
fn a_failed_poll_keeps_the_last_known_counts() {
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
fn a_transfer_settles_when_a_second_answer_confirms_its_files_and_is_not_due_again() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    tracker.track(key("b"), Origin::Config, None, now);
    let completed = files(&[("f", "COMPLETED", "")]);
    let first = tracker.record_poll(&key("a"), &completed, now);
    assert!(!first.settled, "the number of its files is not known");
    assert_eq!(tracker.due(now.after(29 * SECOND)), [key("b")]);
    assert!(settle(&mut tracker, "a", &completed, now.after(30 * SECOND)).settled);
    let failed = files(&[("f", "COMPLETED", ""), ("g", "FAILED", "CONNECTION_ERROR")]);
    assert!(settle(&mut tracker, "b", &failed, now).settled);
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
fn never_polled_transfers_alternate_with_those_polled_longest_ago() {
    let now = start();
    let mut tracker = tracker(now);
    for id in ["a", "b", "c", "d", "e"] {
        tracker.track(key(id), Origin::Config, None, now);
    }
    let running = files(&[("f", "QUEUED", "")]);
    tracker.record_poll(&key("b"), &running, now);
    tracker.record_poll(&key("a"), &running, now.after(SECOND));
    tracker.record_poll(&key("c"), &PollResult::Failed, now.after(2 * SECOND));
    let later = now.after(12 * SECOND);
    assert_eq!(
        tracker.due(later),
        [key("d"), key("b"), key("c"), key("a"), key("e")],
        "a failed poll counts as a poll"
    );
    assert_eq!(
        tracker.due(now.after(10 * SECOND)),
        [key("d"), key("b"), key("c"), key("e")],
        "a failed poll is repeated after a second"
    );
}

#[test]
fn unchanged_transfers_are_polled_less_and_less_often() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Config, None, now);
    let (mut at, mut polls) = (now, Vec::new());
    while at.since(now.instant) < Duration::from_hours(12) {
        if !tracker.due(at).is_empty() {
            polls.push(at.since(now.instant));
            tracker.record_poll(&key("a"), &files(&[("f", "QUEUED", "")]), at);
        }
        at = at.after(SECOND);
    }
    let gap_after = |time: Duration| {
        let next = polls.iter().position(|poll| *poll > time).unwrap();
        polls[next] - polls[next - 1]
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
        polls.len() < 220,
        "{} polls in 12 hours; every 10 s would be 4,320",
        polls.len()
    );
    tracker.record_poll(&key("a"), &files(&[("f", "IN_PROGRESS", "")]), at);
    assert_eq!(tracker.due(at.after(9 * SECOND)), []);
    assert_eq!(
        tracker.due(at.after(10 * SECOND)),
        [key("a")],
        "a change resets the interval"
    );
}

#[test]
fn transfers_whose_results_have_expired_are_gone_at_once() {
    let now = start();
    let mut tracker = tracker(now);
    let days = |days: u64| now.wall - Duration::from_hours(24 * days);
    tracker.track(key("old"), Origin::Api, Some(days(7)), now);
    tracker.track(key("young"), Origin::Api, Some(days(6)), now);
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
fn a_transfer_is_not_due_within_the_refresh_interval() {
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
fn not_found_and_an_empty_list_are_equivalent() {
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
        let gone = now.after(SETTINGS.gone_after);
        assert_eq!(tracker.due(gone.after(SECOND)), []);
        let hour = gone.after(Duration::from_hours(1));
        assert_eq!(
            tracker.due(hour),
            [key("a")],
            "it is polled less and less often"
        );
    }
}

#[test]
fn results_reset_the_time_until_a_transfer_is_gone() {
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
fn results_of_untracked_transfers_are_ignored() {
    let now = start();
    let mut tracker = tracker(now);
    assert_eq!(
        tracker.record_poll(&key("a"), &files(&[("f", "FAILED", "")]), now),
        PollEffects::default()
    );
    let unconfigured = TransferKey {
        account: AccountName::new("other"),
        ..key("a")
    };
    tracker.track(unconfigured, Origin::Config, None, now);
    assert!(tracker.snapshot(now).connectors().next().is_none());
    assert_eq!(tracker.due(now), []);
}
