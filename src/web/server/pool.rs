//! The connection pool. When it is full, a connection of the client with the most connections is
//! evicted: the one that has been idle longest; if none is idle, the one that has been writing its
//! response longest. Responses are prepared on a fair share of the connections, so one of every
//! client can be evicted.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::web::fair_share::{ClientAddress, FairShare, Place};

/// Default limit of connections at once.
pub const MAX_CONNECTIONS: usize = 512;

/// The limit does not shrink below this.
const LOWEST_LIMIT: usize = 8;

/// Returns on how many of `limit` connections responses may be prepared. The others can be evicted
/// for a new connection, such as a health check.
fn response_places(limit: usize) -> usize {
    limit - limit / 8
}

/// The open connections of a group of listeners.
pub(crate) struct ConnectionPool {
    open: Mutex<OpenConnections>,
    /// Connections on which responses are prepared.
    responses: Arc<FairShare>,
}

struct OpenConnections {
    limit: usize,
    next_id: u64,
    entries: BTreeMap<u64, Entry>,
    by_client: HashMap<ClientAddress, usize>,
}

struct Entry {
    client: ClientAddress,
    state: SlotState,
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
                by_client: HashMap::new(),
            }),
            responses: FairShare::new(response_places(limit)),
        })
    }

    /// Returns a slot for a new connection from `address`, evicting another if the pool is full.
    /// `None` if a response is being prepared on every connection.
    pub(crate) fn acquire(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let client = ClientAddress::from(address);
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
                client,
                state: SlotState::Idle(Instant::now()),
                evict: Arc::clone(&evict),
            },
        );
        *open.by_client.entry(client).or_default() += 1;
        Some(ConnectionSlot {
            pool: Arc::clone(self),
            id,
            client,
            evict,
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
        self.responses.set_capacity(response_places(open.limit));
        open.limit
    }

    /// Closes the idle connections.
    pub(super) fn close_idle(&self) {
        let mut open = self.open();
        let is_idle = |entry: &Entry| matches!(entry.state, SlotState::Idle(_));
        let idle: Vec<_> = open
            .entries
            .iter()
            .filter(|(_, entry)| is_idle(entry))
            .map(|(id, _)| *id)
            .collect();
        for id in idle {
            open.close(id);
        }
    }

    /// Closes every connection.
    pub(super) fn close_all(&self) {
        let mut open = self.open();
        while let Some((&id, _)) = open.entries.first_key_value() {
            open.close(id);
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
        let connections = |client| self.by_client.get(client).copied().unwrap_or_default();
        let first = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.state != SlotState::Responding)
            .map(|(id, entry)| (Reverse(connections(&entry.client)), entry.state, *id))
            .min();
        let Some((.., id)) = first else {
            return false;
        };
        self.close(id);
        true
    }

    fn close(&mut self, id: u64) {
        if let Some(entry) = self.remove(id) {
            entry.evict.notify_one();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(connections) = self.by_client.get_mut(&entry.client) {
            *connections -= 1;
            if *connections == 0 {
                self.by_client.remove(&entry.client);
            }
        }
        Some(entry)
    }
}

/// One connection's slot in the pool, released when dropped.
pub(crate) struct ConnectionSlot {
    pool: Arc<ConnectionPool>,
    id: u64,
    client: ClientAddress,
    evict: Arc<Notify>,
}

impl ConnectionSlot {
    /// Completes when the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Returns the client's address.
    pub(crate) fn client(&self) -> ClientAddress {
        self.client
    }

    /// Takes a place among the connections on which responses are prepared; `None` if the client's
    /// share is used up.
    pub(crate) fn reserve_response(&self) -> Option<Place> {
        self.pool.responses.try_enter(self.client)
    }

    /// Protects the connection from eviction until the guard is dropped; then its response is being
    /// written. A response that takes time needs a `place`.
    pub(crate) fn begin_response(self: &Arc<Self>, place: Option<Place>) -> ResponseGuard {
        self.pool
            .update(self.id, |entry| entry.state = SlotState::Responding);
        ResponseGuard {
            slot: Arc::clone(self),
            _place: place,
        }
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
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.pool.open().remove(self.id);
    }
}

/// A response is being prepared.
pub(crate) struct ResponseGuard {
    slot: Arc<ConnectionSlot>,
    _place: Option<Place>,
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.slot.pool.update(self.slot.id, |entry| {
            entry.state = SlotState::Writing(Instant::now());
        });
    }
}
