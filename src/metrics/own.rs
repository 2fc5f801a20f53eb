//! The exporter's own instruments. The only place that names `prometheus`.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Counter, CounterVec, Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder,
};

use super::families::{self, Family, Source};
use super::text::Exposition;
use crate::model::{Account, Now};

/// Buckets of the request duration, in seconds: a few milliseconds to the longest time-out.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

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
        let durations = HistogramOpts::from(opts(&families::API_REQUEST_DURATION)).buckets(BUCKETS.to_vec());
        let own = Self {
            requests: CounterVec::new(opts(&families::API_REQUESTS), families::API_REQUESTS.labels)?,
            durations: HistogramVec::new(durations, families::API_REQUEST_DURATION.labels)?,
            rate_limit: GaugeVec::new(opts(&families::API_RATE_LIMIT), families::API_RATE_LIMIT.labels)?,
            sweep: gauge(&families::SWEEP_DURATION)?,
            reload_ok: gauge(&families::CONFIG_RELOAD_OK)?,
            reload_at: gauge(&families::CONFIG_RELOAD_AT)?,
            storage: Storage {
                up: gauge(&families::STORAGE_UP)?,
                size: gauge(&families::STORAGE_SIZE)?,
                writes: Histogram::with_opts(
                    HistogramOpts::from(opts(&families::STORAGE_WRITE_DURATION)).buckets(BUCKETS.to_vec()),
                )?,
                errors: Counter::with_opts(opts(&families::STORAGE_WRITE_ERRORS))?,
            },
            registry,
        };
        let build = GaugeVec::new(opts(&families::BUILD_INFO), families::BUILD_INFO.labels)?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), env!("RUSTC_VERSION")]).set(1.0);
        let collectors: [Box<dyn Collector>; 7] = [
            Box::new(own.requests.clone()),
            Box::new(own.durations.clone()),
            Box::new(own.rate_limit.clone()),
            Box::new(own.sweep.clone()),
            Box::new(own.reload_ok.clone()),
            Box::new(own.reload_at.clone()),
            Box::new(build),
        ];
        for collector in collectors {
            own.registry.register(collector)?;
        }
        #[cfg(target_os = "linux")]
        own.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(own)
    }

    /// Counts attempts; 0 makes the series stand.
    pub fn count_requests(&self, account: &Account, operation: &str, outcome: &str, attempts: u32) {
        let labels = [account.name.as_str(), &account.region, operation, outcome];
        self.requests.with_label_values(&labels).inc_by(f64::from(attempts));
    }

    /// Notes how long an attempt took.
    pub fn observe_duration(&self, operation: &str, duration: Duration) {
        self.durations.with_label_values(&[operation]).observe(duration.as_secs_f64());
    }

    /// Tells the rate that is allowed now, in requests per second.
    pub fn set_rate_limit(&self, account: &Account, rate: f64) {
        self.rate_limit.with_label_values(&[account.name.as_str(), &account.region]).set(rate);
    }

    /// Forgets the rate of an account that is configured no more.
    pub fn forget_rate_limit(&self, account: &Account) {
        // It may have had none.
        let _ = self.rate_limit.remove_label_values(&[account.name.as_str(), &account.region]);
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

    /// Shows the storage's families from here on.
    pub fn start_storage(&self) {
        let Storage { up, size, writes, errors } = &self.storage;
        let collectors: [Box<dyn Collector>; 4] =
            [Box::new(up.clone()), Box::new(size.clone()), Box::new(writes.clone()), Box::new(errors.clone())];
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

    pub(super) fn write(&self, out: &mut Exposition<'_>, process: bool) {
        let gathered = self.registry.gather();
        for family in families::ALL.iter().filter(|family| match family.source {
            Source::Sweep => false,
            Source::Own => true,
            Source::Process => process,
        }) {
            let Some(found) = gathered.iter().find(|found| found.name() == family.name) else { continue };
            out.raw(family.name, |bytes| encode(found, bytes));
        }
    }
}

fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn encode(family: &MetricFamily, bytes: &mut Vec<u8>) {
    // It fails for a family without samples, of which nothing is to be told, and never for lack of space.
    let _ = TextEncoder::new().encode(std::slice::from_ref(family), bytes);
}
