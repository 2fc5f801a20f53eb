//! Immutable state at one moment, from which a scrape is rendered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{
    Account, ConnectorDetails, ConnectorId, ConnectorTitle, Direction, Durations, FailureCode,
    FileCounts, Origin, RemoteOperation, TransferId, TransferState,
};

/// A chunk of rows that is rendered and cached as a unit. The `Arc` stays the same until one of its
/// rows changes.
pub type Chunk<T> = Arc<[T]>;

/// The state of connectors and transfers at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// All connectors, sorted by account and ID.
    pub connectors: Vec<Chunk<ConnectorView>>,
    /// The transfers with their own series: the newest, up to the configured number.
    pub transfers: Vec<Chunk<TransferView>>,
    /// The age of the oldest results among a connector's unfinished transfers. Not part of the
    /// connectors' chunks, because it changes with every scrape. Connectors without results are
    /// left out.
    pub results_ages: Vec<(Arc<ConnectorLabels>, Duration)>,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MovedFiles {
    /// The sum of their sizes.
    pub bytes: u64,
    /// Their durations from start to end.
    pub durations: Durations,
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
    /// When it became known: the creation time of its counters.
    pub known_since: SystemTime,
    /// Files of its transfers. `None` until one transfer has been read.
    pub files: Option<FileCounts>,
    /// Transfers by state.
    pub states: StateCounts,
    /// Transfers whose last poll failed, or that have not been polled.
    pub unread: u64,
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
