//! A process of several that share a store. It waits as a standby until a shard is free, works as its
//! owner for as long as it holds the lease, and waits again.
//!
//! | module | contents |
//! | --- | --- |
//! | `watcher` | looks at leases and other processes, and takes or gives back shards |
//! | `term` | an ownership, from its begin to its end |

mod term;
#[cfg(feature = "dynamodb")]
#[cfg(test)]
mod tests;
mod watcher;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::shards::{ShardState, Task};
use crate::metrics::self_metrics::LeaseMetrics;
use crate::store::{Members, StoreOperation};
pub(super) use watcher::run;

/// An owner renews a lease so many times in its lifetime, and shows as often that it works.
const RENEWALS: u32 = 3;

/// The part of a process in shared shards.
pub(super) struct Membership {
    metrics: Arc<LeaseMetrics>,
    /// If the shards are shared automatically.
    members: Option<Arc<dyn Members>>,
    lifetime: Duration,
    terms: Mutex<BTreeMap<u32, Term>>,
    /// Terms that could not begin, since the last that did.
    failed_terms: AtomicU32,
}

/// A term that has begun, or is about to.
struct Term {
    /// Set to end it.
    give_back: watch::Sender<bool>,
    _task: Task,
}

impl Membership {
    #[cfg_attr(
        not(feature = "dynamodb"),
        expect(dead_code, reason = "no store is shared without the feature")
    )]
    pub(super) fn new(
        shards: &[Arc<ShardState>],
        members: Option<Arc<dyn Members>>,
        metrics: &Arc<LeaseMetrics>,
        lifetime: Duration,
    ) -> Self {
        for state in shards {
            let shard = state.shard.index().to_string();
            metrics.enable(&shard, &StoreOperation::ALL.map(StoreOperation::as_label));
        }
        Self {
            metrics: Arc::clone(metrics),
            members,
            lifetime,
            terms: Mutex::default(),
            failed_terms: AtomicU32::new(0),
        }
    }

    /// Updates the metrics: a lease may have ended unnoticed, while the process was suspended.
    pub(super) fn record_roles(&self, shards: &[Arc<ShardState>]) {
        for state in shards {
            let shard = state.shard.index().to_string();
            self.metrics.set_leader(&shard, state.is_owned());
        }
    }

    /// Gives all leases back, and leaves the members.
    pub(super) async fn leave(&self, shards: &[Arc<ShardState>]) {
        self.terms().clear();
        let leases = shards.iter().filter_map(|state| state.lease.as_ref());
        let release = join_all(leases.map(|lease| lease.release()));
        match &self.members {
            Some(members) => drop(tokio::join!(release, members.leave())),
            None => drop(release.await),
        }
    }

    fn terms(&self) -> MutexGuard<'_, BTreeMap<u32, Term>> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_automatic(&self) -> bool {
        self.members.is_some()
    }
}
