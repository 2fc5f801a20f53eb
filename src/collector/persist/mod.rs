//! Nothing is told that could be lost: what has changed is written first, and a scrape is answered with what was known
//! when it was. A store that fails or is slow keeps no scrape waiting for long, and heals by itself.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::{Inner, lock};
use crate::metrics::self_metrics::StorageMetrics;
use crate::store::{Store, StoreError};
use crate::tracker::persist::{PendingWrites, SavedState};
use model::{Now, Snapshot};

/// Between two writes that no scrape asks for.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Until a store that has failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// A scrape waits no longer for a write, whatever time it has left.
const LONGEST_WRITE: Duration = Duration::from_secs(2);
/// Of a scrape's budget, this share is kept for the write, and at most a second.
const WRITE_SHARE: u32 = 10;

/// What was learned is known, and not durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not written yet: {reason}")]
pub struct PersistError {
    reason: Arc<str>,
}

/// The part of a scrape's budget that is for the sweep.
pub(super) fn less_a_write(budget: Duration) -> Duration {
    budget - (budget / WRITE_SHARE).min(Duration::from_secs(1))
}

/// Writes one after the other, each with all that has changed by then.
pub(super) struct Persister {
    store: Arc<dyn Store>,
    saved: Mutex<Option<SavedState>>,
    /// Held from the taking of changes until they are written: so writes follow each other as what they hold does, and
    /// who finds nothing changed knows that it is durable.
    pub(super) turn: tokio::sync::Mutex<Turn>,
    health: Mutex<Health>,
    metrics: Arc<StorageMetrics>,
}

#[derive(Default)]
pub(super) struct Turn {
    /// The store has failed, and is not tried before.
    failed: Option<(Instant, PersistError)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Good,
    Slow,
    Failing,
}

/// What was known at a moment, and whether it is durable.
struct Written {
    snapshot: Option<Arc<Snapshot>>,
    now: Now,
    durable: Result<(), PersistError>,
}

impl Persister {
    pub(super) fn new(
        store: Arc<dyn Store>,
        saved: SavedState,
        metrics: Arc<StorageMetrics>,
    ) -> Self {
        metrics.enable(store.size());
        Self {
            store,
            saved: Mutex::new(Some(saved)),
            turn: tokio::sync::Mutex::default(),
            health: Mutex::new(Health::Good),
            metrics,
        }
    }

    /// What was loaded, once.
    pub(super) fn take_saved(&self) -> Option<SavedState> {
        lock(&self.saved).take()
    }

    /// One record for each change of state.
    fn note(&self, health: Health, reason: &dyn fmt::Display) {
        let before = std::mem::replace(&mut *lock(&self.health), health);
        self.metrics.set_up(health == Health::Good);
        if before == health {
            return;
        }
        match health {
            Health::Good => {
                info!("the storage takes writes again: everything that is known is durable")
            }
            Health::Slow => {
                warn!(reason = %reason, "the storage is slow: scrapes are answered before their values are durable");
            }
            Health::Failing => error!(
                reason = %reason,
                retry_seconds = RETRY_AFTER.as_secs(),
                "the storage fails: what is learned stays in memory, and is written once that works again"
            ),
        }
    }

    async fn save(&self, changes: Arc<PendingWrites>) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || store.save(&changes)).await {
            Ok(saved) => saved,
            Err(panic) => {
                let detail = panic.to_string();
                Err(StoreError::Write {
                    path: "--storage.path".into(),
                    detail,
                })
            }
        }
    }
}

impl Inner {
    /// What is known, written before. `None` where there is no store, or the write does not end in time.
    pub(super) async fn written(self: &Arc<Self>, left: Duration) -> Option<(Arc<Snapshot>, Now)> {
        let persister = self.persister.as_ref()?;
        let mut write = self.start_write(true);
        let patience = left.min(LONGEST_WRITE);
        let written = match tokio::time::timeout(patience, &mut write).await {
            Ok(written) => written.ok()?,
            // It may have ended this moment.
            Err(_) => write.try_recv().ok().or_else(|| {
                persister.note(
                    Health::Slow,
                    &format_args!("a write takes more than {patience:?}"),
                );
                None
            })?,
        };
        Some((written.snapshot?, written.now))
    }

    pub(super) async fn persist(self: &Arc<Self>) -> Result<(), PersistError> {
        if self.persister.is_none() {
            return Ok(());
        }
        match self.start_write(false).await {
            Ok(written) => written.durable,
            Err(_) => Err(PersistError {
                reason: "the write ended early".into(),
            }),
        }
    }

    pub(super) async fn flush_periodically(self: &Arc<Self>) {
        if self.persister.is_none() {
            return;
        }
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            // A failure has been told, and what could not be written is tried again.
            let _ = self.persist().await;
        }
    }

    /// A task of its own: who waits for it may go away, and what was taken from the tracker must not go along.
    fn start_write(self: &Arc<Self>, snapshot: bool) -> oneshot::Receiver<Written> {
        let (sender, receiver) = oneshot::channel();
        let inner = Arc::clone(self);
        tokio::spawn(async move { inner.write(sender, snapshot).await });
        receiver
    }

    async fn write(&self, waiting: oneshot::Sender<Written>, snapshot: bool) {
        let Some(persister) = &self.persister else {
            return;
        };
        let mut turn = persister.turn.lock().await;
        if waiting.is_closed() {
            return;
        }
        let now = self.clock.now();
        // At the stop there is no later.
        let stopping = *self.stopping.borrow();
        let resting = turn
            .failed
            .as_ref()
            .filter(|(retry_at, _)| now.instant < *retry_at && !stopping);
        let resting = resting.map(|(_, reason)| reason.clone());
        let (changes, snapshot) = {
            let mut tracker = self.tracker();
            // A resting store's changes stay marked.
            let changes = if resting.is_some() {
                PendingWrites::default()
            } else {
                tracker.take_changes(now)
            };
            (changes, snapshot.then(|| Arc::new(tracker.snapshot(now))))
        };
        let durable = match resting {
            Some(reason) => Err(reason),
            None => self.save(persister, &mut turn, changes).await,
        };
        // Nobody waits any more, perhaps.
        let _ = waiting.send(Written {
            snapshot,
            now,
            durable,
        });
    }

    async fn save(
        &self,
        persister: &Persister,
        turn: &mut Turn,
        changes: PendingWrites,
    ) -> Result<(), PersistError> {
        let mut changes = Arc::new(changes);
        let mut recreated = false;
        loop {
            let start = self.clock.now();
            let saved = if changes.is_empty() {
                Ok(())
            } else {
                persister.save(Arc::clone(&changes)).await
            };
            let end = self.clock.now();
            let error = match saved {
                Ok(()) => {
                    if !changes.is_empty() {
                        persister.metrics.observe_write(end.since(start.instant));
                        persister.metrics.set_size(persister.store.size());
                    }
                    turn.failed = None;
                    persister.note(Health::Good, &"");
                    return Ok(());
                }
                Err(StoreError::Recreated { path }) if !recreated => {
                    warn!(path = %path.display(), "the storage was gone and has been made anew: all that is known is written to it");
                    recreated = true;
                    let mut tracker = self.tracker();
                    tracker.mark_all_dirty();
                    changes = Arc::new(tracker.take_changes(end));
                    continue;
                }
                Err(error) => error,
            };
            let mut tracker = self.tracker();
            tracker.requeue(&changes);
            if recreated {
                tracker.mark_all_dirty();
            }
            drop(tracker);
            persister.metrics.count_error();
            persister.metrics.set_size(persister.store.size());
            persister.note(Health::Failing, &error);
            let reason = PersistError {
                reason: error.to_string().into(),
            };
            turn.failed = Some((end.instant + RETRY_AFTER, reason.clone()));
            return Err(reason);
        }
    }
}
