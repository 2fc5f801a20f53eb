//! The shards of a process. Each has its own state, which ends when the process gives the shard up.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::collector::Collector;
use crate::store::{Inboxes, LeasedStore};
use model::{ConnectorGroups, Fact, Ownership, Shard};

/// Which shards a process owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharding {
    /// This one: always, or while it has the lease of a shared store.
    Fixed(Shard),
    /// Some of as many as there are, which it shares with others by the leases of a shared store.
    Automatic {
        /// How many there are: 1 to [`Shard::MAX`].
        total: u32,
    },
}

impl Default for Sharding {
    fn default() -> Self {
        Self::Fixed(Shard::ONLY)
    }
}

impl fmt::Display for Sharding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(shard) => shard.fmt(f),
            Self::Automatic { total } => write!(f, "some of {total}"),
        }
    }
}

impl From<Shard> for Sharding {
    fn from(shard: Shard) -> Self {
        Self::Fixed(shard)
    }
}

impl Sharding {
    /// Returns the shards that the process may own.
    pub fn shards(self) -> Vec<Shard> {
        match self {
            Self::Fixed(shard) => vec![shard],
            Self::Automatic { total } => {
                let shards = (0..total).map(|index| Shard::new(index, total));
                shards.filter_map(Result::ok).collect()
            }
        }
    }

    /// Returns the number of shards.
    pub fn total(self) -> u32 {
        match self {
            Self::Fixed(shard) => shard.total(),
            Self::Automatic { total } => total,
        }
    }
}

/// A task that ends when this is dropped.
pub(super) struct Task(pub(super) tokio::task::AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A shard that the process may own.
pub(super) struct ShardState {
    pub(super) shard: Shard,
    /// Replaced when an ownership begins or ends.
    collector: ArcSwap<Collector>,
    /// Of a store that is shared.
    pub(super) lease: Option<Arc<dyn LeasedStore>>,
    /// Whether an ownership has begun and not ended.
    is_active: AtomicBool,
    /// What works on the state while the process owns it.
    tasks: Mutex<Vec<Task>>,
}

impl ShardState {
    /// Creates the state of a shard. It is owned at once, unless there is a lease.
    pub(super) fn new(
        shard: Shard,
        collector: Collector,
        lease: Option<Arc<dyn LeasedStore>>,
    ) -> Self {
        Self {
            shard,
            collector: ArcSwap::from_pointee(collector),
            is_active: AtomicBool::new(lease.is_none()),
            lease,
            tasks: Mutex::default(),
        }
    }

    /// Returns whether this process answers as the owner, and may go on to do so.
    pub(super) fn is_owned(&self) -> bool {
        let may_go_on = || self.lease.as_ref().is_none_or(|lease| lease.is_held());
        self.is_active.load(Ordering::Acquire) && may_go_on()
    }

    pub(super) fn set_active(&self, is_active: bool) {
        self.is_active.store(is_active, Ordering::Release);
    }

    /// Returns the collector of the current ownership.
    pub(super) fn owned(&self) -> Option<Collector> {
        // In this order: what ends in between is not the collector that is returned.
        let collector = self.collector.load().as_ref().clone();
        self.is_owned().then_some(collector)
    }

    /// Returns the collector, which is empty if the shard is not owned.
    pub(super) fn collector(&self) -> Collector {
        self.collector.load().as_ref().clone()
    }

    pub(super) fn replace_collector(&self, collector: Collector) -> Collector {
        self.collector.swap(Arc::new(collector)).as_ref().clone()
    }

    pub(super) fn set_tasks(&self, tasks: Vec<Task>) {
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
    }
}

/// All shards that a process may own.
pub(super) struct Shards {
    all: Vec<Arc<ShardState>>,
    /// Of the active configuration.
    groups: ArcSwap<ConnectorGroups>,
    /// Where other processes find what is theirs, if the shards are shared automatically.
    pub(super) inboxes: Option<Arc<dyn Inboxes>>,
}

impl Shards {
    pub(super) fn new(all: Vec<Arc<ShardState>>, inboxes: Option<Arc<dyn Inboxes>>) -> Self {
        Self {
            all,
            groups: ArcSwap::default(),
            inboxes,
        }
    }

    pub(super) fn all(&self) -> &[Arc<ShardState>] {
        &self.all
    }

    pub(super) fn set_groups(&self, groups: &Arc<ConnectorGroups>) {
        self.groups.store(Arc::clone(groups));
    }

    /// Returns the shards that are owned, with their collectors.
    pub(super) fn owned(&self) -> Vec<(Arc<ShardState>, Collector)> {
        let owned = |state: &Arc<ShardState>| Some((Arc::clone(state), state.owned()?));
        self.all.iter().filter_map(owned).collect()
    }

    /// Returns the shards that are owned.
    pub(super) fn owned_shards(&self) -> Vec<Shard> {
        let owned = self.all.iter().filter(|state| state.is_owned());
        owned.map(|state| state.shard).collect()
    }

    /// Returns the collectors of the shards that are owned.
    pub(super) fn collectors(&self) -> Vec<Collector> {
        self.all.iter().filter_map(|state| state.owned()).collect()
    }

    pub(super) fn is_any_owned(&self) -> bool {
        self.all.iter().any(|state| state.is_owned())
    }

    /// Returns whether this process reads what one process reads for all: CloudTrail and the list of
    /// connectors.
    pub(super) fn reads_for_all(&self) -> bool {
        self.inboxes.is_none() || self.all.first().is_some_and(|first| first.is_owned())
    }

    /// Returns the part of the shards that is owned, of which the process takes as great a part of each
    /// account's request rate.
    pub(super) fn share(&self) -> f64 {
        let total = self.all.first().map_or(1, |state| state.shard.total());
        let owned = self.all.iter().filter(|state| state.is_owned()).count();
        let owned = u32::try_from(owned).unwrap_or(u32::MAX);
        // A process that owns nothing makes probes at most.
        f64::from(owned.max(1)) / f64::from(total)
    }

    /// Returns the shard that a fact belongs to.
    pub(super) fn shard_of(&self, fact: &Fact) -> Option<&Arc<ShardState>> {
        let (connector, id) = fact.sharded_by();
        self.state_of(connector, id)
    }

    /// Returns the shard that an operation of a connector belongs to, if this process may own it.
    pub(super) fn state_of(
        &self,
        connector: &model::ConnectorId,
        id: &str,
    ) -> Option<&Arc<ShardState>> {
        let [first, ..] = self.all.as_slice() else {
            return None;
        };
        let owner = Ownership::new(first.shard, &self.groups.load()).owner_of(connector, id);
        self.all.iter().find(|state| state.shard == owner)
    }
}
