//! Any number of distinct names from outside: the series and bytes of a scrape, and the resident
//! memory, stay bounded.

#![expect(clippy::print_stdout, reason = "figures for the log of tests/run")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_transfer_exporter::app::Options;
use aws_transfer_exporter::discovery::ConnectorFilter;
use aws_transfer_exporter::discovery::message::{
    AccountRoute, MessageRouting, MessageTimes, ParsedMessage, parse_message,
};
use aws_transfer_exporter::metrics::exposition::render;
use aws_transfer_exporter::metrics::format::{Encoding, Format, FormatKind};
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::metrics::{NameFilter, Scrape, ScrapeRequest};
use aws_transfer_exporter::store::BlockingStore;
use aws_transfer_exporter::store::local::LocalStore;
use aws_transfer_exporter::tracker::persist::TransferRecord;
use aws_transfer_exporter::tracker::{PollResult, Tracker, TrackerLimits, TrackerSettings};
use model::{
    Account, AccountName, Fact, FileResult, FileStatus, Finished, Now, Origin, Shard, TransferKey,
    TransferStart,
};
use serde_json::json;
use simulator::Settings;

use super::memory::status;
use crate::rig::{Exporter, account, ask, connector, get, plan, simulator, transfer};
use crate::support;

const LIMITS: TrackerLimits = TrackerLimits {
    transfers: 50,
    connectors: 20,
};

fn prod() -> Account {
    Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    }
}

fn now() -> Now {
    Now {
        instant: Instant::now() + Duration::from_hours(1_000),
        wall: SystemTime::now(),
    }
}

fn tracker(limits: TrackerLimits, now: Now) -> Tracker {
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
        limits,
    };
    let mut tracker = Tracker::new(settings, now.wall);
    tracker.configure(settings, [prod()], now);
    tracker.watch([], now);
    tracker
}

/// Returns the event of file `n`, in which every name is its own.
fn event(n: usize) -> String {
    let body = json!({
        "version": "0", "id": format!("e-{n}"), "source": "aws.transfer",
        "detail-type": "SFTP Connector File Send Failed", "account": "123456789012",
        "time": "2026-06-01T10:00:00Z", "region": "eu-central-1", "resources": [],
        "detail": {
            "connector-id": connector(n).as_str(), "transfer-id": transfer(n).as_str(),
            "file-transfer-id": format!("f-{n}"), "file-path": format!("/path-{n}"),
            "status-code": "FAILED", "failure-code": format!("CODE_{n}"),
            "failure-message": format!("message {n}"), "bytes": 1,
            "start-timestamp": "2026-06-01T09:59:00Z", "end-timestamp": "2026-06-01T10:00:00Z",
        },
    });
    body.to_string()
}

fn ingest_events(tracker: &mut Tracker, events: std::ops::Range<usize>, now: Now) {
    let queue = AccountRoute {
        account: prod(),
        id: None,
    };
    let connectors = ConnectorFilter::default();
    for n in events {
        let routing = MessageRouting {
            queue: &queue,
            others: &[],
            connectors: &connectors,
        };
        let times = MessageTimes {
            now: now.wall,
            sent_at: None,
        };
        let Ok(ParsedMessage::Facts(facts, _)) = parse_message(&event(n), routing, times) else {
            panic!("event {n}");
        };
        for fact in &facts {
            tracker.ingest(fact, Origin::Events, now);
        }
    }
}

/// Returns the lines and bytes of a scrape.
fn scrape(tracker: &mut Tracker, now: Now) -> (usize, usize) {
    let metrics = SelfMetrics::new().unwrap();
    let request = ScrapeRequest {
        filter: NameFilter::default(),
        format: Format {
            kind: FormatKind::Text0_0_4,
            escaping: None,
        },
        encoding: Encoding::Identity,
    };
    let scrape = Scrape {
        snapshots: vec![Arc::new(tracker.snapshot(now))],
        complete: true,
        metrics: &metrics,
        started: now.wall,
        server: false,
    };
    let (mut lines, mut bytes) = (0, 0);
    for part in render(&scrape, &request, &std::sync::Mutex::default())
        .unwrap()
        .into_parts()
    {
        lines += part.split(|byte| *byte == b'\n').count() - 1;
        bytes += part.len();
    }
    (lines, bytes)
}

#[test]
fn names_in_messages_add_no_series_beyond_the_limits() {
    let now = now();
    let mut tracker = tracker(LIMITS, now);
    ingest_events(&mut tracker, 0..200, now);
    let (few, _) = scrape(&mut tracker, now);
    ingest_events(&mut tracker, 200..5_000, now);
    let (lines, bytes) = scrape(&mut tracker, now);
    println!("{few} lines after 200 events, {lines} lines of {bytes} bytes after 5,000");
    assert!(lines <= few + 10, "{few} lines, then {lines}");
    let snapshot = tracker.snapshot(now);
    let failed: u64 = snapshot
        .connectors()
        .flat_map(|connector| &connector.finished)
        .filter(|(end, _)| matches!(end, Finished::Failed(_)))
        .map(|(_, seen)| seen.files)
        .sum();
    assert_eq!(failed, 5_000, "no failure is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_in_requests_add_no_series_beyond_the_limits() {
    let (_simulator, url) = simulator(Settings::default()).await;
    let mut plan = plan(vec![account("prod", &url)], Vec::new());
    plan.limits.transfers = LIMITS.transfers;
    plan.limits.connectors = LIMITS.connectors;
    let options = Options {
        write_api: true,
        ..Options::default()
    };
    let exporter = Exporter::start_with(plan, options).await;
    let address = exporter.address;
    let flood = async |names: std::ops::Range<usize>| {
        for n in names {
            let write = format!("/api/v1/transfers/{}/{}", connector(n), transfer(n));
            ask(
                address,
                "PUT",
                &write,
                &format!("User-Agent: agent-{n}\r\n"),
            )
            .await;
            ask(address, "PUT", &format!("{write}?account=account-{n}"), "").await;
            ask(address, &format!("METHOD{n}"), &format!("/path-{n}"), "").await;
            let user = "Authorization: Basic dXNlcjpwYXNz\r\n";
            let headers = format!(
                "{user}X-Forwarded-For: 10.0.{}.{}\r\nAccept: a/{n}\r\n",
                n / 256,
                n % 256
            );
            get(address, &format!("/metrics?name[]=family_{n}"), &headers).await;
            let probe = format!("/probe?account=account-{n}&connector_id=c-{n}&transfer_id=t-{n}");
            get(address, &probe, &format!("Host: host-{n}\r\n")).await;
            get(
                address,
                &format!("/api/v1/transfers?state=state-{n}&label-{n}=x"),
                "",
            )
            .await;
        }
    };
    flood(0..60).await;
    let few = exporter.scrape().await.0.len();
    flood(60..300).await;
    let many = exporter.scrape().await.0.len();
    println!("{few} series after 60 of each name, {many} after 300");
    assert!(many <= few + 40, "{few} series, then {many}");
    exporter.stop().await;
}

const DEFAULT: TrackerLimits = TrackerLimits {
    transfers: 200_000,
    connectors: 5_000,
};
/// Transfers that a client invents, and connectors that messages name.
const TRANSFERS: usize = 1_000_000;
const CONNECTORS: usize = 60_000;
/// Bound of invented names, in KiB: a third of the chart's limit.
const CHART_LIMIT: u64 = 256 << 10;

fn flood(tracker: &mut Tracker, now: Now) {
    for n in 0..TRANSFERS {
        let start = TransferStart {
            key: TransferKey {
                account: prod().name,
                connector: connector(n % 100),
                transfer: transfer(n),
            },
            started_at: None,
            reported_at: Some(now.wall),
            files: None,
        };
        tracker.ingest(&Fact::Started(start), Origin::Api, now);
    }
    ingest_events(tracker, 0..CONNECTORS, now);
}

#[tokio::test]
async fn a_million_transfers_and_60_000_connectors_fit_into_the_memory_of_the_chart() {
    const NAME: &str = "adversary::names::a_million_transfers_and_60_000_connectors_fit_into_the_memory_of_the_chart";
    if support::is_in_process() {
        let now = now();
        let mut tracker = tracker(DEFAULT, now);
        flood(&mut tracker, now);
        let (lines, bytes) = scrape(&mut tracker, now);
        let peak = status("VmHWM");
        return support::report(&format!("{lines} {bytes} {peak}"));
    }
    let home = tempfile::tempdir().unwrap();
    let report = support::in_process(NAME, home.path(), &[]).await;
    let figures: Vec<u64> = report
        .split(' ')
        .map(|figure| figure.parse().unwrap())
        .collect();
    let [lines, bytes, peak] = figures[..] else {
        panic!("{report}");
    };
    println!("{lines} lines, {bytes} bytes, peak {} MiB", peak >> 10);
    assert!(peak < CHART_LIMIT, "{peak} KiB");
}

/// A store that was written with larger limits, or by none.
#[test]
fn a_store_above_the_limits_is_loaded_up_to_them_and_what_exists_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let now = now();
    let key = |n| TransferKey {
        account: prod().name,
        connector: connector(n % 7),
        transfer: transfer(n),
    };
    let store = LocalStore::open(folder.path()).unwrap();
    let mut before = tracker(TrackerLimits::NONE, now);
    before.restore(store.load().unwrap(), now);
    for n in 0..500 {
        before.track(key(n), Origin::Api, None, now);
    }
    let running = PollResult::Files(vec![FileResult {
        path: "/a".into(),
        status: FileStatus::InProgress,
        failure_code: None,
        failure_message: None,
    }]);
    for n in (0..500).step_by(50) {
        before.record_poll(&key(n), &running, now);
    }
    store.save(&before.take_changes(now)).unwrap();
    drop(store);

    let store = LocalStore::open(folder.path())
        .unwrap()
        .loading_at_most(LIMITS.transfers);
    let saved = store.load().unwrap();
    let known = |record: &&TransferRecord| record.files.is_some();
    let records = || saved.transfers.iter().map(|(_, record)| record);
    assert_eq!(records().count(), LIMITS.transfers);
    assert_eq!(records().filter(known).count(), 10);
    let mut after = tracker(LIMITS, now);
    after.restore(saved, now);
    assert_eq!(after.snapshot(now).transfers().count(), LIMITS.transfers);
}
