//! What pages for people are made of. No AWS call, and nothing of it is durable or not: no counter is told from here.

use std::sync::Arc;

use super::{AccountApi, Collector, lock};
use crate::tracker::query::KeptFailure;
use crate::tracker::query::RecentFiles;
use crate::tracker::query::{Query, Selection, SelectionBuilder};
use model::{Account, Chunk, ConnectorView, FileCounts, FileResult, LastSweep, Now};

/// The whole at a glance.
#[derive(Clone, Debug)]
pub struct CollectorOverview {
    /// The moment.
    pub now: Now,
    /// The connectors, by account and id.
    pub connectors: Vec<Chunk<ConnectorView>>,
    /// The last hour of each, in the same order.
    pub recent: Vec<RecentFiles>,
    /// The accounts, each with the requests a second that are allowed now.
    pub rates: Vec<(Account, f64)>,
    /// `None` before the first.
    pub last_sweep: Option<LastSweep>,
}

impl CollectorOverview {
    /// Every connector with its last hour.
    pub fn connectors(&self) -> impl Iterator<Item = (&ConnectorView, &RecentFiles)> {
        self.connectors
            .iter()
            .flat_map(|page| page.iter())
            .zip(&self.recent)
    }
}

impl Collector {
    /// The whole at a glance.
    pub fn overview(&self) -> CollectorOverview {
        let now = self.inner.clock.now();
        let (connectors, recent) = self.inner.tracker().connectors_with_recent_files(now);
        let rate = |api: &AccountApi| (api.account.clone(), api.limits.rate());
        let rates = self.inner.accounts().values().map(rate).collect();
        CollectorOverview {
            now,
            connectors,
            recent,
            rates,
            last_sweep: *lock(&self.inner.last_sweep),
        }
    }

    /// The transfers that `query` takes. The tracker is held for a stretch at a time.
    pub fn select(&self, query: &Query) -> Selection {
        let now = self.inner.clock.now();
        let mut selecting = SelectionBuilder::new(query);
        loop {
            let tracker = self.inner.tracker();
            if !tracker.select(&mut selecting, now) {
                break;
            }
        }
        selecting.finish()
    }

    /// The failed files that are kept, the newest first.
    pub fn failures(&self) -> Vec<Arc<KeptFailure>> {
        self.inner.tracker().failures()
    }

    /// Counts the files of a transfer that is not tracked, within the tracker's bound on codes.
    pub fn count_files(&self, files: &[FileResult]) -> FileCounts {
        self.inner.tracker().count_files(files)
    }
}
