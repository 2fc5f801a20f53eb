//! Floor 4: wiring. A plan becomes accounts, a collector, sources and a server.

mod apply;
pub mod changes;
mod figures;
pub mod notify;
mod pages;
mod probe;
pub mod reloads;
mod sources;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use crate::collector::budget::ScrapeBudget;
use crate::collector::{AccountApi, Collected, Collector};
use crate::config::{ConfigHash, Plan, Problems};
use crate::discovery::files::Files;
use crate::metrics::cache::SegmentCache;
use crate::metrics::exposition::{self, Exposition};
use crate::metrics::self_metrics::SelfMetrics;
use crate::metrics::{Scrape, ScrapeRequest};
use crate::store::local::LocalStore;
use crate::store::{Store, StoreError};
use crate::tracker::persist::SavedState;
use crate::tracker::query::KeptFailure;
use crate::tracker::query::{Query, Selection};
use crate::tracker::{Ingested, TrackerSettings};
use crate::transfer::session::{ClientBase, ResolvedAccount, StaticCredentials};
use crate::transfer::{ErrorKind, TransferError, all_file_results};
use crate::web::{
    self, Overview, ProbeError, ProbeRequest, ReloadError, WebConfigState, WriteApiError,
    WriteRequest,
};
use model::{
    AccountName, Clock, ConnectorId, ConnectorKey, ConnectorTitle, Fact, FileResult, Now, Origin,
    Shard, TransferId, TransferKey, TransferStart,
};
use probe::Probes;
use reloads::Reloads;
use sources::{Sources, Surroundings};

/// At the stop, the last write is waited for no longer.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// The clocks of the machine.
pub fn system_clock() -> Arc<dyn Clock> {
    Arc::new(|| Now {
        instant: Instant::now(),
        wall: SystemTime::now(),
    })
}

/// What the command line says of an exporter, beside its plan.
#[derive(Clone, Default)]
pub struct Options {
    /// Where they are given, the environment is asked for none.
    pub credentials: Option<StaticCredentials>,
    /// Which part of the transfers it tracks. Default all.
    pub shard: Shard,
    /// Whether the write API is on. Default off.
    pub write_api: bool,
    /// Whether a reload may be asked for over HTTP. Default off.
    pub lifecycle: bool,
    /// The folder of what outlives the process. Default none: memory alone.
    pub storage: Option<PathBuf>,
    /// How its server protects itself. Default not at all.
    pub web_config: Option<Arc<WebConfigState>>,
}

/// Everything that runs.
pub struct App {
    collector: Collector,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
    options: Options,
    plan: ArcSwap<Plan>,
    accounts: Mutex<Vec<Opened>>,
    started: SystemTime,
    pieces: Mutex<SegmentCache>,
    /// For each core one: more expositions at once take no less time, and each holds a compressor's memory.
    makers: Arc<Semaphore>,
    ready: AtomicBool,
    sources: Mutex<Discovery>,
    probes: Arc<Probes>,
    reloads: OnceLock<Reloads>,
}

/// One account's client, and what others are made from.
#[derive(Clone)]
struct Opened {
    api: AccountApi,
    base: ClientBase,
    identity: ResolvedAccount,
}

/// What is made of the plan's discovery.
#[derive(Default)]
struct Discovery {
    files: Option<Arc<Files>>,
    /// Before the exporter serves nothing runs by itself.
    serving: bool,
    running: Sources,
}

impl App {
    /// An exporter of `plan`, which goes on from what its storage holds. Makes no AWS call.
    ///
    /// # Errors
    /// An account without a Region; a storage that cannot be opened or is refused.
    pub async fn new(
        plan: Plan,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Arc<Self>> {
        let started = clock.now().wall;
        let metrics = Arc::new(SelfMetrics::new()?);
        metrics.collector.set_shard(options.shard);
        let settings = settings(&plan, options.shard);
        let collector = match &options.storage {
            None => Collector::new(&metrics, Arc::clone(&clock), settings),
            Some(folder) => {
                let (store, saved) = open_storage(folder).await?;
                Collector::with_store(&metrics, Arc::clone(&clock), settings, store, saved)
            }
        };
        let app = Self {
            collector,
            metrics,
            clock,
            options,
            plan: ArcSwap::from_pointee(plan.clone()),
            accounts: Mutex::default(),
            started,
            pieces: Mutex::default(),
            makers: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, NonZero::get),
            )),
            ready: AtomicBool::new(true),
            sources: Mutex::default(),
            probes: Arc::default(),
            reloads: OnceLock::new(),
        };
        // Boxed: whoever starts an exporter holds this future.
        let prepared = Box::pin(app.prepare(plan)).await?;
        app.commit(prepared).await;
        Ok(Arc::new(app))
    }

    /// Looks once at what a source can tell at any time, for a program that ends then: files have been read by now, and a
    /// queue of events is left alone, since its messages are for the exporter that stays.
    pub async fn discover_once(&self) {
        let plan = self.plan.load_full();
        self.surroundings()
            .look_once(&plan, &|name| self.base(name))
            .await;
    }

    fn base(&self, name: &AccountName) -> Option<ClientBase> {
        self.opened(name).map(|opened| opened.base)
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            collector: self.collector.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
        }
    }

    fn sources(&self) -> MutexGuard<'_, Discovery> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells which configuration is in force, by its digest.
    pub fn tell_configuration(&self, digest: ConfigHash) {
        self.metrics.config.set_hash(digest.as_gauge());
    }

    /// Has reloads that are asked for over HTTP go to `reloads`. Only the first call does.
    pub fn reload_by(&self, reloads: Reloads) {
        // A second one would be a mistake of this program, and the first goes on.
        let _ = self.reloads.set(reloads);
    }

    /// Notes that a new configuration could not be taken.
    pub fn note_failed_reload(&self) {
        self.metrics.config.record_reload(false, self.clock.now());
    }

    /// Starts to track a transfer that the demo's fleet has started.
    pub fn track_demo(&self, key: TransferKey, started_at: SystemTime) {
        self.collector.track(key, Origin::Demo, Some(started_at));
    }

    /// One whole sweep, however long it takes.
    pub async fn sweep(&self) -> Collected {
        self.collector.collect_fully().await
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
            TransferError::new(
                ErrorKind::InvalidRequest,
                format_args!("account `{account}` is not configured"),
            )
        })?;
        all_file_results(api.api.as_ref(), connector, transfer).await
    }

    /// The exposition of what was collected; `process` tells whether `process_*` is part of it.
    ///
    /// # Errors
    /// No memory for the compression.
    pub fn exposition(
        &self,
        collected: &Collected,
        wanted: &ScrapeRequest,
        process: bool,
    ) -> std::io::Result<Exposition> {
        self.tell_runtime();
        let scrape = Scrape {
            snapshot: Arc::clone(&collected.snapshot),
            complete: collected.complete,
            metrics: &self.metrics,
            started: self.started,
            process,
        };
        exposition::render(&scrape, wanted, &self.pieces)
    }

    /// Reads the web configuration file and the certificates as they are now; what comes back puts them in force, and
    /// cannot fail. May wait for the files.
    ///
    /// # Errors
    /// What is wrong with them; those before stay in force.
    pub fn stage_web(&self) -> Result<impl FnOnce() + Send + use<>, Problems> {
        let web_config = self.options.web_config.as_ref();
        let commit = web_config
            .map(|web_config| web_config.reload(&self.metrics.http))
            .transpose()?;
        Ok(move || {
            if let Some(commit) = commit {
                commit();
            }
        })
    }

    /// Serves on `listeners` until `shutdown` ends. Scrapes that wait then are answered with what is known.
    pub async fn serve(
        self: Arc<Self>,
        listeners: impl Into<Listeners>,
        telemetry_path: &str,
        shutdown: impl Future<Output = ()>,
    ) {
        let app = Arc::clone(&self);
        let stopping = async move {
            shutdown.await;
            notify::stopping();
            app.ready.store(false, Ordering::Relaxed);
            app.collector.stop();
        };
        self.start_sources();
        let collector = self.collector.clone();
        let flushing = {
            let collector = collector.clone();
            tokio::spawn(async move { collector.flush_periodically().await })
        };
        let Listeners { all, health } = listeners.into();
        let mut server = web::Server {
            metrics: Some(Arc::clone(&self.metrics.http)),
            health,
            ..web::Server::default()
        };
        if let Some(web_config) = &self.options.web_config {
            server.web_config = Arc::clone(web_config);
        }
        let watchdog = tokio::spawn(notify::keep_alive());
        // They are listened on: a client that connects now is answered.
        notify::ready();
        server.run(all, self, telemetry_path.into(), stopping).await;
        flushing.abort();
        watchdog.abort();
        match tokio::time::timeout(LAST_WRITE, collector.persist()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(reason = %error, "what was learned last is lost"),
            Err(_) => warn!(
                reason = "the storage is slow",
                "what was learned last may be lost"
            ),
        }
        info!("stopped");
    }

    fn account(&self, name: &AccountName) -> Option<AccountApi> {
        self.opened(name).map(|opened| opened.api)
    }

    fn opened(&self, name: &AccountName) -> Option<Opened> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts
            .iter()
            .find(|opened| opened.api.account.name == *name)
            .cloned()
    }
}

impl web::Exporter for App {
    fn scrape(
        self: Arc<Self>,
        wanted: ScrapeRequest,
        timeout_header: Option<String>,
        sweep: bool,
    ) -> Pin<Box<dyn Future<Output = Option<Exposition>> + Send>> {
        Box::pin(async move {
            let collected = if sweep {
                let plan = self.plan.load().collector.clone();
                let budget = ScrapeBudget {
                    timeout: plan.timeout,
                    offset: plan.timeout_offset,
                };
                self.collector
                    .collect(budget.for_header(timeout_header.as_deref()))
                    .await
            } else {
                self.collector.current()
            };
            let app = Arc::clone(&self);
            let turn = Arc::clone(&self.makers).acquire_owned().await;
            // To compress changed pages takes its time, and other scrapes want the threads that answer.
            let body = tokio::task::spawn_blocking(move || {
                // Held until it is made: a client that has gone does not end it.
                let _turn = turn;
                app.exposition(&collected, &wanted, true)
            })
            .await;
            body.map_err(Into::into)
                .flatten()
                .inspect_err(|error| error!(%error, "the exposition could not be made"))
                .ok()
        })
    }

    fn write(
        self: Arc<Self>,
        write: WriteRequest,
    ) -> Pin<Box<dyn Future<Output = Result<bool, WriteApiError>> + Send>> {
        Box::pin(async move {
            if !self.options.write_api {
                return Err(WriteApiError::Disabled);
            }
            let account = self
                .account_named(write.account.as_deref())
                .ok_or(WriteApiError::UnknownAccount)?;
            let key = TransferKey {
                account,
                connector: write.connector,
                transfer: write.transfer,
            };
            let changed = if write.track {
                let start = Fact::Started(TransferStart {
                    key,
                    started_at: write.started_at,
                });
                match self.collector.ingest(&[start], Origin::Api).first() {
                    Some(Ingested::New { .. }) => true,
                    Some(Ingested::Duplicate) => false,
                    Some(Ingested::Foreign) | None => {
                        return Err(WriteApiError::OtherShard(self.options.shard));
                    }
                }
            } else {
                self.collector.untrack(&key, Origin::Api)
            };
            self.collector
                .persist()
                .await
                .map_err(|_| WriteApiError::NotPersisted)?;
            Ok(changed)
        })
    }

    fn overview(&self) -> Overview {
        self.at_a_glance()
    }

    fn select(&self, query: &Query) -> Selection {
        self.collector.select(query)
    }

    fn failures(&self) -> Vec<Arc<KeptFailure>> {
        self.collector.failures()
    }

    fn probe(
        self: Arc<Self>,
        probe: ProbeRequest,
        wanted: ScrapeRequest,
        timeout_header: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Result<Exposition, ProbeError>> + Send>> {
        Box::pin(async move {
            self.probe_one(probe, &wanted, timeout_header.as_deref())
                .await
        })
    }

    fn reload(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), ReloadError>> + Send>> {
        Box::pin(async move {
            if !self.options.lifecycle {
                return Err(ReloadError::Disabled);
            }
            let reloads = self.reloads.get().ok_or(ReloadError::NoFile)?;
            reloads.request().await.map_err(ReloadError::Failed)
        })
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// Opens the storage and reads it, on a thread that may wait.
async fn open_storage(folder: &Path) -> anyhow::Result<(Arc<dyn Store>, SavedState)> {
    let path = folder.to_owned();
    let opened = tokio::task::spawn_blocking(move || -> Result<_, StoreError> {
        let store = LocalStore::open(&path)?;
        let saved = store.load()?;
        Ok((store, saved))
    });
    let (store, saved) = opened.await.context("the storage could not be opened")??;
    info!(
        path = %folder.display(),
        bytes = store.size(),
        connectors = saved.connectors.len(),
        transfers = saved.transfers.len(),
        "storage opened"
    );
    Ok((Arc::new(store), saved))
}

/// Sockets that are listened on.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For everything.
    pub all: Vec<TcpListener>,
    /// For `/-/healthy` and `/-/ready` alone, in plain HTTP for everybody.
    pub health: Vec<TcpListener>,
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(all: Vec<TcpListener>) -> Self {
        Self {
            all,
            health: Vec::new(),
        }
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
        Listen::Systemd => listeners.extend(web::listen::systemd_sockets()?),
    }
    for listener in &listeners {
        let local = listener
            .local_addr()
            .context("the listener has no address")?;
        info!(address = %local, "listening");
    }
    Ok(listeners)
}

fn settings(plan: &Plan, shard: Shard) -> TrackerSettings {
    TrackerSettings {
        min_refresh_interval: plan.collector.min_refresh_interval,
        max_refresh_interval: plan.collector.max_refresh_interval,
        gone_after: plan.collector.gone_after,
        keep_settled: plan.metrics.keep_settled,
        shard,
        events: !plan.discovery.events.is_empty(),
        max_transfers: if plan.metrics.per_transfer {
            plan.metrics.max_transfers
        } else {
            0
        },
    }
}

/// Connectors of the configured transfers, and the named ones. A named connector that no transfer places belongs to the
/// only account; where there are several it is known as soon as a transfer of it is.
fn known_connectors(plan: &Plan) -> Vec<(ConnectorKey, Option<ConnectorTitle>)> {
    let mut keys: BTreeSet<ConnectorKey> = plan
        .transfers
        .iter()
        .map(TransferKey::connector_key)
        .collect();
    if let [only] = plan.accounts.as_slice() {
        keys.extend(plan.connectors.keys().map(|id| ConnectorKey {
            account: only.name.clone(),
            id: id.clone(),
        }));
    }
    keys.into_iter()
        .map(|key| {
            let title = plan.connectors.get(&key.id).cloned();
            (key, title)
        })
        .collect()
}
