//! Which connectors and transfers are tracked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::Tracker;
use super::retention::retired_hash;
use super::transfer::Transfer;
use model::{
    Account, AccountName, ConnectorDetails, ConnectorId, ConnectorKey, ConnectorTitle, Now, Origin,
    TransferKey,
};

impl Tracker {
    /// Adds a connector of the configuration, or updates its title. Valid until the next
    /// [`Tracker::configure`].
    pub fn upsert_connector(&mut self, key: ConnectorKey, title: Option<ConnectorTitle>, now: Now) {
        let Some(account) = self.accounts.get(&key.account) else {
            return;
        };
        let account = Arc::clone(account);
        let number = self.connector_number(key, &account, now);
        let connector = &mut self.connectors[number];
        connector.declared = true;
        connector.title = title.map(Arc::new);
        self.connectors.mark_changed(number);
    }

    /// Replaces the list of connectors of an account with their details. A connector that is no
    /// longer listed is removed unless it has transfers or another source has reported it.
    pub fn set_listed_connectors(
        &mut self,
        account: &AccountName,
        listed: &BTreeMap<ConnectorId, Arc<ConnectorDetails>>,
        now: Now,
    ) {
        let Some(configured) = self.accounts.get(account).map(Arc::clone) else {
            return;
        };
        for id in listed.keys() {
            let key = ConnectorKey {
                account: account.clone(),
                id: id.clone(),
            };
            self.connector_number(key, &configured, now);
        }
        for number in self.connectors.numbers() {
            let connector = &mut self.connectors[number];
            if connector.key.account != *account {
                continue;
            }
            let details = listed.get(&connector.key.id);
            if connector.details.as_ref() != details {
                connector.details = details.cloned();
                self.mark_connector(number);
            }
            if self.connectors[number].is_unused() {
                self.remove_connector(number);
            }
        }
    }

    /// Starts to track a transfer, or adds an origin to a tracked one. `started_at` is its start,
    /// if the source reports it.
    ///
    /// Transfers of other shards and of accounts that are not configured are ignored. An expired
    /// transfer is only tracked again if the configuration or the write API names it.
    pub fn track(
        &mut self,
        key: TransferKey,
        origin: Origin,
        started_at: Option<SystemTime>,
        now: Now,
    ) {
        if !self.settings.shard.owns(&key.connector, &key.transfer) {
            return;
        }
        let Some(account) = self.accounts.get(&key.account) else {
            return;
        };
        let account = Arc::clone(account);
        let number = self.connector_number(key.connector_key(), &account, now);
        self.connectors[number].discovered |= origin != Origin::Config;
        if let Some(slot) = self.transfers.find(number, &key.transfer) {
            self.update(slot, |transfer, _| transfer.add_origin(origin, started_at));
            return;
        }
        let hash = retired_hash(&key);
        if self.retired.contains(hash) && !matches!(origin, Origin::Config | Origin::Api) {
            return;
        }
        let mut transfer = Transfer::new(key.transfer, number, now);
        transfer.add_origin(origin, started_at);
        if let Some(ledger) = self.take_retired(hash) {
            transfer.resume(ledger);
        }
        let slot = self.insert_transfer(transfer);
        self.mark_transfer(slot);
    }

    /// Removes `origin` from one transfer and drops the transfer if this was its last origin.
    /// Returns false if the transfer is not tracked.
    pub fn untrack(&mut self, key: &TransferKey, origin: Origin, now: Now) -> bool {
        let Some(slot) = self.slot(key) else {
            return false;
        };
        self.update(slot, |transfer, _| transfer.remove_origin(origin));
        if !self.transfers[slot].has_origin() {
            self.drop_transfer(slot, Some(now));
        }
        true
    }

    /// Removes `origin` from every transfer for which `keep` returns false, and drops the transfers
    /// that have no other origin. Connectors that are no longer in the configuration and that no
    /// source has reported are removed with their counters.
    pub fn retain_origin(&mut self, origin: Origin, keep: &dyn Fn(&TransferKey) -> bool) {
        for slot in self.transfers.slots() {
            if self.transfers[slot].has(origin) && !keep(&self.key(slot)) {
                self.update(slot, |transfer, _| transfer.remove_origin(origin));
                if !self.transfers[slot].has_origin() {
                    self.drop_transfer(slot, None);
                }
            }
        }
        for number in self.connectors.numbers() {
            if self.connectors[number].is_unused() {
                self.remove_connector(number);
            }
        }
    }

    /// Returns the number of a connector, which is added if it is missing.
    pub(super) fn connector_number(
        &mut self,
        key: ConnectorKey,
        account: &Arc<Account>,
        now: Now,
    ) -> u32 {
        let number = self.connectors.find_or_insert(key, account, now);
        if self.settings.events {
            self.connectors[number].counters.initialize_event_counters();
        }
        number
    }
}
