//! Sweeps and sharding.

use std::time::Duration;

use prometheus::{Gauge, GaugeVec};

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;
use model::Shard;

/// Instruments of the collector.
pub struct CollectorMetrics {
    sweep_duration: Gauge,
    shard: GaugeVec,
}

impl CollectorMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        Ok(Self {
            sweep_duration: registrar.create(&families::SWEEP_DURATION)?,
            shard: registrar.create(&families::SHARD_INFO)?,
        })
    }

    /// Sets the duration of the last sweep.
    pub fn set_sweep_duration(&self, duration: Duration) {
        self.sweep_duration.set(duration.as_secs_f64());
    }

    /// Sets the shard of this exporter.
    pub fn set_shard(&self, shard: Shard) {
        self.shard
            .with_label_values(&[shard.index().to_string(), shard.total().to_string()])
            .set(1.0);
    }
}
