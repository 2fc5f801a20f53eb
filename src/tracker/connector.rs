//! One connector: its counters, and the sums over its transfers, which are updated with every
//! change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::connector_counters::ConnectorCounters;
use super::persist::{ConnectorRecord, Millis, millis, time};
use super::query::recent::{RecentCounts, RecentFiles};
use super::transfer::Transfer;
use model::{
    Account, ConnectorDetails, ConnectorKey, ConnectorLabels, ConnectorTitle, ConnectorView,
    FileCounts, Finished, Now, StateCounts,
};

#[derive(Debug)]
pub(super) struct Connector {
    pub(super) key: ConnectorKey,
    pub(super) labels: Arc<ConnectorLabels>,
    pub(super) known_since: SystemTime,
    /// Whether it is in the current configuration.
    pub(super) declared: bool,
    /// Whether a source other than the configuration has reported a transfer or an operation of it.
    pub(super) discovered: bool,
    pub(super) title: Option<Arc<ConnectorTitle>>,
    /// Its details, if AWS currently lists it.
    pub(super) details: Option<Arc<ConnectorDetails>>,
    pub(super) counters: ConnectorCounters,
    /// Allocated when the first file is counted.
    recent: Option<Box<RecentCounts>>,
    sums: Sums,
}

/// Sums over the transfers that are currently tracked.
#[derive(Debug, Default)]
struct Sums {
    files: FileCounts,
    /// Number of transfers whose files are known.
    with_files: u64,
    /// Number of transfers whose last poll did not return their files.
    unread: u64,
    states: StateCounts,
    /// Start and slot of each unfinished transfer.
    unfinished: BTreeSet<(SystemTime, u32)>,
    /// Time of the last result and slot of each unfinished transfer that has been polled.
    answered: BTreeSet<(Instant, u32)>,
}

impl Connector {
    pub(super) fn new(key: ConnectorKey, account: &Arc<Account>, known_since: SystemTime) -> Self {
        Self {
            labels: Arc::new(ConnectorLabels {
                account: Arc::clone(account),
                id: key.id.clone(),
            }),
            key,
            known_since,
            declared: false,
            discovered: false,
            title: None,
            details: None,
            counters: ConnectorCounters::default(),
            recent: None,
            sums: Sums::default(),
        }
    }

    /// Returns whether nothing refers to it: no transfer, no source and not the configuration.
    pub(super) fn is_unused(&self) -> bool {
        !self.declared
            && !self.discovered
            && self.details.is_none()
            && self.sums.states.total() == 0
    }

    /// Counts a file that ended at `at` among the files of the last hour.
    pub(super) fn count_recent(&mut self, end: &Finished, at: SystemTime, now: SystemTime) {
        self.recent.get_or_insert_default().count(end, at, now);
    }

    pub(super) fn recent(&self, now: SystemTime) -> RecentFiles {
        self.recent
            .as_ref()
            .map_or_else(RecentFiles::default, |recent| recent.view(now))
    }

    /// Adds a transfer to the sums.
    pub(super) fn add(&mut self, slot: u32, transfer: &Transfer) {
        let sums = &mut self.sums;
        sums.states.add(transfer.state());
        sums.unread += u64::from(!transfer.is_read());
        if let Some(files) = transfer.files() {
            sums.files.add(files);
            sums.with_files += 1;
        }
        if transfer.state().is_unfinished() {
            sums.unfinished.insert((transfer.since(), slot));
            sums.answered
                .extend(transfer.answered().map(|at| (at, slot)));
        }
    }

    /// Removes a transfer from the sums. It must be unchanged since it was added.
    pub(super) fn subtract(&mut self, slot: u32, transfer: &Transfer) {
        let sums = &mut self.sums;
        sums.states.remove(transfer.state());
        sums.unread -= u64::from(!transfer.is_read());
        if let Some(files) = transfer.files() {
            sums.files.subtract(files);
            sums.with_files -= 1;
        }
        if transfer.state().is_unfinished() {
            sums.unfinished.remove(&(transfer.since(), slot));
            if let Some(at) = transfer.answered() {
                sums.answered.remove(&(at, slot));
            }
        }
    }

    /// Returns the age of the oldest result among its unfinished transfers.
    pub(super) fn results_age(&self, now: Now) -> Option<Duration> {
        self.sums.answered.first().map(|(at, _)| now.since(*at))
    }

    /// Returns its persistent form. `left` is when it was removed.
    pub(super) fn record(&self, left: Option<Millis>) -> ConnectorRecord {
        let mut record = ConnectorRecord {
            region: self.labels.account.region.to_string(),
            known_since: millis(self.known_since),
            discovered: self.discovered,
            left,
            ..ConnectorRecord::default()
        };
        self.counters.write_to(&mut record);
        record
    }

    /// Restores its counters.
    pub(super) fn restore(&mut self, record: &ConnectorRecord) {
        self.known_since = time(record.known_since);
        self.discovered = record.discovered;
        self.counters = ConnectorCounters::from(record);
    }

    /// Returns the unfinished transfer that started or was first seen longest ago.
    pub(super) fn oldest_unfinished(&self) -> Option<(SystemTime, u32)> {
        self.sums.unfinished.first().copied()
    }

    pub(super) fn view(&self) -> ConnectorView {
        ConnectorView {
            labels: Arc::clone(&self.labels),
            title: self.title.clone(),
            details: self.details.clone(),
            known_since: self.known_since,
            files: (self.sums.with_files > 0).then(|| self.sums.files.clone()),
            states: self.sums.states,
            unread: self.sums.unread,
            finished: self.counters.finished.clone(),
            moved: self.counters.moved.clone(),
            operations: self.counters.operations.clone(),
            oldest_unfinished: self.sums.unfinished.first().map(|(since, _)| *since),
            last_completed: self.counters.last_completed,
            last_failed: self.counters.last_failed,
        }
    }
}
