//! One connector: its transfers, and what has finished on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::transfer::Transfer;
use crate::model::{
    ConnectorLabels, ConnectorTitle, ConnectorView, FileCounts, Finished, FinishedFiles, Now, StateCounts, TransferId,
};

#[derive(Debug)]
pub(super) struct Connector {
    pub(super) known_since: SystemTime,
    /// The configuration in force knows it.
    pub(super) declared: bool,
    /// A source other than the configuration has told a transfer of it.
    pub(super) discovered: bool,
    pub(super) title: Option<Arc<ConnectorTitle>>,
    pub(super) transfers: BTreeMap<TransferId, Transfer>,
    pub(super) tally: Tally,
}

/// Files seen to finish. It only ever grows, also when the transfers are dropped.
#[derive(Debug, Default)]
pub(super) struct Tally {
    finished: BTreeMap<Finished, FinishedFiles>,
    last_completed: Option<SystemTime>,
    last_failed: Option<SystemTime>,
}

impl Tally {
    pub(super) fn count(&mut self, files: &[Finished], transfer: &TransferId, now: Now) {
        for end in files {
            let last = match end {
                Finished::Completed => &mut self.last_completed,
                Finished::Failed(_) => &mut self.last_failed,
            };
            *last = Some(last.map_or(now.wall, |at| at.max(now.wall)));
            let entry = self.finished.entry(end.clone()).or_insert(FinishedFiles { files: 0, newest: None });
            entry.files += 1;
            entry.newest = Some((transfer.clone(), now.wall));
        }
    }
}

impl Connector {
    pub(super) fn new(known_since: SystemTime) -> Self {
        Self {
            known_since,
            declared: false,
            discovered: false,
            title: None,
            transfers: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    pub(super) fn results_age(&self, now: Now) -> Option<Duration> {
        let open = self.transfers.values().filter(|transfer| transfer.state().is_unfinished());
        open.filter_map(Transfer::answered).min().map(|at| now.since(at))
    }

    pub(super) fn view(&self, labels: &Arc<ConnectorLabels>) -> ConnectorView {
        let mut files: Option<FileCounts> = None;
        let mut states = StateCounts::default();
        let mut oldest_unfinished = None;
        let mut unread = 0;
        for transfer in self.transfers.values() {
            states.add(transfer.state());
            unread += u64::from(!transfer.is_read());
            if let Some(counts) = transfer.files() {
                files.get_or_insert_default().add(counts);
            }
            if transfer.state().is_unfinished() {
                oldest_unfinished = min_known(oldest_unfinished, Some(transfer.since()));
            }
        }
        ConnectorView {
            labels: Arc::clone(labels),
            title: self.title.clone(),
            known_since: self.known_since,
            files,
            states,
            unread,
            finished: self.tally.finished.clone(),
            oldest_unfinished,
            last_completed: self.tally.last_completed,
            last_failed: self.tally.last_failed,
        }
    }
}

fn min_known<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
