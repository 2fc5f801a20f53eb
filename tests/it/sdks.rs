//! The simulator against AWS SDKs of other languages, which are independent clients. Beside them,
//! `boto3` covers every rule of the API.

use std::path::PathBuf;
use std::process::Command;

use crate::program::{output, simulate, text};

/// Runs a judge, which must end well and print `expected`.
fn judge(command: &mut Command, expected: &str) {
    let simulator = simulate();
    command.env(
        "SIMULATOR_ENDPOINT",
        format!("http://{}", simulator.address),
    );
    let judged = output(command);
    let said = text(&judged.stdout);
    assert!(
        judged.status.success() && said.contains(expected),
        "{said}\n{}",
        text(&judged.stderr)
    );
}

fn folder(language: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sdks")
        .join(language)
}

/// Returns a path that `tests/run` sets.
fn installed(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.filter(|path| path.exists())
        .unwrap_or_else(|| panic!("{variable} names no file; `tests/run` installs it"))
}

#[test]
#[ignore = "needs the AWS SDK for Go; tests/run provides it where Go is present"]
fn go_sdk_works_with_the_simulator() {
    let mut tests = Command::new(installed("SDK_GO"));
    judge(
        tests.arg("-test.v"),
        "--- PASS: TestPaginatorsReadEveryPage",
    );
}

#[test]
#[ignore = "needs the AWS SDK for JavaScript; tests/run provides it where Node.js is present"]
fn javascript_sdk_works_with_the_simulator() {
    let mut tests = Command::new("node");
    tests
        .args(["--test", "--test-reporter=tap"])
        .arg(folder("javascript").join("judge.test.js"))
        .env("NODE_PATH", installed("SDK_JAVASCRIPT"));
    judge(&mut tests, "ok 4 - paginators read every page");
}

#[test]
#[ignore = "needs the AWS SDK for Java; tests/run provides it where Maven is present"]
fn java_sdk_works_with_the_simulator() {
    let mut tests = Command::new("java");
    tests
        .arg("-cp")
        .arg(installed("SDK_JAVA").join("*"))
        .arg(folder("java").join("Judge.java"));
    judge(&mut tests, "9 checks passed");
}
