use serde_json::json;

use super::*;
use crate::testing::{now, perform_at, simulator};
use crate::{ApiOperation, Faults, Settings, Simulator};

const CONNECTOR: &str = "c-0123456789abcdef0";

/// Returns a simulator in which a scenario has just started.
fn started(name: &str) -> Simulator {
    let simulator = simulator(Settings::default());
    simulator.load(name, Scenario::shipped(name).unwrap());
    simulator
}

fn advance(simulator: &Simulator, by: &str) {
    simulator.change_time(None, humantime::parse_duration(by).unwrap());
}

fn call(
    simulator: &Simulator,
    operation: ApiOperation,
    body: &serde_json::Value,
) -> serde_json::Value {
    let at = simulator.now().wall;
    perform_at(simulator, operation, body, at, &Faults::default()).unwrap()
}

/// Starts a transfer of one file, and returns its ID.
fn start(simulator: &Simulator) -> String {
    let body = json!({ "ConnectorId": CONNECTOR, "SendFilePaths": ["/bucket/a"] });
    let started = call(simulator, ApiOperation::StartFileTransfer, &body);
    started["TransferId"].as_str().unwrap().to_owned()
}

/// Returns status, code and message of the files of a transfer.
fn results(simulator: &Simulator, transfer: &str) -> Vec<[String; 3]> {
    let body = json!({ "ConnectorId": CONNECTOR, "TransferId": transfer });
    let answer = call(simulator, ApiOperation::ListFileTransferResults, &body);
    let rows = answer["FileTransferResults"].as_array().unwrap().iter();
    rows.map(|row| {
        ["StatusCode", "FailureCode", "FailureMessage"]
            .map(|name| row[name].as_str().unwrap_or_default().to_owned())
    })
    .collect()
}

/// Starts a transfer, lets a minute pass and returns status and code of its file.
fn end_of_a_transfer(simulator: &Simulator) -> [String; 2] {
    let transfer = start(simulator);
    advance(simulator, "1m");
    let [status, code, _] = results(simulator, &transfer)[0].clone();
    [status, code]
}

fn connection(simulator: &Simulator) -> serde_json::Value {
    let body = json!({ "ConnectorId": CONNECTOR });
    call(simulator, ApiOperation::TestConnection, &body)
}

#[test]
fn every_shipped_scenario_is_valid_and_described() {
    for name in shipped_scenarios() {
        let scenario = Scenario::shipped(name).unwrap();
        assert!(scenario.description.ends_with('.'), "{name}");
        let id = CONNECTOR.parse().unwrap();
        assert!(started(name).state().connector(&id).is_some(), "{name}");
    }
    let error = Scenario::shipped("none").unwrap_err().to_string();
    assert_eq!(
        error,
        "failed to read the scenario none: no scenario has this name\n  \
         hint: name one of: host-key-rotation, nightly-batch, stuck-queue, throttling, wrong-password"
    );
}

#[test]
fn a_rotated_host_key_fails_transfers_until_it_is_trusted() {
    let simulator = started("host-key-rotation");
    assert_eq!(end_of_a_transfer(&simulator), ["COMPLETED", ""]);
    advance(&simulator, "1h");
    assert_eq!(
        end_of_a_transfer(&simulator),
        ["FAILED", "CONNECTION_ERROR"]
    );
    let tested = connection(&simulator);
    assert_eq!(tested["Status"], "ERROR");
    let key = tested["SftpConnectionDetails"]["HostKey"].clone();
    let update = json!({ "ConnectorId": CONNECTOR, "SftpConfig": { "TrustedHostKeys": [key] } });
    call(&simulator, ApiOperation::UpdateConnector, &update);
    assert_eq!(connection(&simulator)["Status"], "OK");
    assert_eq!(end_of_a_transfer(&simulator), ["COMPLETED", ""]);
}

#[test]
fn a_wrong_password_fails_every_transfer_until_it_is_right() {
    let simulator = started("wrong-password");
    assert_eq!(
        end_of_a_transfer(&simulator),
        ["FAILED", "CONNECTION_ERROR"]
    );
    let tested = connection(&simulator);
    let message = tested["StatusMessage"].as_str().unwrap();
    assert!(message.contains("refused the password"), "{message}");
    advance(&simulator, "1d");
    assert_eq!(connection(&simulator)["Status"], "OK");
    assert_eq!(end_of_a_transfer(&simulator), ["COMPLETED", ""]);
}

#[test]
fn a_nightly_batch_comes_every_day_and_its_last_file_late() {
    let simulator = started("nightly-batch");
    assert_eq!(simulator.transfer_count(), 0);
    advance(&simulator, "10m");
    let statuses = |simulator: &Simulator| -> Vec<(String, String)> {
        let newest = simulator.snapshot().transfers.swap_remove(0);
        let files = newest.files.into_iter();
        files.map(|file| (file.path, file.status)).collect()
    };
    let all = |status: &str, files: Vec<(String, String)>| files.iter().all(|it| it.1 == status);
    assert!(all("QUEUED", statuses(&simulator)));
    advance(&simulator, "10m");
    let paths: Vec<String> = ["customers", "orders", "stock", "prices", "returns"]
        .map(|name| format!("/out/2026-01-01/{name}.csv"))
        .into();
    let expected = [
        "COMPLETED",
        "COMPLETED",
        "COMPLETED",
        "IN_PROGRESS",
        "FAILED",
    ];
    let expected = expected.map(str::to_owned);
    let after_ten_minutes: Vec<_> = paths.into_iter().zip(expected).collect();
    assert_eq!(statuses(&simulator), after_ten_minutes);
    advance(&simulator, "50m");
    assert_eq!(simulator.transfer_count(), 2);
    advance(&simulator, "1m");
    assert!(all("COMPLETED", statuses(&simulator)));
    advance(&simulator, "3d");
    assert_eq!(simulator.transfer_count(), 8);
    assert_eq!(statuses(&simulator)[0].0, "/out/2026-01-04/returns.csv");
}

#[test]
fn a_stuck_queue_fails_after_twelve_hours_and_recovers() {
    let simulator = started("stuck-queue");
    let transfer = start(&simulator);
    advance(&simulator, "11h");
    assert_eq!(results(&simulator, &transfer)[0][0], "QUEUED");
    let never = "00000000-0000-4000-8000-000000000001";
    assert_eq!(results(&simulator, never)[0][0], "IN_PROGRESS");
    advance(&simulator, "1h");
    assert_eq!(
        results(&simulator, &transfer)[0],
        ["FAILED", "TIMEOUT_ERROR", "Transfer request timeout."]
    );
    assert_eq!(results(&simulator, never)[0][0], "IN_PROGRESS");
    advance(&simulator, "12h");
    assert_eq!(end_of_a_transfer(&simulator), ["COMPLETED", ""]);
}

#[test]
fn throttling_ends_after_ten_minutes() {
    let simulator = started("throttling");
    assert_eq!(simulator.faults().requests_per_second, Some(2.0));
    advance(&simulator, "10m");
    assert_eq!(*simulator.faults(), Faults::default());
}

#[test]
fn the_last_of_several_steps_that_are_due_holds() {
    let simulator = simulator(Settings::default());
    let yaml = "description: A.\nsteps:\n  - {at: 1s, faults: {seed: 1}}\n  - {at: 3s, faults: {seed: 3}}\n  - {at: 2s, faults: {seed: 2}}\n";
    simulator.load("a", Scenario::from_yaml("a", yaml.as_bytes()).unwrap());
    advance(&simulator, "1h");
    assert_eq!(simulator.faults().seed, 3);
}

#[test]
fn a_reset_starts_the_scenario_again_with_the_same_ids() {
    let simulator = started("throttling");
    let first = start(&simulator);
    crate::lock(&simulator.0.calls).begin(Some(ApiOperation::StartFileTransfer));
    advance(&simulator, "10m");
    simulator.reset();
    assert_eq!(simulator.now(), now());
    assert_eq!(simulator.faults().requests_per_second, Some(2.0));
    assert_eq!(simulator.transfer_count(), 0);
    assert_eq!(simulator.calls().of(ApiOperation::StartFileTransfer), 0);
    assert_eq!(start(&simulator), first);
    advance(&simulator, "10m");
    assert_eq!(*simulator.faults(), Faults::default());
}

#[test]
fn a_bad_file_is_an_error_with_place_and_hint() {
    let error = |yaml: &str| {
        let error = Scenario::from_yaml("my.yml", yaml.as_bytes()).unwrap_err();
        error.to_string()
    };
    for (yaml, place, cause) in [
        (
            "description: A.\nconectors: {}\n",
            ":2:1: ",
            "unknown field `conectors`",
        ),
        ("description: \"A.\n", ":2:1: ", "unexpected end of stream"),
        (
            "description: A.\nrules:\n  - queued_for: soon\n",
            ":3:17: ",
            "`soon` is no duration",
        ),
        (
            "description: A.\nconnectors:\n  c-1: {}\n",
            ":3:3: ",
            "`c-1`: ",
        ),
        (
            "description: A.\nsteps:\n  - at: 1h\n    every: 10s\n",
            ":4:5: ",
            "`every` is shorter than a minute",
        ),
        (
            "description: A.\nfaults:\n  throttle_rate: 2\n",
            ":3:3: ",
            "`throttle_rate`: 2 is not between 0 and 1",
        ),
        ("rules: []\n", ":1:1: ", "missing field `description`"),
    ] {
        let text = error(yaml);
        assert!(text.contains(place) && text.contains(cause), "{text}");
        assert!(
            text.starts_with("failed to read the scenario my.yml:"),
            "{text}"
        );
        assert!(text.contains("\n  hint: docs/get-started/"), "{text}");
    }
}

#[test]
fn a_connector_that_nothing_adds_is_an_error_with_its_place() {
    let yaml = "description: A.\nrules:\n  - connector: c-0123456789abcdef1\n";
    let error = Scenario::from_yaml("my.yml", yaml.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to read the scenario my.yml:3:16: c-0123456789abcdef1 is not one of the connectors\n  \
         hint: add it to `connectors`, or correct the ID"
    );
}

#[test]
fn a_missing_file_is_an_error_that_names_the_shipped_scenarios() {
    let error = Scenario::from_file(Path::new("/nonexistent/my.yml")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("No such file"), "{text}");
    assert!(text.contains("stuck-queue"), "{text}");
}

#[test]
fn a_connector_that_nothing_adds_is_found() {
    let scenario = |connector: &str| -> Scenario {
        let json = serde_json::json!({
            "description": "Test.",
            "connectors": { "c-0123456789abcdef0": {} },
            "steps": [{ "at": 1, "rules": [{ "connector": connector }] }],
        });
        serde_json::from_value(json).unwrap()
    };
    assert_eq!(scenario("c-0123456789abcdef0").unknown_connector(), None);
    let typed = scenario("c-0123456789abcdef1");
    let unknown = typed.unknown_connector().unwrap();
    assert_eq!(unknown.as_str(), "c-0123456789abcdef1");
}
