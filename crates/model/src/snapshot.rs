//! What is known at one moment, whole and immutable: what a scrape answers from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{
    Account, ConnectorDetails, ConnectorId, ConnectorTitle, Direction, Durations, FailureCode,
    FileCounts, Origin, RemoteOperation, TransferId, TransferState,
};

/// Rows that are told together. The same `Arc` as long as no row of it has changed, so that what was made of a page
/// once, a rendered or compressed text, serves for as long as the page stays.
pub type Chunk<T> = Arc<[T]>;

/// Everything that is known of AWS at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The connectors, by account and id, in pages.
    pub connectors: Vec<Chunk<ConnectorView>>,
    /// The transfers that have series of their own, in pages: the newest, as many as are to be shown.
    pub transfers: Vec<Chunk<TransferView>>,
    /// The age of the stalest answer among the unfinished transfers of a connector, for those that have one. Apart from
    /// the connectors' pages, for it is another one each time.
    pub results_ages: Vec<(Arc<ConnectorLabels>, Duration)>,
    /// Tracked transfers by where they were learned from.
    pub origins: BTreeMap<Origin, u64>,
    /// Files whose unlisted failure code was folded into `OTHER`, since the start.
    pub folded_failure_codes: u64,
}

impl Snapshot {
    /// Every connector.
    pub fn connectors(&self) -> impl Iterator<Item = &ConnectorView> {
        self.connectors.iter().flat_map(|page| page.iter())
    }

    /// Every transfer that has series of its own.
    pub fn transfers(&self) -> impl Iterator<Item = &TransferView> {
        self.transfers.iter().flat_map(|page| page.iter())
    }
}

/// What tells a connector from every other: the labels of all its series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorLabels {
    /// Its account and Region.
    pub account: Arc<Account>,
    /// Its id.
    pub id: ConnectorId,
}

/// How a file ended: the labels `status` and `failure_code` of the finished counter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finished {
    /// COMPLETED.
    Completed,
    /// FAILED, with its code where AWS gave one.
    Failed(Option<FailureCode>),
}

/// Files that were seen to finish in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedFiles {
    /// How many.
    pub files: u64,
    /// The newest of them: its transfer, and when it was seen to finish.
    pub newest: Option<(TransferId, SystemTime)>,
}

/// What events tell of the files that went one way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MovedFiles {
    /// Their bytes.
    pub bytes: u64,
    /// How long each took from its start to its end.
    pub durations: Durations,
}

/// One connector.
#[derive(Clone, Debug)]
pub struct ConnectorView {
    /// Its account, Region and id.
    pub labels: Arc<ConnectorLabels>,
    /// What people call it, where that is configured.
    pub title: Option<Arc<ConnectorTitle>>,
    /// What AWS tells of it, where that is asked.
    pub details: Option<Arc<ConnectorDetails>>,
    /// When it became known: the moment from which its counters count.
    pub known_since: SystemTime,
    /// The sum over its transfers; `None` until one of them has been read.
    pub files: Option<FileCounts>,
    /// Its transfers by state.
    pub states: StateCounts,
    /// Its transfers whose newest look did not tell their files, or that have not been looked at.
    pub unread: u64,
    /// Files seen to finish, by how; each counted once, the base left out.
    pub finished: BTreeMap<Finished, FinishedFiles>,
    /// What its files were, by direction, as far as events have told.
    pub moved: BTreeMap<Direction, MovedFiles>,
    /// Operations beside file transfers, by what and how they ended, as events have told.
    pub operations: BTreeMap<(RemoteOperation, Finished), u64>,
    /// Start (or first sight) of its oldest unfinished transfer.
    pub oldest_unfinished: Option<SystemTime>,
    /// When a file was last seen to complete.
    pub last_completed: Option<SystemTime>,
    /// When a file was last seen to fail.
    pub last_failed: Option<SystemTime>,
}

/// One transfer.
#[derive(Clone, Debug)]
pub struct TransferView {
    /// Its connector.
    pub connector: Arc<ConnectorLabels>,
    /// Its id.
    pub id: TransferId,
    /// Start, where a source tells it, else first sight.
    pub since: SystemTime,
    /// What is known of it as a whole.
    pub state: TransferState,
    /// Whether the newest look succeeded; `None` before the first look.
    pub up: Option<bool>,
    /// Its files; `None` until they have been read.
    pub files: Option<FileCounts>,
}

/// How the last sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSweep {
    /// When.
    pub ended: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Everything that was due had been fetched.
    pub complete: bool,
}

/// Transfers by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts([u64; 5]);

impl StateCounts {
    /// Counts one transfer.
    pub fn add(&mut self, state: TransferState) {
        self.0[state as usize] += 1;
    }

    /// No longer counts one that was counted in `state`.
    pub fn remove(&mut self, state: TransferState) {
        self.0[state as usize] = self.0[state as usize].saturating_sub(1);
    }

    /// Transfers in one state.
    pub fn of(&self, state: TransferState) -> u64 {
        self.0[state as usize]
    }

    /// Transfers in any state.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
