//! Write-ahead persistence: changes are committed before a scrape is answered, so that no exported
//! counter can decrease after a crash. A failing or slow store delays scrapes only briefly, and
//! writes resume when it recovers.

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
use model::Snapshot;

/// Interval of housekeeping: expiry, and writes between scrapes.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(1);
/// Delay before a store that has failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Maximum time that a scrape waits for a write, even if its budget is larger.
pub(super) const MAX_WRITE_WAIT: Duration = Duration::from_secs(2);
/// Inverse of the share of a scrape's budget that is reserved for the write (at most one second).
const WRITE_SHARE: u32 = 10;

/// Changes are recorded but not durable yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to persist changes: {reason}")]
pub struct PersistError {
    reason: Arc<str>,
}

/// Returns the part of a scrape's budget that the sweep may use.
pub(super) fn sweep_budget(budget: Duration) -> Duration {
    budget - (budget / WRITE_SHARE).min(Duration::from_secs(1))
}

/// Writes changes to the store, one write at a time. Each write contains all changes so far.
pub(super) struct Persister {
    store: Arc<dyn Store>,
    saved: Mutex<Option<SavedState>>,
    /// Held from taking the changes until they are written. Writes therefore have the order of the
    /// changes, and a caller that finds no changes knows that all earlier ones are durable.
    pub(super) write_lock: tokio::sync::Mutex<LastWrite>,
    health: Mutex<StorageHealth>,
    /// The newest state that is durable, if the store is shared.
    durable: Mutex<Option<Arc<Snapshot>>>,
    metrics: Arc<StorageMetrics>,
    /// Its number among those that share the metrics.
    number: u64,
}

#[derive(Default)]
pub(super) struct LastWrite {
    /// The error of the last write, and the time before which the store is not tried again.
    failed: Option<(Instant, PersistError)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StorageHealth {
    Good,
    Slow,
    Failing,
}

/// The result of a write: a snapshot of the state that was written, if requested, and whether it is
/// durable.
struct WriteOutcome {
    snapshot: Option<Arc<Snapshot>>,
    durable: Result<(), PersistError>,
}

impl Persister {
    pub(super) fn new(
        store: Arc<dyn Store>,
        saved: SavedState,
        metrics: Arc<StorageMetrics>,
    ) -> Self {
        let number = metrics.open(store.size());
        Self {
            store,
            saved: Mutex::new(Some(saved)),
            write_lock: tokio::sync::Mutex::default(),
            health: Mutex::new(StorageHealth::Good),
            durable: Mutex::default(),
            metrics,
            number,
        }
    }

    /// Returns the loaded state on the first call.
    pub(super) fn take_saved(&self) -> Option<SavedState> {
        lock(&self.saved).take()
    }

    /// Keeps a snapshot of a state that is durable, if the store is shared.
    pub(super) fn keep_durable(&self, snapshot: impl FnOnce() -> Arc<Snapshot>) {
        if self.store.is_shared() {
            *lock(&self.durable) = Some(snapshot());
        }
    }

    pub(super) fn close(&self) {
        self.metrics.close(self.number);
    }

    pub(super) fn is_up(&self) -> bool {
        *lock(&self.health) == StorageHealth::Good
    }

    /// Updates the health, and logs changes.
    fn set_health(&self, health: StorageHealth, reason: &dyn fmt::Display) {
        let before = std::mem::replace(&mut *lock(&self.health), health);
        let is_up = health == StorageHealth::Good;
        self.metrics.set_up(self.number, is_up);
        if before == health {
            return;
        }
        match health {
            StorageHealth::Good => {
                info!(
                    event = "storage_recovered",
                    "storage recovered, all state is durable"
                );
            }
            StorageHealth::Slow => warn!(
                event = "storage_slow",
                reason = %reason,
                "storage is slow, answering scrapes before their values are durable"
            ),
            StorageHealth::Failing => error!(
                event = "storage_failed",
                reason = %reason,
                retry_seconds = RETRY_AFTER.as_secs(),
                "failed to write to the storage, keeping changes in memory"
            ),
        }
    }
}

impl Inner {
    /// Writes all changes and returns a snapshot of the written state. Returns `None` if there is
    /// no store, or if the write does not end in time.
    pub(super) async fn persisted_snapshot(
        self: &Arc<Self>,
        time_left: Duration,
    ) -> Option<Arc<Snapshot>> {
        let persister = self.persister.as_ref()?;
        let mut write = self.start_write(true);
        let timeout = time_left.min(MAX_WRITE_WAIT);
        let outcome = match tokio::time::timeout(timeout, &mut write).await {
            Ok(outcome) => outcome.ok()?,
            // The write may have ended at the same moment.
            Err(_) => write.try_recv().ok().or_else(|| {
                persister.set_health(
                    StorageHealth::Slow,
                    &format_args!("a write takes more than {timeout:?}"),
                );
                None
            })?,
        };
        if let (Some(snapshot), Ok(())) = (&outcome.snapshot, &outcome.durable) {
            persister.keep_durable(|| Arc::clone(snapshot));
        } else if persister.store.is_shared() {
            return None;
        }
        outcome.snapshot
    }

    /// Returns the newest snapshot that is durable, if the store is shared.
    pub(super) fn durable_snapshot(&self) -> Option<Arc<Snapshot>> {
        lock(&self.persister.as_ref()?.durable).clone()
    }

    pub(super) async fn persist(self: &Arc<Self>) -> Result<(), PersistError> {
        if self.persister.is_none() {
            return Ok(());
        }
        match self.start_write(false).await {
            Ok(outcome) => outcome.durable,
            Err(_) => Err(PersistError {
                reason: "the write ended early".into(),
            }),
        }
    }

    /// Expires transfers and writes changes periodically, so that neither needs scrapes.
    pub(super) async fn run_housekeeping(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(HOUSEKEEPING_INTERVAL).await;
            self.tracker().expire(self.clock.now());
            // Failures have been logged, and the changes are written later.
            let _ = self.persist().await;
        }
    }

    /// Starts a write in its own task, so that changes taken from the tracker are not lost if the
    /// caller is cancelled.
    fn start_write(self: &Arc<Self>, snapshot: bool) -> oneshot::Receiver<WriteOutcome> {
        let (sender, receiver) = oneshot::channel();
        let inner = Arc::clone(self);
        tokio::spawn(async move { inner.write(sender, snapshot).await });
        receiver
    }

    async fn write(&self, caller: oneshot::Sender<WriteOutcome>, snapshot: bool) {
        let Some(persister) = &self.persister else {
            return;
        };
        let mut last_write = persister.write_lock.lock().await;
        if caller.is_closed() {
            return;
        }
        let now = self.clock.now();
        // The last write of the process is attempted in any case.
        let stopping = *self.stopping.borrow();
        let recent_failure = last_write
            .failed
            .as_ref()
            .filter(|(retry_at, _)| now.instant < *retry_at && !stopping)
            .map(|(_, error)| error.clone());
        let (changes, snapshot) = {
            let mut tracker = self.tracker();
            // If nothing is written, the changes stay marked.
            let changes = if recent_failure.is_some() {
                PendingWrites::default()
            } else {
                tracker.take_changes(now)
            };
            (changes, snapshot.then(|| Arc::new(tracker.snapshot(now))))
        };
        let durable = match recent_failure {
            Some(error) => Err(error),
            None => self.save(persister, &mut last_write, changes).await,
        };
        // The caller may have gone.
        let _ = caller.send(WriteOutcome { snapshot, durable });
    }

    /// Returns whether the store is shared and this collector was stopped: another one may use the metrics of
    /// the storage, or none.
    fn has_ended(&self, persister: &Persister) -> bool {
        persister.store.is_shared() && *self.stopping.borrow()
    }

    async fn save(
        &self,
        persister: &Persister,
        last_write: &mut LastWrite,
        changes: PendingWrites,
    ) -> Result<(), PersistError> {
        let mut changes = Arc::new(changes);
        let mut recreated = false;
        loop {
            let start = self.clock.now();
            let saved = if changes.is_empty() {
                Ok(())
            } else {
                persister.store.save(Arc::clone(&changes)).await
            };
            let end = self.clock.now();
            let error = match saved {
                Ok(()) => {
                    if !changes.is_empty() && !self.has_ended(persister) {
                        persister.metrics.observe_write(end.since(start.instant));
                        persister.metrics.set_size(persister.store.size());
                    }
                    last_write.failed = None;
                    if !self.has_ended(persister) {
                        persister.set_health(StorageHealth::Good, &"");
                    }
                    return Ok(());
                }
                Err(StoreError::Recreated { path }) if !recreated => {
                    warn!(
                        event = "storage_recreated",
                        path = %path.display(),
                        "storage file was removed, recreated it with the current state"
                    );
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
            if !self.has_ended(persister) {
                persister.metrics.count_error();
                persister.metrics.set_size(persister.store.size());
                persister.set_health(StorageHealth::Failing, &error);
            }
            let error = PersistError {
                reason: error.to_string().into(),
            };
            last_write.failed = Some((end.instant + RETRY_AFTER, error.clone()));
            return Err(error);
        }
    }
}
