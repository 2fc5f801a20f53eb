//! The program `transfer-simulator`: flags, commands, scenarios and the stop.

use std::process::Output;

use crate::support::{Running, program, repository};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = program().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_signal_ends_it_well() {
    for signal in ["TERM", "INT"] {
        let simulator = Running::start(&["--log-level", "debug"]);
        assert_eq!(simulator.request("GET", "/_simulator/time", "").0, "200");
        assert_eq!(simulator.request("POST", "/", "{}").0, "400");
        let (status, log) = simulator.stop(signal);
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("event=\"listening\""), "{log}");
        let call = "event=\"call\" operation=\"unknown\" outcome=\"UnknownOperationException\"";
        assert!(log.contains(call), "{log}");
        assert!(log.contains("event=\"stopping\""), "{log}");
    }
}

#[test]
fn a_scenario_is_loaded_by_name_and_from_a_file() {
    let file = repository("crates/simulator/scenarios/stuck-queue.yml");
    for name in ["stuck-queue", file.to_str().unwrap()] {
        let simulator = Running::start(&["--scenario", name, "--speed", "0"]);
        let (_, state) = simulator.request("GET", "/_simulator/state", "");
        assert!(state.contains("/bucket/out/never-ends.csv"), "{state}");
        assert!(state.contains("\"speed\":0.0"), "{state}");
        let (status, _) = simulator.request("PUT", "/_simulator/scenario?name=throttling", "");
        assert_eq!(status, "204");
        let (_, state) = simulator.request("GET", "/_simulator/state", "");
        assert!(state.contains("\"requests_per_second\":2.0"), "{state}");
        assert!(!state.contains("never-ends"), "{state}");
    }
}

#[test]
fn seed_and_account_are_set_by_flags() {
    let first_id = |seed: &str| {
        let simulator = Running::start(&["--scenario", "nightly-batch", "--seed", seed]);
        simulator.request("PUT", "/_simulator/time", r#"{"advance": "20m"}"#);
        let (_, state) = simulator.request("GET", "/_simulator/state", "");
        let (_, rest) = state.split_once("\"transfers\":[{").unwrap();
        let (_, id) = rest.split_once("\"id\":\"").unwrap();
        id[..36].to_owned()
    };
    assert_eq!(first_id("2"), first_id("2"));
    assert_ne!(first_id("2"), first_id("3"));
    let simulator = Running::start(&["--account-id", "210987654321"]);
    let (_, queue) = simulator.request("GET", "/_simulator/queue", "");
    assert!(
        queue.ends_with("/210987654321/transfer-events\n"),
        "{queue}"
    );
}

#[test]
fn a_scenario_in_a_request_is_refused_with_its_place() {
    let simulator = Running::start(&[]);
    let yaml = "description: A.\nrule: []\n";
    let (status, reason) = simulator.request("PUT", "/_simulator/scenario", yaml);
    assert_eq!(status, "400");
    assert!(
        reason.starts_with("failed to read the scenario scenario.yml:2:1: unknown field `rule`"),
        "{reason}"
    );
}

#[test]
fn bad_arguments_are_errors_with_a_remedy() {
    let (code, _, error) = run(&["--scenario", "none.yml"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("none.yml: No such file"), "{error}");
    assert!(
        error.contains("hint: name a file, or one of: host-key-rotation"),
        "{error}"
    );
    for speed in ["-1", "NaN", "fast"] {
        let flag = format!("--speed={speed}");
        assert_eq!(run(&[&flag]).0, Some(2), "{speed}");
    }
    let by_environment = program()
        .env("TRANSFER_SIMULATOR_SCENARIO", "none.yml")
        .output();
    assert_eq!(by_environment.unwrap().status.code(), Some(1));
    let used = Running::start(&[]);
    let address = used.url.strip_prefix("http://").unwrap();
    let (code, _, error) = run(&["--listen-address", address]);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("hint: choose another --listen-address"),
        "{error}"
    );
}

#[test]
fn scenarios_are_listed_printed_and_checked() {
    let (_, names, _) = run(&["scenarios"]);
    assert_eq!(names.lines().count(), 5);
    for name in names.lines() {
        let file = repository(&format!("crates/simulator/scenarios/{name}.yml"));
        let (code, printed, _) = run(&["scenarios", name]);
        assert_eq!(code, Some(0));
        assert_eq!(printed, std::fs::read_to_string(&file).unwrap());
        assert_eq!(run(&["check", file.to_str().unwrap()]).0, Some(0));
    }
    let manifest = repository("Cargo.toml");
    let (code, _, error) = run(&["check", manifest.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(error.contains("Cargo.toml:"), "{error}");
    assert_eq!(run(&["scenarios", "none"]).0, Some(1));
}

#[test]
fn the_health_check_needs_a_simulator() {
    let simulator = Running::start(&[]);
    let address = simulator.url.strip_prefix("http://").unwrap().to_owned();
    let check = || run(&["healthcheck", "--listen-address", &address]).0;
    assert_eq!(check(), Some(0));
    simulator.stop("TERM");
    assert_eq!(check(), Some(1));
}
