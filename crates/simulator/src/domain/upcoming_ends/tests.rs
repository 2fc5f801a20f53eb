use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::testing::{now, perform_at, simulator};
use crate::{ApiOperation, ConnectorSpec, FileScript, LifeScript, Profile, Settings, Simulator};
use model::{ConnectorId, Direction};

fn connector() -> ConnectorId {
    "c-0123456789abcdef0".parse().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn put(simulator: &Simulator, name: &str, files: Vec<FileScript>) {
    simulator.put_transfer_of(
        Direction::Send,
        &connector(),
        &name.parse().unwrap(),
        files,
        now().wall,
    );
}

/// Returns the events that are available after `elapsed`, without deleting them.
fn events(simulator: &Simulator, after: Duration, faults: &Faults) -> Vec<Value> {
    let url = simulator.queue_url("http://h");
    let body = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 3600 });
    let mut events = Vec::new();
    loop {
        let answer = perform_at(
            simulator,
            ApiOperation::ReceiveMessage,
            &body,
            now().wall + after,
            faults,
        )
        .unwrap();
        let Some(messages) = answer["Messages"].as_array() else {
            return events;
        };
        events.extend(messages.iter().map(|message| {
            serde_json::from_str::<Value>(message["Body"].as_str().unwrap()).unwrap()
        }));
    }
}

fn numbered(count: u64) -> Vec<FileScript> {
    let life = |n| LifeScript::completed().after(seconds(n), seconds(1));
    (0..count)
        .map(|n| FileScript::new(format!("/bucket/{n}"), life(n)))
        .collect()
}

fn paths(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["detail"]["file-path"].as_str().unwrap())
        .collect()
}

#[test]
fn a_file_has_an_event_once_it_has_finished() {
    let simulator = simulator(Settings::default());
    let files = vec![
        FileScript::new(
            "/b/k.csv",
            LifeScript::completed().after(seconds(2), seconds(3)),
        )
        .sized(275),
        FileScript::new(
            "/b/l",
            LifeScript::failed("TIMEOUT_ERROR", "late").after(seconds(9), seconds(0)),
        ),
        FileScript::new("/b/m", LifeScript::stuck_queued()),
        FileScript::new("/b/n", LifeScript::stuck_in_progress()),
    ];
    put(&simulator, "t", files);
    let faults = Faults::default();
    assert_eq!(
        events(&simulator, Duration::from_millis(4_999), &faults),
        Vec::<Value>::new()
    );
    let [completed] = &events(&simulator, seconds(5), &faults)[..] else {
        panic!()
    };
    let id = completed["detail"]["file-transfer-id"].as_str().unwrap();
    assert!(id.starts_with("t/") && id.len() == 38, "{id}");
    let expected = json!({
        "operation": "SEND",
        "connector-id": connector().as_str(),
        "transfer-id": "t",
        "file-transfer-id": id,
        "url": "sftp://sftp.example.com",
        "file-path": "/b/k.csv",
        "status-code": "COMPLETED",
        "remote-directory-path": "",
        "bytes": 275,
        "start-timestamp": "2026-01-01T00:00:02.000000Z",
        "end-timestamp": "2026-01-01T00:00:05.000000Z",
        "local-file-location": { "domain": "S3", "bucket": "b", "key": "k.csv" },
    });
    assert_eq!(completed["detail"], expected);
    assert_eq!(
        completed["detail-type"],
        "SFTP Connector File Send Completed"
    );
    assert_eq!(
        (&completed["time"], &completed["source"]),
        (&"2026-01-01T00:00:05Z".into(), &"aws.transfer".into())
    );
    let [failed] = &events(&simulator, seconds(3000), &faults)[..] else {
        panic!()
    };
    assert_eq!(failed["detail-type"], "SFTP Connector File Send Failed");
    let detail = &failed["detail"];
    assert_eq!(
        (
            &detail["failure-code"],
            &detail["failure-message"],
            &detail["bytes"]
        ),
        (&"TIMEOUT_ERROR".into(), &"late".into(), &0.into())
    );
}

#[test]
fn retrieved_files_have_events_of_their_own_type() {
    let simulator = simulator(Settings::default());
    simulator.start_scripted(
        &connector(),
        vec![FileScript::new("/out/a", LifeScript::completed())],
    );
    let [event] = &events(&simulator, Duration::ZERO, &Faults::default())[..] else {
        panic!()
    };
    assert_eq!(
        event["detail-type"],
        "SFTP Connector File Retrieve Completed"
    );
    assert_eq!(
        (
            &event["detail"]["operation"],
            &event["detail"]["local-directory-path"]
        ),
        (&"RETRIEVE".into(), &"/transfer-inbound".into())
    );
    assert!(event["detail"]["bytes"].as_u64().unwrap() >= 1024);
}

#[test]
fn events_come_in_the_order_of_ends_for_any_pattern_of_reads() {
    let (often, once) = (
        simulator(Settings::default()),
        simulator(Settings::default()),
    );
    for simulator in [&often, &once] {
        put(simulator, "t", numbered(25));
        put(simulator, "u", numbered(12));
    }
    let faults = Faults {
        seed: 4,
        event_loss_rate: 0.3,
        event_duplicate_rate: 0.3,
        ..Faults::default()
    };
    let pieces: Vec<_> = (0..30)
        .flat_map(|n| events(&often, seconds(n), &faults))
        .collect();
    let whole = events(&once, seconds(30), &faults);
    assert_eq!(pieces, whole);
    let times: Vec<_> = whole
        .iter()
        .map(|event| event["time"].as_str().unwrap())
        .collect();
    assert!(
        times.is_sorted() && (25..45).contains(&times.len()),
        "{}",
        times.len()
    );
}

#[test]
fn copies_of_an_event_are_the_same_event() {
    let simulator = simulator(Settings::default());
    put(&simulator, "t", numbered(20));
    let faults = Faults {
        event_duplicate_rate: 1.0,
        event_delay: seconds(30),
        ..Faults::default()
    };
    let events = events(&simulator, seconds(60), &faults);
    let mut copies: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in &events {
        copies
            .entry(event["id"].as_str().unwrap())
            .or_default()
            .push(event);
    }
    assert_eq!(copies.len(), 20);
    assert!(
        copies
            .values()
            .all(|copies| copies.len() == 2 && copies[0] == copies[1])
    );
    let ids: BTreeSet<_> = events
        .iter()
        .map(|event| event["detail"]["file-transfer-id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn a_delay_loses_the_order_and_a_loss_the_event() {
    let received = |faults: &Faults| {
        let simulator = simulator(Settings::default());
        put(&simulator, "t", numbered(40));
        let events = events(&simulator, seconds(100), faults);
        paths(&events)
            .into_iter()
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
    };
    let all = received(&Faults::default());
    let mixed = received(&Faults {
        event_delay: seconds(20),
        ..Faults::default()
    });
    assert!(mixed != all && mixed.iter().collect::<BTreeSet<_>>() == all.iter().collect());
    assert_eq!(
        received(&Faults {
            event_loss_rate: 1.0,
            ..Faults::default()
        }),
        Vec::<String>::new()
    );
    let some = |seed| {
        received(&Faults {
            seed,
            event_loss_rate: 0.5,
            ..Faults::default()
        })
    };
    assert_eq!(some(1), some(1));
    assert_ne!(some(1), some(2));
}

#[test]
fn a_replaced_transfer_has_no_events_of_its_first_script() {
    let simulator = simulator(Settings::default());
    put(&simulator, "t", numbered(2));
    put(
        &simulator,
        "t",
        vec![FileScript::new("/bucket/new", LifeScript::completed())],
    );
    assert_eq!(
        paths(&events(&simulator, seconds(60), &Faults::default())),
        ["/bucket/new"]
    );
}

#[test]
fn events_older_than_the_retention_are_not_delivered() {
    let simulator = simulator(Settings::default());
    let old = now().wall - QUEUE_RETENTION - seconds(3);
    simulator.put_transfer(&connector(), &"t".parse().unwrap(), numbered(6), old);
    assert_eq!(
        paths(&events(&simulator, Duration::ZERO, &Faults::default())),
        ["/bucket/3", "/bucket/4", "/bucket/5"]
    );
}

#[test]
fn the_feed_is_bounded() {
    let simulator = simulator(Settings {
        max_transfers: 3,
        ..Settings::default()
    });
    for n in 0..10 {
        put(&simulator, &format!("t-{n}"), numbered(1));
    }
    assert_eq!(events(&simulator, seconds(60), &Faults::default()).len(), 3);
}

#[test]
fn listings_moves_and_deletes_end_with_an_event_of_their_kind() {
    let simulator = simulator(Settings::default());
    let profile = |failure_share| Profile {
        failure_share,
        ..Profile::default()
    };
    let paths = json!({
        "ConnectorId": connector().as_str(),
        "RemoteDirectoryPath": "/in",
        "OutputDirectoryPath": "/bucket/out",
        "MaxItems": 7,
        "SourcePath": "/a",
        "TargetPath": "/b",
        "DeletePath": "/c",
    });
    for (end, share, words) in [("Completed", 0.0, "COMPLETED"), ("Failed", 1.0, "FAILED")] {
        simulator.add_connector(
            connector(),
            ConnectorSpec {
                profile: profile(share),
                ..ConnectorSpec::default()
            },
        );
        for (operation, answered, kind, member) in [
            (
                ApiOperation::StartDirectoryListing,
                "ListingId",
                "Directory Listing",
                "listing-id",
            ),
            (
                ApiOperation::StartRemoteMove,
                "MoveId",
                "Remote Move",
                "move-id",
            ),
            (
                ApiOperation::StartRemoteDelete,
                "DeleteId",
                "Remote Delete",
                "delete-id",
            ),
        ] {
            let faults = Faults::default();
            let started = perform_at(&simulator, operation, &paths, now().wall, &faults).unwrap();
            let [event] = &events(&simulator, seconds(60), &faults)[..] else {
                panic!("{operation:?}")
            };
            assert_eq!(event["detail-type"], format!("SFTP Connector {kind} {end}"));
            assert_eq!(event["detail"][member], started[answered]);
            assert_eq!(event["detail"]["status-code"], words);
            assert_eq!(
                event["detail"].get("failure-code").is_some(),
                end == "Failed"
            );
        }
    }
}

#[test]
fn a_purge_removes_messages_and_future_events() {
    let simulator = simulator(Settings::default());
    put(&simulator, "t", numbered(5));
    simulator.send("a");
    simulator
        .state()
        .advance(now().wall + seconds(2), &Faults::default());
    simulator.state().purge();
    put(
        &simulator,
        "u",
        vec![FileScript::new("/bucket/new", LifeScript::completed())],
    );
    assert_eq!(
        paths(&events(&simulator, seconds(60), &Faults::default())),
        ["/bucket/new"]
    );
}
