//! Floor 3: scrape-triggered collection. A scrape starts a sweep or joins the running one, waits until it ends or the
//! scrape's own deadline comes, and answers with what is known; the sweep goes on behind it. Without scrapes there are
//! no AWS calls.

pub mod budget;
mod credential_failures;
mod persist;
mod queries;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::metrics::self_metrics::{ApiMetrics, CollectorMetrics, SelfMetrics};
use crate::store::Store;
use crate::tracker::persist::SavedState;
use crate::tracker::{Ingested, Tracker, TrackerSettings};
use crate::transfer::TransferApi;
use crate::transfer::limiter::AccountLimiter;
use credential_failures::CredentialFailures;
use model::{
    Account, AccountName, Clock, ConnectorDetails, ConnectorId, ConnectorKey, ConnectorTitle, Fact,
    LastSweep, Now, Origin, Snapshot, TransferKey,
};
use persist::Persister;
use sweep::{SweepEnd, Sweeps};

pub use persist::PersistError;
pub use queries::CollectorOverview;

/// How one account is called.
#[derive(Clone)]
pub struct AccountApi {
    /// Its labels.
    pub account: Account,
    /// The port, with its limits around it.
    pub api: Arc<dyn TransferApi>,
    /// Those limits, for telling the rate.
    pub limits: Arc<AccountLimiter>,
    /// Transfers that a sweep looks at at once.
    pub concurrency: usize,
}

/// What is to be collected.
pub struct Targets {
    /// The accounts.
    pub accounts: Vec<AccountApi>,
    /// The configured transfers.
    pub transfers: Vec<TransferKey>,
    /// Connectors that are known before any transfer of them is, and what people call those of the transfers.
    pub connectors: Vec<(ConnectorKey, Option<ConnectorTitle>)>,
    /// What the tracker goes by.
    pub settings: TrackerSettings,
}

/// What a scrape is answered with.
#[derive(Clone, Debug)]
pub struct Collected {
    /// What is known.
    pub snapshot: Arc<Snapshot>,
    /// True if everything that was due had been fetched.
    pub complete: bool,
    /// The moment of the snapshot.
    pub now: Now,
}

/// Collects the results of all tracked transfers.
#[derive(Clone)]
pub struct Collector {
    inner: Arc<Inner>,
}

struct Inner {
    tracker: Mutex<Tracker>,
    accounts: Mutex<Arc<BTreeMap<AccountName, AccountApi>>>,
    sweeps: Sweeps,
    last_sweep: Mutex<Option<LastSweep>>,
    credential_failures: Mutex<CredentialFailures>,
    /// `None` where nothing outlives the process.
    persister: Option<Persister>,
    stopping: watch::Sender<bool>,
    api_metrics: Arc<ApiMetrics>,
    metrics: Arc<CollectorMetrics>,
    clock: Arc<dyn Clock>,
}

impl Collector {
    /// A collector that knows no target yet, and keeps what it learns in memory alone. Transfers that began before this
    /// moment have a base that is not counted.
    pub fn new(metrics: &SelfMetrics, clock: Arc<dyn Clock>, settings: TrackerSettings) -> Self {
        Self::with(metrics, clock, settings, None)
    }

    /// One that goes on from `saved`, as `store` has loaded it, and keeps what it learns in `store`.
    pub fn with_store(
        metrics: &SelfMetrics,
        clock: Arc<dyn Clock>,
        settings: TrackerSettings,
        store: Arc<dyn Store>,
        saved: SavedState,
    ) -> Self {
        let persister = Persister::new(store, saved, Arc::clone(&metrics.storage));
        Self::with(metrics, clock, settings, Some(persister))
    }

    fn with(
        metrics: &SelfMetrics,
        clock: Arc<dyn Clock>,
        settings: TrackerSettings,
        persister: Option<Persister>,
    ) -> Self {
        let tracker = Tracker::new(settings, clock.now().wall);
        Self {
            inner: Arc::new(Inner {
                tracker: Mutex::new(tracker),
                accounts: Mutex::default(),
                sweeps: Sweeps::default(),
                last_sweep: Mutex::default(),
                credential_failures: Mutex::default(),
                persister,
                stopping: watch::Sender::new(false),
                api_metrics: Arc::clone(&metrics.api),
                metrics: Arc::clone(&metrics.collector),
                clock,
            }),
        }
    }

    /// Replaces what is to be collected. What is known of transfers that stay is kept.
    pub fn configure(&self, targets: Targets) {
        let now = self.inner.clock.now();
        let mut tracker = self.inner.tracker();
        tracker.configure(
            targets.settings,
            targets.accounts.iter().map(|api| api.account.clone()),
        );
        // Before any transfer of the configuration is taken for a new one.
        if let Some(saved) = self
            .inner
            .persister
            .as_ref()
            .and_then(Persister::take_saved)
        {
            tracker.restore(saved, now);
        }
        for (key, title) in targets.connectors {
            tracker.upsert_connector(key, title, now);
        }
        let wanted: std::collections::BTreeSet<_> = targets.transfers.iter().collect();
        tracker.retain_origin(Origin::Config, &|key| wanted.contains(key));
        for key in &targets.transfers {
            tracker.track(key.clone(), Origin::Config, None, now);
        }
        drop(tracker);
        let accounts: BTreeMap<_, _> = targets
            .accounts
            .into_iter()
            .map(|api| (api.account.name.clone(), api))
            .collect();
        let before = std::mem::replace(&mut *lock(&self.inner.accounts), Arc::new(accounts));
        for old in before.values() {
            if self
                .inner
                .accounts()
                .get(&old.account.name)
                .is_none_or(|new| new.account != old.account)
            {
                self.inner.api_metrics.remove_account(&old.account);
            }
        }
    }

    /// Starts to track a transfer that a source has told.
    pub fn track(&self, key: TransferKey, origin: Origin, started_at: Option<SystemTime>) {
        let now = self.inner.clock.now();
        self.inner.tracker().track(key, origin, started_at, now);
    }

    /// Takes in what a source has told; what comes back says for each fact what became of it. It is durable once
    /// [`Collector::persist`] has returned.
    pub fn ingest(&self, facts: &[Fact], origin: Origin) -> Vec<Ingested> {
        let now = self.inner.clock.now();
        let mut tracker = self.inner.tracker();
        facts
            .iter()
            .map(|fact| tracker.ingest(fact, origin, now))
            .collect()
    }

    /// Has the transfers of `origin` be these and no others.
    pub fn replace_transfers(
        &self,
        origin: Origin,
        transfers: &std::collections::BTreeSet<TransferKey>,
    ) {
        let now = self.inner.clock.now();
        let mut tracker = self.inner.tracker();
        tracker.retain_origin(origin, &|key| transfers.contains(key));
        for key in transfers {
            tracker.track(key.clone(), origin, None, now);
        }
    }

    /// Takes in which connectors an account has.
    pub fn set_listed_connectors(
        &self,
        account: &AccountName,
        listed: &BTreeMap<ConnectorId, Arc<ConnectorDetails>>,
    ) {
        let now = self.inner.clock.now();
        self.inner
            .tracker()
            .set_listed_connectors(account, listed, now);
    }

    /// Takes `origin` from a transfer, which is no longer tracked if it was the last; true if it was tracked.
    pub fn untrack(&self, key: &TransferKey, origin: Origin) -> bool {
        let now = self.inner.clock.now();
        self.inner.tracker().untrack(key, origin, now)
    }

    /// Returns when everything that was learned before the call is durable; at once where nothing outlives the process.
    ///
    /// # Errors
    /// It could not be written. It is known all the same, and written as soon as that can be done.
    pub async fn persist(&self) -> Result<(), PersistError> {
        self.inner.persist().await
    }

    /// Writes what has changed every second, for ever. Ends at once where nothing outlives the process.
    pub async fn flush_periodically(&self) {
        self.inner.flush_periodically().await;
    }

    /// Starts a sweep or joins the running one, and waits until it ends, `budget` is over or the collector is stopped.
    /// What is told then has been written, if there is a store and it is neither failing nor too slow for the budget.
    pub async fn collect(&self, budget: Duration) -> Collected {
        let start = tokio::time::Instant::now();
        let mut sweep = self.inner.sweeps.start_or_join(&self.inner);
        let mut stopping = self.inner.stopping.subscribe();
        let sweeping = self
            .inner
            .persister
            .as_ref()
            .map_or(budget, |_| persist::less_a_write(budget));
        // A sweep whose task died drops its sender: the scrape is answered with what is known.
        let complete = tokio::select! {
            end = sweep.wait_for(Option::is_some) => end.is_ok_and(|end| end.is_some_and(SweepEnd::is_complete)),
            () = tokio::time::sleep(sweeping) => false,
            _ = stopping.wait_for(|stopping| *stopping) => false,
        };
        self.answer_durably(complete, budget.saturating_sub(start.elapsed()))
            .await
    }

    /// Sweeps until the end, however long it takes, and answers.
    pub async fn collect_fully(&self) -> Collected {
        let mut sweep = self.inner.sweeps.start_or_join(&self.inner);
        let complete = sweep
            .wait_for(Option::is_some)
            .await
            .is_ok_and(|end| end.is_some_and(SweepEnd::is_complete));
        self.answer_durably(complete, Duration::MAX).await
    }

    /// What is known, without any call, and whether it is durable or not: no counter may be told from it.
    pub fn current(&self) -> Collected {
        let nothing_due = self.inner.tracker().due(self.inner.clock.now()).is_empty();
        self.answer(nothing_due)
    }

    /// Ends all waiting: scrapes that wait for a sweep are answered with what is known.
    pub fn stop(&self) {
        self.inner.stopping.send_replace(true);
    }

    /// What is known, once it is written: a value that a crash could take back would be a counter that falls.
    async fn answer_durably(&self, complete: bool, left: Duration) -> Collected {
        match self.inner.written(left).await {
            Some((snapshot, now)) => {
                self.tell_rates();
                Collected {
                    snapshot,
                    complete,
                    now,
                }
            }
            None => self.answer(complete),
        }
    }

    fn answer(&self, complete: bool) -> Collected {
        self.tell_rates();
        let now = self.inner.clock.now();
        let snapshot = Arc::new(self.inner.tracker().snapshot(now));
        Collected {
            snapshot,
            complete,
            now,
        }
    }

    fn tell_rates(&self) {
        for api in self.inner.accounts().values() {
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

    fn accounts(&self) -> Arc<BTreeMap<AccountName, AccountApi>> {
        Arc::clone(&lock(&self.accounts))
    }
}

/// A panic elsewhere must not fail every later scrape.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
