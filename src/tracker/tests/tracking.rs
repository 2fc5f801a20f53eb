//! Which transfers and connectors are kept.

use super::*;

#[test]
fn finished_transfers_expire_unless_they_are_configured() {
    let now = start();
    let mut tracker = tracker(now);
    for id in ["configured", "both"] {
        tracker.track(key(id), Origin::Config, None, now);
    }
    for id in ["both", "done", "running"] {
        track_new(&mut tracker, id, now);
    }
    for id in ["configured", "both", "done"] {
        settle(&mut tracker, id, &files(&[("f", "COMPLETED", "")]), now);
    }
    let settled = now.after(30 * SECOND);
    let kept = settled.after(SETTINGS.keep_settled - SECOND);
    tracker.expire(kept);
    assert_eq!(
        ids(&mut tracker, kept),
        ["both", "configured", "done", "running"]
    );
    let over = settled.after(SETTINGS.keep_settled);
    tracker.expire(over);
    assert_eq!(ids(&mut tracker, over), ["both", "configured", "running"]);
    assert_eq!(
        finished(&mut tracker, over),
        [(Finished::Completed, 2)],
        "counters are kept"
    );
}

#[test]
fn a_transfer_is_dropped_with_its_last_origin() {
    let now = start();
    let mut tracker = tracker(now);
    for id in ["stays", "leaves", "both"] {
        tracker.track(key(id), Origin::Config, None, now);
    }
    track_new(&mut tracker, "both", now);
    tracker.retain_origin(
        Origin::Config,
        &|known| known.transfer.as_str() == "stays",
        now,
    );
    assert_eq!(tracker.due(now), [key("stays"), key("both")]);
    assert_eq!(
        tracker
            .snapshot(now)
            .origins
            .into_iter()
            .collect::<Vec<_>>(),
        [(Origin::Config, 1), (Origin::Api, 1)]
    );
    tracker.retain_origin(Origin::Config, &|_| false, now);
    tracker.retain_origin(Origin::Api, &|_| false, now);
    assert_eq!(
        ids(&mut tracker, now).len(),
        0,
        "discovered connectors are kept"
    );
}

#[test]
fn a_connector_is_removed_when_it_leaves_the_configuration() {
    let now = start();
    let mut tracker = tracker(now);
    let title = ConnectorTitle {
        name: "acme".into(),
        labels: BTreeMap::new(),
    };
    tracker.upsert_connector(key("a").connector_key(), Some(title), now);
    tracker.retain_origin(Origin::Config, &|_| false, now);
    assert_eq!(
        connector(&mut tracker, now).title.unwrap().name.as_ref(),
        "acme"
    );
    tracker.configure(SETTINGS, [account()], now);
    tracker.upsert_connector(key("a").connector_key(), None, now);
    tracker.retain_origin(Origin::Config, &|_| false, now);
    assert_eq!(connector(&mut tracker, now).title, None);
    tracker.configure(SETTINGS, [account()], now);
    tracker.retain_origin(Origin::Config, &|_| false, now);
    assert!(tracker.snapshot(now).connectors().next().is_none());
}

#[test]
fn removing_an_account_drops_its_transfers() {
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
        now,
    );
    assert!(tracker.snapshot(now).connectors().next().is_none());
    assert_eq!(tracker.due(now), []);
}
