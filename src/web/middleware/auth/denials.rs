//! When denials are sent, and how many wait.
//!
//! A denial is sent when the verifications of the client's requests for the name would have ended
//! one after the other, whether they ran or not. So a name that does not exist costs no more than
//! time, and takes as long as one that does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Tag;
use crate::web::fair_share::ClientAddress;

/// Requests of one client for one name that wait at once.
pub(super) const MAX_WAITING: usize = 8;

/// The least time that a verification of cost 4 is taken to last, in nanoseconds. Each further cost
/// doubles it: 64 ms at cost 10.
const MIN_UNIT: u64 = 1_000_000;
/// The cost of a unit.
const UNIT_COST: u32 = 4;

/// The requests that wait for a verification, by client and name.
pub(super) struct Denials {
    clients: Mutex<HashMap<ClientAddress, ClientRequests>>,
    /// The duration of a verification of cost 4, in nanoseconds: the longest of recent ones.
    unit: AtomicU64,
}

struct ClientRequests {
    /// One verification at a time.
    turn: Arc<Semaphore>,
    names: HashMap<Tag, NameRequests>,
}

struct NameRequests {
    waiting: usize,
    /// When the last denial is due.
    due: Instant,
}

impl Default for Denials {
    fn default() -> Self {
        Self {
            clients: Mutex::default(),
            unit: AtomicU64::new(MIN_UNIT),
        }
    }
}

impl Denials {
    /// Adds a request of `client` for a name; `None` if too many wait.
    pub(super) fn enter(
        self: &Arc<Self>,
        client: ClientAddress,
        name: Tag,
        cost: u32,
    ) -> Option<PendingDenial> {
        let now = Instant::now();
        let mut clients = self.clients();
        let requests = clients.entry(client).or_insert_with(|| ClientRequests {
            turn: Arc::new(Semaphore::new(1)),
            names: HashMap::new(),
        });
        let of_name = requests.names.entry(name).or_insert(NameRequests {
            waiting: 0,
            due: now,
        });
        if of_name.waiting >= MAX_WAITING {
            return None;
        }
        of_name.waiting += 1;
        of_name.due = of_name.due.max(now) + self.pace(cost);
        Some(PendingDenial {
            denials: Arc::clone(self),
            client,
            name,
            due: of_name.due,
            turn: Arc::clone(&requests.turn),
        })
    }

    /// Records how long a verification took.
    pub(super) fn record_duration(&self, cost: u32, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let unit = nanoseconds >> cost.saturating_sub(UNIT_COST);
        let slower = |known: u64| Some((known - known / 32).max(unit).max(MIN_UNIT));
        // The closure returns a value always.
        let _ = self
            .unit
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, slower);
    }

    /// Returns the time between denials: half as long again as a verification takes, so that one
    /// that runs has ended.
    fn pace(&self, cost: u32) -> Duration {
        let unit = self.unit.load(Ordering::Relaxed);
        let verification = unit.saturating_mul(1 << cost.saturating_sub(UNIT_COST).min(32));
        Duration::from_nanos(verification.saturating_add(verification / 2))
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<ClientAddress, ClientRequests>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.clients().is_empty()
    }
}

/// A request that waits for a verification.
pub(super) struct PendingDenial {
    denials: Arc<Denials>,
    client: ClientAddress,
    name: Tag,
    due: Instant,
    turn: Arc<Semaphore>,
}

impl PendingDenial {
    /// Waits for the client's turn.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).acquire_owned().await.ok()
    }

    /// Waits until the denial is due.
    pub(super) async fn is_due(&self) {
        tokio::time::sleep_until(self.due).await;
    }
}

impl Drop for PendingDenial {
    fn drop(&mut self) {
        let mut clients = self.denials.clients();
        let Some(requests) = clients.get_mut(&self.client) else {
            return;
        };
        if let Some(of_name) = requests.names.get_mut(&self.name) {
            of_name.waiting -= 1;
            if of_name.waiting == 0 {
                requests.names.remove(&self.name);
            }
        }
        if requests.names.is_empty() {
            clients.remove(&self.client);
        }
    }
}
