//! What is known at one moment, whole and immutable: what a scrape answers from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Account, ConnectorId, ConnectorTitle, FailureCode, FileCounts, Origin, TransferId, TransferState};

/// Everything that is known of AWS at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The connectors, sorted by account and id.
    pub connectors: Vec<ConnectorView>,
    /// Tracked transfers by where they were learned from.
    pub origins: BTreeMap<Origin, u64>,
    /// Files whose unlisted failure code was folded into `OTHER`, since the start.
    pub folded_failure_codes: u64,
}

/// How a file ended: the labels `status` and `failure_code` of the finished counter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finished {
    /// COMPLETED.
    Completed,
    /// FAILED, with its code where AWS gave one.
    Failed(Option<FailureCode>),
}

/// One connector.
#[derive(Clone, Debug)]
pub struct ConnectorView {
    /// Its account and Region.
    pub account: Arc<Account>,
    /// Its id.
    pub id: ConnectorId,
    /// What people call it, where that is configured.
    pub title: Option<Arc<ConnectorTitle>>,
    /// The sum over its transfers; `None` until one of them has been read.
    pub files: Option<FileCounts>,
    /// Its transfers by state.
    pub states: StateCounts,
    /// Files seen to finish, by how; each counted once, the base left out.
    pub finished: BTreeMap<Finished, u64>,
    /// Start (or first sight) of its oldest unfinished transfer.
    pub oldest_unfinished: Option<SystemTime>,
    /// When a file was last seen to complete.
    pub last_completed: Option<SystemTime>,
    /// When a file was last seen to fail.
    pub last_failed: Option<SystemTime>,
    /// Age of the stalest answer among its unfinished transfers.
    pub results_age: Option<Duration>,
    /// Its transfers, sorted by id.
    pub transfers: Vec<Arc<TransferView>>,
}

/// One transfer.
#[derive(Clone, Debug)]
pub struct TransferView {
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

/// Transfers by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts([u64; 5]);

impl StateCounts {
    /// Counts one transfer.
    pub fn add(&mut self, state: TransferState) {
        self.0[state as usize] += 1;
    }

    /// Transfers in one state.
    pub fn of(&self, state: TransferState) -> u64 {
        self.0[state as usize]
    }
}
