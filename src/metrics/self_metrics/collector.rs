//! Sweeps and sharding.

use std::time::Duration;

use prometheus::{CounterVec, Gauge, GaugeVec};

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;
use model::Shard;

/// Instruments of the collector.
pub struct CollectorMetrics {
    sweep_duration: Gauge,
    shard: GaugeVec,
    limits: CounterVec,
}

impl CollectorMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        Ok(Self {
            sweep_duration: registrar.create(&families::SWEEP_DURATION)?,
            shard: registrar.create(&families::SHARD_INFO)?,
            limits: registrar.create(&families::LIMIT_EXCEEDED)?,
        })
    }

    /// Creates the series of a limit at 0.
    pub fn add_limit(&self, limit: &str) {
        self.limits.with_label_values(&[limit]);
    }

    /// Counts a report that a limit refused. Returns whether it is the first one.
    pub fn count_limit_exceeded(&self, limit: &str) -> bool {
        let counter = self.limits.with_label_values(&[limit]);
        let is_first = counter.get() == 0.0;
        counter.inc();
        is_first
    }

    /// Sets the duration of the last sweep.
    pub fn set_sweep_duration(&self, duration: Duration) {
        self.sweep_duration.set(duration.as_secs_f64());
    }

    /// Sets the shards that this exporter owns. The label of the only one is empty, as on its series.
    pub fn set_shards(&self, shards: &[Shard]) {
        self.shard.reset();
        for shard in shards {
            let label = shard.label().unwrap_or_default();
            self.shard
                .with_label_values(&[&*label, &shard.total().to_string()])
                .set(1.0);
        }
    }
}
