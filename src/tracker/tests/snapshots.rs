//! The contents of snapshots.

use super::*;

#[test]
fn the_newest_transfers_have_series_and_all_are_in_the_sums() {
    let now = start();
    let mut tracker = tracker(now);
    let settings = |max_transfers| TrackerSettings {
        max_transfers,
        ..SETTINGS
    };
    tracker.configure(settings(2), [account()], now);
    for (id, age) in [("middle", 20), ("oldest", 30), ("newest", 10)] {
        tracker.track(key(id), Origin::Api, Some(now.wall - age * SECOND), now);
        settle(&mut tracker, id, &files(&[("f", "COMPLETED", "")]), now);
    }
    assert_eq!(ids(&mut tracker, now), ["middle", "newest"]);
    assert_eq!(connector(&mut tracker, now).files.unwrap().completed, 3);
    tracker.configure(settings(0), [account()], now);
    assert_eq!(ids(&mut tracker, now), Vec::<String>::new());
    tracker.configure(settings(3), [account()], now);
    assert_eq!(ids(&mut tracker, now).len(), 3);
    tracker.configure(settings(1), [account()], now);
    assert_eq!(ids(&mut tracker, now), ["newest"]);
    tracker.expire(now.after(SETTINGS.keep_settled + 30 * SECOND));
    assert_eq!(
        connector(&mut tracker, now).files,
        None,
        "no transfer is tracked"
    );
}

#[test]
fn a_snapshot_rebuilds_only_changed_chunks() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.configure(
        TrackerSettings {
            max_transfers: 10_000,
            ..SETTINGS
        },
        [account()],
        now,
    );
    for n in 0..2_000 {
        let id = format!("t{n}");
        tracker.track(key(&id), Origin::Api, Some(now.wall), now);
        let status = if n < 1_900 { "COMPLETED" } else { "QUEUED" };
        tracker.record_poll(&key(&id), &files(&[("f", status, "")]), now);
    }
    let before = tracker.snapshot(now);
    let rebuilt_chunks = |tracker: &mut Tracker| {
        let snapshot = tracker.snapshot(now);
        let is_old =
            |page: &Chunk<TransferView>| before.transfers.iter().any(|old| Arc::ptr_eq(old, page));
        snapshot
            .transfers
            .iter()
            .filter(|page| !is_old(page))
            .count()
    };
    assert_eq!(rebuilt_chunks(&mut tracker), 0);
    tracker.record_poll(
        &key("t1950"),
        &files(&[("f", "QUEUED", "")]),
        now.after(SECOND),
    );
    assert_eq!(rebuilt_chunks(&mut tracker), 0, "the files are unchanged");
    assert!(Arc::ptr_eq(
        &tracker.snapshot(now).connectors[0],
        &before.connectors[0]
    ));
    tracker.record_poll(
        &key("t1950"),
        &files(&[("f", "IN_PROGRESS", "")]),
        now.after(SECOND),
    );
    assert_eq!(rebuilt_chunks(&mut tracker), 1);
    assert!(!Arc::ptr_eq(
        &tracker.snapshot(now).connectors[0],
        &before.connectors[0]
    ));
}

#[test]
fn oldest_times_only_consider_unfinished_transfers() {
    let now = start();
    let mut tracker = tracker(now);
    tracker.track(key("a"), Origin::Api, Some(now.wall - 30 * SECOND), now);
    tracker.track(key("b"), Origin::Config, None, now.after(SECOND));
    let oldest = |tracker: &mut Tracker, now| {
        (
            connector(tracker, now).oldest_unfinished,
            oldest_result(tracker, now),
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
        (Some(now.wall + SECOND), Some(now.wall + 2 * SECOND))
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

/// One transfer of the configuration and one that was discovered in each state: which have series.
#[test]
fn the_policy_decides_which_transfers_have_series() {
    let now = start();
    let settings = |per_transfer| TrackerSettings {
        per_transfer,
        ..SETTINGS
    };
    let mut tracker = tracker(now);
    for (origin, prefix) in [(Origin::Config, "c"), (Origin::Api, "d")] {
        for (id, status) in [
            ("ok", "COMPLETED"),
            ("failed", "FAILED"),
            ("open", "QUEUED"),
        ] {
            let id = format!("{prefix}-{id}");
            tracker.track(key(&id), origin, Some(now.wall), now);
            settle(&mut tracker, &id, &files(&[("/a", status, "")]), now);
        }
    }
    let all = ["c-failed", "c-ok", "c-open", "d-failed", "d-ok", "d-open"];
    for (per_transfer, shown) in [
        (PerTransfer::All, &all[..]),
        (
            PerTransfer::Open,
            &["c-failed", "c-ok", "c-open", "d-failed", "d-open"],
        ),
        (PerTransfer::None, &[]),
        (PerTransfer::Configured, &["c-failed", "c-ok", "c-open"]),
    ] {
        tracker.configure(settings(per_transfer), [account()], now);
        assert_eq!(ids(&mut tracker, now), shown, "{per_transfer:?}");
    }
    let limited = TrackerSettings {
        max_transfers: 4,
        ..settings(PerTransfer::All)
    };
    tracker.configure(limited, [account()], now);
    let unfinished_then_failed = ["c-failed", "c-open", "d-failed", "d-open"];
    assert_eq!(ids(&mut tracker, now), unfinished_then_failed);
}
