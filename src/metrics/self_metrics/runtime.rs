//! Tokio runtime.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Counter, Gauge};

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;

/// Tokio runtime statistics.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuntimeStats {
    /// Worker threads.
    pub workers: usize,
    /// Tasks that have not finished.
    pub alive_tasks: usize,
    /// Tasks in the queue shared by all workers.
    pub global_queue_depth: usize,
    /// Busy time since the start, summed over the workers.
    pub busy: Duration,
}

/// Instruments of the Tokio runtime.
pub struct RuntimeMetrics {
    workers: Gauge,
    alive_tasks: Gauge,
    global_queue_depth: Gauge,
    busy: Counter,
    /// The part of the busy time that `busy` has counted.
    counted: Mutex<Duration>,
}

impl RuntimeMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        Ok(Self {
            workers: registrar.create(&families::TOKIO_WORKERS)?,
            alive_tasks: registrar.create(&families::TOKIO_ALIVE_TASKS)?,
            global_queue_depth: registrar.create(&families::TOKIO_QUEUE_DEPTH)?,
            busy: registrar.create(&families::TOKIO_BUSY)?,
            counted: Mutex::default(),
        })
    }

    /// Records the runtime's statistics.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    pub fn record(&self, stats: RuntimeStats) {
        self.workers.set(stats.workers as f64);
        self.alive_tasks.set(stats.alive_tasks as f64);
        self.global_queue_depth.set(stats.global_queue_depth as f64);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        // Concurrent scrapes may record out of order.
        if let Some(increase) = stats.busy.checked_sub(*counted) {
            self.busy.inc_by(increase.as_secs_f64());
            *counted = stats.busy;
        }
    }
}
