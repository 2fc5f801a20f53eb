//! Pending writes, and restoration of the saved state.
//!
//! The tracker marks what changes in a `DirtySet`. [`Tracker::take_changes`] turns the marks into
//! [`PendingWrites`], which the store writes in one transaction; if that fails,
//! [`Tracker::requeue`] restores the marks.

mod details;
mod dirty_set;
mod fate_records;
mod record;

use std::sync::Arc;

use super::Tracker;
use super::connector_counters::ConnectorCounters;
use super::transfer::Transfer;
use model::{ConnectorKey, Finished, Now, TransferKey, millis, time};

pub use crate::flows::record::EndRecord;
pub(super) use crate::flows::record::{end, end_record};
pub use details::DetailsRecord;
pub(super) use dirty_set::DirtySet;
pub use fate_records::FateRecords;
pub use record::{
    ConnectionTestRecord, ConnectorRecord, CountRecord, FailureRecord, FateRecord, HistogramRecord,
    Meta, MovedRecord, NewestRecord, PendingWrites, SavedState, ShardRecord, TestedRecord,
    TransferRecord, UncountedFile, UncountedRecord,
};
pub(super) use record::{counts, counts_record, seconds};

impl Tracker {
    /// Restores the saved state, and marks changes for the store from now on. Called once, after
    /// the first [`Tracker::configure`]. Of transfers of accounts that are no longer configured, of
    /// other Regions and of other shards, only the fates are kept; the counters of connectors that
    /// are not configured continue when they come back.
    pub fn restore(&mut self, saved: SavedState, now: Now) {
        self.watch_moments.restore(&saved.meta, now.wall);
        self.label_guard.restore_folded(saved.meta.folded);
        self.dirty = Some(DirtySet {
            meta: saved.meta,
            ..DirtySet::default()
        });
        saved
            .fates
            .drain(|hash, record| self.fates.insert_packed(hash, record));
        let mut connectors = saved.connectors;
        // If there are more than the limit, those that exist come first, then those with counters.
        connectors.sort_by_cached_key(|(_, record)| {
            let has_ends = ConnectorCounters::from(record).has_ends();
            (!(record.confirmed || record.kept), !has_ends)
        });
        for (key, mut record) in connectors {
            let is_full = self.connectors.reported() >= self.settings.limits.connectors;
            let account = self
                .accounts
                .get(&key.account)
                .filter(|account| record.left.is_none() && *account.region == *record.region)
                .filter(|_| !is_full || key.id.is_other());
            let Some(account) = account.map(Arc::clone) else {
                if record.left.is_none() {
                    record.left = Some(millis(now.wall));
                    self.mark_removed_connector(key.clone());
                }
                if ConnectorCounters::from(&record).continue_later(record.confirmed) {
                    self.keep_dormant(key, record);
                }
                continue;
            };
            let number = self.connectors.find_or_insert(key, &account, now);
            let connector = &mut self.connectors[number];
            connector.restore(&record);
            connector.initialize_counters(self.settings.events);
            for end in connector.counters.finished.keys() {
                if let Finished::Failed(Some(code)) = end {
                    self.label_guard.admit_code(code);
                }
            }
        }
        for (key, record) in saved.transfers {
            let owned = self.ownership.owns(&key.connector, &key.transfer);
            // Only a limit that was lowered is exceeded.
            let is_full = self.transfers.len() >= self.settings.limits.transfers;
            let Some(number) = self
                .connectors
                .find(&key.connector_key())
                .filter(|_| owned && !is_full)
            else {
                let transfer = Transfer::restore(key.transfer.clone(), 0, &record, now);
                self.keep_fate(&key, &transfer, now);
                self.mark_dropped(key);
                continue;
            };
            if self.transfers.find(number, &key.transfer).is_none() {
                self.insert_transfer(Transfer::restore(key.transfer, number, &record, now));
            }
        }
        for (key, records) in saved.failures {
            self.restore_failures(&key, records);
        }
        self.flows.restore(saved.flows, now.wall);
        self.uncounted.restore(saved.uncounted);
        self.connection_tests
            .restore(saved.connection_tests, now.wall);
        for (hash, until) in saved.operations {
            self.operations.insert(hash, time(until), ());
        }
        // Restoring a transfer marks its connector, although nothing has changed. Times in the
        // future are cut.
        if let Some(dirty) = &mut self.dirty {
            dirty.connectors.clear();
        }
        for number in self.connectors.numbers() {
            if self.connectors[number].counters.cut_times(now.wall) {
                self.mark_connector(number);
            }
        }
    }

    fn mark_dropped(&mut self, key: TransferKey) {
        if let Some(dirty) = &mut self.dirty {
            dirty.dropped.insert(key);
        }
    }

    fn mark_removed_connector(&mut self, key: ConnectorKey) {
        if let Some(dirty) = &mut self.dirty {
            dirty.removed_connectors.insert(key);
        }
    }

    /// Returns what has changed since the last call, or nothing before [`Tracker::restore`].
    pub fn take_changes(&mut self, now: Now) -> PendingWrites {
        let Some(dirty) = &mut self.dirty else {
            return PendingWrites::default();
        };
        let marks = std::mem::take(dirty);
        let mut meta = Meta {
            folded: self.label_guard.folded(),
            ..Meta::default()
        };
        self.watch_moments.write_to(&mut meta);
        dirty.meta = meta.clone();
        let (transfers, fates, operations) = (&self.transfers, &self.fates, &self.operations);
        let mut changes = PendingWrites::default();
        // A list that grows holds up to three times as much for a moment.
        changes
            .transfers
            .reserve_exact(marks.dropped.len() + marks.transfers.len());
        // Removals come first: a transfer may have been dropped and tracked again.
        changes
            .transfers
            .extend(marks.dropped.into_iter().map(|key| (key, None)));
        changes
            .failures
            .extend(marks.failures.into_iter().map(|key| {
                let records = self.failures.records(&key);
                (key, records)
            }));
        let known = |slot: u32| {
            transfers
                .get(slot)
                .map(|transfer| (self.key(slot), Some(transfer.record(now))))
        };
        changes
            .transfers
            .extend(marks.transfers.into_iter().filter_map(known));
        // A connector that came back is written below.
        changes
            .connectors
            .extend(marks.removed_connectors.into_iter().map(|key| {
                let record = self.dormant.get(&key).cloned();
                (key, record)
            }));
        changes
            .connectors
            .extend(marks.connectors.into_iter().map(|number| {
                let connector = &self.connectors[number];
                (connector.key.clone(), Some(connector.record(None)))
            }));
        changes.fates.extend(
            marks
                .fates
                .into_iter()
                .map(|hash| (hash, fates.packed(hash).map(Into::into))),
        );
        let until = |hash| (hash, operations.get(hash).map(|(until, ())| millis(*until)));
        changes
            .operations
            .extend(marks.operations.into_iter().map(until));
        let flows = self.flows.take_changed().into_iter();
        changes.flows.extend(flows.map(|name| {
            let record = self.flows.record_of(&name);
            (name.to_string(), record)
        }));
        changes.uncounted = self.uncounted.take_changes();
        changes.connection_tests = self.connection_tests.take_changes();
        if meta != marks.meta {
            changes.meta = meta;
        }
        changes
    }

    /// Marks changes again that could not be written. The next write contains their values at that
    /// time.
    pub fn requeue(&mut self, changes: &PendingWrites) {
        let Some(mut dirty) = self.dirty.take() else {
            return;
        };
        for (key, _) in &changes.transfers {
            match self.slot(key) {
                Some(slot) => dirty.transfers.insert(slot),
                None => dirty.dropped.insert(key.clone()),
            };
        }
        dirty
            .failures
            .extend(changes.failures.iter().map(|(key, _)| key.clone()));
        for (key, _) in &changes.connectors {
            match self.connectors.find(key) {
                Some(number) => dirty.connectors.insert(number),
                None => dirty.removed_connectors.insert(key.clone()),
            };
        }
        dirty
            .fates
            .extend(changes.fates.iter().map(|(hash, _)| *hash));
        dirty
            .operations
            .extend(changes.operations.iter().map(|(hash, _)| *hash));
        let flows = changes.flows.iter();
        self.flows
            .mark_changed(flows.map(|(name, _)| name.as_str().into()));
        let uncounted = changes.uncounted.iter();
        self.uncounted
            .mark_changed(uncounted.map(|(transfer, _)| *transfer));
        let tests = changes.connection_tests.iter();
        self.connection_tests
            .mark_changed(tests.map(|(key, _)| key.clone()));
        dirty.meta = Meta::default();
        self.dirty = Some(dirty);
    }

    /// Marks everything as changed, because nothing that was written before exists any more.
    pub fn mark_all_dirty(&mut self) {
        let Some(dirty) = &mut self.dirty else {
            return;
        };
        dirty.transfers.extend(self.transfers.slots());
        dirty.failures.extend(self.failures.transfers());
        dirty.connectors.extend(self.connectors.numbers());
        dirty
            .removed_connectors
            .extend(self.dormant.keys().cloned());
        dirty.fates.extend(self.fates.hashes());
        dirty.operations.extend(self.operations.hashes());
        self.flows.mark_changed(self.flows.names());
        self.uncounted.mark_all_changed();
        self.connection_tests.mark_all_changed();
        dirty.meta = Meta::default();
    }
}
