//! Calls that CloudTrail has recorded.

use super::*;

#[test]
fn a_successful_call_reports_the_start() {
    let start = Some(at("2025-12-31T10:00:00Z"));
    assert_eq!(
        facts(&api_call(&record(&json!("t-1")))),
        [recorded("t-1", start, Some(1))]
    );
    let mut without_time = record(&json!("t-1"));
    without_time["eventTime"] = json!(null);
    assert_eq!(
        facts(&api_call(&without_time)),
        [recorded("t-1", Some(at("2025-12-31T10:00:05Z")), Some(1))]
    );
}

#[test]
fn a_refused_call_reports_nothing() {
    let mut refused = record(&Value::Null);
    refused["errorCode"] = json!("ThrottlingException");
    refused["responseElements"] = Value::Null;
    assert_eq!(facts(&api_call(&refused)), []);
}

#[test]
fn a_call_without_its_ids_is_not_understood() {
    for (section, member) in [
        ("responseElements", "transferId"),
        ("requestParameters", "connectorId"),
    ] {
        for value in [
            Value::Null,
            json!({}),
            json!({member: null}),
            json!({member: "not an id"}),
            json!([1]),
            json!("x"),
        ] {
            let mut lacking = record(&json!("t-1"));
            lacking[section] = value;
            let read = parse_with(&api_call(&lacking).to_string(), &[]);
            assert!(
                matches!(read, Err(ParseError::InvalidField(field)) if field.ends_with(member)),
                "{read:?}"
            );
        }
    }
}

#[test]
fn number_of_files_is_that_of_the_paths_of_the_call() {
    let files = |parameters: Value| {
        let mut call = record(&json!("t-1"));
        call["requestParameters"] = parameters;
        match facts(&api_call(&call)).as_slice() {
            [Fact::Started(start)] => start.files,
            other => panic!("{other:?}"),
        }
    };
    for (key, paths, expected) in [
        ("sendFilePaths", json!(["/a", "/b", "/c"]), Some(3)),
        ("retrieveFilePaths", json!(["/a"]), Some(1)),
        ("retrieveFilePaths", json!([]), None),
        (
            "sendFilePaths",
            json!("HIDDEN_DUE_TO_SECURITY_REASONS"),
            None,
        ),
        ("somethingElse", json!(["/a"]), None),
    ] {
        let parameters = json!({"connectorId": CONNECTOR, key: paths});
        assert_eq!(files(parameters), expected, "{key}");
    }
}
