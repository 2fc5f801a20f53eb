//! Messages of every kind.

mod absurd;
mod calls;
mod documented;
mod foreign;
mod fuzz;
mod plain;

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use self::documented::{LISTING_COMPLETED, RETRIEVE_COMPLETED, SEND_FAILED};
use super::*;
use model::{
    AccountName, ConnectorKey, Direction, FailureCode, FileEnd, Finished, Listing, OperationEnd,
    RemoteOperation,
};

const CONNECTOR: &str = "c-0123456789abcdef0";

/// 2026-01-01T00:00:00Z.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(24 * 20_454)
}

fn at(text: &str) -> SystemTime {
    humantime::parse_rfc3339(text).unwrap()
}

/// The account of the queue.
fn route() -> AccountRoute {
    AccountRoute {
        account: Account {
            name: AccountName::new("prod"),
            region: "us-east-1".into(),
        },
        id: Some("123456789012".into()),
    }
}

fn parse_with(text: &str, globs: &[&str]) -> Result<ParsedMessage, ParseError> {
    let connectors =
        ConnectorFilter::new(&globs.iter().map(ToString::to_string).collect::<Vec<_>>());
    let routing = MessageRouting {
        queue: &route(),
        others: &[],
        connectors: &connectors,
    };
    let times = MessageTimes {
        now: now(),
        sent_at: Some(sent_at()),
    };
    parse_message(text, routing, times)
}

/// One minute before [`now`].
fn sent_at() -> SystemTime {
    now() - Duration::from_mins(1)
}

fn facts(body: &Value) -> Vec<Fact> {
    match parse_with(&body.to_string(), &[]) {
        Ok(ParsedMessage::Facts(facts, ignored)) if ignored == IgnoredFields::default() => facts,
        other => panic!("{body}: {other:?}"),
    }
}

fn key(connector: &str, transfer: &str) -> TransferKey {
    let (connector, transfer) = (connector.parse().unwrap(), transfer.parse().unwrap());
    TransferKey {
        account: AccountName::new("prod"),
        connector,
        transfer,
    }
}

/// A start that CloudTrail has recorded.
fn recorded(transfer: &str, started_at: Option<SystemTime>, files: Option<u32>) -> Fact {
    Fact::Started(TransferStart {
        key: key(CONNECTOR, transfer),
        started_at,
        reported_at: None,
        files,
    })
}

/// A start that a caller has reported.
fn reported(transfer: &str, started_at: Option<SystemTime>, files: Option<u32>) -> Fact {
    Fact::Started(TransferStart {
        key: key(CONNECTOR, transfer),
        started_at,
        reported_at: Some(sent_at()),
        files,
    })
}

fn failed(code: &str) -> Finished {
    Finished::Failed(FailureCode::new(code))
}

/// An event, its `detail` out of `fields` and the connector.
fn event(detail_type: &str, fields: Value) -> Value {
    let mut detail = fields;
    detail["connector-id"] = json!(CONNECTOR);
    json!({"version": "0", "id": "e-1", "source": "aws.transfer", "detail-type": detail_type, "account": "123456789012",
        "time": "2025-12-31T10:00:00Z", "region": "us-east-1", "resources": [], "detail": detail})
}

fn file(facts: Vec<Fact>) -> FileEnd {
    match <[Fact; 2]>::try_from(facts) {
        Ok([Fact::Started(start), Fact::FileEnded(file)]) if start.key == file.key => file,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_documented_failed_file_is_read_whole() {
    let read = file(facts(&serde_json::from_str(SEND_FAILED).unwrap()));
    let expected = FileEnd {
        key: key("c-f1111aaaa2222bbbb", "transfer-ID"),
        file_transfer_id: "file-transfer-ID".into(),
        direction: Direction::Send,
        path: "/amzn-s3-demo-bucket/testfile.txt".into(),
        end: failed("CONNECTION_ERROR"),
        message: Some("Unknown Host".into()),
        bytes: 0,
        duration: Some(Duration::from_micros(334_467)),
        ended_at: at("2024-01-24T18:29:33.993196Z"),
    };
    assert_eq!(read, expected);
}

#[test]
fn an_event_whose_connector_has_no_id_is_not_understood() {
    // As it is printed in the documentation.
    let text = SEND_FAILED.replace("c-f1111aaaa2222bbbb\"", "c-f1111aaaa2222bbbb3\"");
    assert_eq!(
        parse_with(&text, &[]),
        Err(ParseError::InvalidField("detail.connector-id"))
    );
}

#[test]
fn the_documented_completed_file_is_read_whole() {
    let read = file(facts(&serde_json::from_str(RETRIEVE_COMPLETED).unwrap()));
    let expected = FileEnd {
        key: key("c-fc68000012345aa18", "file-transfer-ID"),
        file_transfer_id: "file-transfer-ID".into(),
        direction: Direction::Retrieve,
        path: "testfile.txt".into(),
        end: Finished::Completed,
        message: None,
        bytes: 63_533,
        duration: Some(Duration::from_micros(142_510)),
        ended_at: at("2024-01-24T18:28:07.774898Z"),
    };
    assert_eq!(read, expected);
}

#[test]
fn the_documented_listing_is_an_operation() {
    let connector = ConnectorKey {
        account: AccountName::new("prod"),
        id: "c-fc68000012345aa18".parse().unwrap(),
    };
    let expected = OperationEnd {
        listing: Some(Listing {
            directory: "/home".to_owned(),
            items: 10_000,
            is_truncated: true,
            at: at("2024-01-24T18:28:07.774898Z"),
        }),
        connector,
        operation: RemoteOperation::List,
        id: "123456-23aa-7980-abc1-1a2b3c4d5e".into(),
        end: Finished::Completed,
        message: None,
    };
    assert_eq!(
        facts(&serde_json::from_str(LISTING_COMPLETED).unwrap()),
        [Fact::OperationEnded(expected)]
    );
}

#[test]
fn every_type_of_event_is_read() {
    let of_file = |status: &str| {
        let mut detail = json!({"bytes": 275, "end-timestamp": "2025-12-31T10:00:02.5Z", "file-path": "/b/k",
            "file-transfer-id": "t-1/f-1", "local-file-location": {"domain": "S3", "bucket": "b", "key": "k"},
            "operation": "?", "start-timestamp": "2025-12-31T10:00:00Z", "status-code": status, "transfer-id": "t-1",
            "url": "sftp://h", "egress-type": "SERVICE_MANAGED"});
        if status == "FAILED" {
            detail["failure-code"] = json!("TIMEOUT_ERROR");
            detail["failure-message"] = json!("too late");
        }
        detail
    };
    let cases = [("Send", Direction::Send), ("Retrieve", Direction::Retrieve)];
    for (name, direction) in cases {
        for (end, status, finished) in [
            ("Completed", "COMPLETED", Finished::Completed),
            ("Failed", "FAILED", failed("TIMEOUT_ERROR")),
        ] {
            let read = file(facts(&event(
                &format!("SFTP Connector File {name} {end}"),
                of_file(status),
            )));
            let message = (status == "FAILED").then(|| "too late".to_owned());
            let fields = (
                read.direction,
                read.end,
                read.message,
                read.bytes,
                read.duration,
                read.path.as_str(),
            );
            assert_eq!(
                fields,
                (
                    direction,
                    finished,
                    message,
                    275,
                    Some(Duration::from_millis(2_500)),
                    "/b/k"
                )
            );
            assert_eq!(
                (read.key, read.file_transfer_id.as_str()),
                (key(CONNECTOR, "t-1"), "t-1/f-1")
            );
        }
    }
    let operations = [
        (
            "Directory Listing",
            RemoteOperation::List,
            json!({"listing-id": "x-1", "max-items": 1000,
            "output-directory-path": "/b/p", "remote-directory-path": "/r", "url": "sftp://h"}),
        ),
        (
            "Remote Move",
            RemoteOperation::Move,
            json!({"operation": "MOVE", "move-id": "x-1", "move-source-path": "/a",
            "move-target-path": "/b", "start-timestamp": "2025-12-31T10:00:00Z", "url": "sftp://h"}),
        ),
        (
            "Remote Delete",
            RemoteOperation::Delete,
            json!({"delete-id": "x-1", "delete-path": "/a",
            "end-timestamp": "2025-12-31T10:00:00Z", "url": "sftp://h"}),
        ),
    ];
    for (name, operation, fields) in operations {
        for (end, status) in [("Completed", "COMPLETED"), ("Failed", "FAILED")] {
            let mut fields = fields.clone();
            fields["status-code"] = json!(status);
            let mut expected = OperationEnd {
                listing: None,
                connector: key(CONNECTOR, "t").connector_key(),
                operation,
                id: "x-1".into(),
                end: Finished::Completed,
                message: None,
            };
            if status == "FAILED" {
                fields["failure-code"] = json!("RENAME_ERROR");
                fields["failure-message"] = json!("why");
                (expected.end, expected.message) = (failed("RENAME_ERROR"), Some("why".into()));
            }
            let read = facts(&event(&format!("SFTP Connector {name} {end}"), fields));
            assert_eq!(read, [Fact::OperationEnded(expected)]);
        }
    }
}

#[test]
fn what_is_optional_may_be_missing_or_odd() {
    let bare = event(
        "SFTP Connector File Send Failed",
        json!({"transfer-id": "t-1"}),
    );
    let read = file(facts(&bare));
    assert_eq!(
        (read.end, read.message, read.bytes, read.duration),
        (failed(""), None, 0, None)
    );
    assert_eq!(
        (read.path.as_str(), read.file_transfer_id.as_str()),
        ("", "t-1\ne-1")
    );
    assert_eq!(
        read.ended_at,
        at("2025-12-31T10:00:00Z"),
        "the event's time"
    );

    let odd = json!({"transfer-id": "t-1", "file-transfer-id": 7, "file-path": "/p", "status-code": "PAUSED",
        "failure-code": null, "failure-message": "", "bytes": "12", "start-timestamp": "yesterday", "end-timestamp": 5});
    let mut odd = event("SFTP Connector File Retrieve Completed", odd);
    for key in ["time", "region", "id", "account"] {
        odd.as_object_mut().unwrap().remove(key);
    }
    let read = file(facts(&odd));
    assert_eq!(
        (read.end, read.message, read.bytes, read.duration),
        (Finished::Completed, None, 12, None)
    );
    assert_eq!(
        read.file_transfer_id, "t-1\n/p",
        "the same in every copy of the event"
    );
    assert_eq!(read.ended_at, now());

    for (bytes, read_as) in [(json!(-1), 0), (json!(2.75e2), 275), (json!([]), 0)] {
        let read = event(
            "SFTP Connector File Send Completed",
            json!({"transfer-id": "t-1", "bytes": bytes}),
        );
        assert_eq!(file(facts(&read)).bytes, read_as);
    }
}

#[test]
fn no_file_ends_in_the_future_nor_before_it_began() {
    let times = json!({"transfer-id": "t", "start-timestamp": "2031-01-01T00:00:01Z", "end-timestamp": "2031-01-01T00:00:00Z"});
    let read = file(facts(&event("SFTP Connector File Send Completed", times)));
    assert_eq!((read.ended_at, read.duration), (now(), None));
}

fn api_call(record: &Value) -> Value {
    json!({"id": "e", "source": "aws.transfer", "detail-type": "AWS API Call via CloudTrail", "detail": record,
        "time": "2025-12-31T10:00:05Z", "region": "us-east-1"})
}

fn record(transfer: &Value) -> Value {
    json!({"eventSource": "transfer.amazonaws.com", "eventName": "StartFileTransfer", "awsRegion": "us-east-1",
        "eventTime": "2025-12-31T10:00:00Z", "requestParameters": {"connectorId": CONNECTOR, "sendFilePaths": ["/a"]},
        "responseElements": {"transferId": transfer}})
}

#[test]
fn sns_may_wrap_each_kind() {
    let plain = json!({"ConnectorId": CONNECTOR, "TransferId": "t-1"});
    let bodies = [
        plain.clone(),
        json!([plain]),
        api_call(&record(&json!("t-1"))),
        serde_json::from_str(LISTING_COMPLETED).unwrap(),
    ];
    for body in bodies {
        let wrapped = json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn", "Message": body.to_string(), "Timestamp": "t"});
        assert_eq!(facts(&wrapped), facts(&body));
    }
    let confirmation = json!({"Type": "SubscriptionConfirmation", "Message": "You have chosen", "SubscribeURL": "https://x"});
    assert_eq!(
        parse_with(&confirmation.to_string(), &[]),
        Err(ParseError::UnknownKind),
        "somebody has to confirm it"
    );
    assert_eq!(
        parse_with(r#"{"Type": "Notification", "Message": "hello"}"#, &[]),
        Err(ParseError::NotJson)
    );
}

#[test]
fn anything_else_is_not_understood() {
    for text in [
        "",
        "not JSON",
        "{",
        "null",
        "7",
        "\"x\"",
        "{}",
        "[7]",
        "[null]",
        r#"{"detail-type": 7}"#,
        "{\"a\": \u{0}}",
    ] {
        assert!(parse_with(text, &[]).is_err(), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(parse_with(&deep, &[]), Err(ParseError::TooDense));
    for lacking in [
        json!({"source": "aws.transfer", "detail-type": "SFTP Connector File Send Completed"}),
        json!({"source": "aws.transfer", "detail-type": "SFTP Connector File Send Completed", "detail": []}),
        json!({"source": "aws.transfer", "detail-type": "SFTP Connector File Send Completed", "detail": {}}),
        event("SFTP Connector File Send Completed", json!({})),
        event(
            "SFTP Connector File Send Completed",
            json!({"transfer-id": "a b"}),
        ),
    ] {
        assert!(parse_with(&lacking.to_string(), &[]).is_err(), "{lacking}");
    }
}
