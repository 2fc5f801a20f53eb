//! The metrics of a lease.

use std::sync::Arc;

use crate::metrics::self_metrics::LeaseMetrics;
use crate::store::{LeaseObserver, StoreOperation};
use model::{Clock, Shard};

/// Passes what happens to the lease on to its metrics.
pub(super) struct ObservedLease {
    pub(super) metrics: Arc<LeaseMetrics>,
    pub(super) shard: Shard,
    pub(super) clock: Arc<dyn Clock>,
}

impl LeaseObserver for ObservedLease {
    fn acquired(&self, epoch: u64) {
        self.metrics
            .set_epoch(&self.shard.index().to_string(), epoch);
    }

    fn renewed(&self) {
        let shard = self.shard.index().to_string();
        self.metrics.set_renewal(&shard, self.clock.now());
    }

    fn refused(&self) {
        self.metrics.count_conflict(&self.shard.index().to_string());
    }

    fn consumed(&self, operation: StoreOperation, units: f64) {
        let shard = self.shard.index().to_string();
        self.metrics.add_units(&shard, operation.as_label(), units);
    }
}
