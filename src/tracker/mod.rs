//! Floor 1: the pure state machine. Known transfers, answers and `now` go in; what is due, what is settled, what has
//! expired and which counters move come out. No clock, no I/O.

mod chunk_index;
mod connector;
mod connector_counters;
mod connectors;
mod expiring_map;
mod failed_file;
mod file_ledger;
mod ingest;
mod label_guard;
pub mod persist;
mod poll;
pub mod query;
mod series_budget;
#[cfg(test)]
mod tests;
mod transfer;
mod transfers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chunk_index::{ChunkIndex, Tier};
use connectors::Connectors;
use expiring_map::{ExpiringMap, RETENTION};
use file_ledger::FileLedger;
use label_guard::LabelGuard;
use model::{
    Account, AccountName, ConnectorDetails, ConnectorId, ConnectorKey, ConnectorTitle, FileCounts,
    FileResult, Now, Origin, Shard, Snapshot, TransferKey, TransferView, stable_hash,
};
use persist::DirtySet;
use query::failures::Failures;
use series_budget::SeriesBudget;
use transfer::Transfer;
use transfers::Transfers;

pub use failed_file::FailedFile;
pub use ingest::Ingested;
pub use poll::{PollEffects, PollResult};

/// What the tracker goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerSettings {
    /// A younger answer is not fetched again.
    pub min_refresh_interval: Duration,
    /// An older answer of an unfinished transfer is fetched again, however long nothing has changed.
    pub max_refresh_interval: Duration,
    /// How long an unknown transfer is asked for again.
    pub gone_after: Duration,
    /// How long a finished transfer stays that no configuration names.
    pub keep_settled: Duration,
    /// So many transfers, the newest, have series of their own; the others show in the sums of their connectors alone.
    pub shown: usize,
    /// Transfers of other shards are ignored.
    pub shard: Shard,
    /// Events are listened to: one may tell of a file after its transfer has ended.
    pub events: bool,
}

/// All transfers, and what is known of them.
///
/// Whatever a scrape needs is kept as answers come, not made when it is asked for: sums, the order in which transfers
/// are due, which are shown. So the cost of a scrape follows what has changed.
#[derive(Debug)]
pub struct Tracker {
    settings: TrackerSettings,
    watching_since: SystemTime,
    accounts: BTreeMap<AccountName, Arc<Account>>,
    connectors: Connectors,
    transfers: Transfers,
    origins: [u64; Origin::ALL.len()],
    /// When each unfinished transfer is due, and its slot.
    due: BTreeSet<(Instant, u32)>,
    /// When each finished transfer ended that no configuration names, and its slot.
    ended: BTreeSet<(Instant, u32)>,
    shown: SeriesBudget,
    pages: ChunkIndex<TransferView>,
    codes: LabelGuard,
    failures: Failures,
    /// Transfers that are no longer tracked, with their ledgers while any file may still count.
    retired: ExpiringMap<Option<Box<FileLedger>>>,
    operations: ExpiringMap<()>,
    journal: Option<DirtySet>,
}

impl Tracker {
    /// A tracker that knows nothing yet. A transfer that began before `watching_since` has a base that is not counted.
    pub fn new(settings: TrackerSettings, watching_since: SystemTime) -> Self {
        Self {
            settings,
            watching_since,
            accounts: BTreeMap::new(),
            connectors: Connectors::default(),
            transfers: Transfers::default(),
            origins: [0; Origin::ALL.len()],
            due: BTreeSet::new(),
            ended: BTreeSet::new(),
            shown: SeriesBudget::new(settings.shown),
            pages: ChunkIndex::default(),
            codes: LabelGuard::default(),
            failures: Failures::default(),
            retired: ExpiringMap::default(),
            operations: ExpiringMap::default(),
            journal: None,
        }
    }

    /// Replaces what the tracker goes by; what it knows stays. An account that is no longer there takes its transfers
    /// along.
    pub fn configure(
        &mut self,
        settings: TrackerSettings,
        accounts: impl IntoIterator<Item = Account>,
    ) {
        self.settings = settings;
        // First of all: whatever leaves a queue is looked for by these settings.
        let transfers = &self.transfers;
        let due =
            |(_, slot): (Instant, u32)| transfers[slot].due_at(&settings).map(|at| (at, slot));
        self.due = std::mem::take(&mut self.due)
            .into_iter()
            .filter_map(due)
            .collect();
        self.accounts = accounts
            .into_iter()
            .map(|account| (account.name.clone(), Arc::new(account)))
            .collect();
        for number in self.connectors.numbers() {
            let connector = &mut self.connectors[number];
            connector.declared = false;
            connector.title = None;
            match self.accounts.get(&connector.key.account) {
                Some(account) if *account == connector.labels.account => {
                    if settings.events {
                        connector.counters.expect_events();
                    }
                    self.connectors.touch(number);
                }
                // Another Region: the labels of all its series change, and what was known is of another connector.
                _ => self.drop_connector(number),
            }
        }
        for slot in self.shown.limit_to(settings.shown) {
            self.show(slot);
        }
    }

    /// Makes a connector of the configuration known before any transfer of it is, and says what people call it. Holds
    /// until the next [`Tracker::configure`].
    pub fn upsert_connector(&mut self, key: ConnectorKey, title: Option<ConnectorTitle>, now: Now) {
        let Some(account) = self.accounts.get(&key.account) else {
            return;
        };
        let account = Arc::clone(account);
        let number = self.number_of(key, &account, now);
        let connector = &mut self.connectors[number];
        connector.declared = true;
        connector.title = title.map(Arc::new);
        self.connectors.touch(number);
    }

    /// Takes in which connectors an account has, and what AWS tells of them. One that is no longer among them, and that
    /// nothing else knows, goes.
    pub fn set_listed_connectors(
        &mut self,
        account: &AccountName,
        listed: &BTreeMap<ConnectorId, Arc<ConnectorDetails>>,
        now: Now,
    ) {
        let Some(known) = self.accounts.get(account).map(Arc::clone) else {
            return;
        };
        for id in listed.keys() {
            self.number_of(
                ConnectorKey {
                    account: account.clone(),
                    id: id.clone(),
                },
                &known,
                now,
            );
        }
        for number in self.connectors.numbers() {
            let connector = &mut self.connectors[number];
            if connector.key.account != *account {
                continue;
            }
            let details = listed.get(&connector.key.id);
            if connector.details.as_ref() != details {
                connector.details = details.cloned();
                self.touch(number);
            }
            if self.connectors[number].is_unknown() {
                self.remove_connector(number);
            }
        }
    }

    /// Starts to track a transfer, or adds an origin to one that is tracked. `started_at` is its start where the source
    /// tells it. Transfers of other shards, and of accounts that are not configured, are ignored; and so is one that was
    /// dropped not long ago, unless the configuration or the write API names it.
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
        let number = self.number_of(key.connector_key(), &account, now);
        self.connectors[number].discovered |= origin != Origin::Config;
        if let Some(slot) = self.transfers.find(number, &key.transfer) {
            self.change(slot, |transfer, _| transfer.add_origin(origin, started_at));
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
        let since = transfer.since();
        let slot = self.transfers.insert(transfer);
        for slot in self.shown.insert(since, slot) {
            self.show(slot);
        }
        self.attach(slot, true);
        self.journal_transfer(slot);
    }

    /// Takes an origin from every transfer that `keep` refuses; one without an origin is no longer tracked. A connector
    /// without transfers goes too, with its counter, if only an earlier configuration knew it.
    pub fn retain_origin(&mut self, origin: Origin, keep: &dyn Fn(&TransferKey) -> bool) {
        for slot in self.transfers.slots() {
            if self.transfers[slot].is_of(origin) && !keep(&self.key(slot)) {
                self.change(slot, |transfer, _| transfer.remove_origin(origin));
                if !self.transfers[slot].has_origin() {
                    self.drop_transfer(slot, None);
                }
            }
        }
        for number in self.connectors.numbers() {
            if self.connectors[number].is_unknown() {
                self.remove_connector(number);
            }
        }
    }

    /// The unfinished transfers that are to be looked at: those that never were first, then by how long ago the last
    /// look was. A settled or gone transfer is never among them. What the cost depends on is how many are due.
    pub fn due(&self, now: Now) -> Vec<TransferKey> {
        let due = self.due.range(..=(now.instant, u32::MAX));
        let mut turns: Vec<_> = due
            .map(|(_, slot)| (self.transfers[*slot].turn(), *slot))
            .collect();
        turns.sort_unstable();
        turns.into_iter().map(|(_, slot)| self.key(slot)).collect()
    }

    /// Takes an answer in. One for a transfer that is not tracked, settled or gone changes nothing.
    pub fn record_poll(&mut self, key: &TransferKey, answer: &PollResult, now: Now) -> PollEffects {
        let Some(number) = self.connectors.find(&key.connector_key()) else {
            return PollEffects::default();
        };
        let Some(slot) = self.transfers.find(number, &key.transfer) else {
            return PollEffects::default();
        };
        let transfer = &self.transfers[slot];
        if !transfer.state().is_unfinished() {
            return PollEffects::default();
        }
        let gone_after = self.settings.gone_after;
        match answer {
            PollResult::Files(files) if !files.is_empty() => {
                let since = self.watching_since;
                let newly = self.change(slot, |transfer, codes| {
                    transfer.read(files, since, codes, now)
                });
                if !newly.finished.is_empty() {
                    let connector = &mut self.connectors[number];
                    for end in &newly.finished {
                        connector.counters.count(end, &key.transfer, now.wall);
                        connector.count_recent(end, now.wall, now.wall);
                    }
                    self.touch(number);
                    // With the counters goes what it was counted from, also where the counts are those of before.
                    self.journal_transfer(slot);
                }
                newly
                    .failed
                    .iter()
                    .for_each(|file| self.keep_failure(slot, file, now.wall));
                let settled = !self.transfers[slot].state().is_unfinished();
                PollEffects {
                    failed: newly.failed,
                    settled,
                    gone: false,
                }
            }
            PollResult::Files(_) | PollResult::Unknown => {
                let gone = self.change(slot, |transfer, _| transfer.unknown(gone_after, now));
                PollEffects {
                    gone,
                    ..PollEffects::default()
                }
            }
            PollResult::Failed => {
                self.change(slot, |transfer, _| transfer.fail(now));
                PollEffects::default()
            }
        }
    }

    /// Drops the finished and gone transfers whose time is over, and remembers that they were; those that the
    /// configuration names stay.
    pub fn expire(&mut self, now: Now) {
        while let Some((at, slot)) = self.ended.first().copied() {
            if now.since(at) < self.settings.keep_settled {
                break;
            }
            self.drop_transfer(slot, Some(now));
        }
        let (retired, operations) = (
            self.retired.expire(now.wall),
            self.operations.expire(now.wall),
        );
        if let Some(journal) = &mut self.journal {
            journal.retired.extend(retired);
            journal.operations.extend(operations);
        }
    }

    /// Everything that is known now. ChunkIndex without a change are those of the snapshot before.
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        let (transfers, connectors) = (&self.transfers, &self.connectors);
        let view = |slot| {
            let transfer = &transfers[slot];
            transfer.view(&connectors[transfer.connector()].labels)
        };
        // In order for people, and because equal label values beside each other compress better.
        let order =
            |a: &TransferView, b: &TransferView| (&a.connector, &a.id).cmp(&(&b.connector, &b.id));
        Snapshot {
            transfers: self.pages.build(view, order),
            results_ages: connectors.results_ages(now),
            origins: self.origins(),
            folded_failure_codes: self.codes.folded(),
            connectors: self.connectors.pages(),
        }
    }

    /// Counts the files of a transfer that is not tracked, within the same bound on codes and statuses.
    pub fn count_files(&mut self, files: &[FileResult]) -> FileCounts {
        self.codes.count(files)
    }

    fn origins(&self) -> BTreeMap<Origin, u64> {
        let counts = Origin::ALL.into_iter().zip(self.origins);
        counts
            .filter(|(origin, transfers)| *transfers > 0 || *origin == Origin::Config)
            .collect()
    }

    fn key(&self, slot: u32) -> TransferKey {
        let transfer = &self.transfers[slot];
        let ConnectorKey { account, id } = self.connectors[transfer.connector()].key.clone();
        TransferKey {
            account,
            connector: id,
            transfer: transfer.id().clone(),
        }
    }

    /// The number of a connector, which is made known if it is not.
    fn number_of(&mut self, key: ConnectorKey, account: &Arc<Account>, now: Now) -> u32 {
        let number = self.connectors.number_of(key, account, now);
        if self.settings.events {
            self.connectors[number].counters.expect_events();
        }
        number
    }

    /// PendingWrites a transfer, and whatever follows from it.
    fn change<R>(
        &mut self,
        slot: u32,
        change: impl FnOnce(&mut Transfer, &mut LabelGuard) -> R,
    ) -> R {
        self.detach(slot);
        let transfer = &mut self.transfers[slot];
        let before = transfer.fingerprint();
        let since = transfer.since();
        let result = change(transfer, &mut self.codes);
        transfer.close(self.settings.events);
        let changed = transfer.fingerprint() != before;
        if transfer.since() != since {
            let to = transfer.since();
            for slot in self.shown.move_to(slot, since, to) {
                self.show(slot);
            }
        }
        self.attach(slot, changed);
        if changed {
            self.journal_transfer(slot);
        }
        result
    }

    /// Takes a transfer out of every sum and queue.
    fn detach(&mut self, slot: u32) {
        let transfer = &self.transfers[slot];
        self.connectors[transfer.connector()].subtract(slot, transfer);
        for (origin, count) in Origin::ALL.into_iter().zip(&mut self.origins) {
            *count -= u64::from(transfer.is_of(origin));
        }
        if let Some(at) = transfer.due_at(&self.settings) {
            self.due.remove(&(at, slot));
        }
        if let Some(at) = transfer.ended() {
            self.ended.remove(&(at, slot));
        }
    }

    /// Puts a transfer into every sum and queue that it belongs to.
    fn attach(&mut self, slot: u32, changed: bool) {
        let transfer = &self.transfers[slot];
        self.connectors[transfer.connector()].add(slot, transfer);
        let number = transfer.connector();
        for (origin, count) in Origin::ALL.into_iter().zip(&mut self.origins) {
            *count += u64::from(transfer.is_of(origin));
        }
        if let Some(at) = transfer.due_at(&self.settings) {
            self.due.insert((at, slot));
        }
        if let Some(at) = transfer.ended().filter(|_| !transfer.is_of(Origin::Config)) {
            self.ended.insert((at, slot));
        }
        if changed {
            self.touch(number);
        }
        self.place(slot, changed);
    }

    /// Has a transfer shown that has just become one of the newest, or hidden that no longer is.
    fn show(&mut self, slot: u32) {
        self.place(slot, true);
    }

    fn place(&mut self, slot: u32, changed: bool) {
        let Some(transfer) = self.transfers.get(slot) else {
            return;
        };
        let tier = if transfer.state().is_unfinished() {
            Tier::Open
        } else {
            Tier::Ended
        };
        self.pages.put(
            slot,
            self.shown.contains(transfer.since(), slot).then_some(tier),
            changed,
        );
    }

    /// No longer tracks a transfer; with `now`, it is remembered that it was.
    fn drop_transfer(&mut self, slot: u32, now: Option<Now>) {
        let key = self.key(slot);
        self.detach(slot);
        self.failures.drop_of(slot);
        let transfer = self.transfers.remove(slot);
        self.touch(transfer.connector());
        self.pages.put(slot, None, true);
        for slot in self.shown.remove(transfer.since(), slot) {
            self.show(slot);
        }
        if let Some(now) = now {
            let hash = retired_hash(&key);
            self.retired
                .insert(hash, now.wall + RETENTION, transfer.take_ledger());
            self.journal_retired(hash);
        }
        if let Some(journal) = &mut self.journal {
            journal.transfers.remove(&slot);
            journal.failures.remove(&slot);
            journal.dropped.insert(key);
        }
    }

    fn drop_connector(&mut self, number: u32) {
        for slot in self.transfers.slots() {
            if self.transfers[slot].connector() == number {
                self.drop_transfer(slot, None);
            }
        }
        self.remove_connector(number);
    }

    fn remove_connector(&mut self, number: u32) {
        let key = self.connectors.remove(number);
        if let Some(journal) = &mut self.journal {
            journal.connectors.remove(&number);
            journal.dropped_connectors.insert(key);
        }
    }

    fn touch(&mut self, number: u32) {
        self.connectors.touch(number);
        if let Some(journal) = &mut self.journal {
            journal.connectors.insert(number);
        }
    }

    /// Forgets that a transfer was dropped; what comes back is its ledger, if any file of it may still count.
    fn take_retired(&mut self, hash: u64) -> Option<Box<FileLedger>> {
        let known = self.retired.remove(hash)?;
        self.journal_retired(hash);
        known
    }

    fn journal_transfer(&mut self, slot: u32) {
        if let Some(journal) = &mut self.journal {
            journal.transfers.insert(slot);
        }
    }

    fn journal_retired(&mut self, hash: u64) {
        if let Some(journal) = &mut self.journal {
            journal.retired.insert(hash);
        }
    }
}

fn retired_hash(key: &TransferKey) -> u64 {
    stable_hash(&format!(
        "{}/{}/{}",
        key.account, key.connector, key.transfer
    ))
}
