//! Which connectors and transfers are tracked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use super::Tracker;
use super::fate::fate_hash;
use super::transfer::Transfer;
use model::{
    Account, AccountName, ConnectorKey, ConnectorTitle, Finished, ListedConnectors, Now, Origin,
    TransferId, TransferKey, TransferStart,
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
        connector.initialize_counters(self.settings.events);
        self.connectors.rank_waiting(number);
        self.connectors.mark_changed(number);
    }

    /// Records the details of listed connectors of an account. One that could not be described keeps
    /// its last details. If the list is `complete`, a connector that is not listed loses them, and is
    /// removed unless it has transfers or another source has reported it.
    pub fn set_listed_connectors(
        &mut self,
        account: &AccountName,
        listed: &ListedConnectors,
        complete: bool,
        now: Now,
    ) {
        let Some(configured) = self.accounts.get(account).map(Arc::clone) else {
            return;
        };
        let described = listed.iter().filter(|(_, details)| details.is_some());
        for (id, _) in described {
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
            let details = match listed.get(&connector.key.id) {
                Some(Some(details)) => Some(Arc::clone(details)),
                None if complete => None,
                Some(None) | None => continue,
            };
            if connector.details != details {
                connector.details = details;
                connector.initialize_counters(self.settings.events);
                self.connectors.rank_waiting(number);
                self.mark_connector(number);
            }
            self.remove_if_unused(number, now);
        }
    }

    /// Drops the details of connectors whose accounts are not in `listed`, because nothing updates
    /// them.
    pub fn retain_details(&mut self, listed: &BTreeSet<AccountName>, now: Now) {
        for number in self.connectors.numbers() {
            let connector = &mut self.connectors[number];
            if connector.details.is_some() && !listed.contains(&connector.key.account) {
                connector.details = None;
                self.connectors.rank_waiting(number);
                self.mark_connector(number);
                self.remove_if_unused(number, now);
            }
        }
    }

    /// Starts to track a transfer, or adds an origin to a tracked one. `started_at` is its start,
    /// if the source reports it.
    ///
    /// Transfers of other shards and of accounts that are not configured are ignored. A transfer
    /// that has left resumes from its fate.
    pub fn track(
        &mut self,
        key: TransferKey,
        origin: Origin,
        started_at: Option<SystemTime>,
        now: Now,
    ) {
        let start = TransferStart {
            key,
            started_at,
            reported_at: None,
            files: None,
        };
        self.track_start(&start, None, origin, now);
    }

    /// Tracks a transfer with all that is reported of its start, which is not later than `latest`.
    /// Returns `None` if the transfer is ignored.
    pub(super) fn track_start(
        &mut self,
        start: &TransferStart,
        latest: Option<SystemTime>,
        origin: Origin,
        now: Now,
    ) -> Option<u32> {
        let key = &start.key;
        if !self.is_owned(key) {
            return None;
        }
        self.follow_clock(now);
        let account = Arc::clone(self.accounts.get(&key.account)?);
        let number = self.connector_number(key.connector_key(), &account, now);
        self.connectors[number].discovered |= origin != Origin::Config;
        if matches!(origin, Origin::Config | Origin::Files) {
            self.confirm_connector(number);
        }
        let slot = self.transfers.find(number, &key.transfer);
        let slot = slot.unwrap_or_else(|| self.add_transfer(key, number, origin, now));
        let is_new_origin = !self.transfers[slot].has(origin);
        let settings = self.settings;
        self.update(slot, |transfer, _| {
            transfer.add_origin(origin);
            transfer.record_start(start, latest, now);
            if is_new_origin {
                transfer.retry_at_once(false, &settings, now);
            }
        });
        self.count_watched(slot, latest.is_some(), now);
        Some(slot)
    }

    /// Records that a connector exists: AWS has returned files of a transfer, or the administrator
    /// names it.
    pub(super) fn confirm_connector(&mut self, number: u32) {
        let connector = &mut self.connectors[number];
        if connector.confirmed {
            return;
        }
        connector.confirmed = true;
        connector.initialize_counters(self.settings.events);
        self.due.confirm(&connector.key.account, number);
        self.connectors.rank_waiting(number);
        self.mark_connector(number);
    }

    /// Adds a transfer, which resumes if it has left before.
    fn add_transfer(&mut self, key: &TransferKey, connector: u32, origin: Origin, now: Now) -> u32 {
        let id = key.transfer.clone();
        let transfer = match self.take_fate(fate_hash(key)) {
            Some(fate) => {
                let from = self.watched_from(key, fate.seen | 1 << origin as u8);
                let same_watch = self.watch_moments.is_same_watch(fate.left, from);
                Transfer::resume(id, connector, &fate, same_watch, now)
            }
            None => Transfer::new(id, connector, now),
        };
        let slot = self.insert_transfer(transfer);
        self.mark_transfer(slot);
        slot
    }

    /// Counts a transfer and its baseline if it is known by now that it started while it was watched.
    /// `has_file_start` is true if the start of one of its files is known.
    pub(super) fn count_watched(&mut self, slot: u32, has_file_start: bool, now: Now) {
        let transfer = &self.transfers[slot];
        let (number, seen) = (transfer.connector(), transfer.seen());
        let connector = &self.connectors[number].key;
        let from =
            self.watch_moments
                .watched_from(&connector.account, &connector.id, transfer.id(), seen);
        let (ends, started) = self.update(slot, |transfer, _| {
            let ends = transfer.watch_from(from);
            (ends, transfer.count_start(has_file_start, from))
        });
        let transfer = &self.transfers[slot];
        if transfer.has_start() || has_file_start {
            let since = transfer.since();
            self.record_start(number, since, started);
        }
        let transfer = self.transfers[slot].id().clone();
        self.count_late(number, &transfer, &ends, now);
        if !ends.is_empty() {
            let key = self.key(slot);
            self.count_baseline_of_flows(fate_hash(&key), &ends);
        }
    }

    /// Records the start of a transfer for its connector.
    pub(super) fn record_start(&mut self, number: u32, since: SystemTime, counted: bool) {
        let counters = &mut self.connectors[number].counters;
        if counters.record_start(since, counted) {
            self.mark_connector(number);
        }
    }

    /// Counts files that polls have reported before.
    pub(super) fn count_late(
        &mut self,
        number: u32,
        transfer: &TransferId,
        ends: &[Finished],
        now: Now,
    ) {
        for end in ends {
            let label = self.admitted_end(end);
            if label != *end {
                self.label_guard.count_folded();
            }
            let connector = &mut self.connectors[number];
            connector.counters.count(&label, transfer, now.wall);
            connector.count_recent(&label, now.wall, now.wall);
        }
        if !ends.is_empty() {
            self.mark_connector(number);
        }
    }

    /// Returns the moment from which the files of a transfer count. `seen` has a bit for each origin
    /// that has reported it.
    pub(super) fn watched_from(&self, key: &TransferKey, seen: u8) -> SystemTime {
        self.watch_moments
            .watched_from(&key.account, &key.connector, &key.transfer, seen)
    }

    /// Removes `origin` from one transfer and drops the transfer if this was its last origin.
    /// Returns false if the transfer is not tracked.
    pub fn untrack(&mut self, key: &TransferKey, origin: Origin, now: Now) -> bool {
        let Some(slot) = self.slot(key) else {
            return false;
        };
        self.follow_clock(now);
        self.update(slot, |transfer, _| transfer.remove_origin(origin));
        if !self.transfers[slot].has_origin() {
            let number = self.transfers[slot].connector();
            self.drop_transfer(slot, now);
            self.remove_if_unused(number, now);
        }
        true
    }

    /// Removes `origin` from every transfer for which `keep` returns false, and drops the transfers
    /// that have no other origin. Unused connectors are removed; their counters continue if they
    /// come back.
    pub fn retain_origin(&mut self, origin: Origin, keep: &dyn Fn(&TransferKey) -> bool, now: Now) {
        self.follow_clock(now);
        for slot in self.transfers.slots() {
            if self.transfers[slot].has(origin) && !keep(&self.key(slot)) {
                self.update(slot, |transfer, _| transfer.remove_origin(origin));
                if !self.transfers[slot].has_origin() {
                    self.drop_transfer(slot, now);
                }
            }
        }
        for number in self.connectors.numbers() {
            self.remove_if_unused(number, now);
        }
    }

    /// Returns the number of a connector, which is added if it is missing.
    pub(super) fn connector_number(
        &mut self,
        key: ConnectorKey,
        account: &Arc<Account>,
        now: Now,
    ) -> u32 {
        let dormant = self.dormant.remove(&key);
        let number = self.connectors.find_or_insert(key, account, now);
        if let Some(record) = dormant
            && *account.region == *record.region
        {
            self.connectors[number].restore(&record);
            self.mark_connector(number);
        }
        self.connectors[number].initialize_counters(self.settings.events);
        number
    }
}
