//! The lease of a shard in shared storage.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{CounterVec, GaugeVec};

use super::registrar::{InstrumentError, Registrar};

use crate::metrics::families;
use model::Now;

/// Instruments of the lease. Absent from scrapes until [`LeaseMetrics::enable`] is called.
pub struct LeaseMetrics {
    leader: GaugeVec,
    epoch: GaugeVec,
    renewal: GaugeVec,
    lost: CounterVec,
    conflicts: CounterVec,
    inbox: GaugeVec,
    units: CounterVec,
}

impl LeaseMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        Ok(Self {
            leader: registrar.create(&families::LEADER)?,
            epoch: registrar.create(&families::LEASE_EPOCH)?,
            renewal: registrar.create(&families::LEASE_RENEWAL)?,
            lost: registrar.create(&families::LEASE_LOST)?,
            conflicts: registrar.create(&families::STORAGE_CONFLICTS)?,
            inbox: registrar.create(&families::INBOX_OLDEST)?,
            units: registrar.create(&families::STORAGE_UNITS)?,
        })
    }

    /// Creates the series of a shard that this process does not own yet. The store charges for
    /// `operations`.
    pub fn enable(&self, shard: &str, operations: &[&str]) {
        self.set_leader(shard, false);
        self.lost.with_label_values(&[shard]);
        self.conflicts.with_label_values(&[shard]);
        for operation in operations {
            self.units.with_label_values(&[shard, operation]);
        }
    }

    /// Adds units that the store has charged.
    pub fn add_units(&self, shard: &str, operation: &str, units: f64) {
        // A counter must not fall, whatever the server answers.
        if units.is_finite() && units > 0.0 {
            self.units
                .with_label_values(&[shard, operation])
                .inc_by(units);
        }
    }

    /// Sets whether this process owns the shard.
    pub fn set_leader(&self, shard: &str, is_leader: bool) {
        let value = f64::from(u8::from(is_leader));
        self.leader.with_label_values(&[shard]).set(value);
    }

    /// Sets the number of the ownership.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn set_epoch(&self, shard: &str, epoch: u64) {
        self.epoch.with_label_values(&[shard]).set(epoch as f64);
    }

    /// Sets when the lease was last renewed.
    pub fn set_renewal(&self, shard: &str, now: Now) {
        self.renewal
            .with_label_values(&[shard])
            .set(now.unix_seconds());
    }

    /// Counts an ownership that ended before the process gave it back.
    pub fn count_lost(&self, shard: &str) {
        self.lost.with_label_values(&[shard]).inc();
    }

    /// Sets when the oldest report in an inbox was put there, if there is one.
    pub fn set_inbox(&self, shard: &str, oldest: Option<SystemTime>) {
        match oldest {
            Some(at) => {
                let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
                self.inbox
                    .with_label_values(&[shard])
                    .set(since.as_secs_f64());
            }
            // There may be none.
            None => drop(self.inbox.remove_label_values(&[shard])),
        }
    }

    /// Counts a write that was refused because another process owns the shard.
    pub fn count_conflict(&self, shard: &str) {
        self.conflicts.with_label_values(&[shard]).inc();
    }
}
