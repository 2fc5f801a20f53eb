//! Bodies of all kinds: none panics, and what is understood is whole.

use proptest::prelude::*;
use serde_json::json;

use super::{
    CONNECTOR, LISTING_COMPLETED, RETRIEVE_COMPLETED, SEND_FAILED, api_call, now, parse_with,
    record,
};
use crate::discovery::message::ParsedMessage;
use model::{Fact, Finished};
use serde_json::Value;

/// Texts that a field may hold, sound ones among them.
fn some_text() -> impl Strategy<Value = String> {
    let known = [
        CONNECTOR,
        "t-1",
        "COMPLETED",
        "FAILED",
        "SEND",
        "aws.transfer",
        "us-east-1",
        "StartFileTransfer",
        "transfer.amazonaws.com",
        "2025-12-31T10:00:00.123456Z",
        "2025-12-31T10:00:00+00:00",
        "2025-12-31 10:00:00-08",
        "0000-01-01T00:00:00+23:59",
        "1767175200000",
        "123456789012",
        "-1",
        "9999-99-99T99:99:99Z",
        "0000-00-00T00:00:00Z",
        "é漢-01-01T00:00:00Z",
        "",
        "Notification",
        "AWS API Call via CloudTrail",
        "SFTP Connector File Send Completed",
        "SFTP Connector File Retrieve Failed",
        "SFTP Connector Directory Listing Failed",
        "SFTP Connector Remote Move Completed",
        "SFTP Connector ",
    ];
    prop_oneof![3 => prop::sample::select(known.to_vec()).prop_map(Into::into), 1 => ".{0,40}"]
}

fn some_value() -> impl Strategy<Value = Value> {
    let keys = [
        "Type",
        "Message",
        "source",
        "detail-type",
        "detail",
        "region",
        "time",
        "id",
        "ConnectorId",
        "TransferId",
        "StartedAt",
        "Files",
        "account",
        "recipientAccountId",
        "sendFilePaths",
        "connector-id",
        "transfer-id",
        "file-transfer-id",
        "file-path",
        "status-code",
        "failure-code",
        "failure-message",
        "bytes",
        "start-timestamp",
        "end-timestamp",
        "listing-id",
        "move-id",
        "delete-id",
        "eventName",
        "eventSource",
        "eventTime",
        "awsRegion",
        "errorCode",
        "requestParameters",
        "responseElements",
        "connectorId",
        "transferId",
    ];
    let leaf = prop_oneof![
        6 => some_text().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 60, 14, move |inner| {
        let key = prop::sample::select(keys.to_vec()).prop_map(ToOwned::to_owned);
        let object = prop::collection::btree_map(key, inner.clone(), 0..14);
        prop_oneof![
            4 => object.prop_map(|members| Value::Object(members.into_iter().collect())),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            // As SNS wraps, and as a text within a text.
            1 => inner.prop_map(|value| json!({"Type": "Notification", "Message": value.to_string()})),
        ]
    })
}

/// A body that is understood, with one member somewhere replaced and its end cut off at times.
fn damaged() -> impl Strategy<Value = String> {
    let sound = [
        SEND_FAILED.to_owned(),
        RETRIEVE_COMPLETED.into(),
        LISTING_COMPLETED.into(),
        api_call(&record(&json!("t-1"))).to_string(),
    ];
    (
        prop::sample::select(sound.to_vec()),
        any::<prop::sample::Index>(),
        some_value(),
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|(text, member, value, cut, is_cut)| {
            let mut body: Value = serde_json::from_str(&text).unwrap();
            let detail = body["detail"].as_object_mut().unwrap();
            let name = detail
                .keys()
                .nth(member.index(detail.len()))
                .unwrap()
                .clone();
            detail.insert(name, value);
            let text = body.to_string();
            let end = (0..=cut.index(text.len() + 1))
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0);
            if is_cut { text[..end].to_owned() } else { text }
        })
}

fn some_body() -> impl Strategy<Value = String> {
    prop_oneof![2 => some_value().prop_map(|value| value.to_string()), 2 => damaged(), 1 => ".{0,200}"]
}

/// No panic, and what is understood is of the account and has whole ids.
fn check(text: &str) -> Result<(), TestCaseError> {
    let Ok(ParsedMessage::Facts(facts, _)) = parse_with(text, &[]) else {
        return Ok(());
    };
    for fact in facts {
        match fact {
            Fact::Started(start) => {
                prop_assert_eq!(start.key.account.as_str(), "prod");
            }
            Fact::FileEnded(file) => {
                prop_assert!(!file.file_transfer_id.is_empty() && file.ended_at <= now());
                prop_assert!(
                    !matches!(&file.end, Finished::Failed(Some(code)) if code.as_str().is_empty())
                );
            }
            Fact::OperationEnded(end) => prop_assert!(!end.id.is_empty()),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_body_panics(text in some_body()) {
        check(&text)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150_000))]

    #[test]
    #[ignore = "needs minutes; tests/run provides it"]
    fn none_of_many_bodies_panics(text in some_body()) {
        check(&text)?;
    }
}
