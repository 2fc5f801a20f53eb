//! The connection pool. When it is full, the connection that has been idle longest is evicted; if
//! none is idle, the one that has been writing its response longest.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::activity::Activity;

/// Default limit of connections at once.
pub const MAX_CONNECTIONS: usize = 512;

/// The limit does not shrink below this.
const LOWEST_LIMIT: usize = 8;

/// The open connections of a group of listeners.
pub(crate) struct ConnectionPool {
    open: Mutex<OpenConnections>,
}

struct OpenConnections {
    limit: usize,
    next_id: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    state: SlotState,
    /// Requests whose response is being prepared; with HTTP/2 there are several at once.
    responding: usize,
    evict: Arc<Notify>,
}

/// Ordered: the least is evicted first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SlotState {
    /// No whole request has arrived.
    Idle(Instant),
    /// The client has not read all of its response.
    Writing(Instant),
    /// A response is being prepared. Never evicted.
    Responding,
}

impl ConnectionPool {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(OpenConnections {
                limit,
                next_id: 0,
                entries: BTreeMap::new(),
            }),
        })
    }

    /// Returns a slot for a new connection, evicting another if the pool is full. `None` if a
    /// response is being prepared on every connection.
    pub(crate) fn acquire(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let mut open = self.open();
        if open.entries.len() >= open.limit && !open.evict() {
            return None;
        }
        let id = open.next_id;
        open.next_id += 1;
        let evict = Arc::new(Notify::new());
        open.entries.insert(
            id,
            Entry {
                state: SlotState::Idle(Instant::now()),
                responding: 0,
                evict: Arc::clone(&evict),
            },
        );
        Some(ConnectionSlot {
            pool: Arc::clone(self),
            id,
            evict,
            activity: Activity::new(),
        })
    }

    /// Lowers the limit below the number of open connections, evicts those above it and returns it.
    /// Called when the process runs out of a resource.
    pub(super) fn shrink(&self) -> usize {
        let mut open = self.open();
        open.limit = (open.entries.len() * 7 / 8)
            .max(LOWEST_LIMIT)
            .min(open.limit);
        while open.entries.len() > open.limit && open.evict() {}
        open.limit
    }

    /// Closes the idle connections.
    pub(super) fn close_idle(&self) {
        self.open().entries.retain(|_, entry| {
            let is_idle = matches!(entry.state, SlotState::Idle(_));
            if is_idle {
                entry.evict.notify_one();
            }
            !is_idle
        });
    }

    /// Closes every connection.
    pub(super) fn close_all(&self) {
        for entry in std::mem::take(&mut self.open().entries).into_values() {
            entry.evict.notify_one();
        }
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, id: u64, update: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.open().entries.get_mut(&id) {
            update(entry);
        }
    }
}

impl OpenConnections {
    /// Evicts one connection, and returns whether there was one to evict.
    fn evict(&mut self) -> bool {
        let first = self
            .entries
            .iter()
            .map(|(id, entry)| (entry.state, *id))
            .min();
        let Some((SlotState::Idle(_) | SlotState::Writing(_), id)) = first else {
            return false;
        };
        if let Some(entry) = self.entries.remove(&id) {
            entry.evict.notify_one();
        }
        true
    }
}

/// One connection's slot in the pool, released when dropped.
pub(crate) struct ConnectionSlot {
    pool: Arc<ConnectionPool>,
    id: u64,
    evict: Arc<Notify>,
    activity: Activity,
}

impl ConnectionSlot {
    /// Completes when the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Protects the connection from eviction until the guard is dropped; then its response is being
    /// written.
    pub(crate) fn begin_response(self: &Arc<Self>) -> ResponseGuard {
        self.pool.update(self.id, |entry| {
            entry.responding += 1;
            entry.state = SlotState::Responding;
        });
        self.activity.begin_response();
        ResponseGuard(Arc::clone(self))
    }

    /// Marks a response as being sent until the guard is dropped.
    pub(crate) fn begin_send(self: &Arc<Self>) -> SendGuard {
        self.activity.begin_send();
        SendGuard(Arc::clone(self))
    }

    /// Records that everything written has left.
    pub(super) fn mark_flushed(&self) {
        self.pool.update(self.id, |entry| {
            if let SlotState::Writing(_) = entry.state {
                entry.state = SlotState::Idle(Instant::now());
            }
        });
    }

    /// Returns whether no whole request has arrived that is not answered in full.
    pub(super) fn is_idle(&self) -> bool {
        let open = self.pool.open();
        open.entries
            .get(&self.id)
            .is_none_or(|entry| matches!(entry.state, SlotState::Idle(_)))
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.pool.open().entries.remove(&self.id);
    }
}

/// A response is being prepared.
pub(crate) struct ResponseGuard(Arc<ConnectionSlot>);

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.pool.update(self.0.id, |entry| {
            entry.responding -= 1;
            if entry.responding == 0 {
                entry.state = SlotState::Writing(Instant::now());
            }
        });
        self.0.activity.end_response();
    }
}

/// A response is being sent.
pub(crate) struct SendGuard(Arc<ConnectionSlot>);

impl SendGuard {
    /// Records that part of the response was handed over.
    pub(crate) fn progressed(&self) {
        self.0.activity.touch();
    }
}

impl Drop for SendGuard {
    fn drop(&mut self) {
        self.0.activity.end_send();
    }
}
