//! The greatest resident memory with a store that holds as much as is kept, and with the largest
//! inputs of all kinds in one process.

#![expect(clippy::print_stdout, reason = "figures for the log of tests/run")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use aws_transfer_exporter::store::BlockingStore;
use aws_transfer_exporter::store::local::LocalStore;
use aws_transfer_exporter::tracker::persist::{PendingWrites, SavedState};
use aws_transfer_exporter::tracker::{Tracker, TrackerLimits, TrackerSettings};
use model::{
    Account, AccountName, ConnectorId, ConnectorKey, Direction, Fact, FailureCode, FileEnd,
    Finished, Now, Origin, Shard, TransferKey, TransferStart,
};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::budget::{
    CHART_LIMIT, CLOSED, FILE, JSON_1_0, JSON_1_1, Program, WEB_FILE, config, filled, id, peak,
    report, tracked,
};
use crate::rig::{Exposition, get};
use crate::support::{Endpoint, Seen, Step, http};

/// The default limits.
const LIMITS: TrackerLimits = TrackerLimits {
    transfers: 200_000,
    connectors: 5_000,
};

/// Records that are kept of transfers that have left, for each that may be tracked.
const LEFT: usize = 10;

/// The same of connectors.
const LEFT_CONNECTORS: usize = 2;

const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/q";

fn connector(n: usize) -> String {
    format!("c-{:017x}", n % LIMITS.connectors)
}

fn pair(n: usize) -> String {
    format!(
        "- {{connector_id: {}, transfer_id: {}}}\n",
        connector(n),
        id(n)
    )
}

fn key(n: usize) -> TransferKey {
    TransferKey {
        account: AccountName::new("prod"),
        connector: connector(n).parse().unwrap(),
        transfer: id(n).parse().unwrap(),
    }
}

fn start(n: usize) -> Fact {
    Fact::Started(TransferStart {
        key: key(n),
        started_at: None,
        reported_at: None,
        files: None,
    })
}

/// One file of a transfer. Every hundredth failed.
fn file_end(n: usize, now: Now) -> Fact {
    let end = if n.is_multiple_of(100) {
        Finished::Failed(FailureCode::new("TIMEOUT_ERROR"))
    } else {
        Finished::Completed
    };
    Fact::FileEnded(FileEnd {
        key: key(n),
        file_transfer_id: format!("f-{n}"),
        direction: Direction::Send,
        path: format!("/out/{n}/{}", "x".repeat(100)),
        end,
        message: Some("m".repeat(200)),
        bytes: n as u64,
        duration: Some(Duration::from_secs(1)),
        ended_at: now.wall,
    })
}

fn tracker(now: Now) -> Tracker {
    let settings = TrackerSettings {
        min_refresh_interval: Duration::from_secs(30),
        max_refresh_interval: Duration::from_mins(5),
        gone_after: Duration::from_mins(10),
        keep_settled: Duration::from_hours(24),
        keep_unresolved: Duration::from_hours(168),
        max_transfers: 10_000,
        per_transfer: model::PerTransfer::Open,
        shard: Shard::ONLY,
        events: true,
        limits: LIMITS,
    };
    let prod = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    let mut tracker = Tracker::new(settings, now.wall);
    tracker.configure(settings, [prod], now);
    tracker.restore(SavedState::default(), now);
    tracker.watch([(AccountName::new("prod"), Origin::Events)], now);
    tracker
}

/// Connectors that have left, as many as are kept, each with the counters of one that is there.
fn add_dormant(changes: &mut PendingWrites) {
    let (_, record) = changes.connectors.first().unwrap();
    let mut record = record.clone().unwrap();
    record.left = Some(u64::MAX >> 20);
    let dormant = (0..LEFT_CONNECTORS * LIMITS.connectors).map(|n| {
        let key = ConnectorKey {
            account: AccountName::new("prod"),
            id: format!("c-d{n:016x}").parse::<ConnectorId>().unwrap(),
        };
        (key, Some(record.clone()))
    });
    changes.connectors.extend(dormant);
}

/// Writes a store with so many tracked transfers, and records of transfers that have left. Returns its
/// size.
fn write_store(folder: &Path, transfers: usize, left: usize) -> usize {
    /// How many of the records are made by events. The others are copies of them.
    const SAMPLE: usize = 1_000;
    let now = Now {
        instant: Instant::now() + Duration::from_hours(1_000),
        wall: SystemTime::now(),
    };
    let mut tracker = tracker(now);
    for n in 0..LIMITS.transfers {
        tracker.ingest(&start(n), Origin::Events, now);
    }
    // At the limit, only what is counted of a transfer is kept.
    for n in LIMITS.transfers..LIMITS.transfers + SAMPLE {
        tracker.ingest(&file_end(n, now), Origin::Events, now);
    }
    let mut changes = tracker.take_changes(now);
    changes.transfers.truncate(transfers);
    let sample = std::mem::take(&mut changes.fates);
    assert_eq!(sample.len(), SAMPLE);
    let copies = sample.iter().cycle().zip(0_u64..).take(left);
    changes.fates = copies
        .map(|((_, record), n)| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15), record.clone()))
        .collect();
    add_dormant(&mut changes);
    let store = LocalStore::open(&folder.join("state")).unwrap();
    store.save(&changes).unwrap();
    usize::try_from(store.size()).unwrap()
}

/// The sources of a configuration, which events belong to.
fn sources(endpoint: &str) -> String {
    format!(
        "discovery:\n  events:\n  - {{queue_url: '{QUEUE}', endpoint_url: '{endpoint}'}}\n  \
         cloudtrail:\n  - {{endpoint_url: '{endpoint}'}}\n  \
         connectors:\n  - {{include: ['*']}}\n  files:\n  - paths: ['targets*.yml']\n"
    )
}

/// The start with a store.
async fn stored(transfers: usize, left: usize) -> (usize, f64) {
    let folder = tempfile::tempdir().unwrap();
    let size = write_store(folder.path(), transfers, left);
    let events =
        format!("discovery:\n  events:\n  - {{queue_url: '{QUEUE}', endpoint_url: '{CLOSED}'}}\n");
    let text = config(CLOSED, &format!("transfers:\n{}{events}", pair(0)));
    let program = Program::start_in(folder, &text, &["--storage.path=state"]);
    let is_loaded = |scrape: &Exposition| tracked(scrape) >= transfers as f64;
    (size, program.peak_when(is_loaded).await)
}

/// What AWS answers: the largest of each kind.
fn answer(at: usize, seen: &Seen) -> Step {
    let target = seen.header("x-amz-target");
    let operation = target.rsplit('.').next().unwrap_or_default();
    let wide = "x".repeat((1 << 20) - 1_000);
    let (kind, body) = match operation {
        "ListFileTransferResults" => {
            let file = r#"{"FilePath":"/a","StatusCode":"QUEUED"}"#;
            let files = vec![file; (1 << 20) / (file.len() + 1) - 10].join(",");
            let body = format!("{{\"FileTransferResults\":[{files}],\"NextToken\":\"{at}\"}}");
            (JSON_1_1, body)
        }
        "ListConnectors" => {
            let list: Vec<_> = (0..LIMITS.connectors)
                .map(|n| json!({"Arn": "a", "ConnectorId": connector(n), "Url": "sftp://a"}))
                .collect();
            (JSON_1_1, json!({ "Connectors": list }).to_string())
        }
        "DescribeConnector" => {
            let body = json!({"Connector":
                {"Arn": wide, "ConnectorId": connector(at), "Url": "sftp://a"}});
            (JSON_1_1, body.to_string())
        }
        "LookupEvents" => (JSON_1_1, trail_page(at)),
        "ReceiveMessage" => {
            let starts: Vec<_> = (0..9_500)
                .map(|n| at * 10_000 + n)
                .map(|n| json!({"ConnectorId": connector(n), "TransferId": id(n)}))
                .collect();
            let starts = serde_json::Value::from(starts).to_string();
            let body = json!({"Messages":
                [{"MessageId": at.to_string(), "ReceiptHandle": "r", "Body": starts}]});
            (JSON_1_0, body.to_string())
        }
        "DeleteMessageBatch" => {
            let body = json!({"Successful": [{"Id": "0"}], "Failed": []});
            (JSON_1_0, body.to_string())
        }
        _ => (JSON_1_0, json!({"Attributes": {}}).to_string()),
    };
    Step::Answer(http(200, kind, body))
}

/// A page of 50 events with the largest records.
fn trail_page(at: usize) -> String {
    let events: Vec<_> = (0..50)
        .map(|n| {
            let record = json!({
                "eventSource": "transfer.amazonaws.com", "eventName": "StartFileTransfer",
                "requestParameters": {"connectorId": connector(n),
                    "sendFilePaths": ["\"".repeat(128 << 10)]},
                "responseElements": {"transferId": id(at * 10_000 + n)}});
            json!({"EventId": id(n), "CloudTrailEvent": record.to_string()})
        })
        .collect();
    json!({ "Events": events }).to_string()
}

const PASSWORD: &str = "Authorization: Basic dXNlcjA6cGFzc3dvcmQ=\r\n";

/// Scrapes of all formats, which fill the caches.
async fn scrape_all_formats(program: &Program) {
    let address = program.running.address;
    for accept in ["text/plain", "application/openmetrics-text"] {
        for encoding in ["gzip", "zstd", "identity"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!(
                "GET /metrics HTTP/1.0\r\nHost: localhost\r\n{PASSWORD}Accept: {accept}\r\n\
                 Accept-Encoding: {encoding}\r\nX-Prometheus-Scrape-Timeout-Seconds: 2\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut response = tokio::io::BufReader::new(stream);
            tokio::io::copy(&mut response, &mut tokio::io::sink())
                .await
                .unwrap();
        }
    }
}

/// A store that holds as much as is kept, then everything else at once.
async fn all_inputs() -> (usize, f64) {
    let folder = tempfile::tempdir().unwrap();
    let mut size = write_store(folder.path(), LIMITS.transfers, LEFT * LIMITS.transfers);
    let hash = bcrypt::hash("password", 4).unwrap();
    let web = filled("basic_auth_users:\n", WEB_FILE, |n| {
        format!("  user{n}: {hash}\n")
    });
    fs::write(folder.path().join("web.yml"), &web).unwrap();
    let targets = (100_000..200_000).map(pair).collect::<String>();
    fs::write(folder.path().join("targets0.yml"), &targets).unwrap();
    let endpoint = Endpoint::answering(answer).await;
    let transfers = (0..100_000).map(pair).collect::<String>();
    let collector = "collector: {requests_per_second: 1000, min_refresh_interval: 1s}\n";
    let more = sources(&endpoint.url);
    let text = config(
        &endpoint.url,
        &format!("{collector}{more}transfers:\n{transfers}"),
    );
    size += web.len() + targets.len() + text.len();
    let flags = ["--storage.path=state", "--web.config.file=web.yml"];
    let program = Program::start_in(folder, &text, &flags);

    // Request heads that do not end, on half of the connections.
    let mut clients = Vec::new();
    for _ in 0..250 {
        let mut stream = TcpStream::connect(program.running.address).await.unwrap();
        let head = "x".repeat(16 * 1024 - 100);
        let head = format!("GET /metrics HTTP/1.1\r\nhost: a\r\nx: {head}");
        stream.write_all(head.as_bytes()).await.unwrap();
        size += head.len();
        clients.push(stream);
    }
    let mut table = String::new();
    let mut note = |step: &str| {
        let peak = peak(&program.running);
        writeln!(table, "{step}: {peak:.0} MiB").unwrap();
    };
    note("started, requests");
    scrape_all_formats(&program).await;
    note("scraped");
    let is_seen = |operation: &str, times: usize| {
        let seen = endpoint.seen();
        let of = |seen: &&Seen| seen.header("x-amz-target").ends_with(operation);
        seen.iter().filter(of).count() >= times
    };
    let deadline = Instant::now() + Duration::from_mins(3);
    for (operation, times) in [
        ("ReceiveMessage", 5),
        ("LookupEvents", 1),
        ("DescribeConnector", 30),
        ("ListFileTransferResults", 300),
    ] {
        while !is_seen(operation, times) {
            assert!(Instant::now() < deadline, "{operation}");
            let name = "/metrics?name[]=aws_transfer_connector_transfers";
            get(program.running.address, name, PASSWORD).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    note("all sources");
    let file = program.folder.path().join("exporter.yml");
    let refused = filled("transfers:\n", FILE, |_| "- aaaaaa\n".to_owned());
    fs::write(&file, refused).unwrap();
    program.running.signal("HUP");
    program
        .running
        .wait_for("event=config_reload_failed", "event=config_reloaded");
    note("refused configuration");
    fs::write(&file, text + "#").unwrap();
    program.running.signal("HUP");
    program
        .running
        .wait_for("event=config_reloaded", "event=config_reload_failed");
    note("reload");
    scrape_all_formats(&program).await;
    note("scraped again");
    println!("{table}");
    (size, peak(&program.running))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes; tests/run provides it"]
async fn all_that_is_kept_fits_into_the_memory_of_the_chart() {
    report(
        CHART_LIMIT,
        &[
            (
                "stored file: 100,000 transfers that have left, events",
                stored(1, 100_000).await,
            ),
            (
                "stored file: as much as is kept",
                stored(LIMITS.transfers, LEFT * LIMITS.transfers).await,
            ),
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes; tests/run provides it"]
async fn all_inputs_together_fit_into_the_memory_of_the_chart() {
    report(
        CHART_LIMIT,
        &[("all inputs together", Box::pin(all_inputs()).await)],
    );
}
