//! A bound on connections that idle ones cannot hold: when it is reached, the one that has been idle longest makes room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Connections at once.
pub const MAX_CONNECTIONS: usize = 512;

/// The open connections.
pub(super) struct Connections {
    limit: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    /// `None` while a request is being answered.
    idle_since: Option<Instant>,
    evict: Arc<Notify>,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default() })
    }

    /// A place for a new connection, at the cost of the longest idle one where the limit is reached. `None` if every
    /// connection is being answered.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open();
        if open.entries.len() >= self.limit {
            let idlest = open.entries.iter().filter_map(|(id, entry)| Some((entry.idle_since?, *id))).min()?.1;
            if let Some(entry) = open.entries.remove(&idlest) {
                entry.evict.notify_one();
            }
        }
        let id = open.next;
        open.next += 1;
        let evict = Arc::new(Notify::new());
        open.entries.insert(id, Entry { idle_since: Some(Instant::now()), evict: Arc::clone(&evict) });
        Some(Place { connections: Arc::clone(self), id, evict })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_idle(&self, id: u64, idle_since: Option<Instant>) {
        if let Some(entry) = self.open().entries.get_mut(&id) {
            entry.idle_since = idle_since;
        }
    }
}

/// One connection's place, given back when dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    id: u64,
    evict: Arc<Notify>,
}

impl Place {
    /// Ends when the connection has to make room.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Marks the connection as being answered until the guard is dropped.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.connections.set_idle(self.id, None);
        Answering(Arc::clone(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().entries.remove(&self.id);
    }
}

/// A request is being answered on this connection.
pub(super) struct Answering(Arc<Place>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.connections.set_idle(self.0.id, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(connections: &Connections) -> Vec<u64> {
        connections.open().entries.keys().copied().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_makes_room() {
        let connections = Connections::new(2);
        let first = Arc::new(connections.enter().unwrap());
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        let second = Arc::new(connections.enter().unwrap());
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        drop(first.answering());
        let third = connections.enter().unwrap();
        second.evicted().await;
        assert_eq!(open(&connections), [first.id, third.id]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_being_answered_never_makes_room() {
        let connections = Connections::new(1);
        let place = Arc::new(connections.enter().unwrap());
        let answering = place.answering();
        assert!(connections.enter().is_none());
        drop(answering);
        assert!(connections.enter().is_some());
    }

    #[tokio::test]
    async fn a_closed_connection_gives_its_place_back() {
        let connections = Connections::new(1);
        drop(connections.enter());
        assert!(open(&connections).is_empty());
    }
}
