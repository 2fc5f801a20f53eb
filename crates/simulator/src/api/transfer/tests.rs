use std::time::Duration;

use super::*;
use crate::domain::Service;
use crate::testing::{now, simulator};
use crate::{ApiOperation, Faults, FileScript, LifeScript, Settings};

const CONNECTOR: &str = "c-0123456789abcdef0";

/// Performs one call at `now`, against a simulator that answers unknown transfers by `expiry`.
fn perform_as(
    simulator: &Simulator,
    operation: ApiOperation,
    body: &Value,
    expiry: Expiry,
) -> Result<Value, ApiError> {
    let body = body.to_string();
    let faults = Faults::default();
    let (body, host) = (body.as_bytes(), "127.0.0.1:4777");
    simulator.perform(&Call {
        operation,
        body,
        region: "eu-central-1",
        host,
        faults: &faults,
        expiry,
        now: now().wall,
    })
}

fn perform(
    simulator: &Simulator,
    operation: ApiOperation,
    body: &Value,
) -> Result<Value, ApiError> {
    perform_as(simulator, operation, body, Expiry::NotFound)
}

fn with_files(count: usize) -> Simulator {
    let simulator = simulator(Settings::default());
    let files = (0..count)
        .map(|n| FileScript::new(format!("/in/{n}"), LifeScript::completed()))
        .collect();
    simulator.put_transfer(
        &CONNECTOR.parse().unwrap(),
        &"t".parse().unwrap(),
        files,
        now().wall,
    );
    simulator
}

fn results(simulator: &Simulator, more: &Value) -> Result<Value, ApiError> {
    let mut body = json!({ "ConnectorId": CONNECTOR, "TransferId": "t" });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    perform(simulator, ApiOperation::ListFileTransferResults, &body)
}

fn rows(answer: &Value) -> usize {
    answer["FileTransferResults"].as_array().unwrap().len()
}

#[test]
fn twenty_three_files_are_three_pages_for_any_max_results() {
    let simulator = with_files(23);
    let mut sizes = Vec::new();
    let mut more = json!({ "MaxResults": 1000 });
    loop {
        let page = results(&simulator, &more).unwrap();
        sizes.push(rows(&page));
        match page.get("NextToken") {
            Some(token) => more["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(sizes, [10, 10, 3]);
    assert_eq!(
        simulator
            .calls()
            .pages_of(&CONNECTOR.parse().unwrap(), &"t".parse().unwrap()),
        3
    );
}

#[test]
fn a_full_last_page_has_no_token() {
    assert_eq!(
        results(&with_files(10), &json!({}))
            .unwrap()
            .get("NextToken"),
        None
    );
    assert_eq!(rows(&results(&with_files(0), &json!({})).unwrap()), 0);
    assert_eq!(
        rows(&results(&with_files(10), &json!({ "MaxResults": 3 })).unwrap()),
        3
    );
}

#[test]
fn a_token_is_bound_to_its_transfer() {
    let simulator = with_files(23);
    let token = results(&simulator, &json!({})).unwrap()["NextToken"].clone();
    let files = (0..23)
        .map(|n| FileScript::new(format!("/{n}"), LifeScript::completed()))
        .collect();
    simulator.put_transfer(
        &CONNECTOR.parse().unwrap(),
        &"u".parse().unwrap(),
        files,
        now().wall,
    );
    let other = results(
        &simulator,
        &json!({ "TransferId": "u", "NextToken": token }),
    );
    assert_eq!(other.unwrap_err().kind, "InvalidRequestException");
    let forged = results(&simulator, &json!({ "NextToken": "äöü" }));
    assert_eq!(forged.unwrap_err().kind, "InvalidRequestException");
}

#[test]
fn an_unknown_transfer_is_answered_by_the_expiry_setting() {
    let simulator = with_files(1);
    let body = json!({ "ConnectorId": CONNECTOR, "TransferId": "unknown" });
    let ask = |expiry| {
        perform_as(
            &simulator,
            ApiOperation::ListFileTransferResults,
            &body,
            expiry,
        )
    };
    assert_eq!(
        ask(Expiry::NotFound).unwrap_err().kind,
        "ResourceNotFoundException"
    );
    assert_eq!(
        ask(Expiry::EmptyList).unwrap(),
        json!({ "FileTransferResults": [] })
    );
}

#[test]
fn a_transfer_may_appear_after_a_delay() {
    let simulator = simulator(Settings {
        appears_after: Duration::from_secs(2),
        ..Settings::default()
    });
    let file = || vec![FileScript::new("/a", LifeScript::completed())];
    let put = |age| {
        simulator.put_transfer(
            &CONNECTOR.parse().unwrap(),
            &"t".parse().unwrap(),
            file(),
            now().wall - age,
        );
    };
    put(Duration::from_secs(1));
    assert_eq!(
        results(&simulator, &json!({})).unwrap_err().kind,
        "ResourceNotFoundException"
    );
    put(Duration::from_secs(2));
    assert_eq!(rows(&results(&simulator, &json!({})).unwrap()), 1);
}

#[test]
fn a_started_transfer_is_queued_under_the_paths_given() {
    let simulator = with_files(0);
    let body = json!({ "ConnectorId": CONNECTOR, "SendFilePaths": ["/bucket/a", "/bucket/a"] });
    let started = perform(&simulator, ApiOperation::StartFileTransfer, &body).unwrap();
    let page = results(&simulator, &json!({ "TransferId": started["TransferId"] })).unwrap();
    let row = json!({ "FilePath": "/bucket/a", "StatusCode": "QUEUED" });
    assert_eq!(page["FileTransferResults"], json!([row, row]));
}

#[test]
fn a_transfer_either_sends_or_retrieves() {
    let simulator = with_files(0);
    for paths in [
        json!({}),
        json!({ "SendFilePaths": ["/a"], "RetrieveFilePaths": ["/b"] }),
    ] {
        let mut body = paths;
        body["ConnectorId"] = CONNECTOR.into();
        let error = perform(&simulator, ApiOperation::StartFileTransfer, &body).unwrap_err();
        assert_eq!(error.kind, "InvalidRequestException");
    }
}

#[test]
fn connectors_are_listed_by_pages_and_refuse_a_foreign_token() {
    let simulator = simulator(Settings::default());
    for n in 0..5 {
        simulator.add_connector(
            format!("c-{n:017x}").parse().unwrap(),
            ConnectorSpec::default(),
        );
    }
    let first = perform(
        &simulator,
        ApiOperation::ListConnectors,
        &json!({ "MaxResults": 3 }),
    )
    .unwrap();
    let more = json!({ "MaxResults": 3, "NextToken": first["NextToken"] });
    let second = perform(&simulator, ApiOperation::ListConnectors, &more).unwrap();
    assert_eq!(second["Connectors"].as_array().unwrap().len(), 2);
    assert_eq!(second.get("NextToken"), None);
    assert_eq!(
        second["Connectors"][0],
        json!({
            "Arn": "arn:aws:transfer:eu-central-1:123456789012:connector/c-00000000000000003",
            "ConnectorId": "c-00000000000000003",
            "Url": "sftp://sftp.example.com",
        })
    );
    let error = perform(
        &simulator,
        ApiOperation::ListConnectors,
        &json!({ "NextToken": "x" }),
    )
    .unwrap_err();
    assert_eq!(error.kind, "InvalidNextTokenException");
}

#[test]
fn an_unknown_connector_is_not_found_by_any_operation() {
    let simulator = with_files(1);
    let mut body =
        json!({ "ConnectorId": "c-fffffffffffffffff", "TransferId": "t", "SendFilePaths": ["/a"] });
    for path in [
        "RemoteDirectoryPath",
        "OutputDirectoryPath",
        "SourcePath",
        "TargetPath",
        "DeletePath",
    ] {
        body[path] = "/a".into();
    }
    let of_connectors = |operation: &&ApiOperation| {
        let names_none = [ApiOperation::CreateConnector, ApiOperation::ListConnectors];
        operation.service() == Service::Transfer && !names_none.contains(operation)
    };
    for &operation in ApiOperation::ALL.iter().filter(of_connectors) {
        let error = perform_as(&simulator, operation, &body, Expiry::EmptyList).unwrap_err();
        assert_eq!(error.body()["Resource"], "c-fffffffffffffffff");
        assert_eq!(error.kind, "ResourceNotFoundException", "{operation:?}");
    }
}

#[test]
fn only_the_description_shows_the_protocol_of_a_connector() {
    let simulator = simulator(Settings::default());
    let spec = |protocol, egress| ConnectorSpec {
        protocol,
        egress,
        ..ConnectorSpec::default()
    };
    let describe = |spec| {
        simulator.add_connector(CONNECTOR.parse().unwrap(), spec);
        let body = json!({ "ConnectorId": CONNECTOR });
        perform(&simulator, ApiOperation::DescribeConnector, &body).unwrap()["Connector"].clone()
    };
    let lattice = describe(spec(Protocol::Sftp, Egress::VpcLattice));
    assert!(
        lattice.get("Url").is_none() && lattice["SftpConfig"].is_object(),
        "{lattice}"
    );
    let as2 = describe(spec(Protocol::As2, Egress::ServiceManaged));
    assert!(
        as2.get("SftpConfig").is_none() && as2["As2Config"].is_object(),
        "{as2}"
    );
    for described in [lattice, as2] {
        assert!(
            ["Arn", "EgressType", "Status"]
                .iter()
                .all(|required| described[required].is_string())
        );
    }
}

#[test]
fn a_connection_test_succeeds_or_reports_an_error() {
    let simulator = with_files(0);
    let test = || {
        perform(
            &simulator,
            ApiOperation::TestConnection,
            &json!({ "ConnectorId": CONNECTOR }),
        )
        .unwrap()
    };
    assert_eq!(test()["Status"], "OK");
    let connection_error = Some("Authentication failed".to_owned());
    simulator.add_connector(
        CONNECTOR.parse().unwrap(),
        ConnectorSpec {
            connection_error,
            ..Default::default()
        },
    );
    assert_eq!(
        (test()["Status"].as_str(), test()["StatusMessage"].as_str()),
        (Some("ERROR"), Some("Authentication failed"))
    );
}

#[test]
fn the_directory_of_a_start_is_in_its_event_and_in_the_history() {
    let simulator = with_files(1);
    simulator.state().rules.set(vec![
        serde_json::from_str(r#"{"in_progress_for": 0}"#).unwrap(),
    ]);
    for (paths, place) in [
        ("RetrieveFilePaths", "LocalDirectoryPath"),
        ("SendFilePaths", "RemoteDirectoryPath"),
    ] {
        let body = json!({ "ConnectorId": CONNECTOR, paths: ["/out/a.csv"], place: "/bucket/in" });
        perform(&simulator, ApiOperation::StartFileTransfer, &body).unwrap();
    }
    let queue = json!({ "QueueUrl": simulator.queue_url("http://h"), "MaxNumberOfMessages": 10 });
    let received = perform(&simulator, ApiOperation::ReceiveMessage, &queue).unwrap();
    let events = received["Messages"].as_array().unwrap().iter();
    let details: Vec<Value> = events
        .map(|message| serde_json::from_str::<Value>(message["Body"].as_str().unwrap()).unwrap())
        .map(|event| event["detail"].clone())
        .filter(|detail| detail["file-path"] == "/out/a.csv")
        .collect();
    assert_eq!(details[0]["local-directory-path"], "/bucket/in");
    assert_eq!(
        details[0]["local-file-location"],
        json!({ "domain": "S3", "bucket": "bucket", "key": "in/a.csv" })
    );
    assert_eq!(details[1]["remote-directory-path"], "/bucket/in");
    let history = perform(&simulator, ApiOperation::LookupEvents, &json!({})).unwrap();
    let newest = history["Events"][0]["CloudTrailEvent"].as_str().unwrap();
    let newest: Value = serde_json::from_str(newest).unwrap();
    assert_eq!(
        newest["requestParameters"]["remoteDirectoryPath"],
        "/bucket/in"
    );
}
