//! A bound on connections that idle ones cannot hold: when it is reached, the one that has been idle longest makes room.
//! Where none is idle, the one makes room that has been taking its answer longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// ConnectionPool at once.
pub const MAX_CONNECTIONS: usize = 512;

/// The limit does not shrink below this.
const LOWEST_LIMIT: usize = 8;

/// The open connections.
pub(crate) struct ConnectionPool {
    open: Mutex<Open>,
}

struct Open {
    limit: usize,
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    state: State,
    /// Requests that are being answered; HTTP/2 has several at once.
    answering: usize,
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

impl ConnectionPool {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(Open {
                limit,
                next: 0,
                entries: BTreeMap::new(),
            }),
        })
    }

    /// A place for a new connection, at the cost of the longest idle one where the limit is reached. `None` if every
    /// connection is being answered.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let mut open = self.open();
        if open.entries.len() >= open.limit && !open.make_room() {
            return None;
        }
        let id = open.next;
        open.next += 1;
        let evict = Arc::new(Notify::new());
        let now = Instant::now();
        open.entries.insert(
            id,
            Entry {
                state: State::Idle(now),
                answering: 0,
                evict: Arc::clone(&evict),
            },
        );
        let activity = Mutex::new(Activity {
            answering: 0,
            sending: 0,
            last: now,
        });
        Some(ConnectionSlot {
            pool: Arc::clone(self),
            id,
            evict,
            activity,
        })
    }

    /// Lowers the limit below what is open now, and closes what is above it: the process has no resource for more. What
    /// comes back is the new limit.
    pub(crate) fn shrink(&self) -> usize {
        let mut open = self.open();
        open.limit = (open.entries.len() * 7 / 8)
            .max(LOWEST_LIMIT)
            .min(open.limit);
        while open.entries.len() > open.limit && open.make_room() {}
        open.limit
    }

    /// Closes the connections on which no whole request has come.
    pub(crate) fn close_idle(&self) {
        self.open().entries.retain(|_, entry| {
            let stays = !matches!(entry.state, State::Idle(_));
            if !stays {
                entry.evict.notify_one();
            }
            stays
        });
    }

    /// Closes every connection.
    pub(crate) fn close_all(&self) {
        for entry in std::mem::take(&mut self.open().entries).into_values() {
            entry.evict.notify_one();
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.open().entries.get_mut(&id) {
            change(entry);
        }
    }
}

impl Open {
    fn make_room(&mut self) -> bool {
        let first = self
            .entries
            .iter()
            .map(|(id, entry)| (entry.state, *id))
            .min();
        let Some((State::Idle(_) | State::Writing(_), id)) = first else {
            return false;
        };
        if let Some(entry) = self.entries.remove(&id) {
            entry.evict.notify_one();
        }
        true
    }
}

/// One connection's place, given back when dropped.
pub(crate) struct ConnectionSlot {
    pool: Arc<ConnectionPool>,
    id: u64,
    evict: Arc<Notify>,
    activity: Mutex<Activity>,
}

/// What goes on on a connection.
struct Activity {
    answering: usize,
    /// Answers that have not been handed over whole.
    sending: usize,
    /// When a request or a piece of an answer last moved.
    last: Instant,
}

impl ConnectionSlot {
    /// Ends when the connection has to make room.
    pub(crate) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Marks the connection as being answered until the guard is dropped; then its answer is being written.
    pub(crate) fn answering(self: &Arc<Self>) -> ResponseGuard {
        self.pool.change(self.id, |entry| {
            entry.answering += 1;
            entry.state = State::Answering;
        });
        self.moved(|activity| activity.answering += 1);
        ResponseGuard(Arc::clone(self))
    }

    /// Notes that all that was written has left.
    pub(crate) fn flushed(&self) {
        self.pool.change(self.id, |entry| {
            if let State::Writing(_) = entry.state {
                entry.state = State::Idle(Instant::now());
            }
        });
    }

    /// True while no whole request has come that is not answered whole.
    pub(crate) fn is_idle(&self) -> bool {
        let open = self.pool.open();
        open.entries
            .get(&self.id)
            .is_none_or(|entry| matches!(entry.state, State::Idle(_)))
    }

    /// Notes that a request has come.
    pub(crate) fn touched(&self) {
        self.moved(|_| {});
    }

    /// An answer is on its way until the guard is dropped.
    pub(crate) fn sending(self: &Arc<Self>) -> SendGuard {
        self.moved(|activity| activity.sending += 1);
        SendGuard(Arc::clone(self))
    }

    /// Ends when no piece of an answer that is on its way has moved for `stall`, or no request has come for `idle`; that
    /// is seen within another `stall`.
    pub(crate) async fn has_stopped(&self, stall: Duration, idle: Duration) {
        loop {
            let until = {
                let activity = self.activity();
                match (activity.answering, activity.sending) {
                    (0, 0) => activity.last + idle,
                    (0, _) => activity.last + stall,
                    _ => Instant::now() + stall,
                }
            };
            let now = Instant::now();
            if until <= now {
                return;
            }
            // An answer may begin meanwhile, and has less time.
            tokio::time::sleep_until(until.min(now + stall)).await;
        }
    }

    fn moved(&self, change: impl FnOnce(&mut Activity)) {
        let mut activity = self.activity();
        change(&mut activity);
        activity.last = Instant::now();
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.pool.open().entries.remove(&self.id);
    }
}

/// A request is being answered on this connection.
pub(crate) struct ResponseGuard(Arc<ConnectionSlot>);

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.pool.change(self.0.id, |entry| {
            entry.answering -= 1;
            if entry.answering == 0 {
                entry.state = State::Writing(Instant::now());
            }
        });
        self.0.moved(|activity| activity.answering -= 1);
    }
}

/// An answer is on its way on this connection.
pub(crate) struct SendGuard(Arc<ConnectionSlot>);

impl SendGuard {
    /// Notes that a piece of it has moved.
    pub(crate) fn progressed(&self) {
        self.0.touched();
    }
}

impl Drop for SendGuard {
    fn drop(&mut self) {
        self.0.moved(|activity| activity.sending -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(connections: &ConnectionPool) -> Vec<u64> {
        connections.open().entries.keys().copied().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_makes_room() {
        let connections = ConnectionPool::new(2);
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
        let connections = ConnectionPool::new(1);
        let place = Arc::new(connections.enter().unwrap());
        let answering = place.answering();
        assert!(connections.enter().is_none());
        drop(answering);
        assert!(connections.enter().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_on_its_way_makes_room_only_where_nothing_is_idle() {
        let connections = ConnectionPool::new(2);
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
        let connections = ConnectionPool::new(100);
        let places: Vec<_> = (0..40).map(|_| connections.enter()).collect();
        assert_eq!((connections.shrink(), open(&connections).len()), (35, 35));
        let one_more = connections.enter();
        assert_eq!(open(&connections).len(), 35);
        drop((places, one_more));
        assert_eq!(
            (connections.shrink(), connections.shrink()),
            (LOWEST_LIMIT, LOWEST_LIMIT)
        );
    }

    #[tokio::test]
    async fn the_stop_closes_what_is_idle_first() {
        let connections = ConnectionPool::new(2);
        let (idle, busy) = (
            connections.enter().unwrap(),
            Arc::new(connections.enter().unwrap()),
        );
        let answering = busy.answering();
        connections.close_idle();
        idle.evicted().await;
        assert_eq!(open(&connections), [busy.id]);
        connections.close_all();
        busy.evicted().await;
        drop(answering);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_requests_on_one_connection_the_last_ends_the_answering() {
        let connections = ConnectionPool::new(1);
        let place = Arc::new(connections.enter().unwrap());
        let (first, second) = (place.answering(), place.answering());
        drop(first);
        place.flushed();
        assert!(connections.enter().is_none());
        drop(second);
        assert!(connections.enter().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_stops_is_seen_and_what_is_being_answered_never_stops() {
        let (stall, idle) = (Duration::from_secs(10), Duration::from_secs(30));
        let place = Arc::new(ConnectionPool::new(1).enter().unwrap());
        let seconds = |from: Instant| from.elapsed().as_secs();
        let start = Instant::now();
        place.has_stopped(stall, idle).await;
        assert_eq!(seconds(start), 30);
        let answering = place.answering();
        let stopped =
            tokio::time::timeout(Duration::from_hours(1), place.has_stopped(stall, idle)).await;
        assert!(stopped.is_err());
        drop(answering);
        let sending = place.sending();
        let start = Instant::now();
        place.has_stopped(stall, idle).await;
        assert_eq!(seconds(start), 10);
        sending.progressed();
        let start = Instant::now();
        place.has_stopped(stall, idle).await;
        assert_eq!(seconds(start), 10);
    }

    #[tokio::test]
    async fn a_closed_connection_gives_its_place_back() {
        let connections = ConnectionPool::new(1);
        drop(connections.enter());
        assert!(open(&connections).is_empty());
    }
}
