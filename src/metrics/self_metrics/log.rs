//! Log of the process.

use std::sync::{Mutex, PoisonError};

use prometheus::CounterVec;

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;

/// Instruments of the log.
pub struct LogMetrics {
    dropped: CounterVec,
    /// What `dropped` has counted: of a full queue, and of limited events.
    counted: Mutex<[u64; 2]>,
}

impl LogMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        let metrics = Self {
            dropped: registrar.create(&families::LOG_RECORDS_DROPPED)?,
            counted: Mutex::default(),
        };
        metrics.record_dropped(0, 0);
        Ok(metrics)
    }

    /// Records how many records the process has not written.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    pub fn record_dropped(&self, queue_full: u64, rate_limited: u64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = [("queue_full", queue_full), ("rate_limited", rate_limited)];
        for ((reason, total), counted) in totals.into_iter().zip(counted.iter_mut()) {
            // Concurrent scrapes may record out of order.
            let increase = total.saturating_sub(*counted);
            self.dropped
                .with_label_values(&[reason])
                .inc_by(increase as f64);
            *counted += increase;
        }
    }
}
