//! One connector: the sums over its transfers, kept as they change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::connector_counters::ConnectorCounters;
use super::query::recent::{Recent, RecentFiles};
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
    /// The configuration in force knows it.
    pub(super) declared: bool,
    /// A source other than the configuration has told a transfer of it.
    pub(super) discovered: bool,
    pub(super) title: Option<Arc<ConnectorTitle>>,
    /// AWS lists it now, and tells this of it.
    pub(super) details: Option<Arc<ConnectorDetails>>,
    pub(super) counters: ConnectorCounters,
    /// Made when a file ends that counts.
    recent: Option<Box<Recent>>,
    sums: Sums,
}

/// Over the transfers that are tracked now.
#[derive(Debug, Default)]
struct Sums {
    files: FileCounts,
    /// Transfers whose files are known.
    known: u64,
    unread: u64,
    states: StateCounts,
    /// Start and slot of each unfinished transfer.
    unfinished: BTreeSet<(SystemTime, u32)>,
    /// Time of the answer and slot of each unfinished transfer that has one.
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

    /// Nothing knows it: no transfer, no configuration, and no source has told of it.
    pub(super) fn is_unknown(&self) -> bool {
        !self.declared
            && !self.discovered
            && self.details.is_none()
            && self.sums.states.total() == 0
    }

    /// Counts a file in the last hour that ended at `at`.
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
            sums.known += 1;
        }
        if transfer.state().is_unfinished() {
            sums.unfinished.insert((transfer.since(), slot));
            sums.answered
                .extend(transfer.answered().map(|at| (at, slot)));
        }
    }

    /// Takes a transfer out of the sums, as it was when it was added.
    pub(super) fn subtract(&mut self, slot: u32, transfer: &Transfer) {
        let sums = &mut self.sums;
        sums.states.remove(transfer.state());
        sums.unread -= u64::from(!transfer.is_read());
        if let Some(files) = transfer.files() {
            sums.files.subtract(files);
            sums.known -= 1;
        }
        if transfer.state().is_unfinished() {
            sums.unfinished.remove(&(transfer.since(), slot));
            if let Some(at) = transfer.answered() {
                sums.answered.remove(&(at, slot));
            }
        }
    }

    pub(super) fn results_age(&self, now: Now) -> Option<Duration> {
        self.sums.answered.first().map(|(at, _)| now.since(*at))
    }

    pub(super) fn view(&self) -> ConnectorView {
        ConnectorView {
            labels: Arc::clone(&self.labels),
            title: self.title.clone(),
            details: self.details.clone(),
            known_since: self.known_since,
            files: (self.sums.known > 0).then(|| self.sums.files.clone()),
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
