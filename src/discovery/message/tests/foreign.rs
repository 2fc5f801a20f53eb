//! Messages that concern no connector of the configuration.

use super::*;

#[test]
fn other_events_are_foreign() {
    let mut other_call = record(&json!("t-1"));
    other_call["eventName"] = json!("CreateServer");
    let mut other_record_region = record(&json!("t-1"));
    other_record_region["awsRegion"] = json!("eu-west-1");
    for foreign in [
        event("SFTP Server File Upload Completed", json!({})),
        event("AS2 MDN Send Completed", json!({})),
        event("SFTP Connector File Send Begun", json!({})),
        json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}),
        json!({"source": "mine", "detail-type": "SFTP Connector File Send Completed", "detail": {}}),
        api_call(&other_call),
        api_call(&other_record_region),
    ] {
        assert_eq!(
            parse_with(&foreign.to_string(), &[]),
            Ok(ParsedMessage::Foreign),
            "{foreign}"
        );
    }
}

#[test]
fn events_of_accounts_that_are_not_configured_are_unrouted() {
    let sent = event(
        "SFTP Connector File Send Completed",
        json!({"transfer-id": "t-1"}),
    );
    let elsewhere = |mut event: Value, key: &str, value: &str| {
        event[key] = json!(value);
        event
    };
    let recorded_elsewhere = elsewhere(record(&json!("t-1")), "recipientAccountId", "210987654321");
    for (body, account_id, region) in [
        (
            elsewhere(sent.clone(), "region", "eu-west-1"),
            "123456789012",
            "eu-west-1",
        ),
        (
            elsewhere(sent, "account", "210987654321"),
            "210987654321",
            "us-east-1",
        ),
        // The record stands in for an event without `account`.
        (api_call(&recorded_elsewhere), "210987654321", "us-east-1"),
    ] {
        let expected = Unrouted {
            account_id: account_id.into(),
            region: region.into(),
        };
        assert_eq!(
            parse_with(&body.to_string(), &[]),
            Ok(ParsedMessage::Unrouted(expected)),
            "{body}"
        );
    }
}

#[test]
fn unwanted_connectors_are_foreign() {
    let plain = json!({"ConnectorId": CONNECTOR, "TransferId": "t-1"});
    let other = json!({"ConnectorId": "c-99999999999999999", "TransferId": "t-2"});
    let bodies = [
        plain.clone(),
        json!([plain]),
        api_call(&record(&json!("t-1"))),
        event(
            "SFTP Connector File Send Completed",
            json!({"transfer-id": "t-1"}),
        ),
        event("SFTP Connector Remote Move Failed", json!({"move-id": "m"})),
    ];
    for body in bodies {
        assert_eq!(
            parse_with(&body.to_string(), &["c-9*"]),
            Ok(ParsedMessage::Foreign),
            "{body}"
        );
        assert!(
            matches!(parse_with(&body.to_string(), &["c-0*"]), Ok(ParsedMessage::Facts(facts, _)) if !facts.is_empty())
        );
    }
    let Ok(ParsedMessage::Facts(kept, _)) =
        parse_with(&json!([plain, other]).to_string(), &["c-9*"])
    else {
        panic!()
    };
    assert_eq!(kept.len(), 1);
}
