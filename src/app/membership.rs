//! A process of several that share a store. It waits as a standby until a shard is free, works as its
//! owner for as long as it holds the lease, and waits again.
//!
//! An ownership is a *term*. It begins with the stored state and a new collector. When it ends, these are
//! dropped: nothing of one term is seen in the next, except through the store.
//!
//! With automatic shards, a process may own several. The processes see each other in the store, and
//! `balance` decides who takes or gives back a shard.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::App;
use super::balance::{Decision, Observed};
use super::inbox;
use super::shards::{ShardState, Task};
use crate::collector::Collector;
use crate::metrics::self_metrics::LeaseMetrics;
use crate::store::{
    Acquisition, LeaseState, LeasedStore, Members, Store, StoreError, StoreOperation,
};
use crate::tracker::persist::SavedState;
use model::Origin;

/// A standby looks at the leases so many times in their lifetime.
const LOOKS: u32 = 5;
/// An owner renews a lease so many times in its lifetime, and shows as often that it works.
const RENEWALS: u32 = 3;
/// Pause after a term that could not begin. It doubles with each that follows, up to [`MOST_DOUBLINGS`] times.
const RETRY_AFTER: Duration = Duration::from_secs(10);
const MOST_DOUBLINGS: u32 = 5;
/// Attempts at loading the state.
const LOADS: u32 = 3;
/// Pause between them.
const LOAD_PAUSE: Duration = Duration::from_millis(500);
/// Time limit of the last write before a shard is given back.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Shortest pause between two looks.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// The part of a process in shared shards.
pub(super) struct Membership {
    metrics: Arc<LeaseMetrics>,
    /// If the shards are shared automatically.
    members: Option<Arc<dyn Members>>,
    lifetime: Duration,
    terms: Mutex<BTreeMap<u32, Term>>,
    /// Terms that could not begin, since the last that did.
    failed_terms: AtomicU32,
}

/// A term that has begun, or is about to.
struct Term {
    /// Set to end it.
    give_back: watch::Sender<bool>,
    _task: Task,
}

impl Membership {
    #[cfg_attr(
        not(feature = "dynamodb"),
        expect(dead_code, reason = "no store is shared without the feature")
    )]
    pub(super) fn new(
        shards: &[Arc<ShardState>],
        members: Option<Arc<dyn Members>>,
        metrics: &Arc<LeaseMetrics>,
        lifetime: Duration,
    ) -> Self {
        for state in shards {
            let shard = state.shard.index().to_string();
            metrics.enable(&shard, &StoreOperation::ALL.map(StoreOperation::as_label));
        }
        Self {
            metrics: Arc::clone(metrics),
            members,
            lifetime,
            terms: Mutex::default(),
            failed_terms: AtomicU32::new(0),
        }
    }

    /// Updates the metrics: a lease may have ended unnoticed, while the process was suspended.
    pub(super) fn record_roles(&self, shards: &[Arc<ShardState>]) {
        for state in shards {
            let shard = state.shard.index().to_string();
            self.metrics.set_leader(&shard, state.is_owned());
        }
    }

    /// Gives all leases back, and leaves the members.
    pub(super) async fn leave(&self, shards: &[Arc<ShardState>]) {
        self.terms().clear();
        let leases = shards.iter().filter_map(|state| state.lease.as_ref());
        let release = join_all(leases.map(|lease| lease.release()));
        match &self.members {
            Some(members) => drop(tokio::join!(release, members.leave())),
            None => drop(release.await),
        }
    }

    fn terms(&self) -> MutexGuard<'_, BTreeMap<u32, Term>> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_automatic(&self) -> bool {
        self.members.is_some()
    }
}

/// Logs what repeats once.
#[derive(Default)]
struct LogOnce(BTreeMap<u32, String>);

impl LogOnce {
    fn is_new(&mut self, shard: u32, text: &str) -> bool {
        let before = self.0.insert(shard, text.to_owned());
        before.is_none_or(|before| before != text)
    }
}

/// What a process knows between two looks.
struct Watcher {
    app: Arc<App>,
    membership: Arc<Membership>,
    log: LogOnce,
    /// When it last showed that it works.
    last_beat: Option<Instant>,
    /// Since when each shard has been vacant, if it was given back.
    vacant_since: BTreeMap<u32, Instant>,
    /// Until when it takes no shard.
    idle_until: watch::Sender<Option<Instant>>,
    others: BTreeSet<String>,
}

/// Waits for leases and works as the owner, again and again. Never returns.
pub(super) async fn run(app: Arc<App>, membership: Arc<Membership>) {
    let mut watcher = Watcher {
        app,
        membership,
        log: LogOnce::default(),
        last_beat: None,
        vacant_since: BTreeMap::new(),
        idle_until: watch::Sender::new(None),
        others: BTreeSet::new(),
    };
    loop {
        let pause = watcher.look().await;
        tokio::time::sleep(pause).await;
    }
}

impl Watcher {
    /// Looks at all leases and others once, and takes or gives back. Returns the pause until the next look.
    async fn look(&mut self) -> Duration {
        let pause = self.membership.lifetime / LOOKS;
        let is_idle = self
            .idle_until
            .borrow()
            .is_some_and(|at| at > Instant::now());
        if is_idle {
            return pause;
        }
        self.show().await;
        let shards = self.app.shards.all().to_vec();
        let held: BTreeSet<u32> = self.membership.terms().keys().copied().collect();
        let free = shards
            .iter()
            .filter(|state| !held.contains(&state.shard.index()));
        let free: Vec<_> = free.collect();
        let looks = free.iter().map(|state| async move {
            let lease = state.lease.as_ref()?;
            Some((*state, lease.look().await))
        });
        let (mut vacant, mut lost) = (Vec::new(), 0);
        let mut owners = BTreeMap::<String, usize>::new();
        let mut next = pause;
        for (state, found) in join_all(looks).await.into_iter().flatten() {
            let shard = state.shard.index();
            match found {
                Ok(LeaseState::Vacant { lost_by }) => {
                    if let Some(owner) = lost_by {
                        self.others.remove(&owner);
                        lost += 1;
                        // First, since they are urgent.
                        vacant.insert(0, state);
                    } else {
                        vacant.push(state);
                    }
                }
                Ok(LeaseState::HeldBy { owner, time_left }) => {
                    next = next.min(time_left);
                    self.vacant_since.remove(&shard);
                    if self.log.is_new(shard, &owner) && !self.membership.is_automatic() {
                        info!(
                            event = "standby",
                            owner, "another process owns the shard, waiting"
                        );
                    }
                    *owners.entry(owner).or_default() += 1;
                }
                Err(error) => {
                    if self.log.is_new(shard, &error.to_string()) {
                        error!(event = "lease_failed", shard, %error, "failed to look at the lease");
                    }
                }
            }
        }
        match self.decide(held.len(), shards.len(), (&vacant, lost), &owners) {
            Decision::Stay => {}
            Decision::Take(number) => {
                for state in vacant.into_iter().take(number) {
                    self.take(state).await;
                }
            }
            Decision::GiveBack(number) => self.give_back(number),
        }
        next.clamp(LEAST_PAUSE, pause)
    }

    /// Shows the others that this process works, and finds out about them.
    async fn show(&mut self) {
        let Some(members) = &self.membership.members else {
            return;
        };
        let due = self.membership.lifetime / RENEWALS;
        let shown = match self.last_beat {
            Some(last) if last.elapsed() < due => Ok(()),
            _ => members
                .beat()
                .await
                .inspect(|()| self.last_beat = Some(Instant::now())),
        };
        match shown.and(members.others().await) {
            Ok(others) => self.others = others.into_iter().collect(),
            Err(error) => {
                if self.log.is_new(u32::MAX, &error.to_string()) {
                    error!(event = "members_failed", %error, "failed to find the other processes");
                }
            }
        }
    }

    fn decide(
        &mut self,
        owned: usize,
        total: usize,
        (vacant, lost): (&[&Arc<ShardState>], usize),
        owners: &BTreeMap<String, usize>,
    ) -> Decision {
        let Some(members) = &self.membership.members else {
            return Decision::Take(vacant.len());
        };
        let now = Instant::now();
        let lifetime = self.membership.lifetime;
        let overdue = vacant[lost..].iter().filter(|state| {
            let since = self.vacant_since.entry(state.shard.index());
            now.duration_since(*since.or_insert(now)) > lifetime
        });
        Observed {
            name: members.name(),
            total,
            owned,
            others: &self.others,
            owners,
            vacant: vacant.len(),
            urgent: lost + overdue.count(),
        }
        .decide()
    }

    /// Takes a shard, unless another process was faster.
    async fn take(&mut self, state: &Arc<ShardState>) {
        let (shard, Some(lease)) = (state.shard.index(), &state.lease) else {
            return;
        };
        match lease.acquire().await {
            Ok(Acquisition::Acquired { epoch }) => {
                self.vacant_since.remove(&shard);
                self.log.0.remove(&shard);
                let (give_back, asked) = watch::channel(false);
                let term = run_term(
                    Arc::clone(&self.app),
                    Arc::clone(&self.membership),
                    Arc::clone(state),
                    (epoch, asked),
                    self.idle_until.clone(),
                );
                let mut terms = self.membership.terms();
                let task = Task(tokio::spawn(term).abort_handle());
                terms.insert(
                    shard,
                    Term {
                        give_back,
                        _task: task,
                    },
                );
            }
            Ok(Acquisition::HeldBy { .. }) => {}
            Err(error) => {
                if self.log.is_new(shard, &error.to_string()) {
                    error!(event = "lease_failed", shard, %error, "failed to take the lease");
                }
            }
        }
    }

    fn give_back(&self, number: usize) {
        let terms = self.membership.terms();
        for term in terms.values().rev().take(number) {
            term.give_back.send_replace(true);
        }
    }
}

/// Works as the owner until the lease is lost or given back.
async fn run_term(
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
    pub(super) async fn begin_term(
        self: &Arc<Self>,
        state: &Arc<ShardState>,
        store: Arc<dyn Store>,
        saved: SavedState,
    ) {
        let _changing = self.changing.lock().await;
        let runtime = self.runtime.load_full();
        let settings = super::runtime::tracker_settings(&runtime.plan, state.shard);
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
    pub(super) async fn end_term(&self, state: &ShardState) -> Collector {
        state.set_active(false);
        let _changing = self.changing.lock().await;
        state.set_tasks(Vec::new());
        let shard = state.shard.index().to_string();
        self.metrics.lease.set_inbox(&shard, None);
        let runtime = self.runtime.load();
        let settings = super::runtime::tracker_settings(&runtime.plan, state.shard);
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
        let mut sources = super::sources::lock(&self.sources);
        if self.shards.is_any_owned() {
            sources.start(&runtime, &self.source_context());
        } else {
            sources.stop(&self.metrics);
        }
    }
}

#[cfg(feature = "dynamodb")]
#[cfg(test)]
mod tests;
