use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::tracker::persist::SavedState;
use crate::tracker::tests::{SETTINGS, account, file as row, start as began};
use crate::tracker::{PollResult, TrackerSettings};
use model::{Finished, OperationEnd, RemoteOperation, Snapshot, TransferStart};

const LIMITS: TrackerLimits = TrackerLimits {
    transfers: 10,
    connectors: 3,
};

const LIMITED: TrackerSettings = TrackerSettings {
    limits: LIMITS,
    ..SETTINGS
};

fn at(seconds: u64) -> Now {
    began().after(Duration::from_secs(seconds))
}

fn tracker_with(settings: TrackerSettings) -> Tracker {
    let mut tracker = Tracker::new(settings, at(0).wall);
    tracker.configure(settings, [account()], at(0));
    tracker
}

fn tracker() -> Tracker {
    tracker_with(LIMITED)
}

fn key(connector: usize, transfer: usize) -> TransferKey {
    TransferKey {
        account: account().name,
        connector: format!("c-{connector:017x}").parse().unwrap(),
        transfer: format!("t-{transfer}").parse().unwrap(),
    }
}

fn start(connector: usize, transfer: usize) -> Fact {
    Fact::Started(TransferStart {
        key: key(connector, transfer),
        started_at: None,
        reported_at: None,
        files: None,
    })
}

fn ended(connector: usize, transfer: usize, end: Finished) -> Fact {
    Fact::FileEnded(FileEnd {
        key: key(connector, transfer),
        file_transfer_id: format!("f-{transfer}"),
        direction: model::Direction::Send,
        path: "/a".into(),
        end,
        message: None,
        bytes: 1,
        duration: None,
        ended_at: at(1).wall,
    })
}

fn file(connector: usize, transfer: usize) -> Fact {
    ended(connector, transfer, Finished::Completed)
}

fn timed_out() -> Finished {
    Finished::Failed(model::FailureCode::new("TIMEOUT_ERROR"))
}

fn operation(connector: usize, id: usize) -> Fact {
    Fact::OperationEnded(OperationEnd {
        listing: None,
        connector: key(connector, 0).connector_key(),
        id: format!("o-{id}"),
        operation: RemoteOperation::Delete,
        message: None,
        end: timed_out(),
    })
}

/// The number of counted files and operations by connector.
fn counted(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let connectors = snapshot.connectors();
    connectors
        .map(|connector| {
            let files: u64 = connector.finished.values().map(|seen| seen.files).sum();
            let operations: u64 = connector.operations.values().sum();
            (connector.labels.id.to_string(), files + operations)
        })
        .collect()
}

fn fill_connectors(tracker: &mut Tracker) {
    for connector in 0..LIMITS.connectors {
        let added = tracker.ingest(&start(connector, connector), Origin::Api, at(1));
        assert_eq!(added, Ingested::New { failed: None });
    }
}

#[test]
fn any_number_of_reported_names_adds_no_more_than_the_limits_and_every_file_is_counted() {
    for origin in [Origin::Events, Origin::Cloudtrail, Origin::Api] {
        let mut tracker = tracker();
        let mut beyond = [0, 0];
        for n in 0..5_000 {
            for fact in [start(n % 50, n), file(n % 50, n), operation(n % 50, n)] {
                match tracker.ingest(&fact, origin, at(1)) {
                    Ingested::LimitExceeded(limit) => {
                        assert!(matches!(fact, Fact::Started(_)));
                        beyond[limit as usize] += 1;
                    }
                    Ingested::Untracked { limit, .. } => beyond[limit as usize] += 1,
                    result => assert!(n % 50 <= LIMITS.connectors, "{n}: {result:?}"),
                }
            }
        }
        let snapshot = tracker.snapshot(at(2));
        assert!(snapshot.connectors().count() <= LIMITS.connectors + 1);
        assert!(snapshot.transfers().count() <= LIMITS.transfers);
        assert!(beyond[0] > 0 && beyond[1] > 0, "{origin:?}: {beyond:?}");
        let counted = counted(&snapshot);
        assert_eq!(counted.values().sum::<u64>(), 10_000);
        assert!(counted[ConnectorId::OTHER] >= 9_000, "{counted:?}");
    }
}

#[test]
fn known_transfers_are_unaffected_and_room_is_used_again() {
    let mut tracker = tracker();
    for n in 0..LIMITS.transfers {
        let added = tracker.ingest(&start(1, n), Origin::Api, at(1));
        assert_eq!(added, Ingested::New { failed: None });
    }
    let refused = Ingested::LimitExceeded(Limit::Transfers);
    assert_eq!(tracker.ingest(&start(1, 99), Origin::Api, at(1)), refused);
    let known = tracker.ingest(&file(1, 3), Origin::Events, at(1));
    assert_eq!(known, Ingested::New { failed: None });
    tracker.untrack(&key(1, 5), Origin::Api, at(2));
    let added = tracker.ingest(&start(1, 99), Origin::Api, at(2));
    assert_eq!(added, Ingested::New { failed: None });
}

#[test]
fn a_failure_beyond_the_connectors_is_counted_once_under_other() {
    let mut tracker = tracker();
    fill_connectors(&mut tracker);
    let failure = ended(9, 9, timed_out());
    let ingested = tracker.ingest(&failure, Origin::Events, at(1));
    assert!(
        matches!(&ingested, Ingested::Untracked { limit: Limit::Connectors, failed: Some(failed) }
            if failed.path == "/a"),
        "{ingested:?}"
    );
    let again = tracker.ingest(&failure, Origin::Events, at(2));
    assert_eq!(again, Ingested::Duplicate);
    let other = |tracker: &mut Tracker| {
        let snapshot = tracker.snapshot(at(2));
        let other = snapshot.connectors().find(|c| c.labels.id.is_other());
        other.unwrap().clone()
    };
    let view = other(&mut tracker);
    assert_eq!(view.finished[&timed_out()].files, 1);
    assert!(view.confirmed, "its other counters are at 0");

    // With room for it the transfer is tracked, and its file is not counted again.
    tracker.settings.limits.connectors += 1;
    tracker.ingest(&start(9, 9), Origin::Api, at(3));
    let rows = PollResult::Files(vec![row("/a", "FAILED", "TIMEOUT_ERROR")]);
    let effects = tracker.record_poll(&key(9, 9), &rows, at(3));
    assert_eq!(effects.failed, []);
    let counted = counted(&tracker.snapshot(at(4)));
    assert_eq!(counted.values().sum::<u64>(), 1);
}

#[test]
fn a_failure_beyond_the_transfers_is_counted_once_under_its_connector() {
    let mut tracker = tracker();
    for n in 0..LIMITS.transfers {
        tracker.ingest(&start(1, n), Origin::Api, at(1));
    }
    for _ in 0..3 {
        tracker.ingest(&ended(1, 99, timed_out()), Origin::Events, at(1));
        tracker.ingest(&ended(1, 98, timed_out()), Origin::Events, at(1));
    }
    assert!(tracker.slot(&key(1, 99)).is_none(), "not tracked");
    tracker.untrack(&key(1, 5), Origin::Api, at(2));
    tracker.ingest(&start(1, 99), Origin::Api, at(2));
    let rows = PollResult::Files(vec![row("/a", "FAILED", "TIMEOUT_ERROR")]);
    tracker.record_poll(&key(1, 99), &rows, at(3));
    let counted = counted(&tracker.snapshot(at(4)));
    assert_eq!(counted[key(1, 0).connector.as_str()], 2);
}

#[test]
fn what_is_counted_under_other_survives_a_restart() {
    let mut tracker = tracker();
    tracker.restore(SavedState::default(), at(0));
    fill_connectors(&mut tracker);
    for n in 10..15 {
        tracker.ingest(&ended(n, n, timed_out()), Origin::Events, at(1));
        tracker.ingest(&operation(n, n), Origin::Events, at(1));
    }
    let saved = saved(&mut tracker);
    let mut restarted = tracker_with(LIMITED);
    restarted.restore(saved, at(10));
    assert_eq!(counted(&restarted.snapshot(at(10)))["OTHER"], 10);
    for n in 10..15 {
        for fact in [ended(n, n, timed_out()), operation(n, n)] {
            let again = restarted.ingest(&fact, Origin::Events, at(11));
            assert_eq!(again, Ingested::Duplicate);
        }
    }
}

/// Returns the state as a store that was empty holds it.
fn saved(tracker: &mut Tracker) -> SavedState {
    let changes = tracker.take_changes(at(2));
    let some = |(key, record): (_, Option<_>)| record.map(|record| (key, record));
    SavedState {
        transfers: changes.transfers.into_iter().filter_map(some).collect(),
        connectors: changes
            .connectors
            .into_iter()
            .filter_map(|(key, record)| Some((key, record?)))
            .collect(),
        fates: changes
            .fates
            .into_iter()
            .filter_map(|(hash, fate)| Some((hash, fate?)))
            .collect(),
        operations: changes
            .operations
            .into_iter()
            .filter_map(|(hash, until)| Some((hash, until?)))
            .collect(),
        ..SavedState::default()
    }
}

/// A store that was written with larger limits: what exists is kept before what may be invented.
#[test]
fn the_limits_hold_for_what_is_loaded() {
    let mut before = tracker_with(SETTINGS);
    before.restore(SavedState::default(), at(0));
    for n in 0..300 {
        before.ingest(&start(n, n), Origin::Api, at(1));
    }
    for n in 300..302 {
        before.ingest(&start(n, n), Origin::Api, at(1));
        let rows = PollResult::Files(vec![row("/a", "IN_PROGRESS", "")]);
        before.record_poll(&key(n, n), &rows, at(1));
    }
    before.ingest(&ended(200, 200, timed_out()), Origin::Events, at(1));
    let saved = saved(&mut before);
    let mut after = tracker_with(LIMITED);
    after.restore(saved, at(2));
    let snapshot = after.snapshot(at(2));
    let ids: Vec<_> = snapshot.connectors().map(|c| c.labels.id.clone()).collect();
    let kept = [200, 300, 301].map(|n| key(n, n).connector);
    assert_eq!(ids, kept, "those that exist, then those with counters");
    assert_eq!(snapshot.transfers().count(), 3);
    // What could not be loaded is removed from the store as well.
    let removed = after.take_changes(at(3));
    let gone = removed
        .connectors
        .iter()
        .filter(|(_, record)| record.is_none());
    assert_eq!(gone.count(), 299);
}

#[test]
fn the_configuration_and_target_files_may_exceed_the_limits() {
    let mut tracker = tracker();
    for n in 0..100 {
        for origin in [Origin::Config, Origin::Files] {
            tracker.track(key(n, n), origin, None, at(1));
        }
    }
    assert_eq!(tracker.snapshot(at(2)).transfers().count(), 100);
    let refused = tracker.ingest(&start(200, 200), Origin::Api, at(2));
    assert!(matches!(refused, Ingested::LimitExceeded(_)));
}

#[test]
fn operations_of_any_number_are_remembered_up_to_the_limit() {
    let mut tracker = tracker();
    for n in 0..1_000 {
        tracker.ingest(&operation(1, n), Origin::Events, at(n as u64));
    }
    assert_eq!(tracker.operations.hashes().count(), LIMITS.transfers);
    let last = tracker.ingest(&operation(1, 999), Origin::Events, at(1_000));
    assert_eq!(last, Ingested::Duplicate);
}

/// The number of tracked transfers of a connector.
fn tracked(tracker: &Tracker, connector: usize) -> usize {
    let slots = tracker.transfers.slots();
    let of = |slot: &u32| tracker.key(*slot).connector == key(connector, 0).connector;
    slots.iter().filter(|slot| of(slot)).count()
}

fn poll(tracker: &mut Tracker, connector: usize, transfer: usize, status: &str, at: Now) {
    let rows = PollResult::Files(vec![row("/a", status, "")]);
    tracker.record_poll(&key(connector, transfer), &rows, at);
}

/// Adds a transfer that AWS knows, whose connector therefore exists.
fn confirm(tracker: &mut Tracker, connector: usize, transfer: usize) {
    tracker.ingest(&start(connector, transfer), Origin::Api, at(1));
    poll(tracker, connector, transfer, "IN_PROGRESS", at(1));
}

const NEW: Ingested = Ingested::New { failed: None };
const REFUSED: Ingested = Ingested::LimitExceeded(Limit::Transfers);

#[test]
fn an_existing_connector_takes_the_places_of_invented_transfers() {
    let mut tracker = tracker();
    confirm(&mut tracker, 1, 0);
    for n in 1..100 {
        tracker.ingest(&start(2 + n % 2, n), Origin::Api, at(2));
    }
    assert_eq!(tracked(&tracker, 1), 1);
    let displaced = tracker.displaced();
    for n in 100..109 {
        let ingested = tracker.ingest(&start(1, n), Origin::Events, at(3));
        assert_eq!(ingested, NEW, "{n}");
        assert_eq!(tracker.transfers.len(), LIMITS.transfers);
    }
    assert_eq!(tracker.displaced() - displaced, 9);
    assert_eq!(tracked(&tracker, 1), 10, "all invented ones have left");
    assert_eq!(
        tracker.ingest(&start(1, 109), Origin::Events, at(3)),
        REFUSED
    );
    let invented = tracker.ingest(&start(2, 1), Origin::Api, at(3));
    assert_eq!(invented, REFUSED, "it displaces nothing that may be real");
}

#[test]
fn a_connector_with_many_waiting_transfers_gives_way_to_one_with_fewer() {
    let mut tracker = tracker();
    confirm(&mut tracker, 1, 0);
    confirm(&mut tracker, 2, 1);
    for n in 2..50 {
        tracker.ingest(&start(1, n), Origin::Events, at(2));
    }
    assert_eq!((tracked(&tracker, 1), tracked(&tracker, 2)), (9, 1));
    for n in 50..90 {
        tracker.ingest(&start(2, n), Origin::Events, at(3));
        tracker.ingest(&start(1, n + 100), Origin::Events, at(3));
    }
    assert_eq!((tracked(&tracker, 1), tracked(&tracker, 2)), (5, 5));
    assert!(tracker.slot(&key(1, 2)).is_some(), "the newest leave first");
    for (connector, transfer) in [(1, 0), (2, 1)] {
        let slot = tracker.slot(&key(connector, transfer));
        assert!(slot.is_some(), "what AWS knows and has not ended stays");
    }
}

#[test]
fn what_ended_longest_ago_gives_way_and_its_file_is_not_counted_again() {
    let mut tracker = tracker();
    for n in 0..LIMITS.transfers {
        confirm(&mut tracker, 1, n);
        poll(&mut tracker, 1, n, "COMPLETED", at(10 + n as u64));
        poll(&mut tracker, 1, n, "COMPLETED", at(100 + n as u64));
    }
    assert_eq!(tracker.ended.len(), LIMITS.transfers, "settled");
    let before = counted(&tracker.snapshot(at(200)));
    for n in 0..5 {
        let ingested = tracker.ingest(&start(1, 50 + n), Origin::Events, at(200));
        assert_eq!(ingested, NEW);
        assert!(tracker.slot(&key(1, n)).is_none(), "{n} ended longest ago");
        assert_eq!(
            tracker.ingest(&start(1, n), Origin::Events, at(201)),
            Ingested::Duplicate,
            "a late report of its start"
        );
        tracker.ingest(&file(1, n), Origin::Events, at(201));
    }
    assert_eq!(counted(&tracker.snapshot(at(202))), before);
    let unnamed = tracker.ingest(&start(2, 99), Origin::Events, at(203));
    assert_eq!(unnamed, REFUSED, "its connector may be invented");
}

#[test]
fn what_the_administrator_names_keeps_its_place() {
    let mut tracker = tracker();
    for n in 0..4 {
        tracker.track(key(1, n), Origin::Config, None, at(1));
        tracker.track(key(1, 10 + n), Origin::Files, None, at(1));
    }
    for n in 20..22 {
        tracker.ingest(&start(1, n), Origin::Events, at(0));
    }
    confirm(&mut tracker, 2, 30);
    for n in 31..60 {
        tracker.ingest(&start(2, n), Origin::Events, at(2));
        tracker.ingest(&start(3, n), Origin::Events, at(2));
    }
    for n in 0..4 {
        assert!(tracker.slot(&key(1, n)).is_some());
        assert!(tracker.slot(&key(1, 10 + n)).is_some());
    }
}

/// Starts, events, polls and expiry in many orders, at the limit all the time: each file is counted
/// once, each start once, and the order in which connectors give way is that of their transfers.
#[test]
fn displaced_transfers_are_counted_once_in_any_order() {
    use std::collections::{BTreeMap, BTreeSet};
    for seed in 0..200_u64 {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut draw = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random >> 33).unwrap() % below
        };
        let mut tracker = tracker();
        tracker.restore(SavedState::default(), at(0));
        confirm(&mut tracker, 0, 1_000);
        let mut ended: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for step in 2..400 {
            let (connector, n) = (draw(LIMITS.connectors), draw(60));
            let now = at(step);
            match draw(4) {
                0 | 1 => {
                    let start = Fact::Started(TransferStart {
                        key: key(connector, n),
                        started_at: Some(at(1).wall),
                        reported_at: None,
                        files: None,
                    });
                    tracker.ingest(&start, Origin::Events, now);
                }
                2 => {
                    tracker.ingest(&file(connector, n), Origin::Events, now);
                    ended.entry(connector).or_default().insert(n);
                }
                _ => {
                    if tracker.slot(&key(connector, n)).is_some() && draw(2) == 0 {
                        poll(&mut tracker, connector, n, "COMPLETED", now);
                        ended.entry(connector).or_default().insert(n);
                    }
                    tracker.expire(now);
                }
            }
            let waiting: usize = tracker
                .connectors
                .numbers()
                .iter()
                .map(|number| {
                    let connector = &tracker.connectors[*number];
                    assert_eq!(
                        connector.waiting_rank.map_or(0, |rank| rank.waiting),
                        connector.waiting()
                    );
                    connector.waiting()
                })
                .sum();
            assert!(waiting <= tracker.transfers.len());
            assert!(tracker.transfers.len() <= LIMITS.transfers);
        }
        assert!(
            tracker.slot(&key(0, 1_000)).is_some(),
            "known, and unfinished"
        );
        assert!(tracker.displaced() > 0, "{seed}");
        let counted = counted(&tracker.snapshot(at(500)));
        for (connector, files) in ended {
            let id = key(connector, 0).connector;
            assert_eq!(counted[id.as_str()], files.len() as u64, "{seed}: {id}");
        }
    }
}
