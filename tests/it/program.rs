//! The program as a process.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// No test waits longer for a process.
const PATIENCE: Duration = Duration::from_mins(5);

/// The program, without an AWS environment and without proxies.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aws-transfer-exporter"));
    let is_setting =
        |name: &str| name.starts_with("AWS_") || name.to_ascii_lowercase().ends_with("_proxy");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "none")
        .env("AWS_SHARED_CREDENTIALS_FILE", "none");
    command.stdin(Stdio::null());
    command
}

/// The program with the simulator's credentials.
pub(crate) fn signing_program() -> Command {
    use simulator::{DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY};
    let mut command = program();
    command
        .env("AWS_ACCESS_KEY_ID", DEMO_ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", DEMO_SECRET_ACCESS_KEY);
    command
}

/// Runs `tests` of a folder below tests/ with pytest and prints the output. Every test must pass,
/// and none be skipped.
pub(crate) fn pytest(folder: &str, tests: &[&str], variable: (&str, &str)) {
    let judged = Command::new(peer("TEST_PYTHON", "python3"))
        .args(["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"])
        .args(tests)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests").to_owned() + "/" + folder)
        .env(variable.0, variable.1)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(
        judged.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&judged.stderr)
    );
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.contains(" passed") && !last.contains("skipped"),
        "{last}"
    );
}

pub(crate) fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder of the test's own, with a configuration in it.
pub(crate) fn config(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exporter.yml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

/// A configuration of one account at an endpoint with these pairs.
pub(crate) fn config_text(endpoint_url: &str, pairs: &[(String, String)]) -> String {
    let mut text = format!(
        "accounts:\n  - name: prod\n    region: eu-central-1\n    endpoint_url: {endpoint_url}\n\
         collector:\n  min_refresh_interval: 1ms\n  max_refresh_interval: 1ms\n  requests_per_second: 10000\n  concurrency: 32\ntransfers:\n"
    );
    for (connector, transfer) in pairs {
        let _ = writeln!(
            text,
            "  - connector_id: {connector}\n    transfer_id: {transfer}"
        );
    }
    text
}

/// A running process, killed on drop.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    log: Receiver<String>,
}

impl Running {
    /// Starts a command that does not listen yet.
    pub(crate) fn unready(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
        }
    }

    /// Starts a serving command on a free port and waits until it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut running = Self::unready(command);
        let line = running.wait_for("event=listening", "\"event\":\"listening\"");
        let port: String = line
            .rsplit(':')
            .next()
            .unwrap()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let port = if port.is_empty() {
            digits_after(&line, "127.0.0.1:")
        } else {
            port
        };
        running.address.set_port(port.parse().unwrap());
        running
    }

    /// The next log line that has either of these texts.
    pub(crate) fn wait_for(&self, text: &str, or: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self
            .log
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if line.contains(text) || line.contains(or) {
                return line;
            }
            seen.push(line);
        }
        panic!("`{text}` did not come; the log: {seen:#?}");
    }

    /// The log lines so far that have not been read.
    pub(crate) fn drain_log(&self) -> Vec<String> {
        self.log.try_iter().collect()
    }

    /// The log lines up to the end of the process.
    pub(crate) fn rest_of_log(&self) -> Vec<String> {
        self.log.iter().collect()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as Kubernetes would, and wants a clean end.
    pub(crate) fn terminate(mut self) {
        self.signal("TERM");
        assert_eq!(self.wait().code(), Some(0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn digits_after(line: &str, text: &str) -> String {
    let rest = line.split(text).nth(1).unwrap_or_default();
    rest.chars().take_while(char::is_ascii_digit).collect()
}

/// The simulator as a process of its own.
pub(crate) fn simulate() -> Running {
    Running::start(program().args(["simulate", "--simulator.listen-address=127.0.0.1:0"]))
}

/// Returns an address that was free a moment ago; no other process asks for it by number.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A peer that is not Rust: found, or the test fails and says how it is brought.
pub(crate) fn peer(variable: &str, default: &str) -> PathBuf {
    peer_answering(variable, default, "--version")
}

/// A peer that answers another flag than `--version`.
pub(crate) fn peer_answering(variable: &str, default: &str, flag: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from);
    let answers = Command::new(&path)
        .arg(flag)
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(
        answers,
        "`{}` ({variable}) does not run; `tests/run` installs it",
        path.display()
    );
    path
}
