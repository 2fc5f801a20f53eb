//! One connector: its transfers, and what has finished on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::transfer::Transfer;
use crate::model::{
    Account, ConnectorId, ConnectorTitle, ConnectorView, FileCounts, Finished, Now, StateCounts, TransferId,
};

#[derive(Debug, Default)]
pub(super) struct Connector {
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
    finished: BTreeMap<Finished, u64>,
    last_completed: Option<SystemTime>,
    last_failed: Option<SystemTime>,
}

impl Tally {
    pub(super) fn count(&mut self, files: &[Finished], now: Now) {
        for end in files {
            let last = match end {
                Finished::Completed => &mut self.last_completed,
                Finished::Failed(_) => &mut self.last_failed,
            };
            *last = Some(last.map_or(now.wall, |at| at.max(now.wall)));
            *self.finished.entry(end.clone()).or_default() += 1;
        }
    }
}

impl Connector {
    pub(super) fn view(&self, account: &Arc<Account>, id: &ConnectorId, now: Now) -> ConnectorView {
        let mut files: Option<FileCounts> = None;
        let mut states = StateCounts::default();
        let mut oldest_unfinished = None;
        let mut stalest = None;
        let mut transfers = Vec::with_capacity(self.transfers.len());
        for (id, transfer) in &self.transfers {
            states.add(transfer.state());
            if let Some(counts) = transfer.files() {
                files.get_or_insert_default().add(counts);
            }
            if transfer.state().is_unfinished() {
                oldest_unfinished = min_known(oldest_unfinished, Some(transfer.since()));
                stalest = min_known(stalest, transfer.answered());
            }
            transfers.push(Arc::new(transfer.view(id)));
        }
        ConnectorView {
            account: Arc::clone(account),
            id: id.clone(),
            title: self.title.clone(),
            files,
            states,
            finished: self.tally.finished.clone(),
            oldest_unfinished,
            last_completed: self.tally.last_completed,
            last_failed: self.tally.last_failed,
            results_age: stalest.map(|at| now.since(at)),
            transfers,
        }
    }
}

fn min_known<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
