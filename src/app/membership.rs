//! A process of several that share a store. It waits as a standby until the shard is free, works as its
//! owner for as long as it holds the lease, and waits again.
//!
//! An ownership is a *term*. It begins with the stored state, a new collector and running sources. When
//! it ends, all of these are dropped: nothing of one term is seen in the next, except through the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{error, info, warn};

use super::App;
use crate::collector::Collector;
use crate::metrics::self_metrics::LeaseMetrics;
use crate::store::{Acquisition, LeasedStore, Store, StoreError, StoreOperation};
use crate::tracker::persist::SavedState;
use model::Shard;

/// A standby looks at the lease so many times in its lifetime.
const LOOKS: u32 = 5;
/// An owner renews the lease so many times in its lifetime.
const RENEWALS: u32 = 3;
/// Pause after a term that could not begin.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The lease of this process.
pub(super) struct Membership {
    store: Arc<dyn LeasedStore>,
    metrics: Arc<LeaseMetrics>,
    shard: String,
    /// Whether a term has begun and not ended.
    is_active: AtomicBool,
}

impl Membership {
    #[cfg_attr(
        not(feature = "dynamodb"),
        expect(dead_code, reason = "no store is shared without the feature")
    )]
    pub(super) fn new(
        store: Arc<dyn LeasedStore>,
        metrics: &Arc<LeaseMetrics>,
        shard: Shard,
    ) -> Self {
        let shard = shard.index().to_string();
        metrics.enable(&shard, &StoreOperation::ALL.map(StoreOperation::as_label));
        Self {
            store,
            metrics: Arc::clone(metrics),
            shard,
            is_active: AtomicBool::new(false),
        }
    }

    /// Returns whether this process answers as the owner, and may go on to do so.
    pub(super) fn is_owner(&self) -> bool {
        self.is_active.load(Ordering::Acquire) && self.store.is_held()
    }

    /// Updates the metric: a lease may have ended unnoticed, while the process was suspended.
    pub(super) fn record_role(&self) {
        self.metrics.set_leader(&self.shard, self.is_owner());
    }

    /// Gives the lease back.
    pub(super) async fn release(&self) {
        self.store.release().await;
    }

    fn set_active(&self, is_active: bool) {
        self.is_active.store(is_active, Ordering::Release);
        self.metrics.set_leader(&self.shard, is_active);
    }
}

/// Logs what repeats once.
#[derive(Default)]
struct LogOnce(String);

impl LogOnce {
    fn is_new(&mut self, text: String) -> bool {
        let is_new = self.0 != text;
        self.0 = text;
        is_new
    }
}

/// Waits for the lease and works as the owner, again and again. Never returns.
pub(super) async fn run(app: Arc<App>, membership: Arc<Membership>) {
    let store = &membership.store;
    let look = store.lifetime() / LOOKS;
    let mut log = LogOnce::default();
    loop {
        let pause = match store.acquire().await {
            Ok(Acquisition::Acquired { epoch }) => {
                log = LogOnce::default();
                own(&app, &membership, epoch).await
            }
            Ok(Acquisition::HeldBy { owner, time_left }) => {
                if log.is_new(owner.clone()) {
                    info!(
                        event = "standby",
                        owner, "another process owns the shard, waiting"
                    );
                }
                time_left.clamp(Duration::from_millis(50), look)
            }
            Err(error) => {
                if log.is_new(error.to_string()) {
                    error!(event = "lease_failed", %error, "failed to look at the lease");
                }
                look
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Works as the owner until the lease is lost. Returns the pause before the next attempt.
async fn own(app: &Arc<App>, membership: &Arc<Membership>, epoch: u64) -> Duration {
    let store = &membership.store;
    let kept = keep(store.as_ref());
    tokio::pin!(kept);
    let begun = tokio::select! {
        begun = begin(app, store.term(epoch)) => Some(begun),
        () = &mut kept => None,
    };
    match begun {
        Some(Ok(())) => {
            membership.set_active(true);
            info!(event = "term_began", epoch, "owning the shard");
            kept.await;
            membership.set_active(false);
            app.end_term().await;
        }
        Some(Err(error)) => {
            error!(
                event = "term_failed",
                epoch,
                error = format!("{error:#}"),
                "failed to begin as the owner of the shard, giving it back"
            );
            app.end_term().await;
            store.release().await;
            return RETRY_AFTER;
        }
        None => app.end_term().await,
    }
    membership.metrics.count_lost(&membership.shard);
    warn!(
        event = "term_ended",
        epoch, "the lease was lost, waiting as a standby"
    );
    Duration::ZERO
}

async fn begin(app: &Arc<App>, store: Arc<dyn Store>) -> anyhow::Result<()> {
    let saved = store.load().await?;
    info!(
        event = "storage_opened",
        connectors = saved.connectors.len(),
        transfers = saved.transfers.len(),
        "shared state loaded"
    );
    app.begin_term(store, saved).await
}

/// Renews the lease in time. Returns when it is lost.
async fn keep(store: &dyn LeasedStore) {
    let interval = store.lifetime() / RENEWALS;
    let mut pause = interval;
    loop {
        let left = store.time_held();
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(pause.min(left)).await;
        let left = store.time_held();
        pause = match tokio::time::timeout(left, store.renew()).await {
            Ok(Ok(())) => interval,
            Ok(Err(StoreError::LeaseLost { .. })) | Err(_) => return,
            Ok(Err(error)) => {
                warn!(event = "lease_not_renewed", %error, "failed to renew the lease, trying again");
                interval / RENEWALS
            }
        };
    }
}

impl App {
    /// Begins a term: continues from the stored state.
    pub(super) async fn begin_term(
        &self,
        store: Arc<dyn Store>,
        saved: SavedState,
    ) -> anyhow::Result<()> {
        let _changing = self.changing.lock().await;
        let settings = self.settings();
        let clock = Arc::clone(&self.clock);
        let collector = Collector::with_store(&self.metrics, clock, settings, store, saved);
        self.collector.store(Arc::new(collector));
        // The target files are read again: those of before report to another collector.
        self.runtime.rcu(|runtime| runtime.without_files());
        let plan = self.runtime.load().plan.clone();
        let prepared = Box::pin(self.prepare_runtime(plan)).await?;
        self.commit(prepared);
        self.start_working();
        Ok(())
    }

    /// Ends a term: nothing works any more, and nothing of it is seen.
    pub(super) async fn end_term(&self) {
        let _changing = self.changing.lock().await;
        self.stop_working();
        let clock = Arc::clone(&self.clock);
        let collector = Collector::new(&self.metrics, clock, self.settings());
        self.collector.swap(Arc::new(collector)).stop();
        self.runtime.rcu(|runtime| runtime.without_files());
        self.metrics.storage.disable();
    }
}
