//! The only place that changes transfers. [`Tracker::update`] keeps every derived structure (sums,
//! queues, series budget, chunks, dirty set) consistent with the change.

use std::time::Duration;

use super::Tracker;
use super::chunk_index::RowGroup;
use super::due::Turn;
use super::label_guard::LabelGuard;
use super::series_budget::Rank;
use super::transfer::Transfer;
use model::{ConnectorKey, Now, Origin, TransferKey, millis};

/// How long a connector without transfers whose files were counted is exported at least, so that a
/// scrape sees its counters.
const IDLE_FOR: Duration = Duration::from_hours(1);

impl Tracker {
    /// Changes a transfer and everything that is derived from it.
    pub(super) fn update<R>(
        &mut self,
        slot: u32,
        change: impl FnOnce(&mut Transfer, &mut LabelGuard) -> R,
    ) -> R {
        self.detach(slot);
        let transfer = &mut self.transfers[slot];
        let before = transfer.fingerprint();
        let rank = Rank::of(transfer, self.settings.per_transfer);
        let result = change(transfer, &mut self.label_guard);
        let changed = transfer.fingerprint() != before;
        let new_rank = Rank::of(transfer, self.settings.per_transfer);
        for slot in self.series_budget.change(slot, rank, new_rank) {
            self.update_visibility(slot);
        }
        self.attach(slot, changed);
        if changed {
            self.mark_transfer(slot);
        }
        result
    }

    /// Adds a transfer and returns its slot.
    pub(super) fn insert_transfer(&mut self, transfer: Transfer) -> u32 {
        let rank = Rank::of(&transfer, self.settings.per_transfer);
        let slot = self.transfers.insert(transfer);
        for slot in self.series_budget.change(slot, None, rank) {
            self.update_visibility(slot);
        }
        self.attach(slot, true);
        slot
    }

    /// Stops tracking a transfer, whose fate is kept.
    pub(super) fn drop_transfer(&mut self, slot: u32, now: Now) {
        let key = self.key(slot);
        self.detach(slot);
        if let Some(poll) = self.due.remove(slot) {
            self.departed_polls.add(key.clone(), poll);
        }
        let transfer = self.transfers.remove(slot);
        self.connectors.rank_waiting(transfer.connector());
        self.connectors[transfer.connector()].used = now.instant;
        self.mark_connector(transfer.connector());
        self.chunks.put(slot, None, true);
        let rank = Rank::of(&transfer, self.settings.per_transfer);
        for slot in self.series_budget.change(slot, rank, None) {
            self.update_visibility(slot);
        }
        self.keep_fate(&key, &transfer, now);
        if let Some(dirty) = &mut self.dirty {
            dirty.transfers.remove(&slot);
            dirty.dropped.insert(key);
        }
    }

    /// Removes a connector with all its transfers.
    pub(super) fn drop_connector(&mut self, number: u32, now: Now) {
        for slot in self.transfers.slots() {
            if self.transfers[slot].connector() == number {
                self.drop_transfer(slot, now);
            }
        }
        self.remove_connector(number, now);
    }

    /// Removes a connector that nothing refers to.
    pub(super) fn remove_if_unused(&mut self, number: u32, now: Now) {
        let idle_for = self.settings.keep_settled.max(IDLE_FOR);
        if self.connectors[number].is_unused(idle_for, now) {
            self.remove_connector(number, now);
        }
    }

    /// Removes a connector without transfers. Its counters are kept for when it comes back.
    pub(super) fn remove_connector(&mut self, number: u32, now: Now) {
        let connector = &self.connectors[number];
        if connector.counters.continue_later(connector.confirmed) {
            let record = connector.record(Some(millis(now.wall)));
            let key = connector.key.clone();
            self.keep_dormant(key, record);
        }
        let key = self.connectors.remove(number);
        if let Some(dirty) = &mut self.dirty {
            dirty.connectors.remove(&number);
            dirty.removed_connectors.insert(key);
        }
    }

    /// Updates whether a transfer has its own series.
    pub(super) fn update_visibility(&mut self, slot: u32) {
        self.place_row(slot, true);
    }

    /// Marks a connector as changed, for snapshots and for the store.
    pub(super) fn mark_connector(&mut self, number: u32) {
        self.connectors.mark_changed(number);
        if let Some(dirty) = &mut self.dirty {
            dirty.connectors.insert(number);
        }
    }

    /// Marks a transfer as changed for the store.
    pub(super) fn mark_transfer(&mut self, slot: u32) {
        if let Some(dirty) = &mut self.dirty {
            dirty.transfers.insert(slot);
        }
    }

    /// Marks a fate as changed for the store.
    pub(super) fn mark_fate(&mut self, hash: u64) {
        if let Some(dirty) = &mut self.dirty {
            dirty.fates.insert(hash);
        }
    }

    pub(super) fn slot(&self, key: &TransferKey) -> Option<u32> {
        let number = self.connectors.find(&key.connector_key())?;
        self.transfers.find(number, &key.transfer)
    }

    pub(super) fn key(&self, slot: u32) -> TransferKey {
        let transfer = &self.transfers[slot];
        let ConnectorKey { account, id } = self.connectors[transfer.connector()].key.clone();
        TransferKey {
            account,
            connector: id,
            transfer: transfer.id().clone(),
        }
    }

    /// Removes a transfer from all sums and queues.
    fn detach(&mut self, slot: u32) {
        let transfer = &self.transfers[slot];
        self.connectors[transfer.connector()].subtract(slot, transfer);
        for (origin, count) in Origin::ALL.into_iter().zip(&mut self.origins) {
            *count -= u64::from(transfer.has(origin));
        }
        if let Some(at) = transfer.ended() {
            self.ended.remove(&(at, slot));
        }
    }

    /// Adds a transfer to all sums and queues that it belongs to.
    fn attach(&mut self, slot: u32, changed: bool) {
        let transfer = &self.transfers[slot];
        let number = transfer.connector();
        self.connectors[number].add(slot, transfer);
        self.connectors.rank_waiting(number);
        for (origin, count) in Origin::ALL.into_iter().zip(&mut self.origins) {
            *count += u64::from(transfer.has(origin));
        }
        if let Some(at) = transfer.ended().filter(|_| !transfer.has(Origin::Config)) {
            self.ended.insert((at, slot));
        }
        if changed {
            self.mark_connector(number);
        }
        self.queue_poll(slot);
        self.place_row(slot, changed);
    }

    /// Queues the next poll of a transfer, or removes a finished transfer from the queue.
    pub(super) fn queue_poll(&mut self, slot: u32) {
        let transfer = &self.transfers[slot];
        let number = transfer.connector();
        let connector = &self.connectors[number];
        match transfer.due_at(&self.settings) {
            Some(due) => {
                let turn = Turn {
                    due,
                    last_poll: transfer.last_attempt(),
                    is_read: transfer.files().is_some(),
                    is_confirmed: connector.is_confirmed(),
                };
                self.due.set(slot, &connector.key.account, number, turn);
                if !self.departed_polls.is_empty() {
                    let key = self.key(slot);
                    self.departed_polls.resume(&key, slot, &mut self.due);
                }
            }
            None => {
                self.due.remove(slot);
            }
        }
    }

    fn place_row(&mut self, slot: u32, changed: bool) {
        let Some(transfer) = self.transfers.get(slot) else {
            return;
        };
        let group = if transfer.is_open() {
            RowGroup::Unfinished
        } else {
            RowGroup::Ended
        };
        let rank = Rank::of(transfer, self.settings.per_transfer);
        let visible = self.series_budget.contains(rank, slot);
        self.chunks.put(slot, visible.then_some(group), changed);
    }
}
