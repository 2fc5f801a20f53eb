//! Expiry of finished transfers.
//!
//! Sources may report a transfer or its files again after it has expired. Its hash is therefore
//! remembered for [`RETENTION`], so that it is neither tracked nor counted a second time.

use super::Tracker;
use super::expiring_map::RETENTION;
use super::file_ledger::FileLedger;
use super::transfer::Transfer;
use model::{Now, TransferKey, stable_hash};

impl Tracker {
    /// Drops finished and gone transfers that have reached `keep_settled`, except those in the
    /// configuration, and expires remembered hashes.
    pub fn expire(&mut self, now: Now) {
        while let Some((at, slot)) = self.ended.first().copied() {
            if now.since(at) < self.settings.keep_settled {
                break;
            }
            self.drop_transfer(slot, Some(now));
        }
        let retired = self.retired.expire(now.wall);
        let operations = self.operations.expire(now.wall);
        if let Some(dirty) = &mut self.dirty {
            dirty.retired.extend(retired);
            dirty.operations.extend(operations);
        }
    }

    /// Remembers a transfer that is dropped, with its ledger while any of its files may still be
    /// counted.
    pub(super) fn retire(&mut self, key: &TransferKey, transfer: Transfer, now: Now) {
        let hash = retired_hash(key);
        self.retired
            .insert(hash, now.wall + RETENTION, transfer.into_ledger());
        self.mark_retired(hash);
    }

    /// Removes a remembered transfer and returns its ledger, if any of its files may still be
    /// counted.
    pub(super) fn take_retired(&mut self, hash: u64) -> Option<Box<FileLedger>> {
        let ledger = self.retired.remove(hash)?;
        self.mark_retired(hash);
        ledger
    }
}

pub(super) fn retired_hash(key: &TransferKey) -> u64 {
    stable_hash(&format!(
        "{}/{}/{}",
        key.account, key.connector, key.transfer
    ))
}
