//! The greatest resident memory of the program for the largest accepted input of each kind: each
//! stays below half of the chart's limit.

#![expect(clippy::print_stdout, reason = "figures for the log of tests/run")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::program::{Running, signing_program};
use crate::rig::Exposition;
use crate::storage::scrape_within;
use crate::support::{Endpoint, Seen, Step, http};

/// The bound of each kind alone, in MiB.
pub(super) const LIMIT: f64 = 384.0;
/// The chart's limit, in MiB.
pub(super) const CHART_LIMIT: f64 = 768.0;

/// The largest files, in bytes.
pub(super) const FILE: usize = 12 << 20;
pub(super) const WEB_FILE: usize = 1 << 20;

const CONNECTOR: &str = "c-0123456789abcdef0";

/// Returns the greatest resident memory of a process so far, in MiB.
pub(super) fn peak(running: &Running) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

pub(super) fn id(n: usize) -> String {
    format!("{n:08x}-89ab-cdef-0123-456789abcdef")
}

/// Repeats what `line` returns for each number, up to a size.
pub(super) fn filled(head: &str, size: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    for n in 0.. {
        let line = line(n);
        if text.len() + line.len() > size {
            break;
        }
        text.push_str(&line);
    }
    text
}

fn pair(n: usize) -> String {
    format!("- connector_id: {CONNECTOR}\n  transfer_id: {}\n", id(n))
}

pub(super) fn config(endpoint: &str, more: &str) -> String {
    format!("accounts:\n- {{name: prod, region: eu-central-1, endpoint_url: '{endpoint}'}}\n{more}")
}

/// An endpoint that is closed.
pub(super) const CLOSED: &str = "http://127.0.0.1:9";

pub(super) struct Program {
    pub(super) running: Running,
    pub(super) folder: tempfile::TempDir,
}

impl Program {
    pub(super) fn start(config: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, config, flags)
    }

    pub(super) fn start_in(folder: tempfile::TempDir, config: &str, flags: &[&str]) -> Self {
        let file = folder.path().join("exporter.yml");
        fs::write(&file, config).unwrap();
        let running = Running::start(
            signing_program()
                .arg(format!("--config.file={}", file.display()))
                .arg("--web.listen-address=127.0.0.1:0")
                .args(flags)
                .current_dir(folder.path()),
        );
        Self { running, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Scrapes until `is_done`, and returns the peak.
    pub(super) async fn peak_when(&self, is_done: impl Fn(&Exposition) -> bool) -> f64 {
        let deadline = Instant::now() + Duration::from_mins(3);
        loop {
            let scrape = scrape_within(self.running.address, 1).await;
            if scrape.as_ref().is_some_and(&is_done) {
                return peak(&self.running);
            }
            assert!(Instant::now() < deadline, "not done");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

pub(super) fn tracked(scrape: &Exposition) -> f64 {
    scrape.sum("aws_transfer_exporter_transfers", &[])
}

/// Nothing but the program.
async fn nothing() -> (usize, f64) {
    let program = Program::start(&config(CLOSED, &format!("transfers:\n{}", pair(0))), &[]);
    (0, program.peak_when(|_| true).await)
}

/// A configuration, which is then read again.
async fn configuration() -> (usize, f64) {
    let transfers = (0..100_000).map(pair).collect::<String>();
    let text = config(CLOSED, &format!("transfers:\n{transfers}"));
    let program = Program::start(&text, &[]);
    program.peak_when(|_| true).await;
    fs::write(program.path().join("exporter.yml"), text.clone() + "#").unwrap();
    program.running.signal("HUP");
    program
        .running
        .wait_for("event=config_reloaded", "event=config_reload_failed");
    (text.len(), program.peak_when(|_| true).await)
}

/// A configuration that is refused, beside one of one transfer.
async fn refused_configuration() -> (usize, f64) {
    let program = Program::start(&config(CLOSED, &format!("transfers:\n{}", pair(0))), &[]);
    let texts = [
        filled("transfers:\n", FILE, |_| "- aaaaaa\n".to_owned()),
        filled("transfers:\n", FILE, |_| {
            format!("- connector_id: {CONNECTOR}\n  x: 1\n")
        }),
        filled("transfers:\n", FILE, |n| format!("a{n:07}: 0\n")),
        "#".repeat(FILE),
    ];
    for text in &texts {
        fs::write(program.path().join("exporter.yml"), text).unwrap();
        program.running.signal("HUP");
        program
            .running
            .wait_for("event=config_reload_failed", "event=config_reloaded");
    }
    (FILE, program.peak_when(|_| true).await)
}

fn web_configuration() -> (usize, f64) {
    let folder = tempfile::tempdir().unwrap();
    let hash = "$2b$10$N9qo8uLOickgx2ZMRZoMyeoVrmouReWGy4BqKjLfwj8Pvg9gy8oou";
    let text = filled("basic_auth_users:\n", WEB_FILE, |n| {
        format!("  user{n}: {hash}\n")
    });
    fs::write(folder.path().join("web.yml"), &text).unwrap();
    let config = config(CLOSED, &format!("transfers:\n{}", pair(0)));
    let program = Program::start_in(folder, &config, &["--web.config.file=web.yml"]);
    (text.len(), peak(&program.running))
}

/// Target files with as many transfers as are tracked, which are stored, and the start with that
/// store.
async fn target_files_and_store() -> [(usize, f64); 2] {
    let folder = tempfile::tempdir().unwrap();
    let mut size = 0;
    for file in 0..2 {
        let first = file * 100_000;
        let text = (first..first + 100_000).map(pair).collect::<String>();
        size += text.len();
        fs::write(folder.path().join(format!("targets{file}.yml")), text).unwrap();
    }
    let all = |scrape: &Exposition| tracked(scrape) >= 200_000.0;
    let config = config(
        CLOSED,
        "discovery:\n  files:\n  - paths: ['targets*.yml']\n",
    );
    let flags = ["--storage.path=state"];
    let program = Program::start_in(folder, &config, &flags);
    let of_targets = program.peak_when(all).await;
    let Program { running, folder } = program;
    running.terminate();
    let stored = fs::metadata(folder.path().join("state/state.redb")).unwrap();
    let program = Program::start_in(folder, &config, &flags);
    let of_store = program.peak_when(all).await;
    let stored = usize::try_from(stored.len()).unwrap();
    [(size, of_targets), (stored, of_store)]
}

/// Request heads that do not end, on as many connections as are accepted.
async fn requests() -> (usize, f64) {
    const HEAD: usize = 16 * 1024 - 100;
    let program = Program::start(&config(CLOSED, &format!("transfers:\n{}", pair(0))), &[]);
    let mut clients = Vec::new();
    for _ in 0..511 {
        let mut stream = TcpStream::connect(program.running.address).await.unwrap();
        let head = format!(
            "GET /metrics HTTP/1.1\r\nhost: a\r\nx: {}",
            "x".repeat(HEAD)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        clients.push(stream);
    }
    let peak = program.peak_when(|_| true).await;
    (clients.len() * HEAD, peak)
}

pub(super) const JSON_1_0: &str = "content-type: application/x-amz-json-1.0\r\n";
pub(super) const JSON_1_1: &str = "content-type: application/x-amz-json-1.1\r\n";

/// Messages of starts until the limit of transfers is reached, 1 MiB for each receive.
async fn queue_messages() -> (usize, f64) {
    let endpoint = Endpoint::answering(|at, seen: &Seen| {
        let body = match seen.header("x-amz-target") {
            "AmazonSQS.ReceiveMessage" => {
                let starts: Vec<_> = (0..9_500)
                    .map(|n| json!({"ConnectorId": CONNECTOR, "TransferId": id(at * 10_000 + n)}))
                    .collect();
                let starts = serde_json::Value::from(starts).to_string();
                json!({"Messages": [{"MessageId": at.to_string(), "ReceiptHandle": "r", "Body": starts}]})
            }
            "AmazonSQS.DeleteMessageBatch" => {
                json!({"Successful": [{"Id": "0"}], "Failed": []})
            }
            _ => json!({"Attributes": {}}),
        };
        Step::Answer(http(200, JSON_1_0, body.to_string()))
    })
    .await;
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/q";
    let events = format!(
        "discovery:\n  events:\n  - {{queue_url: '{queue}', endpoint_url: '{}'}}\n",
        endpoint.url
    );
    let program = Program::start(&config(CLOSED, &events), &[]);
    let peak = program
        .peak_when(|scrape| tracked(scrape) >= 200_000.0)
        .await;
    (1 << 20, peak)
}

/// A page of CloudTrail: 50 events with the largest records.
async fn cloudtrail_records() -> (usize, f64) {
    let page = |first: usize| {
        let events: Vec<_> = (0..50)
            .map(|n| {
                let record = json!({
                    "eventSource": "transfer.amazonaws.com", "eventName": "StartFileTransfer",
                    "requestParameters": {"connectorId": CONNECTOR,
                        "sendFilePaths": ["\"".repeat(128 << 10)]},
                    "responseElements": {"transferId": id(first + n)}});
                json!({"EventId": id(first + n), "CloudTrailEvent": record.to_string()})
            })
            .collect();
        json!({ "Events": events }).to_string()
    };
    let page = page(0);
    let size = page.len();
    let endpoint = Endpoint::scripted([Step::Answer(http(200, JSON_1_1, page))]).await;
    let trail = format!(
        "discovery:\n  cloudtrail:\n  - {{endpoint_url: '{}'}}\n",
        endpoint.url
    );
    let program = Program::start(&config(CLOSED, &trail), &[]);
    (
        size,
        program.peak_when(|scrape| tracked(scrape) >= 50.0).await,
    )
}

/// Pages of results, of as many transfers at once as are polled, that together are as large as is
/// accepted.
async fn results() -> (usize, f64) {
    let file = r#"{"FilePath":"/a","StatusCode":"QUEUED"}"#;
    let files = vec![file; (1 << 20) / (file.len() + 1) - 10].join(",");
    let endpoint = Endpoint::answering(move |at, _| {
        let body = format!("{{\"FileTransferResults\":[{files}],\"NextToken\":\"{at}\"}}");
        Step::Answer(http(200, JSON_1_1, body))
    })
    .await;
    let text = (0..32).map(pair).collect::<String>();
    let collector = "collector: {requests_per_second: 1000, min_refresh_interval: 1s}\n";
    let text = config(&endpoint.url, &format!("{collector}transfers:\n{text}"));
    let program = Program::start(&text, &[]);
    // Each transfer fails after five pages, which are too large together.
    let read = |_: &Exposition| endpoint.seen().len() > 300;
    (1 << 20, program.peak_when(read).await)
}

/// Lists and descriptions of connectors that are as large as is accepted.
async fn connector_details() -> (usize, f64) {
    let endpoint = Endpoint::answering(|at, seen: &Seen| {
        let target = seen.header("x-amz-target");
        let text = "x".repeat((1 << 20) - 1_000);
        let body = if target.ends_with("ListConnectors") {
            let list: Vec<_> = (0..5_000)
                .map(|n| json!({"Arn": "a", "ConnectorId": format!("c-{n:017x}"), "Url": "sftp://a"}))
                .collect();
            json!({ "Connectors": list })
        } else {
            let id = format!("c-{:017x}", at % 5_000);
            json!({"Connector": {"Arn": text, "ConnectorId": id, "Url": "sftp://a"}})
        };
        Step::Answer(http(200, JSON_1_1, body.to_string()))
    })
    .await;
    let list = "discovery:\n  connectors:\n  - {include: ['*']}\n";
    let program = Program::start(&config(&endpoint.url, list), &[]);
    let described = |_: &Exposition| endpoint.seen().len() > 30;
    (1 << 20, program.peak_when(described).await)
}

/// Prints the table. Fails if a kind exceeds a limit.
pub(super) fn report(limit: f64, measured: &[(&str, (usize, f64))]) {
    let mut table = String::from("| input | MiB | peak, MiB |\n| --- | --- | --- |\n");
    let mut exceeded = Vec::new();
    for (kind, (size, peak)) in measured {
        let size = *size as f64 / f64::from(1 << 20);
        writeln!(table, "| {kind} | {size:.1} | {peak:.0} |").unwrap();
        if *peak > limit {
            exceeded.push(*kind);
        }
    }
    println!("{table}");
    assert!(exceeded.is_empty(), "{exceeded:?}\n{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_requests_and_answers_fit_into_the_memory_of_the_chart() {
    report(
        LIMIT,
        &[
            ("nothing", nothing().await),
            ("request heads, 511 connections", requests().await),
            ("web configuration", web_configuration()),
            ("CloudTrail page", cloudtrail_records().await),
            ("results, 16 transfers at once", results().await),
            ("connector details", connector_details().await),
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes; tests/run provides it"]
async fn the_largest_files_and_messages_fit_into_the_memory_of_the_chart() {
    let [targets, store] = Box::pin(target_files_and_store()).await;
    report(
        LIMIT,
        &[
            (
                "configuration, 100,000 transfers, and its reload",
                configuration().await,
            ),
            ("configuration, refused", refused_configuration().await),
            ("target files, 200,000 transfers", targets),
            ("stored file, 200,000 transfers", store),
            ("queue messages, 200,000 starts", queue_messages().await),
        ],
    );
}
