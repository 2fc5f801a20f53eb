//! Scrape-triggered collection. A scrape starts a sweep of everything that is due, waits for its end
//! or for the scrape's own deadline, and is answered with a snapshot of the tracker. The sweep
//! continues in the background. Without scrapes there are no AWS calls.
//!
//! | module | contents |
//! | --- | --- |
//! | [`budget`] | how long a scrape may wait |
//! | `sweep` | what a scrape waits for: everything that was due when it arrived |
//! | `poller` | polls the transfers of one account |
//! | `round` | log records about failed polls |
//! | `credential_failures` | deduplicates log records about credentials |
//! | `persist` | writes changes before a scrape is answered |
//! | `queries` | read-only queries for pages and the JSON API |

pub mod budget;
mod credential_failures;
mod persist;
mod poller;
mod queries;
mod round;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use tracing::warn;

use crate::flows::{FlowConfig, connector_groups};
use crate::metrics::self_metrics::{ApiMetrics, CollectorMetrics, SelfMetrics};
use crate::store::Store;
use crate::tracker::persist::SavedState;
use crate::tracker::{Ingested, Limit, Tracker, TrackerSettings};
use crate::transfer::TransferApi;
use crate::transfer::limiter::AccountLimiter;
use credential_failures::CredentialFailures;
use model::{
    Account, AccountName, Clock, ConnectorId, ConnectorKey, ConnectorTitle, Fact,
    LastConnectionTest, LastSweep, ListedConnectors, Origin, Snapshot, TransferKey,
};
use persist::Persister;
use poller::AccountPoller;
use sweep::Sweep;

pub use persist::PersistError;
pub use queries::CollectorOverview;

/// The client of one account.
#[derive(Clone)]
pub struct AccountApi {
    /// Its labels.
    pub account: Account,
    /// The API, with the limits applied.
    pub api: Arc<dyn TransferApi>,
    /// The limits, whose current rate is exported.
    pub limits: Arc<AccountLimiter>,
    /// Number of transfers that are polled concurrently.
    pub concurrency: usize,
}

/// The configuration of the collector.
pub struct Targets {
    /// The accounts.
    pub accounts: Vec<AccountApi>,
    /// The configured transfers.
    pub transfers: Vec<TransferKey>,
    /// The configured connectors, with their titles.
    pub connectors: Vec<(ConnectorKey, Option<ConnectorTitle>)>,
    /// The accounts whose connectors are listed.
    pub listed: BTreeSet<AccountName>,
    /// What reports transfers of which account, apart from the configuration and the write API.
    pub sources: BTreeSet<(AccountName, Origin)>,
    /// The flows whose deliveries are watched.
    pub flows: Vec<FlowConfig>,
    /// Tracker settings.
    pub settings: TrackerSettings,
}

/// The result of a scrape.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The state of all connectors and transfers.
    pub snapshot: Arc<Snapshot>,
    /// Whether everything that was due had been fetched.
    pub complete: bool,
}

/// Collects the results of all tracked transfers.
#[derive(Clone)]
pub struct Collector {
    inner: Arc<Inner>,
}

type Pollers = BTreeMap<AccountName, Arc<AccountPoller>>;

struct Inner {
    tracker: Mutex<Tracker>,
    /// Locked before the tracker.
    pollers: Mutex<Arc<Pollers>>,
    last_sweep: Mutex<Option<LastSweep>>,
    /// Whether the duration of a running sweep is measured.
    sweep_measured: AtomicBool,
    credential_failures: Mutex<CredentialFailures>,
    /// `None` if no store is configured.
    persister: Option<Persister>,
    stopping: watch::Sender<bool>,
    api_metrics: Arc<ApiMetrics>,
    metrics: Arc<CollectorMetrics>,
    clock: Arc<dyn Clock>,
}

impl Collector {
    /// Creates a collector without targets that keeps its state in memory only. Files of transfers
    /// that started before now belong to the baseline, which is not counted.
    pub fn new(metrics: &SelfMetrics, clock: Arc<dyn Clock>, settings: TrackerSettings) -> Self {
        Self::with_persister(metrics, clock, settings, None)
    }

    /// Creates a collector that persists its state in `store`. `saved` is the state that was loaded
    /// from it.
    pub fn with_store(
        metrics: &SelfMetrics,
        clock: Arc<dyn Clock>,
        settings: TrackerSettings,
        store: Arc<dyn Store>,
        saved: SavedState,
    ) -> Self {
        let persister = Persister::new(store, saved, Arc::clone(&metrics.storage));
        Self::with_persister(metrics, clock, settings, Some(persister))
    }

    fn with_persister(
        metrics: &SelfMetrics,
        clock: Arc<dyn Clock>,
        settings: TrackerSettings,
        persister: Option<Persister>,
    ) -> Self {
        let tracker = Tracker::new(settings, clock.now().wall);
        for limit in Limit::ALL {
            metrics.collector.add_limit(limit.as_label());
        }
        Self {
            inner: Arc::new(Inner {
                tracker: Mutex::new(tracker),
                pollers: Mutex::default(),
                last_sweep: Mutex::default(),
                sweep_measured: AtomicBool::new(false),
                credential_failures: Mutex::default(),
                persister,
                stopping: watch::Sender::new(false),
                api_metrics: Arc::clone(&metrics.api),
                metrics: Arc::clone(&metrics.collector),
                clock,
            }),
        }
    }

    /// Replaces the targets. The state of transfers that are still tracked is kept. A scrape sees
    /// either the previous targets or the new ones.
    pub fn configure(&self, targets: Targets) {
        let mut pollers = lock(&self.inner.pollers);
        let now = self.inner.clock.now();
        let mut tracker = self.inner.tracker();
        tracker.configure_with_groups(
            targets.settings,
            &Arc::new(connector_groups(&targets.flows)),
            targets.accounts.iter().map(|api| api.account.clone()),
            now,
        );
        // Restored first, so that known transfers of the configuration are not taken for new ones.
        if let Some(saved) = self
            .inner
            .persister
            .as_ref()
            .and_then(Persister::take_saved)
        {
            tracker.restore(saved, now);
            if let Some(persister) = &self.inner.persister {
                persister.keep_durable(|| Arc::new(tracker.snapshot(now)));
            }
        }
        tracker.watch(targets.sources, now);
        for (key, title) in targets.connectors {
            tracker.upsert_connector(key, title, now);
        }
        tracker.retain_details(&targets.listed, now);
        tracker.configure_flows(&targets.flows, now);
        let configured: BTreeSet<_> = targets.transfers.iter().collect();
        tracker.retain_origin(Origin::Config, &|key| configured.contains(key), now);
        for key in &targets.transfers {
            tracker.track(key.clone(), Origin::Config, None, now);
        }
        drop(tracker);
        let mut before = pollers.as_ref().clone();
        let mut configured = Pollers::new();
        let mut changed = Vec::new();
        for api in targets.accounts {
            let name = api.account.name.clone();
            let poller = match before.remove(&name) {
                Some(poller) => {
                    if !poller.has_client(&api) {
                        changed.push(name.clone());
                    }
                    poller.replace_api(Some(api));
                    poller
                }
                None => AccountPoller::new(api, now.instant),
            };
            configured.insert(name, poller);
        }
        for removed in before.values() {
            removed.replace_api(None);
        }
        *pollers = Arc::new(configured);
        drop(pollers);
        for account in &changed {
            self.inner.tracker().retry_account(account, now);
        }
    }

    /// Records facts reported by a discovery source and returns the outcome of each. They are
    /// durable once [`Collector::persist`] has returned.
    pub fn ingest(&self, facts: &[Fact], origin: Origin) -> Vec<Ingested> {
        let now = self.inner.clock.now();
        let mut tracker = self.inner.tracker();
        let displaced_before = tracker.displaced();
        let results: Vec<_> = facts
            .iter()
            .map(|fact| tracker.ingest(fact, origin, now))
            .collect();
        let displaced = tracker.displaced() - displaced_before;
        drop(tracker);
        let exceeded = results.iter().filter_map(|result| match result {
            Ingested::LimitExceeded(limit) | Ingested::Untracked { limit, .. } => Some(*limit),
            _ => None,
        });
        let gave_way = (0..displaced).map(|_| Limit::Transfers);
        for limit in exceeded.chain(gave_way) {
            if self.inner.metrics.count_limit_exceeded(limit.as_label()) {
                warn!(
                    event = "limit_exceeded",
                    limit = limit.as_label(),
                    origin = origin.as_label(),
                    "reports exceed a limit, see `limits` in the configuration"
                );
            }
        }
        results
    }

    /// Replaces the set of transfers attributed to `origin`. If the set is not `complete`, adds its
    /// transfers and removes none.
    pub fn replace_transfers(
        &self,
        origin: Origin,
        transfers: &BTreeSet<TransferKey>,
        complete: bool,
    ) {
        let now = self.inner.clock.now();
        let mut tracker = self.inner.tracker();
        if complete {
            tracker.retain_origin(origin, &|key| transfers.contains(key), now);
        }
        for key in transfers {
            tracker.track(key.clone(), origin, None, now);
        }
    }

    /// Records the details of listed connectors of an account. If the list is `complete`, the others
    /// are no longer listed.
    pub fn set_listed_connectors(
        &self,
        account: &AccountName,
        listed: &ListedConnectors,
        complete: bool,
    ) {
        let now = self.inner.clock.now();
        let mut tracker = self.inner.tracker();
        tracker.set_listed_connectors(account, listed, complete, now);
    }

    /// Replaces the connectors of an account whose transfers are not tracked.
    pub fn exclude_connectors(&self, account: &AccountName, ids: &BTreeSet<ConnectorId>) {
        let now = self.inner.clock.now();
        self.inner.tracker().exclude_connectors(account, ids, now);
    }

    /// Removes `origin` from a transfer and drops the transfer if this was its last origin. Returns
    /// false if the transfer is not tracked.
    pub fn untrack(&self, key: &TransferKey, origin: Origin) -> bool {
        let now = self.inner.clock.now();
        self.inner.tracker().untrack(key, origin, now)
    }

    /// Returns whether the other is the same collector.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Returns whether a fact is about a connector whose transfers are not tracked.
    pub fn excludes(&self, fact: &Fact, origin: Origin) -> bool {
        self.inner.tracker().excludes(fact, origin)
    }

    /// Removes the collector's part of the storage metrics, once it has been stopped.
    pub fn close_storage(&self) {
        if let Some(persister) = &self.inner.persister {
            persister.close();
        }
    }

    /// Returns false if the last write to the store failed or timed out.
    pub fn is_storage_up(&self) -> bool {
        let persister = self.inner.persister.as_ref();
        persister.is_none_or(Persister::is_up)
    }

    /// Waits until everything that was recorded before the call is durable. Returns at once if
    /// there is no store.
    ///
    /// # Errors
    /// If the write fails. The changes stay in memory and are written when the store works again.
    pub async fn persist(&self) -> Result<(), PersistError> {
        self.inner.persist().await
    }

    /// Keeps the last test of a connector's connection, and waits until it is durable, or the store is
    /// failing or too slow. Returns at once if there is no store.
    pub async fn keep_connection_test(&self, key: ConnectorKey, test: &LastConnectionTest) {
        if self.inner.persister.is_none() {
            return;
        }
        let now = self.inner.clock.now();
        self.inner.tracker().keep_connection_test(key, test, now);
        // A failure has been logged, and the test is written later.
        let _ = tokio::time::timeout(persist::MAX_WRITE_WAIT, self.persist()).await;
    }

    /// Expires transfers and writes changes every second. Never returns.
    pub async fn run_housekeeping(&self) {
        self.inner.run_housekeeping().await;
    }

    /// Polls everything that is due, and waits until that has been done, `budget` has passed or the
    /// collector is stopped. Concurrent scrapes share polls. The result has been written to the
    /// store, unless the store is failing or too slow for the budget.
    pub async fn collect(&self, budget: Duration) -> Collected {
        let start = tokio::time::Instant::now();
        let sweep = Sweep::start(&self.inner);
        let mut stopping = self.inner.stopping.subscribe();
        let sweep_budget = match &self.inner.persister {
            Some(_) => persist::sweep_budget(budget),
            None => budget,
        };
        let _waiting = sweep.waiting();
        let complete = tokio::select! {
            biased;
            () = sweep.ended() => sweep.is_complete(),
            () = tokio::time::sleep(sweep_budget) => false,
            _ = stopping.wait_for(|stopping| *stopping) => false,
        };
        self.note_scrape(complete);
        self.persisted_result(complete, budget.saturating_sub(start.elapsed()))
            .await
    }

    /// Returns what is known without polls; it is complete if nothing is due. The result has been
    /// written to the store, as by [`Collector::collect`].
    pub async fn known(&self) -> Collected {
        let now = self.inner.clock.now();
        let complete = {
            let mut tracker = self.inner.tracker();
            tracker.expire(now);
            let complete = !tracker.is_any_due(now);
            tracker.note_scrape(complete, now);
            complete
        };
        self.persisted_result(complete, persist::MAX_WRITE_WAIT)
            .await
    }

    /// Waits for a whole sweep without a deadline.
    pub async fn collect_fully(&self) -> Collected {
        let sweep = Sweep::start(&self.inner);
        sweep.ended().await;
        self.note_scrape(sweep.is_complete());
        self.persisted_result(sweep.is_complete(), Duration::MAX)
            .await
    }

    /// Returns the current state without AWS calls; it is complete if nothing is due. It may not be
    /// durable yet, so counters must not be exported from it.
    pub fn current(&self) -> Collected {
        let complete = !self.inner.tracker().is_any_due(self.inner.clock.now());
        self.result(complete)
    }

    /// Stops polling: all pending scrapes are answered with the current state.
    pub fn stop(&self) {
        self.inner.stopping.send_replace(true);
    }

    fn note_scrape(&self, is_complete: bool) {
        let now = self.inner.clock.now();
        self.inner.tracker().note_scrape(is_complete, now);
    }

    /// Returns the state after writing it, so that a crash cannot make an exported counter
    /// decrease.
    async fn persisted_result(&self, complete: bool, time_left: Duration) -> Collected {
        match self.inner.persisted_snapshot(time_left).await {
            Some(snapshot) => {
                self.update_rate_metrics();
                Collected { snapshot, complete }
            }
            None => match self.inner.durable_snapshot() {
                // Of a shared store, only what is durable may be seen.
                Some(snapshot) => Collected {
                    snapshot,
                    complete: false,
                },
                None => self.result(complete),
            },
        }
    }

    fn result(&self, complete: bool) -> Collected {
        self.update_rate_metrics();
        let now = self.inner.clock.now();
        let snapshot = Arc::new(self.inner.tracker().snapshot(now));
        Collected { snapshot, complete }
    }

    fn update_rate_metrics(&self) {
        for api in self.inner.apis() {
            self.inner
                .api_metrics
                .set_rate_limit(&api.account, api.limits.rate());
        }
    }
}

impl Inner {
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        lock(&self.tracker)
    }

    fn pollers(&self) -> Arc<Pollers> {
        Arc::clone(&lock(&self.pollers))
    }

    fn apis(&self) -> Vec<AccountApi> {
        let pollers = self.pollers();
        pollers.values().filter_map(|poller| poller.api()).collect()
    }
}

/// Locks a mutex, ignoring poisoning: a panic in one task must not fail all later scrapes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
