//! The set-up of all fault tests: two accounts, one of which has the fault, and the assertions
//! before, during and after it.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use simulator::{ApiOperation, LifeScript, Settings, Simulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::gate::Gate;
use crate::program::{Running, program, signing_program};
use crate::rig::{Exposition, connector, files, simulator, transfer};

/// Transfers of each account.
pub(crate) const TRANSFERS: usize = 12;
/// The timeout of a scrape, of which the exporter uses half.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(4);
/// Time after which a scrape is too late, with a reserve for a slow machine: a scrape that waits
/// for a call takes as long as its timeout, 6 s.
const LATEST_ANSWER: Duration = Duration::from_millis(5_500);
/// Maximum number of scrapes until a fault is visible, and the time for them on a slow machine.
const VISIBLE_WITHIN: usize = 12;
const VISIBLE_AFTER: Duration = Duration::from_mins(1);
/// Maximum time until recovery.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(90);

pub(crate) const STRUCK: &str = "aws_account=\"struck\"";
pub(crate) const STEADY: &str = "aws_account=\"steady\"";
pub(crate) const COMPLETE: &str = "aws_transfer_exporter_scrape_complete";

/// What a fault affects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Only the account `struck`. The account `steady` must be unaffected.
    OneAccount,
    /// The whole process.
    All,
}

/// The files of a transfer in an exposition. Both accounts have the same transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FilesVersion {
    /// Two of four files had finished before the exporter started.
    Old,
    /// All four files have finished.
    New,
}

/// Where the exporter gets its credentials from.
pub(crate) enum CredentialSource {
    /// The environment.
    Environment,
    /// A profile in this file for each account.
    Profiles(PathBuf),
}

/// An exporter with two accounts, all of whose transfers have been polled.
pub(crate) struct Stage {
    pub(crate) struck: Simulator,
    pub(crate) steady: Simulator,
    pub(crate) gate: Gate,
    pub(crate) address: SocketAddr,
    pub(crate) exporter: Option<Running>,
    pub(crate) folder: tempfile::TempDir,
    steady_url: String,
    credentials: CredentialSource,
    /// The last exposition before the fault.
    pub(crate) before: Exposition,
    last: Vec<FilesVersion>,
}

impl Stage {
    /// Starts an exporter as a process.
    pub(crate) async fn start() -> Self {
        Self::start_with("true", &[]).await
    }

    /// Starts an exporter in a shell that runs `prelude` first, with more flags. `STORAGE` in flags
    /// is replaced by a directory.
    pub(crate) async fn start_with(prelude: &str, flags: &[&str]) -> Self {
        let mut stage = Self::empty(CredentialSource::Environment).await;
        stage.start_exporter(prelude, flags);
        stage.poll_all().await;
        stage
    }

    /// Starts an exporter that uses the profiles `struck` and `steady`.
    pub(crate) async fn start_with_profiles(file: PathBuf) -> Self {
        let mut stage = Self::empty(CredentialSource::Profiles(file)).await;
        stage.start_exporter("true", &[]);
        stage.poll_all().await;
        stage
    }

    /// Creates a stage without an exporter. The caller starts one and then calls
    /// [`Self::poll_all`].
    pub(crate) async fn empty(credentials: CredentialSource) -> Self {
        let (struck, struck_url) = simulator(Settings::default()).await;
        let (steady, steady_url) = simulator(Settings::default()).await;
        let gate = Gate::before(struck_url.strip_prefix("http://").unwrap().parse().unwrap()).await;
        let stage = Self {
            gate,
            struck,
            steady,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            exporter: None,
            folder: tempfile::tempdir().unwrap(),
            steady_url,
            credentials,
            before: Exposition::default(),
            last: vec![FilesVersion::Old; 2 * TRANSFERS],
        };
        stage.put_transfers(&[
            LifeScript::stuck_in_progress(),
            LifeScript::stuck_in_progress(),
        ]);
        stage.configure(&stage.url());
        stage
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.gate.address)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("exporter.yml")
    }

    /// Writes the configuration with an endpoint for `struck`.
    pub(crate) fn configure(&self, struck_url: &str) {
        let mut text = "collector:\n  min_refresh_interval: 1ms\n  max_refresh_interval: 1ms\n  \
                        requests_per_second: 10000\n  timeout: 6s\n  timeout_offset: 2s\naccounts:\n"
            .to_owned();
        for (name, url) in [("struck", struck_url), ("steady", &self.steady_url)] {
            let _ = writeln!(
                text,
                "  - name: {name}\n    region: eu-central-1\n    endpoint_url: {url}"
            );
            if let CredentialSource::Profiles(_) = self.credentials {
                let _ = writeln!(text, "    profile: {name}");
            }
        }
        text.push_str("transfers:\n");
        for account in ["struck", "steady"] {
            for n in 0..TRANSFERS {
                let (connector, transfer) = (connector(1), transfer(n));
                let _ = writeln!(
                    text,
                    "  - account: {account}\n    connector_id: {connector}\n    transfer_id: {transfer}"
                );
            }
        }
        fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn start_exporter(&mut self, prelude: &str, flags: &[&str]) {
        let program = match &self.credentials {
            CredentialSource::Environment => signing_program(),
            CredentialSource::Profiles(file) => {
                let mut program = program();
                program.env("AWS_CONFIG_FILE", file);
                program
            }
        };
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", &format!("{prelude} && exec \"$0\" \"$@\"")])
            .arg(program.get_program());
        shell
            .arg(format!("--config.file={}", self.config().display()))
            .arg("--web.listen-address=127.0.0.1:0");
        shell.args(flags.iter().map(|flag| {
            flag.replace(
                "STORAGE",
                self.folder.path().join("state").to_str().unwrap(),
            )
        }));
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let exporter = Running::start(&mut shell);
        self.address = exporter.address;
        self.exporter = Some(exporter);
    }

    /// Scrapes until all transfers have been polled, then completes half of the files.
    pub(crate) async fn poll_all(&mut self) {
        let deadline = Instant::now() + RECOVERY_TIMEOUT;
        loop {
            self.before = self.scrape().await;
            if self.before.sum(COMPLETE, &[]) == 1.0
                && self.before.sum("aws_transfer_results_up", &[]) == 24.0
            {
                break;
            }
            assert!(Instant::now() < deadline, "the first sweep does not end");
        }
        assert_eq!(
            versions(&self.before),
            vec![Some(FilesVersion::Old); 2 * TRANSFERS]
        );
        assert_eq!(
            self.before
                .sum("aws_transfer_connector_files_finished_total", &[]),
            0.0,
            "files of the baseline are not counted"
        );
        self.put_transfers(&[
            LifeScript::completed(),
            LifeScript::failed("TIMEOUT_ERROR", "late"),
        ]);
    }

    /// Puts the transfers: each has a completed file, a failed one and two with these scripts.
    fn put_transfers(&self, lives: &[LifeScript; 2]) {
        let start = SystemTime::now() - Duration::from_mins(1);
        for simulator in [&self.struck, &self.steady] {
            for n in 0..TRANSFERS {
                let ended = [
                    LifeScript::completed(),
                    LifeScript::failed("CONNECTION_ERROR", "no route"),
                ];
                let all = ended.into_iter().chain(lives.iter().cloned());
                simulator.put_transfer(&connector(1), &transfer(n), files(all), start);
            }
        }
    }

    /// Asserts that each scrape is answered in time, that known files stay correct, and that the
    /// fault becomes visible: `is_visible` compares the exposition before the fault with the
    /// current one. Half of the files finish meanwhile.
    pub(crate) async fn assert_endured(
        &mut self,
        scope: Scope,
        is_visible: impl Fn(&Exposition, &Exposition) -> bool,
    ) {
        let mut was_visible = false;
        let start = Instant::now();
        for number in 1.. {
            if number > VISIBLE_WITHIN && start.elapsed() > VISIBLE_AFTER {
                break;
            }
            let exposition = self.scrape().await;
            was_visible |= is_visible(&self.before, &exposition);
            let others = &self.last[TRANSFERS..];
            let caught_up =
                scope == Scope::All || others.iter().all(|one| *one == FilesVersion::New);
            if scope == Scope::OneAccount {
                let up = exposition.sum("aws_transfer_results_up", &[STEADY]);
                assert_eq!(
                    up, TRANSFERS as f64,
                    "scrape {number}: the other account is affected"
                );
            }
            if was_visible && caught_up && number >= 2 {
                return;
            }
        }
        let now = self.scrape().await;
        let families = [
            "aws_transfer_results_up",
            "aws_transfer_exporter_api_requests_total",
            COMPLETE,
        ];
        let samples = families.map(|family| now.family(family));
        assert!(
            was_visible,
            "the fault is not visible within {VISIBLE_WITHIN} scrapes: {samples:#?}"
        );
        panic!("the other account is delayed by the one with the fault");
    }

    /// Asserts that the exporter recovers on its own after the fault, with each file counted once,
    /// and terminates it as Kubernetes would.
    pub(crate) async fn assert_recovers(mut self) {
        self.wait_until_complete().await;
        self.exporter.take().unwrap().terminate();
    }

    pub(crate) async fn wait_until_complete(&mut self) -> Exposition {
        let deadline = Instant::now() + RECOVERY_TIMEOUT;
        loop {
            let exposition = self.scrape().await;
            let all = |family: &str, labels: &[&str]| exposition.sum(family, labels);
            if self.last.iter().all(|one| *one == FilesVersion::New)
                && all("aws_transfer_results_up", &[]) == 24.0
                && all(COMPLETE, &[]) == 1.0
            {
                assert_eq!(
                    all("aws_transfer_connector_transfers", &["state=\"failed\""]),
                    24.0
                );
                let finished = "aws_transfer_connector_files_finished_total";
                for account in [STRUCK, STEADY] {
                    assert_eq!(
                        all(finished, &[account, "status=\"COMPLETED\""]),
                        TRANSFERS as f64,
                        "each file is counted once"
                    );
                    assert_eq!(
                        all(finished, &[account, "failure_code=\"TIMEOUT_ERROR\""]),
                        TRANSFERS as f64
                    );
                    assert_eq!(all(finished, &[account]), 2.0 * TRANSFERS as f64);
                }
                return exposition;
            }
            assert!(
                Instant::now() < deadline,
                "it does not recover: {:?}",
                self.last
            );
        }
    }

    /// Scrapes, and asserts that the response is in time, that every transfer has its old or its
    /// new files, and that none goes back to the old ones.
    pub(crate) async fn scrape(&mut self) -> Exposition {
        let start = Instant::now();
        let exposition = scrape(self.address).await;
        let took = start.elapsed();
        assert!(took < LATEST_ANSWER, "a scrape took {took:?}");
        for (n, version) in versions(&exposition).into_iter().enumerate() {
            let Some(version) = version else {
                assert!(
                    self.before == Exposition::default(),
                    "transfer {n} is missing"
                );
                continue;
            };
            assert!(version >= self.last[n], "transfer {n} goes back");
            self.last[n] = version;
        }
        exposition
    }

    /// Waits until `struck` has received more than `calls` calls.
    pub(crate) async fn wait_for_calls_after(&self, calls: u64) {
        let deadline = Instant::now() + RECOVERY_TIMEOUT;
        while self.calls() <= calls {
            assert!(Instant::now() < deadline, "no sweep starts");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.struck
            .calls()
            .of(ApiOperation::ListFileTransferResults)
    }

    /// Returns the peak resident memory of the exporter in MB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let pid = self.exporter.as_ref().unwrap().child.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            / 1_000
    }
}

/// Scrapes on a new connection and returns the complete exposition.
pub(crate) async fn scrape(address: SocketAddr) -> Exposition {
    let request = async {
        let mut stream = TcpStream::connect(address).await?;
        let seconds = SCRAPE_TIMEOUT.as_secs();
        let head = format!(
            "GET /metrics HTTP/1.0\r\nHost: localhost\r\nX-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(Duration::from_mins(1), request)
        .await
        .expect("no response within a minute")
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.0 200 OK\r\n"),
        "unexpected response: {answer:?}"
    );
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    // The last family except those of the process, which are missing while it cannot open a file.
    let is_whole = body.ends_with('\n') && body.contains("\naws_transfer_exporter_build_info{");
    assert!(is_whole, "the response ends after {} bytes", body.len());
    Exposition::parse(body)
}

/// Returns the version of the files of each transfer, those of `struck` first. Panics for any other
/// combination of files.
fn versions(exposition: &Exposition) -> Vec<Option<FilesVersion>> {
    let one = |account: &str, n: usize| {
        let transfer = format!("transfer_id=\"transfer-{n}\"");
        let of = |label: &str| exposition.sum("aws_transfer_files", &[account, &transfer, label]);
        let family = exposition.family("aws_transfer_files");
        if !family
            .keys()
            .any(|series| series.contains(account) && series.contains(&transfer))
        {
            return None;
        }
        let statuses = ["COMPLETED", "FAILED", "IN_PROGRESS", "QUEUED"]
            .map(|status| of(&format!("status=\"{status}\"")));
        let codes = ["CONNECTION_ERROR", "TIMEOUT_ERROR"]
            .map(|code| of(&format!("failure_code=\"{code}\"")));
        match (statuses, codes) {
            ([1.0, 1.0, 2.0, 0.0], [1.0, 0.0]) => Some(FilesVersion::Old),
            ([2.0, 2.0, 0.0, 0.0], [1.0, 1.0]) => Some(FilesVersion::New),
            wrong => panic!("{account} {transfer} has {wrong:?}"),
        }
    };
    let all = |account| {
        (0..TRANSFERS)
            .map(move |n| one(account, n))
            .collect::<Vec<_>>()
    };
    [all(STRUCK), all(STEADY)].concat()
}

/// Returns a check that requests of `struck` with one of these outcomes have increased.
pub(crate) fn outcome(
    outcomes: &'static [&'static str],
) -> impl Fn(&Exposition, &Exposition) -> bool {
    let count = move |exposition: &Exposition| {
        let of = |outcome: &&str| {
            let outcome = format!("outcome=\"{outcome}\"");
            exposition.sum(
                "aws_transfer_exporter_api_requests_total",
                &[STRUCK, &outcome],
            )
        };
        outcomes.iter().map(of).sum::<f64>()
    };
    move |before, now| count(now) > count(before)
}

/// Returns whether no transfer of `struck` could be polled and the scrape is incomplete.
pub(crate) fn is_down(_: &Exposition, now: &Exposition) -> bool {
    now.sum("aws_transfer_results_up", &[STRUCK]) == 0.0 && now.sum(COMPLETE, &[]) == 0.0
}
