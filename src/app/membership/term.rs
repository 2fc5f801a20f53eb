//! An ownership is a *term*. It begins with the stored state and a new collector. When it ends, these are
//! dropped: nothing of one term is seen in the next, except through the store.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::{Membership, RENEWALS};
use crate::app::shards::{ShardState, Task};
use crate::app::{App, inbox, runtime, sources};
use crate::collector::Collector;
use crate::store::{LeasedStore, Store, StoreError};
use crate::tracker::persist::SavedState;
use model::Origin;

/// Pause after a term that could not begin. It doubles with each that follows, up to [`MOST_DOUBLINGS`] times.
const RETRY_AFTER: Duration = Duration::from_secs(10);
const MOST_DOUBLINGS: u32 = 5;
/// Attempts at loading the state.
const LOADS: u32 = 3;
/// Pause between them.
const LOAD_PAUSE: Duration = Duration::from_millis(500);
/// Time limit of the last write before a shard is given back.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Works as the owner until the lease is lost or given back.
pub(super) async fn run_term(
    app: Arc<App>,
    membership: Arc<Membership>,
    state: Arc<ShardState>,
    (epoch, asked): (u64, watch::Receiver<bool>),
    idle_until: watch::Sender<Option<Instant>>,
) {
    let shard = state.shard.index();
    // However it ends.
    let _entry = TermEntry {
        membership: &membership,
        shard,
    };
    if let Some(lease) = &state.lease
        && let Err(error) = own(&app, &membership, &state, lease.as_ref(), (epoch, asked)).await
    {
        error!(
            event = "term_failed",
            shard,
            epoch,
            error = format!("{error:#}"),
            "failed to begin as the owner of the shard, giving it back"
        );
        lease.release().await;
        let failed = membership.failed_terms.fetch_add(1, Ordering::Relaxed);
        let pause = RETRY_AFTER * (1 << failed.min(MOST_DOUBLINGS));
        idle_until.send_replace(Some(Instant::now() + pause));
        if let Some(members) = &membership.members {
            // The others need not wait for this process.
            members.leave().await;
        }
    }
}

/// Removes a term from those that have begun, when it is dropped.
struct TermEntry<'a> {
    membership: &'a Membership,
    shard: u32,
}

impl Drop for TermEntry<'_> {
    fn drop(&mut self) {
        self.membership.terms().remove(&self.shard);
    }
}

/// Works as the owner.
///
/// # Errors
/// The term could not begin.
async fn own(
    app: &Arc<App>,
    membership: &Membership,
    state: &Arc<ShardState>,
    lease: &dyn LeasedStore,
    (epoch, mut asked): (u64, watch::Receiver<bool>),
) -> anyhow::Result<()> {
    let shard = state.shard.index();
    let mut kept = Box::pin(keep(lease));
    let begun = tokio::select! {
        begun = begin(app, state, lease.term(epoch)) => Some(begun),
        () = &mut kept => None,
    };
    match begun {
        Some(Ok(())) => {
            membership.failed_terms.store(0, Ordering::Relaxed);
            info!(event = "term_began", shard, epoch, "owning the shard");
            let asked = async { drop(asked.wait_for(|asked| *asked).await) };
            let is_asked = tokio::select! {
                () = &mut kept => false,
                () = asked => true,
            };
            if is_asked {
                hand_over(app, state, lease, kept).await;
                info!(
                    event = "term_given_back",
                    shard, epoch, "gave the shard to another process"
                );
                return Ok(());
            }
            app.end_term(state).await;
        }
        Some(Err(error)) => {
            app.end_term(state).await;
            return Err(error);
        }
        None => drop(app.end_term(state).await),
    }
    membership.metrics.count_lost(&shard.to_string());
    warn!(
        event = "term_ended",
        shard, epoch, "the lease was lost, waiting as a standby"
    );
    Ok(())
}

async fn begin(
    app: &Arc<App>,
    state: &Arc<ShardState>,
    store: Arc<dyn Store>,
) -> anyhow::Result<()> {
    let mut attempts = 1;
    let saved = loop {
        match store.load().await {
            Err(error) if attempts < LOADS => {
                debug!(event = "load_failed", shard = state.shard.index(), %error, "trying again to load the state");
                attempts += 1;
                tokio::time::sleep(LOAD_PAUSE).await;
            }
            loaded => break loaded?,
        }
    };
    info!(
        event = "storage_opened",
        shard = state.shard.index(),
        connectors = saved.connectors.len(),
        transfers = saved.transfers.len(),
        "shared state loaded"
    );
    app.begin_term(state, store, saved).await;
    Ok(())
}

/// Ends a term whose state another process continues at once.
async fn hand_over(
    app: &App,
    state: &ShardState,
    lease: &dyn LeasedStore,
    mut kept: Pin<Box<impl Future<Output = ()>>>,
) {
    let collector = app.end_term(state).await;
    // The lease is kept until the last change is written.
    tokio::select! {
        written = tokio::time::timeout(LAST_WRITE_TIMEOUT, collector.persist()) => match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(event = "last_write_failed", %error, "failed to persist the latest changes"),
            Err(_) => warn!(event = "last_write_failed", error = "timed out", "failed to persist the latest changes"),
        },
        () = &mut kept => {}
    }
    // It may be renewing the lease, which a release would wait for.
    drop(kept);
    lease.release().await;
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
    async fn begin_term(
        self: &Arc<Self>,
        state: &Arc<ShardState>,
        store: Arc<dyn Store>,
        saved: SavedState,
    ) {
        let _changing = self.changing.lock().await;
        let runtime = self.runtime.load_full();
        let settings = runtime::tracker_settings(&runtime.plan, state.shard);
        let clock = Arc::clone(&self.clock);
        let collector = Collector::with_store(&self.metrics, clock, settings, store, saved);
        collector.configure(runtime.targets(state.shard));
        if let Some(files) = &runtime.files {
            let context = self.source_context();
            if !self.shards.is_any_owned() {
                // Nothing has read them since the process was last an owner.
                context.await_first_read(Arc::clone(files)).await;
            }
            files.report_to(|transfers, complete| {
                collector.replace_transfers(Origin::Files, &transfers, complete);
            });
        }
        state.replace_collector(collector.clone());
        state.set_active(true);
        let mut tasks = vec![Self::keep_house(collector.clone())];
        if let Some(inboxes) = &self.shards.inboxes {
            let inboxes = Arc::clone(inboxes);
            let reading = inbox::run(
                Arc::clone(&self.shards),
                inboxes,
                state.shard,
                collector,
                Arc::clone(&self.metrics.lease),
            );
            tasks.push(Task(tokio::spawn(reading).abort_handle()));
        }
        state.set_tasks(tasks);
        self.shards_changed();
    }

    /// Ends a term: nothing works any more, and nothing of it is seen. Returns its collector.
    async fn end_term(&self, state: &ShardState) -> Collector {
        state.set_active(false);
        let _changing = self.changing.lock().await;
        state.set_tasks(Vec::new());
        let shard = state.shard.index().to_string();
        self.metrics.lease.set_inbox(&shard, None);
        let runtime = self.runtime.load();
        let settings = runtime::tracker_settings(&runtime.plan, state.shard);
        let clock = Arc::clone(&self.clock);
        let empty = Collector::new(&self.metrics, clock, settings);
        let collector = state.replace_collector(empty);
        collector.stop();
        collector.close_storage();
        self.shards_changed();
        collector
    }

    /// Starts and stops what depends on which shards are owned.
    fn shards_changed(&self) {
        let runtime = self.runtime.load_full();
        for client in runtime.accounts.values() {
            client.apply_limits(&runtime.plan.collector, self.shards.share());
        }
        self.metrics
            .collector
            .set_shards(&self.shards.owned_shards());
        if let Some(membership) = &self.membership {
            membership.record_roles(self.shards.all());
        }
        let mut sources = sources::lock(&self.sources);
        if self.shards.is_any_owned() {
            sources.start(&runtime, &self.source_context());
        } else {
            sources.stop(&self.metrics);
        }
    }
}
