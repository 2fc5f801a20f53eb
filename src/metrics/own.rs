//! The exporter's own instruments. The only place that names `prometheus`.

mod web;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, Opts, Registry,
};

use super::encoder::Encoder;
use super::families::{self, Family, Kind};
use model::{Account, Now, Shard};

pub use web::{Refused, WebMetrics};

/// Buckets of the request duration, in seconds: a few milliseconds to the longest time-out.
const BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Counters and gauges that live as long as the process.
pub struct OwnMetrics {
    registry: Registry,
    requests: CounterVec,
    durations: HistogramVec,
    rate_limit: GaugeVec,
    sweep: Gauge,
    reload_ok: Gauge,
    reload_at: Gauge,
    storage: Storage,
    shard: GaugeVec,
    discovery: DiscoveryMetrics,
    web: WebMetrics,
    account_up: GaugeVec,
    /// Those that are configured: an attempt may end after its account has gone.
    accounts: Mutex<BTreeSet<Account>>,
    config_hash: Gauge,
    runtime: Runtime,
    busy_told: Mutex<Duration>,
}

/// How the runtime does, at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuntimeFigures {
    /// Its threads that run tasks.
    pub workers: usize,
    /// Tasks that have not ended.
    pub alive_tasks: usize,
    /// Tasks that wait in the queue that all workers share.
    pub global_queue_depth: usize,
    /// Time that its workers have spent on tasks, all together, since the start.
    pub busy: Duration,
}

struct Runtime {
    workers: Gauge,
    tasks: Gauge,
    queue: Gauge,
    busy: Counter,
}

/// How the sources of transfers do.
struct DiscoveryMetrics {
    up: GaugeVec,
    last_success: GaugeVec,
    duration: GaugeVec,
    transfers: CounterVec,
    messages: CounterVec,
    queue_messages: GaugeVec,
}

/// Shown once there is a storage.
struct Storage {
    up: Gauge,
    size: Gauge,
    writes: Histogram,
    errors: Counter,
}

/// A descriptor that `prometheus` refuses.
#[derive(Debug, thiserror::Error)]
#[error("an instrument could not be made: {0}")]
pub struct InstrumentError(#[from] prometheus::Error);

impl OwnMetrics {
    /// All instruments, from the table of descriptors.
    ///
    /// # Errors
    /// A descriptor that `prometheus` refuses: a mistake in the table, and a test's business.
    pub fn new() -> Result<Self, InstrumentError> {
        let registry = Registry::new();
        let gauge = |family: &Family| Gauge::with_opts(opts(family));
        let gauges = |family: &Family| GaugeVec::new(opts(family), family.labels);
        let counters = |family: &Family| CounterVec::new(opts(family), family.labels);
        let durations =
            HistogramOpts::from(opts(&families::API_REQUEST_DURATION)).buckets(BUCKETS.to_vec());
        let own = Self {
            requests: CounterVec::new(
                opts(&families::API_REQUESTS),
                families::API_REQUESTS.labels,
            )?,
            durations: HistogramVec::new(durations, families::API_REQUEST_DURATION.labels)?,
            rate_limit: GaugeVec::new(
                opts(&families::API_RATE_LIMIT),
                families::API_RATE_LIMIT.labels,
            )?,
            sweep: gauge(&families::SWEEP_DURATION)?,
            reload_ok: gauge(&families::CONFIG_RELOAD_OK)?,
            reload_at: gauge(&families::CONFIG_RELOAD_AT)?,
            shard: gauges(&families::SHARD_INFO)?,
            account_up: gauges(&families::ACCOUNT_UP)?,
            accounts: Mutex::default(),
            config_hash: gauge(&families::CONFIG_HASH)?,
            runtime: Runtime {
                workers: gauge(&families::TOKIO_WORKERS)?,
                tasks: gauge(&families::TOKIO_ALIVE_TASKS)?,
                queue: gauge(&families::TOKIO_QUEUE_DEPTH)?,
                busy: Counter::with_opts(opts(&families::TOKIO_BUSY))?,
            },
            busy_told: Mutex::default(),
            discovery: DiscoveryMetrics {
                up: gauges(&families::DISCOVERY_UP)?,
                last_success: gauges(&families::DISCOVERY_LAST_SUCCESS)?,
                duration: gauges(&families::DISCOVERY_DURATION)?,
                transfers: counters(&families::DISCOVERY_TRANSFERS)?,
                messages: counters(&families::DISCOVERY_MESSAGES)?,
                queue_messages: gauges(&families::DISCOVERY_QUEUE_MESSAGES)?,
            },
            storage: Storage {
                up: gauge(&families::STORAGE_UP)?,
                size: gauge(&families::STORAGE_SIZE)?,
                writes: Histogram::with_opts(
                    HistogramOpts::from(opts(&families::STORAGE_WRITE_DURATION))
                        .buckets(BUCKETS.to_vec()),
                )?,
                errors: Counter::with_opts(opts(&families::STORAGE_WRITE_ERRORS))?,
            },
            web: WebMetrics::new(&registry)?,
            registry,
        };
        let build = GaugeVec::new(opts(&families::BUILD_INFO), families::BUILD_INFO.labels)?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), env!("RUSTC_VERSION")])
            .set(1.0);
        let collectors: [Box<dyn Collector>; 20] = [
            Box::new(own.discovery.up.clone()),
            Box::new(own.discovery.last_success.clone()),
            Box::new(own.discovery.duration.clone()),
            Box::new(own.discovery.transfers.clone()),
            Box::new(own.discovery.messages.clone()),
            Box::new(own.discovery.queue_messages.clone()),
            Box::new(own.requests.clone()),
            Box::new(own.durations.clone()),
            Box::new(own.rate_limit.clone()),
            Box::new(own.sweep.clone()),
            Box::new(own.reload_ok.clone()),
            Box::new(own.reload_at.clone()),
            Box::new(build),
            Box::new(own.shard.clone()),
            Box::new(own.account_up.clone()),
            Box::new(own.config_hash.clone()),
            Box::new(own.runtime.workers.clone()),
            Box::new(own.runtime.tasks.clone()),
            Box::new(own.runtime.queue.clone()),
            Box::new(own.runtime.busy.clone()),
        ];
        for collector in collectors {
            own.registry.register(collector)?;
        }
        #[cfg(target_os = "linux")]
        own.registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(own)
    }

    /// How the server does.
    pub fn web(&self) -> &WebMetrics {
        &self.web
    }

    /// Counts attempts; 0 makes the series stand.
    pub fn count_requests(&self, account: &Account, operation: &str, outcome: &str, attempts: u32) {
        let labels = [account.name.as_str(), &account.region, operation, outcome];
        self.requests
            .with_label_values(&labels)
            .inc_by(f64::from(attempts));
    }

    /// Notes how long an attempt took.
    pub fn observe_duration(&self, operation: &str, duration: Duration) {
        self.durations
            .with_label_values(&[operation])
            .observe(duration.as_secs_f64());
    }

    /// Tells the rate that is allowed now, in requests per second.
    pub fn set_rate_limit(&self, account: &Account, rate: f64) {
        self.rate_limit
            .with_label_values(&[account.name.as_str(), &account.region])
            .set(rate);
    }

    /// An account is configured from here on.
    pub fn know_account(&self, account: &Account) {
        self.accounts().insert(account.clone());
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeSet<Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether AWS answered the newest attempt of an account, and took the credentials. Of one that is configured no
    /// more nothing is told.
    pub fn set_account_up(&self, account: &Account, up: bool) {
        let accounts = self.accounts();
        if !accounts.contains(account) {
            return;
        }
        self.account_up
            .with_label_values(&[account.name.as_str(), &account.region])
            .set(f64::from(u8::from(up)));
    }

    /// Forgets the rate of an account that is configured no more, and how it is.
    pub fn forget_rate_limit(&self, account: &Account) {
        let mut accounts = self.accounts();
        accounts.remove(account);
        // It may have had none.
        let _ = self
            .rate_limit
            .remove_label_values(&[account.name.as_str(), &account.region]);
        let _ = self
            .account_up
            .remove_label_values(&[account.name.as_str(), &account.region]);
    }

    /// Tells which of how many exporters this is.
    pub fn set_shard(&self, shard: Shard) {
        self.shard
            .with_label_values(&[&shard.index().to_string(), &shard.total().to_string()])
            .set(1.0);
    }

    /// Notes how a look at a source of transfers went; `succeeded` tells when it did.
    pub fn note_discovery(
        &self,
        source: &str,
        target: &str,
        succeeded: Option<Now>,
        duration: Duration,
    ) {
        let labels = [source, target];
        self.discovery
            .up
            .with_label_values(&labels)
            .set(f64::from(u8::from(succeeded.is_some())));
        self.discovery
            .duration
            .with_label_values(&labels)
            .set(duration.as_secs_f64());
        if let Some(now) = succeeded {
            self.discovery
                .last_success
                .with_label_values(&labels)
                .set(now.unix_seconds());
        }
    }

    /// Counts transfers that a source has told; 0 makes the series stand.
    pub fn count_discovered(&self, source: &str, target: &str, transfers: usize) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of transfers is far below 2^53"
        )]
        self.discovery
            .transfers
            .with_label_values(&[source, target])
            .inc_by(transfers as f64);
    }

    /// Tells how many messages a queue holds; `None` where nobody knows.
    pub fn set_queue_messages(&self, target: &str, messages: Option<u64>) {
        let gauge = &self.discovery.queue_messages;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of messages is far below 2^53"
        )]
        match messages {
            Some(messages) => gauge.with_label_values(&[target]).set(messages as f64),
            // It may have had none.
            None => drop(gauge.remove_label_values(&[target])),
        }
    }

    /// Counts messages of a queue, or records of CloudTrail; 0 makes the series stand.
    pub fn count_messages(&self, target: &str, outcome: &str, messages: u32) {
        self.discovery
            .messages
            .with_label_values(&[target, outcome])
            .inc_by(f64::from(messages));
    }

    /// How the sources of transfers do: source, target, and whether the newest look succeeded.
    pub fn discovery_health(&self) -> Vec<(String, String, bool)> {
        let health = |metric: &prometheus::proto::Metric| {
            let label = |name: &str| {
                let found = metric.get_label().iter().find(|label| label.name() == name);
                found.map_or_else(String::new, |label| label.value().to_owned())
            };
            (
                label("source"),
                label("target"),
                metric.get_gauge().get_value() > 0.0,
            )
        };
        let gathered = self.discovery.up.collect();
        gathered
            .iter()
            .flat_map(MetricFamily::get_metric)
            .map(health)
            .collect()
    }

    /// Whether the newest write succeeded; `true` too where there is no storage.
    pub fn is_storage_up(&self) -> bool {
        self.storage.up.get() > 0.0
    }

    /// Forgets how a source did that is configured no more.
    pub fn forget_source(&self, source: &str, target: &str) {
        let DiscoveryMetrics {
            up,
            last_success,
            duration,
            queue_messages,
            ..
        } = &self.discovery;
        for gauge in [up, last_success, duration] {
            // It may have had none.
            let _ = gauge.remove_label_values(&[source, target]);
        }
        if source == "events" {
            let _ = queue_messages.remove_label_values(&[target]);
        }
    }

    /// Forgets how all sources did: those that are still configured tell it anew.
    pub fn forget_discovery(&self) {
        let DiscoveryMetrics {
            up,
            last_success,
            duration,
            queue_messages,
            ..
        } = &self.discovery;
        for gauge in [up, last_success, duration, queue_messages] {
            gauge.reset();
        }
    }

    /// Notes how long the last sweep took.
    pub fn set_sweep_duration(&self, duration: Duration) {
        self.sweep.set(duration.as_secs_f64());
    }

    /// Notes that the configuration was loaded, or could not be.
    pub fn note_reload(&self, loaded: bool, now: Now) {
        self.reload_ok.set(f64::from(u8::from(loaded)));
        if loaded {
            self.reload_at.set(now.unix_seconds());
        }
    }

    /// Tells which configuration is in force: a number that another content would most likely not have.
    pub fn set_config_hash(&self, hash: f64) {
        self.config_hash.set(hash);
    }

    /// Tells how the runtime does.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    pub fn set_runtime(&self, figures: RuntimeFigures) {
        let Runtime {
            workers,
            tasks,
            queue,
            busy,
        } = &self.runtime;
        workers.set(figures.workers as f64);
        tasks.set(figures.alive_tasks as f64);
        queue.set(figures.global_queue_depth as f64);
        // Two that tell at once: the later one may have read before.
        let mut told = self
            .busy_told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = figures.busy.checked_sub(*told) {
            busy.inc_by(more.as_secs_f64());
            *told = figures.busy;
        }
    }

    /// Shows the storage's families from here on.
    pub fn start_storage(&self) {
        let Storage {
            up,
            size,
            writes,
            errors,
        } = &self.storage;
        let collectors: [Box<dyn Collector>; 4] = [
            Box::new(up.clone()),
            Box::new(size.clone()),
            Box::new(writes.clone()),
            Box::new(errors.clone()),
        ];
        for collector in collectors {
            // Those that are shown already are refused, and stay.
            let _ = self.registry.register(collector);
        }
    }

    /// Notes whether the newest write succeeded.
    pub fn note_storage(&self, up: bool) {
        self.storage.up.set(f64::from(u8::from(up)));
    }

    /// Notes the size of the storage, in bytes.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn set_storage_size(&self, bytes: u64) {
        self.storage.size.set(bytes as f64);
    }

    /// Notes how long a write took that succeeded.
    pub fn observe_storage_write(&self, duration: Duration) {
        self.storage.writes.observe(duration.as_secs_f64());
    }

    /// Counts a write that failed.
    pub fn count_storage_error(&self) {
        self.storage.errors.inc();
    }

    /// The present values.
    pub(super) fn gather(&self) -> Gathered {
        Gathered(self.registry.gather())
    }
}

/// The values of all instruments at one moment.
pub(super) struct Gathered(Vec<MetricFamily>);

impl Gathered {
    /// Writes the samples of `family`, whose counters count from `started` on; none if there is no such instrument.
    pub(super) fn write(&self, family: &Family, started: SystemTime, out: &mut Encoder) {
        let found = self.0.iter().filter(|found| found.name() == family.name);
        for metric in found.flat_map(MetricFamily::get_metric) {
            out.row();
            for label in metric.get_label() {
                out.label(label.name(), label.value());
            }
            match family.kind {
                Kind::Gauge => out.gauge(metric.get_gauge().get_value()),
                Kind::Counter => out.counter(metric.get_counter().get_value(), started),
                Kind::Histogram => {
                    let histogram = metric.get_histogram();
                    let buckets = histogram.get_bucket().iter();
                    let buckets: Vec<_> = buckets
                        .map(|bucket| (bucket.cumulative_count(), bucket.upper_bound()))
                        .collect();
                    out.histogram(
                        histogram.get_sample_count(),
                        histogram.get_sample_sum(),
                        &buckets,
                        started,
                    );
                }
            }
        }
    }
}

fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use prometheus::{Encoder as _, TextEncoder};

    use super::*;
    use crate::metrics::encoder;
    use crate::metrics::families::Source;
    use crate::metrics::format::Dialect;
    use model::AccountName;

    fn used() -> OwnMetrics {
        let own = OwnMetrics::new().unwrap();
        for name in ["prod", "a\"b\\c\nd"] {
            let account = Account {
                name: AccountName::new(name),
                region: "eu-central-1".into(),
            };
            own.count_requests(&account, "ListFileTransferResults", "ok", 3);
            own.count_requests(&account, "ListFileTransferResults", "throttled", 0);
            own.set_rate_limit(&account, 0.1);
        }
        for ms in [3, 30, 300, 30_000] {
            own.observe_duration("ListFileTransferResults", Duration::from_millis(ms));
        }
        own.set_sweep_duration(Duration::from_micros(1_234_567));
        own
    }

    #[test]
    fn an_attempt_that_ends_after_its_account_has_gone_tells_nothing() {
        let own = OwnMetrics::new().unwrap();
        let account = Account {
            name: AccountName::new("prod"),
            region: "eu-central-1".into(),
        };
        let told = || {
            written(&own, Dialect::Text, &families::ACCOUNT_UP)
                .lines()
                .filter(|l| !l.starts_with('#'))
                .count()
        };
        own.know_account(&account);
        own.set_account_up(&account, false);
        assert_eq!(told(), 1);
        own.forget_rate_limit(&account);
        own.set_account_up(&account, false);
        assert_eq!(told(), 0);
    }

    fn written(own: &OwnMetrics, dialect: Dialect, family: &'static Family) -> String {
        let mut out = Vec::new();
        encoder::head(&mut out, dialect, family, 0);
        let mut encoder = Encoder::new(dialect, family);
        own.gather().write(
            family,
            UNIX_EPOCH + Duration::from_millis(1_500),
            &mut encoder,
        );
        out.append(&mut encoder.out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_text_is_that_of_the_crate_they_come_from() {
        let own = used();
        for found in own.registry.gather() {
            let family = *families::ALL
                .iter()
                .find(|family| family.name == found.name())
                .unwrap();
            // Those of the process are another value each time.
            if family.source == Source::Own {
                let mut expected = Vec::new();
                TextEncoder::new()
                    .encode(std::slice::from_ref(&found), &mut expected)
                    .unwrap();
                assert_eq!(
                    written(&own, Dialect::Text, family),
                    String::from_utf8(expected).unwrap()
                );
            }
        }
    }

    #[test]
    fn open_metrics_spells_bounds_one_way_and_tells_when_counting_began() {
        let text = written(
            &used(),
            Dialect::OpenMetrics,
            &families::API_REQUEST_DURATION,
        );
        let name = "aws_transfer_exporter_api_request_duration_seconds";
        let mut expected = format!(
            "# HELP {name} Duration of attempts at AWS API requests.\n# TYPE {name} histogram\n# UNIT {name} seconds\n"
        );
        let operation = "operation=\"ListFileTransferResults\"";
        for (bound, count) in [
            ("0.005", 1),
            ("0.01", 1),
            ("0.025", 1),
            ("0.05", 2),
            ("0.1", 2),
            ("0.25", 2),
            ("0.5", 3),
            ("1.0", 3),
            ("2.5", 3),
            ("5.0", 3),
            ("10.0", 3),
            ("+Inf", 4),
        ] {
            let line = format!("{name}_bucket{{{operation},le=\"{bound}\"}} {count}\n");
            expected.push_str(&line);
        }
        for (suffix, value) in [("sum", "30.333"), ("count", "4"), ("created", "1.5")] {
            let line = format!("{name}_{suffix}{{{operation}}} {value}\n");
            expected.push_str(&line);
        }
        assert_eq!(text, expected);
    }
}
