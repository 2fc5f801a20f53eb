//! A bound on connections that idle ones cannot hold: when it is reached, the one that has been idle longest makes room.
//! Where none is idle, the one makes room that has been taking its answer longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Connections at once.
pub const MAX_CONNECTIONS: usize = 512;

/// The limit does not shrink below this.
const LOWEST_LIMIT: usize = 8;

/// The open connections.
pub(super) struct Connections {
    open: Mutex<Open>,
}

struct Open {
    limit: usize,
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    state: State,
    evict: Arc<Notify>,
}

/// Ordered: the least makes room first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// No whole request has come.
    Idle(Instant),
    /// The client has not taken all of its answer.
    Writing(Instant),
    /// A request is being answered. Never makes room.
    Answering,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::new(Open { limit, next: 0, entries: BTreeMap::new() }) })
    }

    /// A place for a new connection, at the cost of the longest idle one where the limit is reached. `None` if every
    /// connection is being answered.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open();
        if open.entries.len() >= open.limit && !open.make_room() {
            return None;
        }
        let id = open.next;
        open.next += 1;
        let evict = Arc::new(Notify::new());
        open.entries.insert(id, Entry { state: State::Idle(Instant::now()), evict: Arc::clone(&evict) });
        Some(Place { connections: Arc::clone(self), id, evict })
    }

    /// Lowers the limit below what is open now, and closes what is above it: the process has no resource for more. What
    /// comes back is the new limit.
    pub(super) fn shrink(&self) -> usize {
        let mut open = self.open();
        open.limit = (open.entries.len() * 7 / 8).max(LOWEST_LIMIT).min(open.limit);
        while open.entries.len() > open.limit && open.make_room() {}
        open.limit
    }

    /// Closes the connections on which no whole request has come.
    pub(super) fn close_idle(&self) {
        self.open().entries.retain(|_, entry| {
            let stays = !matches!(entry.state, State::Idle(_));
            if !stays {
                entry.evict.notify_one();
            }
            stays
        });
    }

    /// Closes every connection.
    pub(super) fn close_all(&self) {
        for entry in std::mem::take(&mut self.open().entries).into_values() {
            entry.evict.notify_one();
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, id: u64, change: impl FnOnce(State) -> State) {
        if let Some(entry) = self.open().entries.get_mut(&id) {
            entry.state = change(entry.state);
        }
    }
}

impl Open {
    fn make_room(&mut self) -> bool {
        let first = self.entries.iter().map(|(id, entry)| (entry.state, *id)).min();
        let Some((State::Idle(_) | State::Writing(_), id)) = first else { return false };
        if let Some(entry) = self.entries.remove(&id) {
            entry.evict.notify_one();
        }
        true
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

    /// Marks the connection as being answered until the guard is dropped; then its answer is being written.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.connections.change(self.id, |_| State::Answering);
        Answering(Arc::clone(self))
    }

    /// Notes that all that was written has left.
    pub(super) fn flushed(&self) {
        self.connections.change(self.id, |state| match state {
            State::Writing(_) => State::Idle(Instant::now()),
            other => other,
        });
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
        self.0.connections.change(self.0.id, |_| State::Writing(Instant::now()));
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
        first.flushed();
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

    #[tokio::test(start_paused = true)]
    async fn an_answer_on_its_way_makes_room_only_where_nothing_is_idle() {
        let connections = Connections::new(2);
        let writing = Arc::new(connections.enter().unwrap());
        drop(writing.answering());
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        let idle = connections.enter().unwrap();
        let busy = Arc::new(connections.enter().unwrap());
        idle.evicted().await;
        let answering = busy.answering();
        busy.flushed();
        let last = connections.enter().unwrap();
        writing.evicted().await;
        assert_eq!(open(&connections), [busy.id, last.id]);
        drop(answering);
    }

    #[tokio::test]
    async fn for_want_of_a_resource_the_limit_falls_below_what_is_open() {
        let connections = Connections::new(100);
        let places: Vec<_> = (0..40).map(|_| connections.enter()).collect();
        assert_eq!((connections.shrink(), open(&connections).len()), (35, 35));
        let one_more = connections.enter();
        assert_eq!(open(&connections).len(), 35);
        drop((places, one_more));
        assert_eq!((connections.shrink(), connections.shrink()), (LOWEST_LIMIT, LOWEST_LIMIT));
    }

    #[tokio::test]
    async fn the_stop_closes_what_is_idle_first() {
        let connections = Connections::new(2);
        let (idle, busy) = (connections.enter().unwrap(), Arc::new(connections.enter().unwrap()));
        let answering = busy.answering();
        connections.close_idle();
        idle.evicted().await;
        assert_eq!(open(&connections), [busy.id]);
        connections.close_all();
        busy.evicted().await;
        drop(answering);
    }

    #[tokio::test]
    async fn a_closed_connection_gives_its_place_back() {
        let connections = Connections::new(1);
        drop(connections.enter());
        assert!(open(&connections).is_empty());
    }
}
