//! Connectors that a source has reported: which exist, and which are forgotten.

use super::life::{HOUR, MINUTE, event, failed, watching};
use super::*;
use crate::tracker::persist::SavedState;
use model::{ConnectorDetails, ConnectorId, Fact};

const EVENTS: TrackerSettings = TrackerSettings {
    events: true,
    ..SETTINGS
};

fn with_events() -> (Tracker, Now) {
    let now = start();
    let mut tracker = Tracker::new(EVENTS, now.wall);
    tracker.configure(EVENTS, [account()], now);
    tracker.watch([], now);
    (tracker, now.after(MINUTE))
}

fn is_listed(tracker: &mut Tracker, now: Now) -> bool {
    tracker.snapshot(now).connectors().next().is_some()
}

/// Everyone who may send a message can invent a connector, also by an event.
#[test]
fn a_connector_has_counters_at_zero_once_aws_has_confirmed_it() {
    let confirmed = |tracker: &mut Tracker, now| {
        let view = connector(tracker, now);
        assert_eq!(view.confirmed, view.moved.len() == 2, "at 0");
        view.confirmed
    };
    let (mut tracker, now) = with_events();
    track_new(&mut tracker, "a", now);
    assert!(!confirmed(&mut tracker, now));
    event(&mut tracker, "b", 1, "/a", Finished::Completed, now);
    for unknown in [PollResult::Unknown, files(&[]), PollResult::Failed] {
        tracker.record_poll(&key("a"), &unknown, now);
        assert!(!confirmed(&mut tracker, now), "{unknown:?}");
    }
    tracker.record_poll(&key("a"), &files(&[("/a", "QUEUED", "")]), now);
    assert!(confirmed(&mut tracker, now), "by files");

    let (mut tracker, now) = with_events();
    tracker.upsert_connector(key("a").connector_key(), None, now);
    assert!(confirmed(&mut tracker, now), "by the configuration");

    let (mut tracker, now) = with_events();
    track_new(&mut tracker, "a", now);
    let details = ConnectorDetails {
        url: "sftp://example.com".into(),
        egress_type: "SERVICE_MANAGED".into(),
        status: "ACTIVE".into(),
        ..ConnectorDetails::default()
    };
    let listed = [(key("a").connector, Some(details.into()))].into();
    tracker.set_listed_connectors(&account().name, &listed, true, now);
    assert!(confirmed(&mut tracker, now), "by DescribeConnector");
}

/// Returns the details of a connector with this name.
fn named(name: &str) -> Arc<ConnectorDetails> {
    Arc::new(ConnectorDetails {
        status: "ACTIVE".into(),
        name: Some(name.into()),
        labels: [("team".to_owned(), "a".to_owned())].into(),
        logging_role: Some("arn:aws:iam::123456789012:role/log".into()),
        trusted_host_keys: 2,
        egress_ip_addresses: vec!["192.0.2.1".to_owned()],
        secret_version_stages: vec!["AWSPENDING".to_owned()],
        ..ConnectorDetails::default()
    })
}

fn names(tracker: &mut Tracker, now: Now) -> Vec<String> {
    let snapshot = tracker.snapshot(now);
    let names = snapshot.connectors().filter_map(|view| view.known_name());
    names.map(ToString::to_string).collect()
}

#[test]
fn a_list_that_is_incomplete_removes_nothing_and_a_failed_description_keeps_the_last_details() {
    let (mut tracker, now) = watching();
    let account = account().name;
    let [a, b, c] = ["1", "2", "3"].map(|n| format!("c-{n:0>17}").parse().unwrap());
    let both = [(a, Some(named("a"))), (b, Some(named("b")))];
    tracker.set_listed_connectors(&account, &both.clone().into(), true, now);
    let [(a, _), (b, _)] = both;
    let part = [(c, Some(named("c")))].into();
    tracker.set_listed_connectors(&account, &part, false, now);
    assert_eq!(names(&mut tracker, now), ["a", "b", "c"]);
    let unknown = "c-00000000000000009".parse().unwrap();
    let failed = [(b, None), (unknown, None)].into();
    tracker.set_listed_connectors(&account, &failed, true, now);
    assert_eq!(names(&mut tracker, now), ["b"]);
    assert_eq!(tracker.snapshot(now).connectors().count(), 1);
    let renamed = [(a, Some(named("new")))].into();
    tracker.set_listed_connectors(&account, &renamed, true, now);
    assert_eq!(names(&mut tracker, now), ["new"]);
}

#[test]
fn details_of_connectors_outlive_the_process_while_their_account_is_listed() {
    let (mut tracker, now) = watching();
    tracker.restore(SavedState::default(), now);
    let id: ConnectorId = "c-00000000000000001".parse().unwrap();
    let details = Some(named("acme"));
    let listed = [(id.clone(), details.clone())].into();
    tracker.set_listed_connectors(&account().name, &listed, true, now);
    let restart = |connectors| {
        let (mut tracker, now) = watching();
        let saved = SavedState {
            connectors,
            ..SavedState::default()
        };
        tracker.restore(saved, now);
        tracker
    };
    let written = tracker.take_changes(now).connectors;
    let saved: Vec<_> = written
        .into_iter()
        .map(|(key, of)| (key, of.unwrap()))
        .collect();
    let mut restored = restart(saved.clone());
    restored.retain_details(&[account().name].into(), now);
    let snapshot = restored.snapshot(now);
    let view = snapshot.connectors().next().unwrap();
    assert_eq!((&view.labels.id, &view.details), (&id, &details));
    assert!(view.confirmed);

    let mut restored = restart(saved);
    restored.retain_details(&BTreeSet::new(), now);
    assert_eq!(restored.snapshot(now).connectors().count(), 0);
    let removed = restored.take_changes(now).connectors;
    assert!(
        removed.iter().all(|(_, record)| record.is_none()),
        "{removed:?}"
    );
}

#[test]
fn undocumented_codes_of_a_connector_that_may_not_exist_are_counted_as_other() {
    let (mut tracker, now) = with_events();
    for n in 0..50 {
        let code = format!("INVENTED_{n}");
        event(&mut tracker, "a", n, "/a", failed(&code), now);
    }
    event(&mut tracker, "a", 50, "/a", failed("TIMEOUT_ERROR"), now);
    let counted = finished(&mut tracker, now);
    assert_eq!(
        counted,
        [(failed("OTHER"), 50), (failed("TIMEOUT_ERROR"), 1)]
    );
}

/// How the only transfer of a connector ends, and when the connector is forgotten if nothing was
/// counted.
type End = fn(&mut Tracker, Now) -> Now;

const ENDS: [(End, &str); 3] = [
    (
        |tracker, now| {
            tracker.untrack(&key("a"), Origin::Api, now);
            now
        },
        "DELETE",
    ),
    (
        |tracker, now| {
            tracker.record_poll(&key("a"), &PollResult::Unknown, now);
            let gone = now.after(SETTINGS.gone_after);
            tracker.record_poll(&key("a"), &PollResult::Unknown, gone);
            tracker.expire(gone);
            assert!(is_listed(tracker, gone), "for keep_settled");
            let left = gone.after(SETTINGS.keep_settled);
            tracker.expire(left);
            left
        },
        "gone",
    ),
    (
        |tracker, now| {
            let expired = now.after(8 * 24 * HOUR);
            tracker.expire(expired);
            tracker.expire(expired.after(SETTINGS.keep_settled));
            expired.after(SETTINGS.keep_settled)
        },
        "never read",
    ),
];

#[test]
fn a_connector_whose_transfers_aws_does_not_know_or_that_were_deleted_is_forgotten() {
    for (end, how) in ENDS {
        let (mut tracker, now) = watching();
        track_new(&mut tracker, "a", now);
        let now = end(&mut tracker, now);
        assert!(!is_listed(&mut tracker, now), "{how}");
        assert!(tracker.dormant.is_empty(), "{how}: nothing was counted");
    }
}

#[test]
fn counters_of_a_forgotten_connector_were_exported_and_continue() {
    let deleted: End = |tracker, now| {
        track_new(tracker, "a", now);
        let rows = files(&[("/a", "FAILED", "TIMEOUT_ERROR"), ("/b", "QUEUED", "")]);
        tracker.record_poll(&key("a"), &rows, now);
        ENDS[0].0(tracker, now)
    };
    let unknown: End = |tracker, now| {
        event(tracker, "a", 1, "/a", failed("TIMEOUT_ERROR"), now);
        ENDS[1].0(tracker, now)
    };
    for (end, how) in [(deleted, "DELETE"), (unknown, "gone")] {
        let (mut tracker, now) = watching();
        let now = end(&mut tracker, now);
        assert!(is_listed(&mut tracker, now), "{how}: a scrape sees it");
        let forgotten = now.after(SETTINGS.keep_settled);
        tracker.expire(forgotten);
        assert!(!is_listed(&mut tracker, forgotten), "{how}");
        let back = forgotten.after(HOUR);
        track_new(&mut tracker, "z", back);
        let counted = finished(&mut tracker, back);
        assert_eq!(counted, [(failed("TIMEOUT_ERROR"), 1)], "{how}");
    }
}

#[test]
fn a_connector_with_a_transfer_that_settled_stays() {
    let (mut tracker, now) = watching();
    track_new(&mut tracker, "a", now);
    settle(&mut tracker, "a", &files(&[("/a", "COMPLETED", "")]), now);
    for days in [1, 10, 100] {
        let later = now.after(days * 24 * HOUR);
        tracker.expire(later);
        assert!(is_listed(&mut tracker, later), "{days}");
    }
}

#[test]
fn a_restart_forgets_connectors_that_were_only_reported() {
    let (mut before, now) = watching();
    before.restore(SavedState::default(), now);
    for id in ["a", "b"] {
        track_new(&mut before, id, now);
    }
    let record = |tracker: &mut Tracker| {
        let changes = tracker.take_changes(now);
        changes.connectors.into_iter().next().unwrap()
    };
    let (id, Some(only_reported)) = record(&mut before) else {
        panic!("it is saved");
    };
    settle(&mut before, "a", &files(&[("/a", "COMPLETED", "")]), now);
    before.expire(now.after(2 * HOUR));
    let (_, Some(settled)) = record(&mut before) else {
        panic!("it is saved");
    };
    for (record, stays) in [(only_reported, false), (settled, true)] {
        let (mut after, now) = watching();
        let saved = SavedState {
            connectors: vec![(id.clone(), record)],
            ..SavedState::default()
        };
        after.restore(saved, now);
        after.retain_origin(Origin::Config, &|_| false, now);
        assert_eq!(is_listed(&mut after, now), stays);
        let removed = after.take_changes(now).connectors;
        assert_eq!(removed.iter().any(|(_, record)| record.is_none()), !stays);
    }
}

/// Connectors with counters that were invented and forgotten are not remembered without end.
#[test]
fn at_most_a_multiple_of_the_limit_of_removed_connectors_is_remembered() {
    let (mut tracker, now) = watching();
    tracker.settings.limits.connectors = 10;
    for n in 0..1_000 {
        let key = ConnectorKey {
            account: account().name,
            id: format!("c-{n:017x}").parse().unwrap(),
        };
        let ended = Fact::OperationEnded(model::OperationEnd {
            listing: None,
            connector: key,
            id: "o-1".into(),
            operation: model::RemoteOperation::List,
            end: Finished::Completed,
            message: None,
        });
        let now = now.after(n * HOUR);
        tracker.ingest(&ended, Origin::Events, now);
        tracker.expire(now.after(HOUR));
    }
    assert!((20..=22).contains(&tracker.dormant.len()));
    let newest = tracker
        .dormant
        .keys()
        .any(|key| key.id.as_str().ends_with("3e7"));
    assert!(newest, "those that left first are dropped");
}
