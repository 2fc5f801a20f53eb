//! Read-only queries for the HTML pages and the JSON API. They make no AWS calls and do not wait
//! for the store.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::{AccountApi, Collector, lock};
use crate::tracker::query::{
    FailureFilter, KeptFailure, Query, RecentFiles, Selection, SelectionBuilder,
};
use model::{
    Account, Chunk, ConnectorKey, ConnectorView, FileCounts, FileResult, FlowView,
    LastConnectionTest, LastSweep, Now,
};

/// The state of all accounts and connectors.
#[derive(Clone, Debug)]
pub struct CollectorOverview {
    /// The time of the query.
    pub now: Now,
    /// The connectors, sorted by account and id.
    pub connectors: Vec<Chunk<ConnectorView>>,
    /// The files of their last hour, in the same order.
    pub recent: Vec<RecentFiles>,
    /// The accounts with the requests per second that are currently allowed.
    pub rates: Vec<(Account, f64)>,
    /// The last sweep, if there was one.
    pub last_sweep: Option<LastSweep>,
}

impl CollectorOverview {
    /// Returns the state of a process that owns nothing.
    pub fn empty(now: Now) -> Self {
        Self {
            now,
            connectors: Vec::new(),
            recent: Vec::new(),
            rates: Vec::new(),
            last_sweep: None,
        }
    }

    /// Returns the state of two shards together.
    #[must_use]
    pub fn merge(self, other: &Self) -> Self {
        let mut connectors = BTreeMap::new();
        for (view, recent) in self.connectors().chain(other.connectors()) {
            match connectors.entry(Arc::clone(&view.labels)) {
                Entry::Vacant(entry) => drop(entry.insert((view.clone(), *recent))),
                Entry::Occupied(mut entry) => {
                    let (known, files) = entry.get_mut();
                    known.add(view);
                    files.add(recent);
                }
            }
        }
        let (views, recent): (Vec<_>, _) = connectors.into_values().unzip();
        let last_sweep = match (self.last_sweep, other.last_sweep) {
            (Some(one), Some(another)) => Some(LastSweep {
                ended: one.ended.max(another.ended),
                duration: one.duration.max(another.duration),
                complete: one.complete && another.complete,
            }),
            (one, another) => one.or(another),
        };
        Self {
            now: self.now,
            connectors: vec![views.into()],
            recent,
            // The limiters of the accounts are shared.
            rates: self.rates,
            last_sweep,
        }
    }

    /// Iterates over the connectors with the files of their last hour.
    pub fn connectors(&self) -> impl Iterator<Item = (&ConnectorView, &RecentFiles)> {
        self.connectors
            .iter()
            .flat_map(|page| page.iter())
            .zip(&self.recent)
    }
}

impl Collector {
    /// Returns the state of all accounts and connectors.
    pub fn overview(&self) -> CollectorOverview {
        let now = self.inner.clock.now();
        let (connectors, recent) = self.inner.tracker().connectors_with_recent_files(now);
        let rate = |api: AccountApi| {
            let rate = api.limits.rate();
            (api.account, rate)
        };
        let rates = self.inner.apis().into_iter().map(rate).collect();
        CollectorOverview {
            now,
            connectors,
            recent,
            rates,
            last_sweep: *lock(&self.inner.last_sweep),
        }
    }

    /// Runs a query for transfers. The tracker is locked for one batch at a time.
    pub fn select(&self, query: &Query) -> Selection {
        let mut selecting = SelectionBuilder::new(query);
        self.select_into(&mut selecting);
        selecting.finish()
    }

    /// Adds the transfers of this collector to those of others.
    pub fn select_into(&self, selecting: &mut SelectionBuilder<'_>) {
        let now = self.inner.clock.now();
        selecting.begin();
        loop {
            let tracker = self.inner.tracker();
            if !tracker.select(selecting, now) {
                break;
            }
        }
    }

    /// Returns all flows, in configured order.
    pub fn flows(&self) -> Vec<Chunk<FlowView>> {
        self.inner.tracker().flow_views()
    }

    /// Returns the failed files, newest first.
    pub fn failures(&self) -> Vec<Arc<KeptFailure>> {
        self.inner.tracker().failures()
    }

    /// Acknowledges the unresolved failures that a filter accepts, and returns their number.
    pub fn acknowledge(&self, filter: &FailureFilter) -> usize {
        self.inner.tracker().acknowledge_failures(filter)
    }

    /// Returns the last test of a connector's connection, if there is a store and it was kept.
    pub fn connection_test(&self, key: &ConnectorKey) -> Option<LastConnectionTest> {
        self.inner.tracker().connection_test(key)
    }

    /// Returns whether AWS has confirmed a connector, by its details or by results of its transfers.
    pub fn knows_connector(&self, key: &ConnectorKey) -> bool {
        self.inner.tracker().knows_connector(key)
    }

    /// Counts the files of a transfer that is not tracked. The limits on failure codes and statuses
    /// apply.
    pub fn count_files(&self, files: &[FileResult]) -> FileCounts {
        self.inner.tracker().count_files(files)
    }
}
