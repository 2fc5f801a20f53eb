//! What has changed since it was last written, and how it is taken up again.

mod record;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Tracker;
use super::connector_counters::ConnectorCounters;
use super::transfer::Transfer;
use model::{ConnectorKey, Finished, Now, Origin, TransferKey};

pub use record::{
    ConnectorRecord, CountRecord, DurationsRecord, EndRecord, FailureRecord, LedgerRecord, Meta,
    Millis, NewestRecord, PendingWrites, RetiredRecord, SavedState, TransferRecord,
};
pub(super) use record::{counts, counts_record, end, end_record, millis, time};

/// Marks of what has changed; the values are read when they are asked for.
#[derive(Debug, Default)]
pub(in crate::tracker) struct DirtySet {
    pub(in crate::tracker) transfers: BTreeSet<u32>,
    pub(in crate::tracker) dropped: BTreeSet<TransferKey>,
    /// Transfers whose failed files have changed.
    pub(in crate::tracker) failures: BTreeSet<u32>,
    pub(in crate::tracker) connectors: BTreeSet<u32>,
    pub(in crate::tracker) dropped_connectors: BTreeSet<ConnectorKey>,
    pub(in crate::tracker) retired: BTreeSet<u64>,
    pub(in crate::tracker) operations: BTreeSet<u64>,
    /// What was written last of the rest.
    meta: Meta,
}

impl Tracker {
    /// Takes up what was written, and marks changes from here on. To be called once, after the first
    /// [`Tracker::configure`]; what belongs to an account that is no longer configured, or to another Region or shard, is
    /// left out, and marked as dropped.
    pub fn restore(&mut self, saved: SavedState, now: Now) {
        self.journal = Some(DirtySet {
            meta: saved.meta,
            ..DirtySet::default()
        });
        self.watching_since = saved.meta.watching_since.map_or(now.wall, time);
        self.codes.restore_folded(saved.meta.folded);
        for (key, record) in saved.connectors {
            let account = self
                .accounts
                .get(&key.account)
                .filter(|account| *account.region == *record.region);
            let Some(account) = account.map(Arc::clone) else {
                self.note_dropped_connector(key);
                continue;
            };
            let number = self.connectors.number_of(key, &account, now);
            let connector = &mut self.connectors[number];
            connector.known_since = time(record.known_since);
            connector.discovered = record.discovered;
            connector.counters = ConnectorCounters::from(&record);
            if self.settings.events {
                connector.counters.expect_events();
            }
            for end in connector.counters.finished.keys() {
                if let Finished::Failed(Some(code)) = end {
                    self.codes.admit_code(code);
                }
            }
        }
        for (key, record) in saved.transfers {
            let ours = self.settings.shard.owns(&key.connector, &key.transfer);
            let Some(number) = self.connectors.find(&key.connector_key()).filter(|_| ours) else {
                if let Some(journal) = &mut self.journal {
                    journal.dropped.insert(key);
                }
                continue;
            };
            if self.transfers.find(number, &key.transfer).is_none() {
                self.restore_transfer(key, number, &record, now);
            }
        }
        for (key, records) in saved.failures {
            match self.slot(&key) {
                Some(slot) => self.restore_failures(slot, records),
                None => self.note_dropped_failures(key),
            }
        }
        for (hash, record) in saved.retired {
            let ledger = record.ledger.as_ref().map(|ledger| Box::new(ledger.into()));
            self.retired.insert(hash, time(record.until), ledger);
        }
        for (hash, until) in saved.operations {
            self.operations.insert(hash, time(until), ());
        }
        // Taking a transfer up touches its connector, of which nothing has changed.
        if let Some(journal) = &mut self.journal {
            journal.connectors.clear();
        }
    }

    fn restore_transfer(
        &mut self,
        key: TransferKey,
        number: u32,
        record: &TransferRecord,
        now: Now,
    ) {
        let transfer = Transfer::restored(key.transfer, number, record, now);
        let since = transfer.since();
        let slot = self.transfers.insert(transfer);
        for slot in self.shown.insert(since, slot) {
            self.show(slot);
        }
        self.attach(slot, true);
    }

    /// Its transfer is not there: what was written of it goes.
    fn note_dropped_failures(&mut self, key: TransferKey) {
        if let Some(journal) = &mut self.journal {
            journal.dropped.insert(key);
        }
    }

    fn note_dropped_connector(&mut self, key: ConnectorKey) {
        if let Some(journal) = &mut self.journal {
            journal.dropped_connectors.insert(key);
        }
    }

    /// What has changed since the last time. Nothing before [`Tracker::restore`].
    pub fn take_changes(&mut self, now: Now) -> PendingWrites {
        let Some(journal) = &mut self.journal else {
            return PendingWrites::default();
        };
        let marks = std::mem::take(journal);
        let meta = Meta {
            watching_since: Some(millis(self.watching_since)),
            folded: self.codes.folded(),
        };
        journal.meta = meta;
        let (transfers, retired, operations) = (&self.transfers, &self.retired, &self.operations);
        let mut changes = PendingWrites::default();
        // What was dropped and has come again is written after.
        changes
            .failures
            .extend(marks.dropped.iter().map(|key| (key.clone(), Vec::new())));
        changes
            .transfers
            .extend(marks.dropped.into_iter().map(|key| (key, None)));
        let failures = |slot: u32| {
            transfers
                .get(slot)
                .map(|_| (self.key(slot), self.failures.records(slot)))
        };
        changes
            .failures
            .extend(marks.failures.into_iter().filter_map(failures));
        let known = |slot: u32| {
            transfers
                .get(slot)
                .map(|transfer| (self.key(slot), Some(transfer.record(now))))
        };
        changes
            .transfers
            .extend(marks.transfers.into_iter().filter_map(known));
        changes
            .connectors
            .extend(marks.dropped_connectors.into_iter().map(|key| (key, None)));
        changes
            .connectors
            .extend(marks.connectors.into_iter().map(|number| {
                let connector = &self.connectors[number];
                let mut record = ConnectorRecord {
                    region: connector.labels.account.region.to_string(),
                    known_since: millis(connector.known_since),
                    discovered: connector.discovered,
                    ..ConnectorRecord::default()
                };
                connector.counters.fill(&mut record);
                (connector.key.clone(), Some(record))
            }));
        changes
            .retired
            .extend(marks.retired.into_iter().map(|hash| {
                let record = retired.get(hash).map(|(until, ledger)| RetiredRecord {
                    until: millis(*until),
                    ledger: ledger.as_deref().map(Into::into),
                });
                (hash, record)
            }));
        let until = |hash| (hash, operations.get(hash).map(|(until, ())| millis(*until)));
        changes
            .operations
            .extend(marks.operations.into_iter().map(until));
        if meta != marks.meta {
            changes.meta = meta;
        }
        changes
    }

    /// Marks again what was taken and could not be written. What is written next time are the values of then.
    pub fn requeue(&mut self, changes: &PendingWrites) {
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        for (key, _) in &changes.transfers {
            match self.slot(key) {
                Some(slot) => journal.transfers.insert(slot),
                None => journal.dropped.insert(key.clone()),
            };
        }
        journal.failures.extend(
            changes
                .failures
                .iter()
                .filter_map(|(key, _)| self.slot(key)),
        );
        for (key, _) in &changes.connectors {
            match self.connectors.find(key) {
                Some(number) => journal.connectors.insert(number),
                None => journal.dropped_connectors.insert(key.clone()),
            };
        }
        journal
            .retired
            .extend(changes.retired.iter().map(|(hash, _)| *hash));
        journal
            .operations
            .extend(changes.operations.iter().map(|(hash, _)| *hash));
        journal.meta = Meta::default();
        self.journal = Some(journal);
    }

    /// Marks everything as changed: nothing of what was written is there any more.
    pub fn mark_all_dirty(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        journal.transfers.extend(self.transfers.slots());
        journal.failures.extend(self.failures.slots());
        journal.connectors.extend(self.connectors.numbers());
        journal.retired.extend(self.retired.hashes());
        journal.operations.extend(self.operations.hashes());
        journal.meta = Meta::default();
    }

    /// Stops to track one transfer that the write API named; true if it was tracked.
    pub fn untrack(&mut self, key: &TransferKey, origin: Origin, now: Now) -> bool {
        let Some(slot) = self.slot(key) else {
            return false;
        };
        self.change(slot, |transfer, _| transfer.remove_origin(origin));
        if !self.transfers[slot].has_origin() {
            self.drop_transfer(slot, Some(now));
        }
        true
    }
}
