//! Persistent storage.

use std::time::Duration;

use prometheus::{CounterVec, GaugeVec, HistogramVec};

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;

/// The storage families have no labels.
const NONE: [&str; 0] = [];

/// Instruments of the storage. Absent from scrapes until [`StorageMetrics::enable`] is called.
pub struct StorageMetrics {
    up: GaugeVec,
    size: GaugeVec,
    writes: HistogramVec,
    errors: CounterVec,
}

impl StorageMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        Ok(Self {
            up: registrar.create(&families::STORAGE_UP)?,
            size: registrar.create(&families::STORAGE_SIZE)?,
            writes: registrar.create(&families::STORAGE_WRITE_DURATION)?,
            errors: registrar.create(&families::STORAGE_WRITE_ERRORS)?,
        })
    }

    /// Creates the series of an opened storage of `size` bytes, if that is known.
    pub fn enable(&self, size: Option<u64>) {
        self.set_up(true);
        self.set_size(size);
        self.writes.with_label_values(&NONE);
        self.errors.with_label_values(&NONE);
    }

    /// Removes the series, until the next [`StorageMetrics::enable`].
    pub fn disable(&self) {
        self.up.reset();
        self.size.reset();
        self.writes.reset();
        self.errors.reset();
    }

    /// Sets whether the last write succeeded.
    pub fn set_up(&self, up: bool) {
        self.up
            .with_label_values(&NONE)
            .set(f64::from(u8::from(up)));
    }

    /// Sets the size of the storage, in bytes, if it is known.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn set_size(&self, bytes: Option<u64>) {
        if let Some(bytes) = bytes {
            self.size.with_label_values(&NONE).set(bytes as f64);
        }
    }

    /// Records the duration of a successful write.
    pub fn observe_write(&self, duration: Duration) {
        self.writes
            .with_label_values(&NONE)
            .observe(duration.as_secs_f64());
    }

    /// Counts a failed write.
    pub fn count_error(&self) {
        self.errors.with_label_values(&NONE).inc();
    }
}
