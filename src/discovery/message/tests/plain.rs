//! Plain messages of callers.

use super::*;

#[test]
fn plain_messages_are_one_or_a_list() {
    let one = json!({"ConnectorId": CONNECTOR, "TransferId": "t-1"});
    let two = json!({"ConnectorId": CONNECTOR, "TransferId": "t-2", "StartedAt": "2025-12-31T10:00:00+00:00", "More": {}});
    let start = Some(at("2025-12-31T10:00:00Z"));
    assert_eq!(facts(&one), [reported("t-1", None, None)]);
    assert_eq!(
        facts(&json!([one, two])),
        [reported("t-1", None, None), reported("t-2", start, None)]
    );
    assert_eq!(facts(&json!([])), []);
    for bad in [
        json!([one, {}]),
        json!([one, {"ConnectorId": CONNECTOR, "TransferId": 7}]),
        json!([[one]]),
    ] {
        assert!(parse_with(&bad.to_string(), &[]).is_err(), "{bad}");
    }
}

/// Returns the start of a plain message with `field`, and the number of ignored fields.
fn plain_with(field: &str, value: Value) -> (TransferStart, IgnoredFields) {
    let mut body = json!({"ConnectorId": CONNECTOR, "TransferId": "t-1"});
    body[field] = value;
    match parse_with(&body.to_string(), &[]) {
        Ok(ParsedMessage::Facts(facts, ignored)) => match facts.as_slice() {
            [Fact::Started(start)] => (start.clone(), ignored),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_caller_may_write_the_start_in_every_common_form() {
    let expected = Some(at("2025-12-31T10:00:00Z"));
    let seconds = 1_767_175_200_u64;
    for value in [
        json!("2025-12-31T10:00:00Z"),
        json!("2025-12-31T10:00:00.000+00:00"),
        json!("2025-12-31T11:30:00+01:30"),
        json!("2025-12-31T11:00:00+0100"),
        json!("2025-12-31T02:00:00-08"),
        json!("2025-12-31 11:00:00 +01:00"),
        json!("2025-12-31T10:00:00"),
        json!("2025-12-31 10:00:00"),
        json!("2025-12-31t10:00:00z"),
        json!(seconds),
        json!(1_767_175_200.0),
        json!(seconds * 1_000),
        json!(seconds.to_string()),
        json!((seconds * 1_000).to_string()),
        json!(format!("{seconds}.0")),
    ] {
        let (start, ignored) = plain_with("StartedAt", value.clone());
        assert_eq!(
            (start.started_at, ignored),
            (expected, IgnoredFields::default()),
            "{value}"
        );
        assert_eq!(start.reported_at, Some(sent_at()));
    }
}

#[test]
fn a_start_in_the_future_is_now() {
    for value in [json!("2031-01-01T00:00:00Z"), json!(2_000_000_000)] {
        let (start, ignored) = plain_with("StartedAt", value);
        assert_eq!((start.started_at, ignored.started_at), (Some(now()), 0));
    }
}

#[test]
fn unusable_fields_of_a_plain_message_are_counted_and_the_rest_is_used() {
    for value in [
        json!("yesterday"),
        json!(""),
        json!("2025-12-31"),
        json!("2025-12-31T10:00:00+24:00"),
        json!("2025-12-31T10:00:00+1:00"),
        json!("2025-12-31T10:00:00Z+01:00"),
        json!("20251231"),
        json!(-1),
        json!(7),
        json!(1e300),
        json!(["2025-12-31T10:00:00Z"]),
        json!(true),
    ] {
        let (start, ignored) = plain_with("StartedAt", value.clone());
        assert_eq!((ignored.started_at, ignored.files), (1, 0), "{value}");
        assert_eq!(
            (start.started_at, start.reported_at),
            (None, Some(sent_at()))
        );
    }
    for value in [json!(0), json!(1_001), json!(2.5), json!("3"), json!([1])] {
        let (start, ignored) = plain_with("Files", value.clone());
        assert_eq!((ignored.started_at, ignored.files), (0, 1), "{value}");
        assert_eq!(start.files, None);
    }
    for absent in ["StartedAt", "Files"] {
        assert_eq!(
            plain_with(absent, Value::Null).1,
            IgnoredFields::default(),
            "{absent}"
        );
    }
}

#[test]
fn a_caller_may_write_the_number_of_files() {
    for files in [1, 1_000] {
        assert_eq!(plain_with("Files", json!(files)).0.files, Some(files));
    }
}
