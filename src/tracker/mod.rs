//! The state of every transfer, as a pure state machine: facts, poll results and `now` go in; due
//! transfers, counters and snapshots come out. No clock and no I/O.
//!
//! | module | contents |
//! | --- | --- |
//! | `tracking` | which connectors and transfers are tracked |
//! | `exclusion` | connectors whose transfers are not tracked |
//! | [`due`](PollTicket) | which transfer is polled next |
//! | [`poll`](PollResult) | results of `ListFileTransferResults` |
//! | [`ingest`](Ingested) | facts reported by discovery sources and events |
//! | `file_ledger` | counts each file once, whichever source reports it first |
//! | `watch_moments` | the moments from which finished files count |
//! | `flow_files` | passes finished files to the flow that owns them |
//! | `failures` | failed files, and which of them are unresolved |
//! | `fate` | what outlives a transfer that has left |
//! | `index` | keeps all derived structures consistent |
//! | `retention` | transfers that leave, and expiry |
//! | [`persist`] | pending writes and restoration |
//! | [`query`] | read-only queries for pages and the JSON API |

mod arena;
mod chunk_index;
mod connection_tests;
mod connector;
mod connector_counters;
mod connectors;
mod departed_polls;
mod due;
mod exclusion;
mod expiring_map;
mod failed_file;
mod failures;
mod fate;
mod file_ledger;
mod flow_files;
mod index;
mod ingest;
mod label_guard;
mod limits;
mod packed_ledger;
pub mod persist;
mod poll;
pub mod query;
mod retention;
mod series_budget;
#[cfg(test)]
mod tests;
mod tracking;
mod transfer;
mod transfers;
mod uncounted;
mod watch_moments;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::flows::Flows;
use chunk_index::ChunkIndex;
use connection_tests::ConnectionTests;
use connectors::Connectors;
use departed_polls::DepartedPolls;
use due::DueQueue;
use expiring_map::ExpiringMap;
use failures::Failures;
use fate::Fates;
use label_guard::LabelGuard;
use model::{
    Account, AccountName, ConnectorGroups, ConnectorKey, FileCounts, FileResult, Now, Origin,
    Ownership, PerTransfer, Shard, Snapshot, TransferView,
};
use persist::{ConnectorRecord, DirtySet};
use series_budget::{Rank, SeriesBudget};
use transfers::Transfers;
use uncounted::UncountedFiles;
use watch_moments::WatchMoments;

pub use due::PollTicket;
pub use failed_file::FailedFile;
pub use failures::{FailureFilter, KeptFailure, Resolution};
pub use ingest::Ingested;
pub use limits::{Limit, TrackerLimits};
pub use poll::{PollEffects, PollResult};

/// Tracker settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerSettings {
    /// Shortest time between two polls of a transfer.
    pub min_refresh_interval: Duration,
    /// Longest time between two polls of an unfinished transfer.
    pub max_refresh_interval: Duration,
    /// How long a transfer that AWS does not know is polled before it is considered gone.
    pub gone_after: Duration,
    /// How long a finished transfer is kept if it is not in the configuration.
    pub keep_settled: Duration,
    /// How long a failed file is listed, and counts as unresolved.
    pub keep_unresolved: Duration,
    /// Which transfers have their own series. The others only count in the sums of their connectors.
    pub per_transfer: PerTransfer,
    /// Maximum number of transfers with their own series.
    pub max_transfers: usize,
    /// The shard of this process. Transfers of other shards are ignored.
    pub shard: Shard,
    /// Whether events are received. If so, an event may report a file after its transfer has ended.
    pub events: bool,
    /// How much sources other than the configuration and target files may add.
    pub limits: TrackerLimits,
}

/// A transfer is unreadable if it has waited for its first poll for this many refresh intervals.
const OVERDUE_INTERVALS: u32 = 2;

/// All tracked connectors and transfers.
///
/// Everything that a scrape needs (sums, due order, series budget, chunks) is updated when a
/// transfer changes, not when a scrape asks for it. The cost of a scrape therefore depends on the
/// number of changes, not on the number of transfers.
#[derive(Debug)]
pub struct Tracker {
    settings: TrackerSettings,
    /// Which transfers are tracked; the others belong to other processes.
    ownership: Ownership,
    watch_moments: WatchMoments,
    accounts: BTreeMap<AccountName, Arc<Account>>,
    connectors: Connectors,
    transfers: Transfers,
    /// Number of transfers by origin.
    origins: [u64; Origin::ALL.len()],
    /// The unfinished transfers, in the order of their polls.
    due: DueQueue,
    departed_polls: DepartedPolls,
    /// End time, in seconds since the epoch, and slot of each finished transfer that is not in the
    /// configuration.
    ended: BTreeSet<(u32, u32)>,
    series_budget: SeriesBudget,
    chunks: ChunkIndex<TransferView>,
    label_guard: LabelGuard,
    failures: Failures,
    flows: Flows,
    uncounted: UncountedFiles,
    connection_tests: ConnectionTests,
    /// What outlives the transfers that have left.
    fates: Fates,
    /// Connectors that have been removed. Their counters continue if they come back.
    dormant: BTreeMap<ConnectorKey, ConnectorRecord>,
    /// Remote operations that have been counted, by hash.
    operations: ExpiringMap<()>,
    /// Connectors whose transfers are not tracked.
    excluded: BTreeSet<ConnectorKey>,
    /// Transfers that have given their place to another one at the limit.
    displaced: u64,
    /// `None` until [`Tracker::restore`] is called, and so always `None` without a store.
    dirty: Option<DirtySet>,
}

impl Tracker {
    /// Creates an empty tracker. Files that finished before `watching_since` are not counted.
    pub fn new(settings: TrackerSettings, watching_since: SystemTime) -> Self {
        Self {
            settings,
            ownership: Ownership::default(),
            watch_moments: WatchMoments::new(watching_since),
            accounts: BTreeMap::new(),
            connectors: Connectors::default(),
            transfers: Transfers::default(),
            origins: [0; Origin::ALL.len()],
            due: DueQueue::default(),
            departed_polls: DepartedPolls::default(),
            ended: BTreeSet::new(),
            series_budget: SeriesBudget::new(settings.max_transfers),
            chunks: ChunkIndex::default(),
            label_guard: LabelGuard::default(),
            failures: Failures::default(),
            flows: Flows::default(),
            uncounted: UncountedFiles::default(),
            connection_tests: ConnectionTests::default(),
            fates: Fates::default(),
            dormant: BTreeMap::new(),
            operations: ExpiringMap::default(),
            excluded: BTreeSet::new(),
            displaced: 0,
            dirty: None,
        }
    }

    /// Replaces the settings and the accounts. Transfers of accounts that are no longer configured
    /// leave, and so do transfers of other shards; all other state is kept.
    pub fn configure(
        &mut self,
        settings: TrackerSettings,
        accounts: impl IntoIterator<Item = Account>,
        now: Now,
    ) {
        self.configure_with_groups(settings, &Arc::default(), accounts, now);
    }

    /// The same, with connectors that are not divided among shards.
    pub fn configure_with_groups(
        &mut self,
        settings: TrackerSettings,
        groups: &Arc<ConnectorGroups>,
        accounts: impl IntoIterator<Item = Account>,
        now: Now,
    ) {
        self.follow_clock(now);
        self.rank_transfers(settings.per_transfer);
        self.settings = settings;
        let ownership = Ownership::new(settings.shard, groups);
        let is_owner_changed = self.ownership != ownership;
        self.ownership = ownership;
        for slot in self.due.slots() {
            self.queue_poll(slot);
        }
        let accounts = accounts.into_iter();
        let accounts = accounts.map(|account| (account.name.clone(), Arc::new(account)));
        let accounts_before = std::mem::replace(&mut self.accounts, accounts.collect());
        for number in self.connectors.numbers() {
            let connector = &mut self.connectors[number];
            connector.declared = false;
            connector.title = None;
            match self.accounts.get(&connector.key.account) {
                Some(account) if *account == connector.labels.account => {
                    connector.initialize_counters(settings.events);
                    self.connectors.rank_waiting(number);
                    self.connectors.mark_changed(number);
                }
                // The account has been removed, or has moved to another Region, where the same id
                // is another connector.
                _ => self.drop_connector(number, now),
            }
        }
        let accounts = &self.accounts;
        self.departed_polls
            .retain(|key| accounts.get(&key.account) == accounts_before.get(&key.account));
        if is_owner_changed {
            self.drop_foreign_transfers(now);
        }
        self.drop_foreign_failures();
        for slot in self.series_budget.set_limit(settings.max_transfers) {
            self.update_visibility(slot);
        }
    }

    /// Drops the transfers of other shards.
    fn drop_foreign_transfers(&mut self, now: Now) {
        for slot in self.transfers.slots() {
            let transfer = &self.transfers[slot];
            let connector = &self.connectors[transfer.connector()].key.id;
            if !self.ownership.owns(connector, transfer.id()) {
                self.drop_transfer(slot, now);
            }
        }
    }

    /// Changes which transfers have their own series.
    fn rank_transfers(&mut self, per_transfer: PerTransfer) {
        let before = std::mem::replace(&mut self.settings.per_transfer, per_transfer);
        if before == per_transfer {
            return;
        }
        for slot in self.transfers.slots() {
            let transfer = &self.transfers[slot];
            let from = Rank::of(transfer, before);
            let to = Rank::of(transfer, per_transfer);
            for slot in self.series_budget.change(slot, from, to) {
                self.update_visibility(slot);
            }
            self.update_visibility(slot);
        }
    }

    /// Starts to count the files of the configured accounts, and of what `sources` report, unless it
    /// has started before. Called after [`Tracker::configure`] and, if there is a store,
    /// [`Tracker::restore`].
    pub fn watch(&mut self, sources: impl IntoIterator<Item = (AccountName, Origin)>, now: Now) {
        self.watch_moments
            .watch(self.accounts.keys(), sources, &self.ownership, now.wall);
    }

    /// Makes the transfers of an account due at once that AWS does not know or that could not be
    /// read, because the account's credentials, Region or endpoint have changed.
    pub fn retry_account(&mut self, account: &AccountName, now: Now) {
        let settings = self.settings;
        for slot in self.transfers.slots() {
            let connector = &self.connectors[self.transfers[slot].connector()];
            if connector.key.account == *account {
                self.update(slot, |transfer, _| {
                    transfer.retry_at_once(true, &settings, now);
                });
            }
        }
    }

    /// Compares the clocks. Called before time is compared with what was recorded.
    fn follow_clock(&mut self, now: Now) {
        if self.watch_moments.follow_clock(now) {
            self.flows.set_back(now.wall);
            for number in self.connectors.numbers() {
                if self.connectors[number].counters.cut_times(now.wall) {
                    self.mark_connector(number);
                }
            }
            for slot in self.transfers.slots() {
                if self.transfers[slot].is_in_future(now) {
                    self.update(slot, |transfer, _| transfer.cut_times(now));
                }
            }
        }
    }

    /// Returns a snapshot. Chunks without changes are shared with the previous snapshot.
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        let settings = &self.settings;
        let interval = settings
            .max_refresh_interval
            .max(settings.min_refresh_interval);
        if let Some(before) = now.instant.checked_sub(interval * OVERDUE_INTERVALS) {
            self.connectors.count_overdue(before);
        }
        let (transfers, connectors) = (&self.transfers, &self.connectors);
        let view = |slot| {
            let transfer = &transfers[slot];
            transfer.view(&connectors[transfer.connector()].labels)
        };
        // Sorted for readers, and because adjacent equal label values compress better.
        let order =
            |a: &TransferView, b: &TransferView| (&a.connector, &a.id).cmp(&(&b.connector, &b.id));
        Snapshot {
            shard: self.ownership.shard().label(),
            transfers: self.chunks.build(view, order),
            oldest_results: connectors.oldest_results(now),
            flows: self.flows.views(),
            origins: self.origins(),
            folded_failure_codes: self.label_guard.folded(),
            folded_since: Some(self.watch_moments.start()),
            connectors: self.connectors.chunks(&self.failures),
        }
    }

    /// Counts the files of a transfer that is not tracked. The limits on failure codes and statuses
    /// apply.
    pub fn count_files(&mut self, files: &[FileResult]) -> FileCounts {
        self.label_guard.count_files(files)
    }

    fn origins(&self) -> BTreeMap<Origin, u64> {
        let counts = Origin::ALL.into_iter().zip(self.origins);
        counts
            .filter(|(origin, transfers)| *transfers > 0 || *origin == Origin::Config)
            .collect()
    }
}
