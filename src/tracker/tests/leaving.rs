//! What outlives a transfer, a shard and an account.

use super::life::{HOUR, MINUTE, count, event, failed, report, start_of, watching};
use std::collections::BTreeSet;

use super::*;
use crate::tracker::persist::{FateRecord, FateRecords, PendingWrites, SavedState};
use model::{Direction, TransferStart};

/// How transfer `a` leaves or comes back.
type Step = fn(&mut Tracker, Now);

/// What is counted of a transfer outlives it, however it leaves and comes back.
#[test]
fn a_transfer_that_leaves_and_comes_back_counts_each_file_once() {
    let delete: Step = |tracker, now| {
        assert!(tracker.untrack(&key("a"), Origin::Api, now));
    };
    let settle_and_expire: Step = |tracker, now| {
        tracker.expire(now.after(SETTINGS.keep_settled));
    };
    let out_of_the_list: Step = |tracker, now| {
        tracker.retain_origin(Origin::Api, &|_| false, now);
    };
    let account_away: Step = |tracker, now| {
        tracker.configure(SETTINGS, [], now);
        tracker.configure(SETTINGS, [account()], now);
        tracker.watch([], now);
    };
    let put: Step = |tracker, now| track_new(tracker, "a", now);
    let listed: Step = |tracker, now| tracker.track(key("a"), Origin::Files, None, now);
    let trail: Step = |tracker, now| {
        let start = TransferStart {
            started_at: Some(now.wall),
            ..start_of("a")
        };
        report(tracker, start, Origin::Cloudtrail, now);
    };
    let events: Step = |tracker, now| {
        event(tracker, "a", 1, "/a", Finished::Completed, now);
        event(tracker, "a", 2, "/b", failed("TIMEOUT_ERROR"), now);
    };
    let answer = files(&[("/a", "COMPLETED", ""), ("/b", "FAILED", "TIMEOUT_ERROR")]);
    for (leave, how) in [
        (delete, "DELETE"),
        (settle_and_expire, "keep_settled"),
        (out_of_the_list, "a list"),
        (account_away, "the account"),
    ] {
        for (back, by) in [
            (put, "PUT"),
            (listed, "a list"),
            (trail, "CloudTrail"),
            (events, "events"),
        ] {
            let (mut tracker, now) = watching();
            track_new(&mut tracker, "a", now);
            settle(&mut tracker, "a", &answer, now);
            assert_eq!(count(&mut tracker, now), 2);
            let later = now.after(HOUR);
            leave(&mut tracker, later);
            assert!(tracker.slot(&key("a")).is_none(), "{how}");
            let later = later.after(2 * HOUR);
            back(&mut tracker, later);
            tracker.record_poll(&key("a"), &answer, later);
            events(&mut tracker, later);
            assert_eq!(count(&mut tracker, later), 2, "left by {how}, back by {by}");
        }
    }
}

#[test]
fn a_start_after_the_transfer_left_its_list_counts_its_files_and_keeps_the_connector() {
    let (mut tracker, now) = watching();
    tracker.track(key("a"), Origin::Files, None, now);
    let answer = files(&[("/a", "COMPLETED", "")]);
    settle(&mut tracker, "a", &answer, now.after(MINUTE));
    assert_eq!(count(&mut tracker, now), 0, "it may have ended before");
    tracker.retain_origin(Origin::Files, &|_| false, now.after(2 * MINUTE));
    let start = TransferStart {
        started_at: Some(now.wall),
        ..start_of("a")
    };
    let later = now.after(HOUR);
    report(&mut tracker, start, Origin::Cloudtrail, later);
    assert_eq!(count(&mut tracker, later), 1);
    tracker.retain_origin(Origin::Files, &|_| false, later.after(MINUTE));
    assert_eq!(count(&mut tracker, later.after(MINUTE)), 1);
}

/// The clock is set back before it leaves, and partly corrected before it comes back.
#[test]
fn a_transfer_that_is_away_while_the_clock_is_set_counts_what_ended_since_its_poll() {
    for restarts in [false, true] {
        let (mut saved, now) = (SavedState::default(), start());
        let mut tracker = restart(&mut saved, Shard::default(), now);
        let set = |seconds: u64, wall: SystemTime| Now {
            instant: now.instant + SECOND * u32::try_from(seconds).unwrap(),
            wall: wall + Duration::from_secs(seconds),
        };
        let (back, corrected) = (now.wall - 2 * HOUR, now.wall - HOUR);
        tracker.track(key("a"), Origin::Files, None, now);
        tracker.record_poll(
            &key("a"),
            &files(&[("/a", "IN_PROGRESS", "")]),
            set(60, back),
        );
        tracker.retain_origin(Origin::Files, &|_| false, set(90, back));
        tracker.expire(set(120, corrected));
        if restarts {
            write(&mut saved, tracker.take_changes(set(120, corrected)));
            tracker = restart(&mut saved, Shard::default(), set(150, corrected));
        }
        tracker.track(key("a"), Origin::Files, None, set(180, corrected));
        let answer = files(&[("/a", "COMPLETED", "")]);
        tracker.record_poll(&key("a"), &answer, set(200, corrected));
        assert_eq!(
            count(&mut tracker, set(200, corrected)),
            1,
            "restarts: {restarts}"
        );
    }
}

#[test]
fn a_transfer_that_was_deleted_while_it_ran_counts_the_event_of_its_file() {
    let (mut tracker, now) = watching();
    track_new(&mut tracker, "a", now);
    tracker.record_poll(&key("a"), &files(&[("/a", "IN_PROGRESS", "")]), now);
    tracker.untrack(&key("a"), Origin::Api, now);
    let ingested = event(
        &mut tracker,
        "a",
        1,
        "/a",
        failed("TIMEOUT_ERROR"),
        now.after(MINUTE),
    );
    assert!(matches!(ingested, Ingested::New { failed: Some(_) }));
    assert_eq!(count(&mut tracker, now), 1);
    let bytes = &connector(&mut tracker, now).moved[&Direction::Send];
    assert_eq!(bytes.bytes, 100);
}

fn put<K: PartialEq, V>(known: &mut Vec<(K, V)>, changes: Vec<(K, Option<V>)>) {
    for (key, value) in changes {
        known.retain(|(other, _)| *other != key);
        known.extend(value.map(|value| (key, value)));
    }
}

pub(super) fn put_fates(known: &mut FateRecords, changes: Vec<(u64, Option<FateRecord>)>) {
    let mut fates = Vec::new();
    std::mem::take(known).drain(|hash, fate| fates.push((hash, fate.to_vec())));
    put(&mut fates, changes);
    *known = fates.into_iter().collect();
}

pub(super) fn write(saved: &mut SavedState, changes: PendingWrites) {
    put(&mut saved.transfers, changes.transfers);
    put(&mut saved.connectors, changes.connectors);
    put_fates(&mut saved.fates, changes.fates);
    if changes.meta.watching_since.is_some() {
        saved.meta = changes.meta;
    }
}

/// Restarts a process with its store, in which `shard` may have changed.
pub(super) fn restart(saved: &mut SavedState, shard: Shard, now: Now) -> Tracker {
    let settings = TrackerSettings { shard, ..SETTINGS };
    let mut tracker = Tracker::new(settings, now.wall);
    tracker.configure(settings, [account()], now);
    tracker.restore(saved.clone(), now);
    tracker.watch([], now);
    write(saved, tracker.take_changes(now));
    tracker
}

#[test]
fn changes_of_the_number_of_shards_count_each_file_once() {
    let began = start();
    let mut saved = SavedState::default();
    let own = Shard::new(0, 2).unwrap();
    let ids: Vec<_> = (0..20).map(|n| format!("t{n}")).collect();
    let mut now = began;
    let mut last = 0;
    for (shard, why) in [
        (own, "one of two"),
        (
            Shard::ONLY,
            "the history of the other shard is its baseline",
        ),
        (own, "and back"),
        (Shard::ONLY, "and again"),
    ] {
        now = now.after(HOUR);
        let mut tracker = restart(&mut saved, shard, now);
        now = now.after(MINUTE);
        for id in &ids {
            let started = (began.after(HOUR + SECOND)).wall;
            let start = TransferStart {
                started_at: Some(started),
                ..start_of(id)
            };
            report(&mut tracker, start, Origin::Cloudtrail, now);
            settle(&mut tracker, id, &files(&[("/a", "COMPLETED", "")]), now);
        }
        let counted = count(&mut tracker, now);
        let owned = ids
            .iter()
            .filter(|id| own.owns(&key(id).connector, &key(id).transfer))
            .count();
        if last == 0 {
            assert_eq!(counted, owned as u64);
        } else {
            assert_eq!(counted, last, "{why}");
        }
        last = counted;
        write(&mut saved, tracker.take_changes(now));
    }
}

#[test]
fn a_connector_that_is_divided_no_longer_keeps_its_counts() {
    let groups = Arc::new(ConnectorGroups::new([BTreeSet::from([key("a").connector])]));
    let shards = (0..2).map(|index| Shard::new(index, 2).unwrap());
    let mut owners =
        shards.filter(|shard| Ownership::new(*shard, &groups).owns_all(&key("a").connector));
    let shard = owners.next().unwrap();
    let settings = TrackerSettings { shard, ..SETTINGS };
    let mut now = start();
    let mut tracker = Tracker::new(settings, now.wall);
    let configure = |tracker: &mut Tracker, groups: &Arc<ConnectorGroups>, now: Now| {
        tracker.configure_with_groups(settings, groups, [account()], now);
        tracker.watch([], now);
    };
    configure(&mut tracker, &groups, now);
    let ids: Vec<_> = (0..16).map(|n| format!("t{n}")).collect();
    let divided = |id: &&String| shard.owns(&key(id).connector, &key(id).transfer);
    let answer = files(&[("/a", "COMPLETED", "")]);
    let started = now.after(MINUTE).wall;
    let report_all = |tracker: &mut Tracker, now: Now| {
        for id in &ids {
            let start = TransferStart {
                started_at: Some(started),
                ..start_of(id)
            };
            report(tracker, start, Origin::Cloudtrail, now);
            settle(tracker, id, &answer, now);
        }
    };
    now = now.after(HOUR);
    report_all(&mut tracker, now);
    assert_eq!(count(&mut tracker, now), 16, "it has the whole connector");
    for _ in 0..2 {
        now = now.after(HOUR);
        configure(&mut tracker, &Arc::default(), now);
        let stay = ids.iter().filter(divided).count();
        assert!((1..16).contains(&stay));
        assert_eq!(tracker.snapshot(now).transfers().count(), stay);
        report_all(&mut tracker, now);
        assert_eq!(
            count(&mut tracker, now),
            16,
            "those that have left were counted"
        );
        now = now.after(HOUR);
        configure(&mut tracker, &groups, now);
        report_all(&mut tracker, now);
        assert_eq!(count(&mut tracker, now), 16, "nothing counts twice");
    }
}

#[test]
fn counters_continue_when_an_account_comes_back() {
    let mut saved = SavedState::default();
    let now = start();
    let mut tracker = restart(&mut saved, Shard::ONLY, now);
    track_new(&mut tracker, "a", now.after(SECOND));
    settle(
        &mut tracker,
        "a",
        &files(&[("/a", "COMPLETED", "")]),
        now.after(SECOND),
    );
    let away = now.after(HOUR);
    tracker.configure(SETTINGS, [], away);
    write(&mut saved, tracker.take_changes(away));
    assert!(tracker.snapshot(away).connectors().next().is_none());
    tracker.configure(SETTINGS, [account()], away);
    tracker.watch([], away);
    track_new(&mut tracker, "b", away);
    assert_eq!(count(&mut tracker, away), 1);
    let mut restarted = restart(&mut saved, Shard::ONLY, away);
    track_new(&mut restarted, "b", away);
    assert_eq!(count(&mut restarted, away), 1, "and after a restart");
}

/// The start of a transfer is evidence by itself: what ends later counts, whichever source names the
/// transfer next.
#[test]
fn a_transfer_deleted_before_its_first_poll_keeps_its_start() {
    let back: [(Step, &str); 2] = [
        (
            |tracker, now| {
                event(tracker, "a", 1, "/a", Finished::Completed, now);
            },
            "an event",
        ),
        (
            |tracker, now| tracker.track(key("a"), Origin::Files, None, now),
            "a list",
        ),
    ];
    for (back, by) in back {
        let (mut tracker, now) = watching();
        track_new(&mut tracker, "a", now);
        assert!(tracker.untrack(&key("a"), Origin::Api, now));
        let later = now.after(MINUTE);
        back(&mut tracker, later);
        let answer = files(&[("/a", "COMPLETED", ""), ("/b", "COMPLETED", "")]);
        settle(&mut tracker, "a", &answer, later);
        assert_eq!(count(&mut tracker, later), 2, "{by}");
    }
}

/// Transfers that were never read are not remembered without end.
#[test]
fn at_most_as_many_unread_transfers_as_the_limit_are_remembered() {
    let (mut tracker, now) = watching();
    tracker.settings.limits.transfers = 100;
    for number in 0..10_000 {
        let id = format!("t-{number}");
        track_new(&mut tracker, &id, now);
        assert!(tracker.untrack(&key(&id), Origin::Api, now));
    }
    let remembered = tracker.fates.hashes().count();
    assert!((100..=112).contains(&remembered), "{remembered}");
}

#[test]
fn a_file_of_a_flow_counts_once_when_its_event_and_then_its_start_come_late() {
    let (mut tracker, now) = watching();
    let title = model::FlowTitle {
        name: "all".into(),
        connectors: vec![key("a").connector.to_string()],
        ..model::FlowTitle::default()
    };
    let flow = crate::flows::FlowConfig {
        title: Arc::new(title),
        ignore_codes: BTreeSet::default(),
        expect: None,
    };
    tracker.configure_flows(&[flow], now);
    tracker.track(key("a"), Origin::Files, None, now);
    let answer = files(&[("/a", "COMPLETED", ""), ("/b", "COMPLETED", "")]);
    settle(&mut tracker, "a", &answer, now.after(MINUTE));
    let later = now.after(2 * MINUTE);
    event(&mut tracker, "a", 1, "/a", Finished::Completed, later);
    let start = TransferStart {
        started_at: Some(now.wall),
        ..start_of("a")
    };
    report(&mut tracker, start, Origin::Cloudtrail, later);
    assert_eq!(count(&mut tracker, later), 2);
    let flows = tracker.flow_views();
    assert_eq!(flows[0][0].finished[&Finished::Completed], 2);
}

/// A transfer leaves during its poll, and may come back before the poll ends.
#[test]
fn a_transfer_that_comes_back_during_its_poll_is_not_polled_twice() {
    let prod = account().name;
    let answer = files(&[("/a", "COMPLETED", "")]);
    let (mut tracker, now) = watching();
    tracker.track(key("a"), Origin::Files, None, now);
    let poll = tracker.take_due(&prod, now.instant).unwrap();
    for _ in 0..2 {
        tracker.retain_origin(Origin::Files, &|_| false, now);
        assert_eq!(tracker.oldest_due(&prod), None);
        tracker.track(key("a"), Origin::Files, None, now);
        assert_eq!(tracker.oldest_due(&prod), Some(now.instant));
        assert_eq!(tracker.take_due(&prod, now.instant), None, "in flight");
    }
    tracker.retain_origin(Origin::Files, &|_| false, now);
    let now = now.after(SECOND);
    tracker.track(key("a"), Origin::Files, None, now);
    assert_eq!(tracker.take_due(&prod, now.instant), None, "due later");
    assert!(tracker.finish_poll(&poll, &answer, now).is_some());
    assert!(tracker.oldest_due(&prod).unwrap() > now.instant);

    // The answer for a transfer that is away is ignored, and the next poll is another one.
    let later = now.after(HOUR);
    let poll = tracker.take_due(&prod, later.instant).unwrap();
    tracker.retain_origin(Origin::Files, &|_| false, later);
    assert!(tracker.finish_poll(&poll, &answer, later).is_none());
    tracker.track(key("a"), Origin::Files, None, later);
    assert!(tracker.take_due(&prod, later.instant).is_some());
}

#[test]
fn a_poll_of_an_account_that_was_removed_is_not_continued() {
    let prod = account().name;
    let (mut tracker, now) = watching();
    tracker.track(key("a"), Origin::Config, None, now);
    let poll = tracker.take_due(&prod, now.instant).unwrap();
    tracker.configure(SETTINGS, [], now);
    tracker.configure(SETTINGS, [account()], now);
    tracker.track(key("a"), Origin::Config, None, now);
    assert!(tracker.take_due(&prod, now.instant).is_some());
    let answer = files(&[("/a", "COMPLETED", "")]);
    assert!(tracker.finish_poll(&poll, &answer, now).is_none());
}
