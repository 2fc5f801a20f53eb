//! The program `transfer-simulator` with programs that do not know it: they only read
//! `AWS_ENDPOINT_URL`.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Running, repository};

const CONNECTOR: &str = "c-0123456789abcdef0";

/// Returns a path that `tests/run` sets.
fn installed(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.filter(|path| path.exists())
        .unwrap_or_else(|| panic!("{variable} names no file; `tests/run` installs it"))
}

fn example(path: &str) -> PathBuf {
    repository("examples/wait-for-transfer").join(path)
}

/// Runs a command with the environment of a program in AWS, except for its endpoint.
fn run(mut command: Command, simulator: &Running) -> (Option<i32>, String, String) {
    let output = command
        .env("AWS_ENDPOINT_URL", &simulator.url)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_DEFAULT_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("NO_PROXY", "127.0.0.1")
        .env_remove("AWS_PROFILE")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Runs a program that sends files and waits for their results, in the cases that matter to it.
fn judge(program: impl Fn() -> Command) {
    let simulator = Running::start(&["--scenario", "wrong-password", "--speed", "60"]);
    let send = |paths: &[&str], seconds: &str| {
        let mut command = program();
        command
            .arg(CONNECTOR)
            .args(paths)
            .env("WAIT_SECONDS", seconds);
        run(command, &simulator)
    };
    let put = |route: &str, body: &str| {
        let (status, reason) = simulator.request("PUT", &format!("/_simulator/{route}"), body);
        assert_eq!(status, "204", "{reason}");
    };
    let (code, output, errors) = send(&["/bucket/a.csv"], "20");
    assert_eq!(
        (code, output.as_str()),
        (Some(1), "/bucket/a.csv FAILED CONNECTION_ERROR\n"),
        "{errors}"
    );

    // The partner accepts the password.
    put(&format!("connectors/{CONNECTOR}"), "{}");
    let paths: Vec<String> = (0..10).map(|n| format!("/bucket/{n}.csv")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let expected = paths.join(" COMPLETED -\n") + " COMPLETED -\n";
    let (code, output, errors) = send(&paths, "20");
    assert_eq!((code, output), (Some(0), expected), "{errors}");

    put("scenario?name=throttling", "");
    let (code, output, errors) = send(&["/bucket/a.csv"], "20");
    assert_eq!(
        (code, output.as_str()),
        (Some(0), "/bucket/a.csv COMPLETED -\n"),
        "{errors}"
    );

    put("scenario?name=stuck-queue", "");
    let (code, output, errors) = send(&["/bucket/a.csv"], "1");
    assert_eq!((code, output.as_str()), (Some(1), ""), "{errors}");
    assert!(errors.contains("has unfinished files"), "{errors}");

    let mut unknown = program();
    unknown.args(["c-fffffffffffffffff", "/bucket/a.csv"]);
    let (code, _, errors) = run(unknown, &simulator);
    assert_eq!(code, Some(1));
    assert!(errors.contains("Unknown Connector"), "{errors}");
}

#[test]
#[ignore = "needs boto3; tests/run provides it"]
fn a_boto3_program_runs_unchanged() {
    judge(|| {
        let mut program = Command::new(installed("TEST_PYTHON"));
        program.arg(example("wait_for_transfer.py"));
        program
    });
}

#[test]
#[ignore = "needs the AWS SDK for JavaScript; tests/run provides it where Node.js is present"]
fn a_javascript_sdk_program_runs_unchanged() {
    judge(|| {
        let mut program = Command::new("node");
        program
            .arg(example("wait-for-transfer.js"))
            .env("NODE_PATH", installed("SDK_JAVASCRIPT"));
        program
    });
}

#[test]
#[ignore = "needs the AWS SDK for Go; tests/run provides it where Go is present"]
fn a_go_sdk_program_runs_unchanged() {
    judge(|| Command::new(installed("WAIT_FOR_TRANSFER")));
}

#[test]
#[ignore = "needs boto3; tests/run provides it"]
fn the_boto3_control_api_is_as_described() {
    let simulator = Running::start(&[
        "--access-key-id",
        "AKIASIMULATOR0000000",
        "--expiry",
        "empty-list",
    ]);
    let mut tests = Command::new(installed("TEST_PYTHON"));
    tests
        .args([
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "test_control.py",
        ])
        .current_dir(repository("tests/boto3"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SIMULATOR_ENDPOINT", &simulator.url);
    let (code, output, errors) = run(tests, &simulator);
    assert_eq!(code, Some(0), "{output}{errors}");
}

#[test]
#[ignore = "needs boto3; tests/run provides it"]
fn the_boto3_examples_pass() {
    let simulator = Running::start(&[]);
    let mut tests = Command::new(installed("TEST_PYTHON"));
    tests
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(repository("examples/pytest"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(
            "TRANSFER_SIMULATOR",
            env!("CARGO_BIN_EXE_transfer-simulator"),
        );
    let (code, output, errors) = run(tests, &simulator);
    assert_eq!(code, Some(0), "{output}{errors}");
    assert!(output.contains(" passed"), "{output}");
}
