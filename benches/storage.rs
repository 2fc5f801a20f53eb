//! Measures the start with 100,000 stored transfers, one percent of them unfinished, after a clean
//! stop and after a kill. Linux only, because it reads `/proc`.
//!
//! Run with `cargo bench --bench storage`. With `STORAGE_URL`, the URL of a table that is empty, the same
//! state is copied to the table, and the take-over by two exporters in turn is measured.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]
#![expect(clippy::cast_precision_loss, reason = "small numbers")]

#[path = "shared/listening.rs"]
mod listening;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use aws_transfer_exporter::store::BlockingStore;
use aws_transfer_exporter::store::local::LocalStore;
use aws_transfer_exporter::tracker::persist::SavedState;
use aws_transfer_exporter::tracker::{PollResult, Tracker, TrackerLimits, TrackerSettings};
use model::{
    Account, AccountName, FailureCode, FileResult, FileStatus, Now, Origin, Shard, TransferKey,
};

const TRANSFERS: usize = 100_000;
const FILES: usize = 10;
const STARTS: usize = 5;
const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "none"),
    ("AWS_SECRET_ACCESS_KEY", "none"),
];
const SETTINGS: TrackerSettings = TrackerSettings {
    min_refresh_interval: Duration::from_secs(10),
    max_refresh_interval: Duration::from_mins(5),
    gone_after: Duration::from_mins(15),
    keep_settled: Duration::from_hours(24),
    keep_unresolved: Duration::from_hours(168),
    limits: TrackerLimits::NONE,
    per_transfer: model::PerTransfer::All,
    max_transfers: 10_000,
    shard: Shard::ONLY,
    events: false,
};

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let storage = folder.path().join("state");
    fill(&storage);
    let file = storage.join("state.redb");
    println!(
        "{TRANSFERS} transfers of {FILES} files, on {} connectors",
        20
    );
    println!(
        "file: {:.1} MB",
        fs::metadata(&file).unwrap().len() as f64 / 1e6
    );

    let config = folder.path().join("exporter.yml");
    // Nothing listens on this port, and without scrapes nothing is polled.
    let text = "accounts:\n  - {name: bench, region: eu-central-1, endpoint_url: 'http://127.0.0.1:9'}\n\
                transfers:\n  - {connector_id: c-00000000000000001, transfer_id: one}\n";
    fs::write(&config, text).unwrap();
    let flags = [
        format!("--config.file={}", config.display()),
        format!("--storage.path={}", storage.display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
    ];
    for (how, signal) in [("a clean stop", "TERM"), ("a kill", "KILL")] {
        println!("start after {how}:  ready s   resident MB   peak MB");
        Process::start(&flags).end(signal);
        for _ in 0..STARTS {
            let running = Process::start(&flags);
            println!(
                "{:>27.3}   {:>11.1}   {:>7.1}",
                running.ready.as_secs_f64(),
                running.megabytes("VmRSS"),
                running.megabytes("VmHWM")
            );
            running.end(signal);
        }
    }
    println!(
        "file now: {:.1} MB",
        fs::metadata(&file).unwrap().len() as f64 / 1e6
    );
    if let Ok(url) = std::env::var("STORAGE_URL") {
        shared(&storage, &url, &flags);
    }
    writes(&storage);
    target_files(folder.path());
}

/// Measures a copy to a table, and take-overs from it.
fn shared(storage: &Path, url: &str, flags: &[String; 3]) {
    let start = Instant::now();
    let copied = Command::new(env!("CARGO_BIN_EXE_aws-transfer-exporter"))
        .args(["storage", "copy", storage.to_str().unwrap(), url])
        .envs(CREDENTIALS)
        .status()
        .unwrap();
    assert!(copied.success());
    println!(
        "copied to the table in {:.3} s",
        start.elapsed().as_secs_f64()
    );
    let flags = [
        flags[0].clone(),
        format!("--storage.url={url}"),
        flags[2].clone(),
    ];
    println!("take-over after a stop:  ready s   resident MB   peak MB   read units   write units");
    for _ in 0..STARTS {
        let running = Process::start(&flags);
        let units =
            running.get("/metrics?name[]=aws_transfer_exporter_storage_capacity_units_total");
        let units = |operation: &str| {
            let line = units.lines().find(|line| line.contains(operation)).unwrap();
            line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
        };
        println!(
            "{:>31.3}   {:>11.1}   {:>7.1}   {:>10.0}   {:>11.0}",
            running.ready.as_secs_f64(),
            running.megabytes("VmRSS"),
            running.megabytes("VmHWM"),
            units("operation=\"read\""),
            units("operation=\"write\""),
        );
        running.end("TERM");
    }
}

/// Measures starts with the transfers in ten target files: the first one ingests and stores them
/// all, later ones restore them.
fn target_files(folder: &Path) {
    let targets = folder.join("targets");
    fs::create_dir(&targets).unwrap();
    for file in 0..10 {
        let mut text = String::new();
        for n in (file..TRANSFERS).step_by(10) {
            let key = key(n);
            let _ = writeln!(
                text,
                "- {{connector_id: {}, transfer_id: {}}}",
                key.connector, key.transfer
            );
        }
        fs::write(targets.join(format!("{file}.yml")), text).unwrap();
    }
    let config = folder.join("files.yml");
    let text = format!(
        "accounts:\n  - {{name: bench, region: eu-central-1, endpoint_url: 'http://127.0.0.1:9'}}\n\
         discovery:\n  files:\n    - paths: ['{}/*.yml']\n",
        targets.display()
    );
    fs::write(&config, text).unwrap();
    let storage = folder.join("files-state");
    let flags = [
        format!("--config.file={}", config.display()),
        format!("--storage.path={}", storage.display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
    ];
    println!("start with {TRANSFERS} in files:  ready s   resident MB   peak MB   file MB");
    for _ in 0..3 {
        let running = Process::start(&flags);
        // The first flush follows within a second.
        std::thread::sleep(Duration::from_secs(3));
        let size = fs::metadata(storage.join("state.redb")).unwrap().len() as f64 / 1e6;
        println!(
            "{:>31.3}   {:>11.1}   {:>7.1}   {size:>7.1}",
            running.ready.as_secs_f64(),
            running.megabytes("VmRSS"),
            running.megabytes("VmHWM")
        );
        running.end("TERM");
    }
}

/// Fills the store through a tracker.
fn fill(storage: &Path) {
    let now = Now {
        instant: Instant::now() + Duration::from_hours(100),
        wall: SystemTime::now(),
    };
    let mut tracker = tracker(SavedState::default(), now);
    for n in 0..TRANSFERS {
        tracker.track(key(n), Origin::Api, Some(now.wall), now);
        tracker.record_poll(&key(n), &poll_result(n), now);
    }
    let store = LocalStore::open(storage).unwrap();
    let changes = tracker.take_changes(now);
    let start = Instant::now();
    store.save(&changes).unwrap();
    println!(
        "complete state written at once: {:.3} s",
        start.elapsed().as_secs_f64()
    );
}

/// Measures writes of one changed transfer, as in a quiet period, and of a thousand, as after a
/// busy sweep.
fn writes(storage: &Path) {
    let now = Now {
        instant: Instant::now() + Duration::from_hours(100),
        wall: SystemTime::now(),
    };
    let store = LocalStore::open(storage).unwrap();
    let mut tracker = tracker(store.load().unwrap(), now);
    for changed in [1, 1_000] {
        let mut durations: Vec<f64> = (0..20)
            .map(|round| {
                for n in 0..changed {
                    tracker.track(
                        key(TRANSFERS + round * 1_000 + n),
                        Origin::Api,
                        Some(now.wall),
                        now,
                    );
                }
                let changes = tracker.take_changes(now);
                let start = Instant::now();
                store.save(&changes).unwrap();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        durations.sort_by(f64::total_cmp);
        println!(
            "write of {changed} changed transfers: median {:.1} ms, worst {:.1} ms",
            durations[10], durations[19]
        );
    }
}

fn tracker(saved: SavedState, now: Now) -> Tracker {
    let mut tracker = Tracker::new(SETTINGS, now.wall);
    tracker.configure(
        SETTINGS,
        [Account {
            name: AccountName::new("bench"),
            region: "eu-central-1".into(),
        }],
        now,
    );
    tracker.restore(saved, now);
    tracker
}

fn key(n: usize) -> TransferKey {
    TransferKey {
        account: AccountName::new("bench"),
        connector: format!("c-{:017x}", n % 20).parse().unwrap(),
        transfer: format!("4b1a8c1e-0000-4000-8000-{n:012x}").parse().unwrap(),
    }
}

fn poll_result(n: usize) -> PollResult {
    let file = |at: usize| {
        let status = if n.is_multiple_of(100) && at == 0 {
            "QUEUED"
        } else if (n + at).is_multiple_of(50) {
            "FAILED"
        } else {
            "COMPLETED"
        };
        FileResult {
            path: format!("/outbox/{n}/{at}.csv"),
            status: FileStatus::from_wire(status),
            failure_code: FailureCode::new("TIMEOUT_ERROR").filter(|_| status == "FAILED"),
            failure_message: None,
        }
    };
    PollResult::Files((0..FILES).map(file).collect())
}

/// The exporter as a process, which is killed when dropped.
struct Process {
    child: Child,
    /// Time from the start until `/-/ready` responds with 200.
    ready: Duration,
    port: u16,
}

impl Process {
    fn start(flags: &[String]) -> Self {
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_aws-transfer-exporter"))
            .args(flags)
            .envs(CREDENTIALS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        let line = log.find_map(|line| {
            let line = line.ok()?;
            seen.push(line.clone());
            line.contains("event=listening").then_some(line)
        });
        let line = line.unwrap_or_else(|| panic!("{seen:?}"));
        let mut process = Self {
            child,
            ready: Duration::ZERO,
            port: listening::port(&line),
        };
        std::thread::spawn(move || log.for_each(drop));
        // A standby is not ready.
        while !process.get("/-/ready").starts_with("HTTP/1.1 200") {
            assert!(start.elapsed() < Duration::from_mins(2));
            std::thread::sleep(Duration::from_millis(5));
        }
        process.ready = start.elapsed();
        process
    }

    /// Returns the response to a request, with its head.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn megabytes(&self, key: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<f64>()
            .unwrap()
            * 1.024
            / 1_000.0
    }

    fn end(mut self, signal: &str) {
        assert!(
            Command::new("kill")
                .args(["-s", signal, &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
