//! Creation and registration of instruments in one step.

use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, Opts, Registry,
};

use crate::metrics::families::Family;

/// Bucket bounds of request and write durations, in seconds: a few milliseconds to the longest
/// timeout.
const DURATION_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// An instrument could not be created or registered.
#[derive(Debug, thiserror::Error)]
#[error("failed to create an instrument: {0}")]
pub struct InstrumentError(#[from] prometheus::Error);

/// An instrument that can be created from a family's descriptor.
///
/// A vector without labels has no series until it is first used, so it serves families that may be
/// absent.
pub(super) trait Instrument: Collector + Clone + Sized + 'static {
    fn from_family(family: &Family) -> prometheus::Result<Self>;
}

impl Instrument for Gauge {
    fn from_family(family: &Family) -> prometheus::Result<Self> {
        Self::with_opts(opts(family))
    }
}

impl Instrument for GaugeVec {
    fn from_family(family: &Family) -> prometheus::Result<Self> {
        Self::new(opts(family), &family.label_names())
    }
}

impl Instrument for Counter {
    fn from_family(family: &Family) -> prometheus::Result<Self> {
        Self::with_opts(opts(family))
    }
}

impl Instrument for CounterVec {
    fn from_family(family: &Family) -> prometheus::Result<Self> {
        Self::new(opts(family), &family.label_names())
    }
}

impl Instrument for Histogram {
    fn from_family(family: &Family) -> prometheus::Result<Self> {
        Self::with_opts(histogram_opts(family))
    }
}

impl Instrument for HistogramVec {
    fn from_family(family: &Family) -> prometheus::Result<Self> {
        Self::new(histogram_opts(family), &family.label_names())
    }
}

fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn histogram_opts(family: &Family) -> HistogramOpts {
    HistogramOpts::from(opts(family)).buckets(DURATION_BUCKETS.to_vec())
}

/// A registry under construction.
pub(super) struct Registrar(Registry);

impl Registrar {
    pub(super) fn new() -> Self {
        Self(Registry::new())
    }

    /// Creates the instrument of `family` and registers it.
    pub(super) fn create<I: Instrument>(&self, family: &Family) -> Result<I, InstrumentError> {
        let instrument = I::from_family(family)?;
        self.0.register(Box::new(instrument.clone()))?;
        Ok(instrument)
    }

    /// Adds the process metrics and returns the registry.
    pub(super) fn finish(self) -> Result<Registry, InstrumentError> {
        #[cfg(target_os = "linux")]
        self.0.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(self.0)
    }
}
