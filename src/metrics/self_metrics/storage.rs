//! Persistent storage.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{CounterVec, GaugeVec, HistogramVec};

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;

/// The storage families have no labels.
const NONE: [&str; 0] = [];

/// Instruments of the storage. Absent from scrapes until [`StorageMetrics::open`] is called.
pub struct StorageMetrics {
    up: GaugeVec,
    size: GaugeVec,
    writes: HistogramVec,
    errors: CounterVec,
    opened: Mutex<Opened>,
}

/// The opened storages: of each shard that the process owns, one.
#[derive(Default)]
struct Opened {
    next: u64,
    /// Whether the last write to each succeeded.
    up: BTreeMap<u64, bool>,
}

impl StorageMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        Ok(Self {
            up: registrar.create(&families::STORAGE_UP)?,
            size: registrar.create(&families::STORAGE_SIZE)?,
            writes: registrar.create(&families::STORAGE_WRITE_DURATION)?,
            errors: registrar.create(&families::STORAGE_WRITE_ERRORS)?,
            opened: Mutex::default(),
        })
    }

    /// Adds an opened storage of `size` bytes, if that is known. Returns its number.
    pub fn open(&self, size: Option<u64>) -> u64 {
        let mut opened = self.opened();
        let number = opened.next;
        opened.next += 1;
        opened.up.insert(number, true);
        self.record(&opened);
        drop(opened);
        self.set_size(size);
        self.writes.with_label_values(&NONE);
        self.errors.with_label_values(&NONE);
        number
    }

    /// Removes an opened storage, and the series with the last one.
    pub fn close(&self, number: u64) {
        let mut opened = self.opened();
        opened.up.remove(&number);
        self.record(&opened);
        if opened.up.is_empty() {
            self.size.reset();
            self.writes.reset();
            self.errors.reset();
        }
    }

    /// Sets whether the last write to a storage succeeded.
    pub fn set_up(&self, number: u64, up: bool) {
        let mut opened = self.opened();
        if let Some(known) = opened.up.get_mut(&number) {
            *known = up;
        }
        self.record(&opened);
    }

    fn record(&self, opened: &Opened) {
        if opened.up.is_empty() {
            return self.up.reset();
        }
        let all = opened.up.values().all(|up| *up);
        self.up
            .with_label_values(&NONE)
            .set(f64::from(u8::from(all)));
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
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
