//! Immutable state at one moment, from which a scrape is rendered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{
    Account, ConnectorDetails, ConnectorId, ConnectorKey, ConnectorTitle, DURATION_BOUNDS,
    Direction, FailureCode, FileCounts, FlowView, Histogram, Origin, RemoteOperation, SIZE_BOUNDS,
    TransferId, TransferState,
};

/// A chunk of rows that is rendered and cached as a unit. The `Arc` stays the same until one of its
/// rows changes.
pub type Chunk<T> = Arc<[T]>;

/// The state of connectors and transfers at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The index of the shard that it is of, if there are several: a label of all its series.
    pub shard: Option<Arc<str>>,
    /// All connectors, sorted by account and ID.
    pub connectors: Vec<Chunk<ConnectorView>>,
    /// The transfers with their own series: the newest, up to the configured number.
    pub transfers: Vec<Chunk<TransferView>>,
    /// The time of the oldest result among a connector's unfinished transfers. Not part of the
    /// connectors' chunks, because it changes with every poll. Connectors without results are left
    /// out.
    pub oldest_results: Vec<(Arc<ConnectorLabels>, SystemTime)>,
    /// All flows, in configured order.
    pub flows: Vec<Chunk<FlowView>>,
    /// Tracked transfers by origin.
    pub origins: BTreeMap<Origin, u64>,
    /// Files whose undocumented failure code was replaced by `OTHER`.
    pub folded_failure_codes: u64,
    /// Since when they are counted; `None` only in an empty snapshot.
    pub folded_since: Option<SystemTime>,
}

impl Snapshot {
    /// Returns all connectors.
    pub fn connectors(&self) -> impl Iterator<Item = &ConnectorView> {
        self.connectors.iter().flat_map(|chunk| chunk.iter())
    }

    /// Returns all flows.
    pub fn flows(&self) -> impl Iterator<Item = &FlowView> {
        self.flows.iter().flat_map(|chunk| chunk.iter())
    }

    /// Returns the transfers with their own series.
    pub fn transfers(&self) -> impl Iterator<Item = &TransferView> {
        self.transfers.iter().flat_map(|chunk| chunk.iter())
    }
}

/// The identity of a connector, and the labels of all its series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorLabels {
    /// The account and Region.
    pub account: Arc<Account>,
    /// The connector ID.
    pub id: ConnectorId,
}

impl ConnectorLabels {
    /// Returns the connector's key.
    pub fn key(&self) -> ConnectorKey {
        ConnectorKey {
            account: self.account.name.clone(),
            id: self.id.clone(),
        }
    }
}

/// The end of a file: the labels `status` and `failure_code` of the counter of finished files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finished {
    /// COMPLETED.
    Completed,
    /// FAILED, with its code if AWS reported one.
    Failed(Option<FailureCode>),
}

/// Finished files with the same end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedFiles {
    /// The number of files.
    pub files: u64,
    /// The transfer of the file that finished last, and the time.
    pub newest: Option<(TransferId, SystemTime)>,
}

/// Files of one direction, as reported by events.
#[derive(Clone, Debug, PartialEq)]
pub struct MovedFiles {
    /// The sum of their sizes.
    pub bytes: u64,
    /// Their durations from start to end, in seconds.
    pub durations: Histogram,
    /// The times from the start of their transfer to their own, in seconds.
    pub queue_waits: Histogram,
    /// Their sizes in bytes.
    pub sizes: Histogram,
}

impl MovedFiles {
    fn add(&mut self, more: &Self) {
        self.bytes += more.bytes;
        self.durations.add(&more.durations);
        self.queue_waits.add(&more.queue_waits);
        self.sizes.add(&more.sizes);
    }
}

impl Default for MovedFiles {
    fn default() -> Self {
        Self {
            bytes: 0,
            durations: Histogram::new(&DURATION_BOUNDS),
            queue_waits: Histogram::new(&DURATION_BOUNDS),
            sizes: Histogram::new(&SIZE_BOUNDS),
        }
    }
}

/// One connector.
#[derive(Clone, Debug)]
pub struct ConnectorView {
    /// The account, Region and connector ID.
    pub labels: Arc<ConnectorLabels>,
    /// The configured name and labels, if any.
    pub title: Option<Arc<ConnectorTitle>>,
    /// The details from `DescribeConnector`, if `discovery.connectors` polls it.
    pub details: Option<Arc<ConnectorDetails>>,
    /// Whether it is configured or AWS has confirmed that it exists. The counters of other connectors
    /// have no series at 0.
    pub confirmed: bool,
    /// When it became known: the creation time of its counters.
    pub known_since: SystemTime,
    /// Files of its transfers. `None` until one transfer has been read.
    pub files: Option<FileCounts>,
    /// Transfers by state.
    pub states: StateCounts,
    /// Transfers whose last poll failed, or that have not been polled.
    pub unread: u64,
    /// Unfinished transfers whose last poll failed, or that have waited too long for their first one.
    pub unreadable: u64,
    /// Transfers that began while they were watched.
    pub started: u64,
    /// The newest known start of a transfer.
    pub last_started: Option<SystemTime>,
    /// Since when a file has been queued for the longest time.
    pub oldest_queued: Option<SystemTime>,
    /// Since when a file has been in progress for the longest time.
    pub oldest_in_progress: Option<SystemTime>,
    /// Files that have failed since one last completed.
    pub consecutive_failures: u64,
    /// Failed files whose path has not completed since, by their end.
    pub unresolved_failures: BTreeMap<Finished, u64>,
    /// Files seen to finish, each counted once, without those that had finished before.
    pub finished: BTreeMap<Finished, FinishedFiles>,
    /// Sizes and durations of its files by direction. Requires events.
    pub moved: BTreeMap<Direction, MovedFiles>,
    /// Directory listings, remote moves and remote deletes by result. Requires events.
    pub operations: BTreeMap<(RemoteOperation, Finished), u64>,
    /// The start, or first sight, of the oldest unfinished transfer.
    pub oldest_unfinished: Option<SystemTime>,
    /// When a file last completed.
    pub last_completed: Option<SystemTime>,
    /// When a file last failed.
    pub last_failed: Option<SystemTime>,
}

impl ConnectorView {
    /// Returns its name: that of the configuration, else the tag `Name`, else its ID.
    pub fn name(&self) -> &str {
        self.known_name()
            .map_or(self.labels.id.as_str(), |name| name)
    }

    /// Returns the name of the configuration, else the tag `Name`.
    pub fn known_name(&self) -> Option<&Arc<str>> {
        ConnectorDetails::known_name(self.title.as_deref(), self.details.as_deref())
    }

    /// Returns a confirmed connector that became known at `known_since`, without transfers and counts.
    pub fn new(labels: Arc<ConnectorLabels>, known_since: SystemTime) -> Self {
        Self {
            labels,
            title: None,
            details: None,
            confirmed: true,
            known_since,
            files: None,
            states: StateCounts::default(),
            unread: 0,
            unreadable: 0,
            started: 0,
            last_started: None,
            oldest_queued: None,
            oldest_in_progress: None,
            consecutive_failures: 0,
            unresolved_failures: BTreeMap::new(),
            finished: BTreeMap::new(),
            moved: BTreeMap::new(),
            operations: BTreeMap::new(),
            oldest_unfinished: None,
            last_completed: None,
            last_failed: None,
        }
    }
}

impl ConnectorView {
    /// Adds what another shard has of the connector.
    pub fn add(&mut self, more: &Self) {
        self.title = self.title.take().or_else(|| more.title.clone());
        self.details = self.details.take().or_else(|| more.details.clone());
        self.confirmed |= more.confirmed;
        self.known_since = self.known_since.min(more.known_since);
        if let Some(files) = &more.files {
            self.files.get_or_insert_default().add(files);
        }
        for (states, added) in self.states.0.iter_mut().zip(more.states.0) {
            *states += added;
        }
        self.unread += more.unread;
        self.unreadable += more.unreadable;
        self.started += more.started;
        self.last_started = self.last_started.max(more.last_started);
        self.oldest_queued = earlier(self.oldest_queued, more.oldest_queued);
        self.oldest_in_progress = earlier(self.oldest_in_progress, more.oldest_in_progress);
        // No shard knows the order of all files.
        self.consecutive_failures = self.consecutive_failures.max(more.consecutive_failures);
        for (end, files) in &more.unresolved_failures {
            *self.unresolved_failures.entry(end.clone()).or_default() += files;
        }
        for (end, seen) in &more.finished {
            let sum = self.finished.entry(end.clone()).or_insert(FinishedFiles {
                files: 0,
                newest: None,
            });
            sum.files += seen.files;
            let at = |newest: &Option<(TransferId, SystemTime)>| newest.as_ref().map(|(_, at)| *at);
            if at(&seen.newest) > at(&sum.newest) {
                sum.newest.clone_from(&seen.newest);
            }
        }
        for (direction, moved) in &more.moved {
            self.moved.entry(*direction).or_default().add(moved);
        }
        for (operation, count) in &more.operations {
            *self.operations.entry(operation.clone()).or_default() += count;
        }
        self.oldest_unfinished = earlier(self.oldest_unfinished, more.oldest_unfinished);
        self.last_completed = self.last_completed.max(more.last_completed);
        self.last_failed = self.last_failed.max(more.last_failed);
    }
}

/// Returns the earlier of two times, of those that are known.
fn earlier(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<SystemTime> {
    [one, other].into_iter().flatten().min()
}

/// One transfer.
#[derive(Clone, Debug)]
pub struct TransferView {
    /// The connector.
    pub connector: Arc<ConnectorLabels>,
    /// The transfer ID.
    pub id: TransferId,
    /// The start if a source reported it, else the first sight.
    pub since: SystemTime,
    /// The state of the transfer as a whole.
    pub state: TransferState,
    /// True if the last poll returned the files. `None` before the first poll.
    pub up: Option<bool>,
    /// The files. `None` until they have been read.
    pub files: Option<FileCounts>,
}

/// The result of the last sweep: the polls of everything that was due when a scrape arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSweep {
    /// The end time.
    pub ended: SystemTime,
    /// The duration.
    pub duration: Duration,
    /// True if everything that was due was answered.
    pub complete: bool,
}

/// Transfers by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts([u64; 5]);

impl StateCounts {
    /// Adds a transfer.
    pub fn add(&mut self, state: TransferState) {
        self.0[state as usize] += 1;
    }

    /// Removes a transfer that was added with `state`.
    pub fn remove(&mut self, state: TransferState) {
        self.0[state as usize] = self.0[state as usize].saturating_sub(1);
    }

    /// Returns the transfers in `state`.
    pub fn of(&self, state: TransferState) -> u64 {
        self.0[state as usize]
    }

    /// Returns the transfers in any state.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
