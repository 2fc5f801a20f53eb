use std::collections::BTreeSet;

use super::*;
use crate::testing::{now, perform_at, simulator};
use crate::{ApiOperation, Faults, FileScript, LifeScript, Settings};
use model::ConnectorId;

fn connector() -> ConnectorId {
    "c-0123456789abcdef0".parse().unwrap()
}

fn put(simulator: &Simulator, name: &str, ago: Duration) {
    let files = vec![FileScript::new("/a", LifeScript::completed())];
    simulator.put_transfer(
        &connector(),
        &name.parse().unwrap(),
        files,
        now().wall - ago,
    );
}

fn look(simulator: &Simulator, more: &Value) -> Result<Value, ApiError> {
    let mut body = json!({ "LookupAttributes": [{ "AttributeKey": "EventName", "AttributeValue": "StartFileTransfer" }] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    perform_at(
        simulator,
        ApiOperation::LookupEvents,
        &body,
        now().wall,
        &Faults::default(),
    )
}

fn record(event: &Value) -> Value {
    serde_json::from_str(event["CloudTrailEvent"].as_str().unwrap()).unwrap()
}

fn transfers(answer: &Value) -> Vec<String> {
    let of = |event| {
        record(event)["responseElements"]["transferId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    answer["Events"]
        .as_array()
        .unwrap()
        .iter()
        .map(of)
        .collect()
}

#[test]
fn an_event_has_the_request_and_the_response() {
    let simulator = simulator(Settings::default());
    simulator.add_connector(connector(), crate::ConnectorSpec::default());
    let transfer = simulator
        .start(&connector(), vec!["/b/k".to_owned()])
        .unwrap();
    let answer = look(&simulator, &json!({})).unwrap();
    let event = &answer["Events"][0];
    let record = record(event);
    assert_eq!(
        (event["EventTime"].as_u64(), event["EventName"].as_str()),
        (Some(1_767_225_600), Some(EVENT.1))
    );
    assert_eq!(record["eventID"], event["EventId"]);
    assert_eq!(record["eventTime"], "2026-01-01T00:00:00Z");
    assert_eq!(
        record["requestParameters"],
        json!({ "connectorId": connector().as_str(), "sendFilePaths": ["/b/k"] })
    );
    assert_eq!(
        record["responseElements"],
        json!({ "transferId": transfer.as_str() })
    );
    assert_eq!(
        (&record["awsRegion"], &record["recipientAccountId"]),
        (&"eu-central-1".into(), &"123456789012".into())
    );
}

#[test]
fn pages_go_from_newest_to_oldest_while_transfers_start() {
    let simulator = simulator(Settings::default());
    for n in 0..120 {
        put(&simulator, &format!("t-{n}"), Duration::from_secs(n / 2));
    }
    let (mut seen, mut more, mut sizes) = (Vec::new(), json!({}), Vec::new());
    loop {
        let page = look(&simulator, &more).unwrap();
        sizes.push(transfers(&page).len());
        seen.extend(transfers(&page));
        put(&simulator, &format!("new-{}", sizes.len()), Duration::ZERO);
        match page.get("NextToken") {
            Some(token) => more["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(sizes, [50, 50, 20]);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 120);
    assert!(
        seen[0] == "t-1" && seen[119] == "t-118",
        "of one moment, the later call is newer: {seen:?}"
    );
}

#[test]
fn a_time_range_includes_both_ends() {
    let simulator = simulator(Settings::default());
    for n in 0..5 {
        put(&simulator, &format!("t-{n}"), Duration::from_secs(n));
    }
    let end = 1_767_225_600;
    let found = look(
        &simulator,
        &json!({ "StartTime": end - 3, "EndTime": f64::from(end) - 1.0 }),
    )
    .unwrap();
    assert_eq!(transfers(&found), ["t-1", "t-2", "t-3"]);
}

#[test]
fn an_event_appears_after_the_delay_and_stays_ninety_days() {
    let delay = Duration::from_secs(5);
    let simulator = simulator(Settings {
        cloudtrail_delay: delay,
        ..Settings::default()
    });
    put(&simulator, "new", delay / 2);
    put(&simulator, "seen", delay);
    put(&simulator, "expired", Duration::from_hours(8 * 24));
    put(&simulator, "forgotten", RETENTION);
    assert_eq!(
        transfers(&look(&simulator, &json!({})).unwrap()),
        ["seen", "expired"]
    );
}

#[test]
fn a_replaced_transfer_and_a_lost_one_have_one_event_each() {
    let simulator = simulator(Settings::default());
    put(&simulator, "t", Duration::from_secs(9));
    put(&simulator, "t", Duration::from_secs(3));
    let lost = simulator.put_lost(&connector(), Vec::new(), now().wall);
    assert_eq!(
        transfers(&look(&simulator, &json!({})).unwrap()),
        [lost.as_str(), "t"]
    );
}

#[test]
fn other_attributes_find_nothing_and_invalid_ones_are_errors() {
    let simulator = simulator(Settings::default());
    put(&simulator, "t", Duration::ZERO);
    let attribute = |key, value| json!([{ "AttributeKey": key, "AttributeValue": value }]);
    let other = json!({ "LookupAttributes": attribute("EventName", "StopServer") });
    assert_eq!(look(&simulator, &other).unwrap(), json!({ "Events": [] }));
    assert_eq!(
        transfers(&look(&simulator, &json!({ "LookupAttributes": null })).unwrap()),
        ["t"]
    );
    let two = [
        attribute("EventName", "a")[0].clone(),
        attribute("Username", "b")[0].clone(),
    ];
    for (more, kind) in [
        (
            json!({ "LookupAttributes": two }),
            "InvalidLookupAttributesException",
        ),
        (
            json!({ "LookupAttributes": attribute("Colour", "red") }),
            "InvalidLookupAttributesException",
        ),
        (
            json!({ "LookupAttributes": attribute("EventName", "") }),
            "InvalidLookupAttributesException",
        ),
        (json!({ "MaxResults": 0 }), "InvalidMaxResultsException"),
        (json!({ "MaxResults": 51 }), "InvalidMaxResultsException"),
        (
            json!({ "NextToken": "garbage" }),
            "InvalidNextTokenException",
        ),
        (
            json!({ "StartTime": 2, "EndTime": 1 }),
            "InvalidTimeRangeException",
        ),
        (
            json!({ "StartTime": "yesterday" }),
            "SerializationException",
        ),
    ] {
        assert_eq!(look(&simulator, &more).unwrap_err().kind, kind, "{more}");
    }
}

#[test]
fn a_token_belongs_to_its_request() {
    let simulator = simulator(Settings::default());
    for n in 0..3 {
        put(&simulator, &format!("t-{n}"), Duration::from_secs(n));
    }
    let token = look(&simulator, &json!({ "MaxResults": 1 })).unwrap()["NextToken"].clone();
    let next = look(&simulator, &json!({ "MaxResults": 2, "NextToken": token })).unwrap();
    assert_eq!(
        (transfers(&next), next.get("NextToken")),
        (vec!["t-1".to_owned(), "t-2".to_owned()], None)
    );
    let other = look(&simulator, &json!({ "StartTime": 1, "NextToken": token }));
    assert_eq!(other.unwrap_err().kind, "InvalidNextTokenException");
}
