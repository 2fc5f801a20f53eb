//! Transfers that leave, and expiry.
//!
//! A transfer leaves when its last source no longer reports it, when its account or shard does, or
//! when it has been settled for `keep_settled`. What is counted of it is its fate, which is kept for
//! 15 days: sources may report the transfer or its files again.

use std::time::Duration;

use super::Tracker;
use super::fate::{FATE_KEPT, Fate, fate_hash};
use super::persist::{ConnectorRecord, seconds};
use super::transfer::{Transfer, has_results};
use model::{ConnectorKey, Now, TransferKey, TransferState, millis};

/// How many fates are kept at most, as a multiple of [`super::TrackerLimits::transfers`]: enough for
/// seven days, for which CloudTrail is read, at the limit.
const FATES: usize = 10;

/// How many removed connectors are kept at most, as a multiple of
/// [`super::TrackerLimits::connectors`]: each takes about 2 KiB.
const DORMANT: usize = 2;

impl Tracker {
    /// Drops finished and gone transfers that have reached `keep_settled`, except those in the
    /// configuration, gives unfinished ones up whose results have expired, and drops what is kept of
    /// transfers, operations and connectors that left 15 days ago. Unused connectors are removed.
    pub fn expire(&mut self, now: Now) {
        self.follow_clock(now);
        self.give_up_abandoned(now);
        self.expire_failures(now);
        self.flows.advance(now.wall);
        let keep = u32::try_from(self.settings.keep_settled.as_secs()).unwrap_or(u32::MAX);
        while let Some((at, slot)) = self.ended.first().copied() {
            if at.saturating_add(keep) > seconds(now.wall) {
                break;
            }
            self.drop_expired(slot, now);
        }
        for number in self.connectors.numbers() {
            self.remove_if_unused(number, now);
        }
        let fates = self.fates.expire(self.watch_moments.steady(now.wall));
        let operations = self.operations.expire(now.wall);
        self.uncounted.expire(now.wall);
        if self.dirty.is_none() {
            // Without a store no write takes them.
            self.uncounted.take_changes();
        }
        let oldest = millis(now.wall).saturating_sub(millis_of(FATE_KEPT));
        let is_over = |left: Option<u64>| left.is_some_and(|left| left < oldest);
        let connectors: Vec<_> = self
            .dormant
            .iter()
            .filter(|(_, record)| is_over(record.left))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &connectors {
            self.dormant.remove(key);
        }
        if let Some(dirty) = &mut self.dirty {
            dirty.fates.extend(fates);
            dirty.operations.extend(operations);
            dirty.removed_connectors.extend(connectors);
        }
    }

    /// Drops a transfer. If AWS knew it, its connector stays.
    pub(super) fn drop_expired(&mut self, slot: u32, now: Now) {
        let transfer = &self.transfers[slot];
        let has_ended = transfer.ended().is_some() && transfer.state() != TransferState::Gone;
        let number = transfer.connector();
        self.connectors[number].kept |= has_ended || transfer.files().is_some();
        self.drop_transfer(slot, now);
    }

    /// Ends unfinished transfers whose results AWS no longer keeps, even if nothing polls them.
    fn give_up_abandoned(&mut self, now: Now) {
        let gone_after = self.settings.gone_after;
        for number in self.connectors.numbers() {
            while let Some((since, slot)) = self.connectors[number].oldest_unfinished() {
                if has_results(since, now) || !self.transfers[slot].is_abandoned(gone_after, now) {
                    break;
                }
                self.update(slot, |transfer, _| transfer.give_up(now));
            }
        }
    }

    /// Keeps what is counted of a transfer that leaves. Nothing is kept of one that was only named:
    /// no poll or event has reported it, and no source its start.
    pub(super) fn keep_fate(&mut self, key: &TransferKey, transfer: &Transfer, now: Now) {
        let fate = transfer.fate(self.watch_moments.steady(now.wall));
        let has_evidence = fate.polled || transfer.has_start() || !fate.ledger.bytes().is_empty();
        if has_evidence {
            self.insert_fate(fate_hash(key), &fate);
        }
    }

    pub(super) fn insert_fate(&mut self, hash: u64, fate: &Fate) {
        self.fates.insert(hash, fate);
        self.mark_fate(hash);
        let most = self.settings.limits.transfers;
        for hash in self.fates.shed(most.saturating_mul(FATES), most) {
            self.mark_fate(hash);
        }
    }

    /// Keeps the counters of a connector that has been removed. Beyond a limit those that AWS has not
    /// confirmed are dropped first, and among them those that left first.
    pub(super) fn keep_dormant(&mut self, key: ConnectorKey, record: ConnectorRecord) {
        self.dormant.insert(key, record);
        let most = self.settings.limits.connectors.saturating_mul(DORMANT);
        if self.dormant.len() <= most.saturating_add(most / 8) {
            return;
        }
        let order = |record: &ConnectorRecord| (record.confirmed, record.left);
        let mut left: Vec<_> = self.dormant.values().map(order).collect();
        let last = self.dormant.len() - most - 1;
        let newest = *left.select_nth_unstable(last).1;
        let dropped = self
            .dormant
            .extract_if(.., |_, record| order(record) <= newest)
            .map(|(key, _)| key);
        match &mut self.dirty {
            Some(dirty) => dirty.removed_connectors.extend(dropped),
            None => drop(dropped.count()),
        }
    }

    /// Removes the fate of a transfer that comes back.
    pub(super) fn take_fate(&mut self, hash: u64) -> Option<Fate> {
        let fate = self.fates.remove(hash)?;
        self.mark_fate(hash);
        Some(fate)
    }
}

fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
