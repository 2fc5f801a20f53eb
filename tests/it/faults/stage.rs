//! One stage for all faults: two accounts, of which one is struck, and what has to hold before, during and after.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use simulator::{LifeScript, Operation, Settings, Simulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::gate::Gate;
use crate::program::{Running, program, signing_program};
use crate::rig::{Exposition, connector, files, simulator, transfer};

/// Transfers of each account.
pub(crate) const TRANSFERS: usize = 12;
/// What a scrape says that it waits, in seconds. The exporter takes half of it, so that a slow machine has the rest.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(4);
/// A fault shows within so many scrapes.
const SHOWS_WITHIN: usize = 12;
/// Nothing takes longer to heal.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) const STRUCK: &str = "aws_account=\"struck\"";
pub(crate) const STEADY: &str = "aws_account=\"steady\"";
pub(crate) const COMPLETE: &str = "aws_transfer_exporter_scrape_complete";

/// Whom a fault reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only the account `struck`: `steady` must not be affected.
    OneAccount,
    /// The whole process.
    All,
}

/// The state of a transfer in an exposition. Both accounts have the same transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shown {
    /// Two of four files have finished, before the exporter started.
    Old,
    /// All four have.
    New,
}

/// How the exporter comes to its credentials.
pub(crate) enum Signs {
    /// By the environment.
    Environment,
    /// Each account by a profile of this file.
    Profiles(PathBuf),
}

/// An exporter that knows all there is, between two scenes.
pub(crate) struct Stage {
    pub(crate) struck: Simulator,
    pub(crate) steady: Simulator,
    pub(crate) gate: Gate,
    pub(crate) address: SocketAddr,
    pub(crate) exporter: Option<Running>,
    pub(crate) folder: tempfile::TempDir,
    steady_url: String,
    signs: Signs,
    /// The last exposition without a fault.
    pub(crate) before: Exposition,
    last: Vec<Shown>,
}

impl Stage {
    /// An exporter as a process.
    pub(crate) async fn set() -> Self {
        Self::set_with("true", &[]).await
    }

    /// The same in a shell that runs `prelude` before, with further flags; `STORAGE` in them is a folder.
    pub(crate) async fn set_with(prelude: &str, flags: &[&str]) -> Self {
        let mut stage = Self::empty(Signs::Environment).await;
        stage.start(prelude, flags);
        stage.learn().await;
        stage
    }

    /// The same, its credentials those of the profiles `struck` and `steady`.
    pub(crate) async fn set_with_profiles(file: PathBuf) -> Self {
        let mut stage = Self::empty(Signs::Profiles(file)).await;
        stage.start("true", &[]);
        stage.learn().await;
        stage
    }

    /// Without an exporter, which the caller starts before it calls [`Self::learn`].
    pub(crate) async fn empty(signs: Signs) -> Self {
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
            signs,
            before: Exposition::default(),
            last: vec![Shown::Old; 2 * TRANSFERS],
        };
        stage.put(&[
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

    /// Writes the configuration, with this endpoint for `struck`.
    pub(crate) fn configure(&self, struck_url: &str) {
        let mut text = "collector:\n  min_refresh_interval: 1ms\n  max_refresh_interval: 1ms\n  \
                        requests_per_second: 10000\n  timeout: 6s\n  timeout_offset: 2s\naccounts:\n"
            .to_owned();
        for (name, url) in [("struck", struck_url), ("steady", &self.steady_url)] {
            let _ = writeln!(
                text,
                "  - name: {name}\n    region: eu-central-1\n    endpoint_url: {url}"
            );
            if let Signs::Profiles(_) = self.signs {
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

    pub(crate) fn start(&mut self, prelude: &str, flags: &[&str]) {
        let program = match &self.signs {
            Signs::Environment => signing_program(),
            Signs::Profiles(file) => {
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

    /// The first scene: all is known as it is.
    pub(crate) async fn learn(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.before = self.scrape().await;
            if self.before.sum(COMPLETE, &[]) == 1.0
                && self.before.sum("aws_transfer_results_up", &[]) == 24.0
            {
                break;
            }
            assert!(Instant::now() < deadline, "the first sweep does not end");
        }
        assert_eq!(shown(&self.before), vec![Some(Shown::Old); 2 * TRANSFERS]);
        assert_eq!(
            self.before
                .sum("aws_transfer_connector_files_finished_total", &[]),
            0.0,
            "the base"
        );
        self.put(&[
            LifeScript::completed(),
            LifeScript::failed("TIMEOUT_ERROR", "late"),
        ]);
    }

    /// The truth: of each transfer one file has completed, one failed, and two live like these.
    fn put(&self, lives: &[LifeScript; 2]) {
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

    /// The second scene. Each scrape answers in time, what is known stays right, and the fault shows: `shows` compares
    /// the exposition before the fault with one of now. Meanwhile half of the files finish.
    pub(crate) async fn endures(
        &mut self,
        reach: Reach,
        shows: impl Fn(&Exposition, &Exposition) -> bool,
    ) {
        let mut is_seen = false;
        for turn in 1..=SHOWS_WITHIN {
            let exposition = self.scrape().await;
            is_seen |= shows(&self.before, &exposition);
            let others = &self.last[TRANSFERS..];
            let caught_up = reach == Reach::All || others.iter().all(|one| *one == Shown::New);
            if reach == Reach::OneAccount {
                let up = exposition.sum("aws_transfer_results_up", &[STEADY]);
                assert_eq!(
                    up, TRANSFERS as f64,
                    "scrape {turn}: the other account is touched"
                );
            }
            if is_seen && caught_up && turn >= 2 {
                return;
            }
        }
        let now = self.scrape().await;
        let families = [
            "aws_transfer_results_up",
            "aws_transfer_exporter_api_requests_total",
            COMPLETE,
        ];
        let values = families.map(|family| now.family(family));
        assert!(
            is_seen,
            "the fault does not show within {SHOWS_WITHIN} scrapes: {values:#?}"
        );
        panic!("the other account waits for the one that is struck");
    }

    /// The third scene: the fault is over, and every transfer recovers without help, each file counted once.
    /// Ends the exporter as Kubernetes would.
    pub(crate) async fn heals(mut self) {
        self.is_whole_again().await;
        self.exporter.take().unwrap().terminate();
    }

    pub(crate) async fn is_whole_again(&mut self) -> Exposition {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let exposition = self.scrape().await;
            let all = |family: &str, labels: &[&str]| exposition.sum(family, labels);
            if self.last.iter().all(|one| *one == Shown::New)
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
                        "each file once"
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
                "it does not heal: {:?}",
                self.last
            );
        }
    }

    /// One scrape, in time. Every transfer shows its old or its new state, and none goes back.
    pub(crate) async fn scrape(&mut self) -> Exposition {
        let start = Instant::now();
        let exposition = ask(self.address).await;
        let took = start.elapsed();
        assert!(took < SCRAPE_TIMEOUT, "a scrape took {took:?}");
        for (n, state) in shown(&exposition).into_iter().enumerate() {
            let Some(state) = state else {
                assert!(
                    self.before == Exposition::default(),
                    "transfer {n} is missing"
                );
                continue;
            };
            assert!(state >= self.last[n], "transfer {n} goes back");
            self.last[n] = state;
        }
        exposition
    }

    /// Waits until `struck` has been asked, since `calls` calls.
    pub(crate) async fn is_asked_since(&self, calls: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.calls() <= calls {
            assert!(Instant::now() < deadline, "no sweep begins");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.struck.calls().of(Operation::ListFileTransferResults)
    }

    /// The most memory that the exporter has taken so far, in MB.
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

/// One scrape of its own connection, whole.
pub(crate) async fn ask(address: SocketAddr) -> Exposition {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let seconds = SCRAPE_TIMEOUT.as_secs();
        let request = format!(
            "GET /metrics HTTP/1.0\r\nHost: localhost\r\nX-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(Duration::from_mins(1), asked)
        .await
        .expect("no answer at all")
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.0 200 OK\r\n"),
        "no answer: {answer:?}"
    );
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    // The last family but those of the process, which are absent while it cannot open a file.
    let is_whole = body.ends_with('\n') && body.contains("\naws_transfer_exporter_build_info{");
    assert!(is_whole, "the answer is cut after {} bytes", body.len());
    Exposition::parse(body)
}

/// Returns the state of each transfer: first those of `struck`, then those of `steady`. Anything but one of the two truths is
/// wrong.
fn shown(exposition: &Exposition) -> Vec<Option<Shown>> {
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
            ([1.0, 1.0, 2.0, 0.0], [1.0, 0.0]) => Some(Shown::Old),
            ([2.0, 2.0, 0.0, 0.0], [1.0, 1.0]) => Some(Shown::New),
            wrong => panic!("{account} {transfer} is shown as {wrong:?}"),
        }
    };
    let all = |account| {
        (0..TRANSFERS)
            .map(move |n| one(account, n))
            .collect::<Vec<_>>()
    };
    [all(STRUCK), all(STEADY)].concat()
}

/// Attempts of `struck` that ended so have become more.
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

/// No transfer of `struck` is up, and the scrape is not complete.
pub(crate) fn is_down(_: &Exposition, now: &Exposition) -> bool {
    now.sum("aws_transfer_results_up", &[STRUCK]) == 0.0 && now.sum(COMPLETE, &[]) == 0.0
}
