//! The metrics of a lease.

use std::sync::Arc;

use crate::metrics::self_metrics::LeaseMetrics;
use crate::store::{LeaseObserver, StoreOperation};
use model::Clock;

/// Passes what happens to the lease on to its metrics.
pub(super) struct ObservedLease {
    pub(super) metrics: Arc<LeaseMetrics>,
    /// Its label; empty for what belongs to no shard.
    pub(super) shard: String,
    pub(super) clock: Arc<dyn Clock>,
}

impl LeaseObserver for ObservedLease {
    fn acquired(&self, epoch: u64) {
        self.metrics.set_epoch(&self.shard, epoch);
    }

    fn renewed(&self) {
        self.metrics.set_renewal(&self.shard, self.clock.now());
    }

    fn refused(&self) {
        self.metrics.count_conflict(&self.shard);
    }

    fn consumed(&self, operation: StoreOperation, units: f64) {
        let operation = operation.as_label();
        self.metrics.add_units(&self.shard, operation, units);
    }
}
