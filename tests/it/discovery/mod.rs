//! Discovery sources against fake queues and histories that misbehave, and over HTTP.

mod cloudtrail;
mod http;
mod peer;
mod queue;

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_transfer_exporter::discovery::routes::{AccountId, Routes};
use aws_transfer_exporter::discovery::{Sink, SinkError};
use aws_transfer_exporter::metrics::exposition::render;
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::metrics::{Scrape, ScrapeRequest};
use aws_transfer_exporter::tracker::{Ingested, Tracker, TrackerLimits, TrackerSettings};
use aws_transfer_exporter::transfer::{ErrorKind, TransferError};
use model::{
    Account, AccountName, Clock, ConnectorId, Fact, ListedConnectors, Now, Origin, Shard, Snapshot,
    TransferKey, TransferState,
};

pub(super) const CONNECTOR: &str = "c-0123456789abcdef0";

/// 2026-01-01T00:00:00Z on the wall, and a monotonic clock that follows tokio's, which the tests
/// pause.
pub(super) fn paused_clock() -> Arc<dyn Clock> {
    let (base, wall) = (
        tokio::time::Instant::now(),
        UNIX_EPOCH + Duration::from_hours(24 * 20_454),
    );
    let instant = Instant::now() + Duration::from_secs(1_000);
    Arc::new(move || Now { instant, wall }.after(base.elapsed()))
}

pub(super) fn account() -> Account {
    Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    }
}

/// A second configured account.
pub(super) fn lab() -> Account {
    Account {
        name: AccountName::new("lab"),
        region: "us-east-1".into(),
    }
}

/// AWS account IDs of [`account`] and [`lab`].
pub(super) const ACCOUNT_ID: &str = "123456789012";
pub(super) const LAB_ID: &str = "210987654321";

/// Labels of every source of [`account`].
pub(super) const ACCOUNT_LABELS: &str = "aws_account=\"prod\",aws_region=\"eu-central-1\"";

/// Routes of a queue of [`account`].
pub(super) fn routes() -> Routes {
    let route = |account, id| (account, Arc::new(AccountId::known(id)));
    Routes::new(route(account(), ACCOUNT_ID), vec![route(lab(), LAB_ID)])
}

pub(super) fn error(kind: ErrorKind) -> TransferError {
    TransferError::new(kind, "scripted")
}

/// A tracker whose storage fails on request.
pub(super) struct FakeSink {
    tracker: Mutex<Tracker>,
    /// Results of the next calls of `persist`; successes after the last.
    durable: Mutex<VecDeque<bool>>,
    /// Whether `persist` never completes.
    pub(super) hangs: Mutex<bool>,
    /// How many of the next calls of `ingest` panic.
    pub(super) panics: Mutex<usize>,
    /// Facts given to `ingest`.
    pub(super) facts: Mutex<Vec<Fact>>,
    /// Calls in their order, also those of a queue that shares the log.
    pub(super) log: Arc<Mutex<Vec<String>>>,
    clock: Arc<dyn Clock>,
}

impl FakeSink {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Arc<Self> {
        let settings = TrackerSettings {
            min_refresh_interval: Duration::from_secs(10),
            max_refresh_interval: Duration::from_mins(5),
            gone_after: Duration::from_mins(15),
            per_transfer: model::PerTransfer::All,
            max_transfers: 100_000,
            shard: Shard::ONLY,
            events: true,
            keep_settled: Duration::from_hours(24),
            keep_unresolved: Duration::from_hours(168),
            limits: TrackerLimits::NONE,
        };
        // Facts of the tests may be older than this moment.
        let mut tracker = Tracker::new(settings, UNIX_EPOCH);
        tracker.configure(settings, [account(), lab()], clock.now());
        Arc::new(Self {
            tracker: Mutex::new(tracker),
            durable: Mutex::default(),
            hangs: Mutex::default(),
            panics: Mutex::default(),
            facts: Mutex::default(),
            log: Arc::default(),
            clock: Arc::clone(clock),
        })
    }

    pub(super) fn set_persist_results(&self, results: impl IntoIterator<Item = bool>) {
        self.durable.lock().unwrap().extend(results);
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.tracker.lock().unwrap().snapshot(self.clock.now())
    }

    /// Returns the number of tracked transfers.
    pub(super) fn transfers(&self) -> u64 {
        let snapshot = self.snapshot();
        snapshot
            .connectors()
            .map(|connector| TransferState::ALL.map(|state| connector.states.of(state)))
            .flat_map(IntoIterator::into_iter)
            .sum()
    }
}

impl Sink for FakeSink {
    fn ingest(&self, facts: &[Fact], origin: Origin) -> Vec<Ingested> {
        {
            let mut panics = self.panics.lock().unwrap();
            if *panics > 0 {
                *panics -= 1;
                drop(panics);
                panic!("on purpose");
            }
        }
        self.log.lock().unwrap().push("ingest".into());
        self.facts.lock().unwrap().extend_from_slice(facts);
        let mut tracker = self.tracker.lock().unwrap();
        facts
            .iter()
            .map(|fact| tracker.ingest(fact, origin, self.clock.now()))
            .collect()
    }

    fn replace_transfers(&self, _: Origin, _: BTreeSet<TransferKey>, _: bool) {
        panic!("these sources only add transfers");
    }

    fn set_connectors(&self, _: &AccountName, _: &ListedConnectors, _: bool) {}

    fn exclude_connectors(&self, _: &AccountName, _: &BTreeSet<ConnectorId>) {}

    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(async {
            if *self.hangs.lock().unwrap() {
                std::future::pending::<()>().await;
            }
            let durable = self.durable.lock().unwrap().pop_front().unwrap_or(true);
            self.log
                .lock()
                .unwrap()
                .push(if durable { "durable" } else { "not durable" }.into());
            if durable { Ok(()) } else { Err(SinkError) }
        })
    }
}

/// Returns a sample of the exporter's own metrics; `None` if there is no such series.
pub(super) fn sample(metrics: &SelfMetrics, series: &str) -> Option<f64> {
    let scrape = Scrape {
        snapshots: Vec::new(),
        complete: true,
        metrics,
        started: SystemTime::UNIX_EPOCH,
        server: false,
    };
    let body = render(&scrape, &ScrapeRequest::everything(), &Mutex::default()).unwrap();
    let bytes: Vec<u8> = body.into_parts().flatten().collect();
    let text = String::from_utf8(bytes).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

pub(super) fn messages(metrics: &SelfMetrics, target: &str) -> [f64; 5] {
    messages_with(metrics, ACCOUNT_LABELS, target)
}

/// Returns the messages of each outcome; -1 if there is no such series.
pub(super) fn messages_with(metrics: &SelfMetrics, labels: &str, target: &str) -> [f64; 5] {
    ["understood", "duplicate", "foreign", "unparsable", "failed"].map(|outcome| {
        let labels = format!("{labels},outcome=\"{outcome}\",target=\"{target}\"");
        let series = format!("aws_transfer_exporter_discovery_messages_total{{{labels}}}");
        sample(metrics, &series).unwrap_or(-1.0)
    })
}

pub(super) fn up(metrics: &SelfMetrics, source: &str, target: &str) -> Option<f64> {
    up_with(metrics, ACCOUNT_LABELS, source, target)
}

pub(super) fn up_with(
    metrics: &SelfMetrics,
    labels: &str,
    source: &str,
    target: &str,
) -> Option<f64> {
    let labels = format!("{labels},source=\"{source}\",target=\"{target}\"");
    sample(
        metrics,
        &format!("aws_transfer_exporter_discovery_up{{{labels}}}"),
    )
}

pub(super) fn discovered(metrics: &SelfMetrics, source: &str, target: &str) -> Option<f64> {
    let labels = format!("{ACCOUNT_LABELS},source=\"{source}\",target=\"{target}\"");
    sample(
        metrics,
        &format!("aws_transfer_exporter_discovery_transfers_total{{{labels}}}"),
    )
}
