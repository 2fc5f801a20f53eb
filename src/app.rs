//! Floor 4: wiring. A plan becomes accounts, a collector and a server.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{error, info};

use crate::collector::budget::Budget;
use crate::collector::{AccountApi, Collected, Collector, Targets};
use crate::config::{AccountPlan, Plan};
use crate::metrics::cache::Cache;
use crate::metrics::exposition::{Body, exposition};
use crate::metrics::own::OwnMetrics;
use crate::metrics::{Scrape, Wanted};
use crate::model::{
    Account, AccountName, Clock, ConnectorId, ConnectorKey, ConnectorTitle, FileResult, Now, Origin, Shard, TransferId,
    TransferKey, TransferState,
};
use crate::tracker::Settings;
use crate::transfer::limited::{Limited, Limits};
use crate::transfer::measured::Measured;
use crate::transfer::sdk::SdkTransfer;
use crate::transfer::session::{Sessions, StaticCredentials, TimeOuts};
use crate::transfer::{ErrorKind, TransferError, all_file_results};
use crate::web;

/// The clocks of the machine.
pub fn system_clock() -> Arc<dyn Clock> {
    Arc::new(|| Now { instant: Instant::now(), wall: SystemTime::now() })
}

/// What the command line says of an exporter, beside its plan.
#[derive(Clone, Default)]
pub struct Options {
    /// Where they are given, the environment is asked for none.
    pub credentials: Option<StaticCredentials>,
    /// Which part of the transfers it tracks. Default all.
    pub shard: Shard,
}

/// Everything that runs.
pub struct App {
    collector: Collector,
    own: Arc<OwnMetrics>,
    clock: Arc<dyn Clock>,
    options: Options,
    plan: ArcSwap<Plan>,
    accounts: Mutex<Vec<AccountApi>>,
    started: SystemTime,
    pieces: Mutex<Cache>,
    /// For each core one: more expositions at once take no less time, and each holds a compressor's memory.
    makers: Semaphore,
    ready: AtomicBool,
}

impl App {
    /// An exporter of `plan`. Makes no AWS call.
    ///
    /// # Errors
    /// An account without a Region.
    pub async fn new(plan: Plan, options: Options, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Self>> {
        let started = clock.now().wall;
        let own = Arc::new(OwnMetrics::new()?);
        own.set_shard(options.shard);
        let app = Self {
            collector: Collector::new(Arc::clone(&own), Arc::clone(&clock), settings(&plan, options.shard)),
            own,
            clock,
            options,
            plan: ArcSwap::from_pointee(plan.clone()),
            accounts: Mutex::default(),
            started,
            pieces: Mutex::default(),
            makers: Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get)),
            ready: AtomicBool::new(true),
        };
        // Boxed: whoever starts an exporter holds this future.
        Box::pin(app.apply(plan)).await?;
        Ok(Arc::new(app))
    }

    /// Replaces the plan, whole or not at all. Accounts that stay as they were keep their clients and their rate.
    ///
    /// # Errors
    /// An account without a Region; the plan before stays in force.
    pub async fn apply(&self, plan: Plan) -> anyhow::Result<()> {
        let before = self.plan.load_full();
        let sessions = Sessions::new(TimeOuts::within(plan.collector.timeout), self.options.credentials);
        let mut accounts = Vec::with_capacity(plan.accounts.len());
        for wanted in &plan.accounts {
            let same = before.collector == plan.collector && before.accounts.contains(wanted);
            let kept = same.then(|| self.account(&wanted.name)).flatten();
            accounts.push(match kept {
                Some(kept) => kept,
                None => self.open(&sessions, wanted, &plan).await?,
            });
        }
        let targets = Targets {
            transfers: plan.transfers.clone(),
            connectors: known_connectors(&plan),
            settings: settings(&plan, self.options.shard),
            accounts: accounts.clone(),
        };
        *self.accounts.lock().unwrap_or_else(PoisonError::into_inner) = accounts;
        self.collector.configure(targets);
        self.plan.store(Arc::new(plan));
        self.own.note_reload(true, self.clock.now());
        Ok(())
    }

    /// Notes that a new configuration could not be taken.
    pub fn note_failed_reload(&self) {
        self.own.note_reload(false, self.clock.now());
    }

    /// Starts to track a transfer that the demo's fleet has started.
    pub fn track_demo(&self, key: TransferKey, started_at: SystemTime) {
        self.collector.track(key, Origin::Demo, Some(started_at));
    }

    /// One whole sweep, however long it takes.
    pub async fn sweep(&self) -> Collected {
        self.collector.collect_whole().await
    }

    /// One look at one transfer, whether it is tracked or not.
    ///
    /// # Errors
    /// What the look failed with.
    pub async fn look(
        &self,
        account: &AccountName,
        connector: &ConnectorId,
        transfer: &TransferId,
    ) -> Result<Vec<FileResult>, TransferError> {
        let api = self.account(account).ok_or_else(|| {
            TransferError::new(ErrorKind::InvalidRequest, format_args!("account `{account}` is not configured"))
        })?;
        all_file_results(api.api.as_ref(), connector, transfer).await
    }

    /// The exposition of what was collected; `process` tells whether `process_*` is part of it.
    ///
    /// # Errors
    /// No memory for the compression.
    pub fn exposition(&self, collected: &Collected, wanted: &Wanted, process: bool) -> std::io::Result<Body> {
        let scrape = Scrape {
            snapshot: Arc::clone(&collected.snapshot),
            complete: collected.complete,
            own: &self.own,
            started: self.started,
            process,
        };
        exposition(&scrape, wanted, &self.pieces)
    }

    /// Serves on `listeners` until `shutdown` ends. Scrapes that wait then are answered with what is known.
    pub async fn serve(
        self: Arc<Self>,
        listeners: Vec<TcpListener>,
        telemetry_path: &str,
        shutdown: impl Future<Output = ()>,
    ) {
        let app = Arc::clone(&self);
        let stopping = async move {
            shutdown.await;
            app.ready.store(false, Ordering::Relaxed);
            app.collector.stop();
        };
        web::run(listeners, self, telemetry_path.into(), stopping).await;
        info!("stopped");
    }

    fn account(&self, name: &AccountName) -> Option<AccountApi> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().find(|api| api.account.name == *name).cloned()
    }

    async fn open(&self, sessions: &Sessions, wanted: &AccountPlan, plan: &Plan) -> anyhow::Result<AccountApi> {
        let session = sessions.open(wanted).await?;
        let account = Account { name: wanted.name.clone(), region: session.region.into() };
        let concurrency = plan.collector.concurrency;
        let limits = Limits::new(concurrency, plan.collector.requests_per_second, Arc::clone(&self.clock));
        let measured = Measured::new(account.clone(), Arc::clone(&self.own), Arc::clone(&limits));
        let sdk = SdkTransfer::new(session.config, Arc::new(measured), Arc::clone(&self.clock));
        let api = Arc::new(Limited::new(sdk, Arc::clone(&limits)));
        Ok(AccountApi { account, api, limits, concurrency })
    }
}

impl web::Exporter for App {
    fn scrape(
        self: Arc<Self>,
        wanted: Wanted,
        timeout_header: Option<String>,
        sweep: bool,
    ) -> Pin<Box<dyn Future<Output = Option<Body>> + Send>> {
        Box::pin(async move {
            let collected = if sweep {
                let plan = self.plan.load().collector.clone();
                let budget = Budget { timeout: plan.timeout, offset: plan.timeout_offset };
                self.collector.collect(budget.of(timeout_header.as_deref())).await
            } else {
                self.collector.known()
            };
            let app = Arc::clone(&self);
            let _turn = self.makers.acquire().await;
            // To compress changed pages takes its time, and other scrapes want the threads that answer.
            let body = tokio::task::spawn_blocking(move || app.exposition(&collected, &wanted, true)).await;
            body.map_err(Into::into)
                .flatten()
                .inspect_err(|error| error!(%error, "the exposition could not be made"))
                .ok()
        })
    }

    fn state_line(&self) -> String {
        let collected = self.collector.known();
        let snapshot = &collected.snapshot;
        let mut line = format!("{} connectors", snapshot.connectors().count());
        for state in TransferState::ALL {
            let transfers: u64 = snapshot.connectors().map(|connector| connector.states.of(state)).sum();
            let _ = write!(line, ", {transfers} {}", state.as_label());
        }
        line + " transfers."
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// Where the listening sockets come from.
#[derive(Clone, Copy, Debug)]
pub enum Listen<'a> {
    /// These addresses.
    Addresses(&'a [String]),
    /// systemd, or whoever speaks its protocol (`LISTEN_FDS`).
    Systemd,
}

/// Listens on every address, or takes over every socket.
///
/// # Errors
/// An address that cannot be listened on, or no socket that was handed over.
pub async fn listen(on: Listen<'_>) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    match on {
        Listen::Addresses(addresses) => {
            for address in addresses {
                listeners.push(web::listen::bind(address).await?);
            }
        }
        Listen::Systemd => listeners.extend(web::listen::inherited()?),
    }
    for listener in &listeners {
        let local = listener.local_addr().context("the listener has no address")?;
        info!(address = %local, "listening");
    }
    Ok(listeners)
}

fn settings(plan: &Plan, shard: Shard) -> Settings {
    Settings {
        min_refresh_interval: plan.collector.min_refresh_interval,
        max_refresh_interval: plan.collector.max_refresh_interval,
        gone_after: plan.collector.gone_after,
        keep_settled: plan.metrics.keep_settled,
        shard,
        events: false,
        shown: if plan.metrics.per_transfer { plan.metrics.max_transfers } else { 0 },
    }
}

/// Connectors of the configured transfers, and the named ones. A named connector that no transfer places belongs to the
/// only account; where there are several it is known as soon as a transfer of it is.
fn known_connectors(plan: &Plan) -> Vec<(ConnectorKey, Option<ConnectorTitle>)> {
    let mut keys: BTreeSet<ConnectorKey> = plan.transfers.iter().map(TransferKey::connector_key).collect();
    if let [only] = plan.accounts.as_slice() {
        keys.extend(plan.connectors.keys().map(|id| ConnectorKey { account: only.name.clone(), id: id.clone() }));
    }
    keys.into_iter()
        .map(|key| {
            let title = plan.connectors.get(&key.id).cloned();
            (key, title)
        })
        .collect()
}
