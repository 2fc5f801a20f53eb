//! Composition root: builds the accounts' clients, the collector, the discovery sources and the
//! server from a plan, and replaces them on a reload.
//!
//! | module | contents |
//! | --- | --- |
//! | `runtime` | the active plan and the accounts' clients, swapped as a whole |
//! | `accounts` | builds the client of each account |
//! | [`reload`] | prepares and commits a new configuration |
//! | `sources` | runs the discovery sources of the active plan |
//! | `exporter` | implements the ports of the HTTP server |
//! | `probe` | serves `/probe` of transfers |
//! | `connection` | serves `/probe` of connections |
//! | `health` | state for the pages |
//! | `membership` | waits for the lease of a shared store, and works while it is held |
//! | `observed_lease` | records what happens to the lease |
//! | [`listen`] | listening sockets |
//! | `web_config` | renews the web configuration and its certificates |
//! | `systemd` | notifications for systemd |

mod accounts;
mod connection;
mod exporter;
mod health;
pub mod listen;
mod membership;
#[cfg(feature = "dynamodb")]
mod observed_lease;
mod probe;
pub mod reload;
mod runtime;
mod sources;
mod systemd;
mod web_config;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::collector::{Collected, Collector};
use crate::config::Plan;
use crate::metrics::cache::SegmentCache;
use crate::metrics::self_metrics::SelfMetrics;
#[cfg(feature = "dynamodb")]
use crate::store::dynamodb::{self, SharedStoreSettings, TableUrl};
use crate::store::local::LocalStore;
use crate::store::{BlockingStore, OnThreads, Store, StoreError};
use crate::tracker::persist::SavedState;
use crate::tracker::{TrackerLimits, TrackerSettings};
use crate::transfer::session::StaticCredentials;
use crate::transfer::{ErrorKind, TransferError, all_file_results};
use crate::web::{self, WebConfigState, WebPaths};
use connection::ConnectionProbes;
use listen::Listeners;
use membership::Membership;
use model::{AccountName, Clock, ConnectorId, FileResult, Now, Shard, TransferId};
#[cfg(feature = "dynamodb")]
use observed_lease::ObservedLease;
use probe::RunningProbes;
use reload::ReloadHandle;
use runtime::Runtime;
use sources::{RunningSources, SourceContext};

/// Time limit of the last write during shutdown.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the clocks of the machine.
pub fn system_clock() -> Arc<dyn Clock> {
    Arc::new(|| Now {
        instant: Instant::now(),
        wall: SystemTime::now(),
    })
}

/// Options set by command-line flags rather than by the configuration file.
#[derive(Clone, Default)]
pub struct Options {
    /// Static credentials. If set, the default credential chain is not used.
    pub credentials: Option<StaticCredentials>,
    /// Shard of the transfers that this exporter tracks. Default: all transfers.
    pub shard: Shard,
    /// Enables the write API.
    pub write_api: bool,
    /// Enables `POST /-/reload`.
    pub lifecycle: bool,
    /// Names that clients use for the exporter, beside addresses and local names. Checked while the
    /// write API or reloads over HTTP are enabled.
    pub hosts: Vec<String>,
    /// Directory of the persistent state. If neither it nor `shared_storage` is set, state is kept in memory
    /// only.
    pub storage: Option<PathBuf>,
    /// Persistent state that several processes share.
    #[cfg(feature = "dynamodb")]
    pub shared_storage: Option<SharedStorage>,
    /// How long the start and a reload wait for the first read of the target files, which then
    /// continues. Default: to its end.
    pub first_read: Option<Duration>,
    /// TLS, users, headers and rate limit of the server. Default: plain HTTP for everyone.
    pub web_config: Option<Arc<WebConfigState>>,
}

/// Where several processes share their state.
#[cfg(feature = "dynamodb")]
#[derive(Clone)]
pub struct SharedStorage {
    /// The table.
    pub url: TableUrl,
    /// For how long a renewal of the lease holds.
    pub lease_duration: Duration,
    /// The name of this process, which no other has.
    pub process: String,
}

/// A running exporter.
pub struct App {
    /// The only place that holds the active plan and the set of accounts.
    runtime: ArcSwap<Runtime>,
    /// Replaced when an ownership of a shared store begins or ends.
    collector: ArcSwap<Collector>,
    /// Of a store that is shared.
    membership: Option<Arc<Membership>>,
    /// Locked while a configuration or a collector is replaced.
    changing: tokio::sync::Mutex<()>,
    /// Expires and writes while this process works.
    housekeeping: Mutex<Option<Housekeeping>>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
    options: Options,
    started: SystemTime,
    cache: Mutex<SegmentCache>,
    /// One per core: more concurrent renderings are not faster, and each holds a compressor.
    render_permits: Arc<Semaphore>,
    ready: AtomicBool,
    sources: Mutex<RunningSources>,
    probes: Arc<RunningProbes>,
    connections: Arc<ConnectionProbes>,
    reload: OnceLock<ReloadHandle>,
}

impl App {
    /// Creates an exporter of `plan` that continues from its stored state. Makes no AWS call.
    ///
    /// # Errors
    /// The settings of an account cannot be used, or the storage cannot be opened.
    pub async fn new(
        plan: Plan,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Arc<Self>> {
        let started = clock.now().wall;
        let metrics = Arc::new(SelfMetrics::new()?);
        metrics.collector.set_shard(options.shard);
        let settings = runtime::tracker_settings(&plan, options.shard);
        let membership = open_membership(&options, &metrics, &clock, settings.limits).await?;
        let collector = match &options.storage {
            None => Collector::new(&metrics, Arc::clone(&clock), settings),
            Some(directory) => {
                let (store, saved) = open_storage(directory, settings.limits).await?;
                Collector::with_store(&metrics, Arc::clone(&clock), settings, store, saved)
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let app = Self {
            runtime: ArcSwap::default(),
            collector: ArcSwap::from_pointee(collector),
            membership: membership.map(Arc::new),
            changing: tokio::sync::Mutex::default(),
            housekeeping: Mutex::default(),
            metrics,
            clock,
            options,
            started,
            cache: Mutex::default(),
            render_permits: Arc::new(Semaphore::new(cores)),
            ready: AtomicBool::new(true),
            sources: Mutex::default(),
            probes: Arc::default(),
            connections: Arc::default(),
            reload: OnceLock::new(),
        };
        // Boxed, because the caller's future holds it. The web configuration has just been loaded.
        let prepared = Box::pin(app.prepare_runtime(plan)).await?;
        app.commit(prepared);
        app.metrics.config.record_reload(true, app.clock.now());
        if let Some(web_config) = &app.options.web_config {
            web_config.record_metrics(&app.metrics.http);
        }
        Ok(Arc::new(app))
    }

    /// Polls CloudTrail once. Target files were read when the exporter was created. Event queues
    /// are not polled, because their messages belong to the exporter that keeps running.
    pub async fn discover_once(&self) {
        let runtime = self.runtime.load_full();
        self.source_context().poll_cloudtrail_once(&runtime).await;
    }

    /// Runs one sweep to its end and returns what was collected.
    pub async fn sweep(&self) -> Collected {
        self.collector().collect_fully().await
    }

    /// Returns the number of transfers whose last poll failed, or that have not been polled.
    pub fn unread_transfers(&self) -> u64 {
        let overview = self.collector().overview();
        let connectors = overview.connectors.iter().flat_map(|chunk| chunk.iter());
        connectors.map(|connector| connector.unread).sum()
    }

    /// Fetches the file results of one transfer, tracked or not.
    ///
    /// # Errors
    /// The account is not configured, or the call failed.
    pub async fn fetch_results(
        &self,
        account: &AccountName,
        connector: &ConnectorId,
        transfer: &TransferId,
    ) -> Result<Vec<FileResult>, TransferError> {
        let runtime = self.runtime.load_full();
        let client = runtime.account(account).ok_or_else(|| {
            TransferError::new(
                ErrorKind::InvalidRequest,
                format_args!("account `{account}` is not configured"),
            )
        })?;
        all_file_results(client.api.api.as_ref(), connector, transfer).await
    }

    /// Serves on `listeners` until `shutdown` completes. Pending scrapes are then answered with
    /// the current state.
    pub async fn serve(
        self: Arc<Self>,
        listeners: impl Into<Listeners>,
        paths: impl Into<WebPaths>,
        shutdown: impl Future<Output = ()>,
    ) {
        let app = Arc::clone(&self);
        let stopping = async move {
            shutdown.await;
            systemd::stopping();
            app.ready.store(false, Ordering::Relaxed);
            app.collector().stop();
        };
        let app = Arc::clone(&self);
        let member = self.membership.clone().map(|membership| {
            let app = Arc::clone(&app);
            tokio::spawn(membership::run(app, membership))
        });
        if member.is_none() {
            self.start_working();
        }
        let Listeners { all, health } = listeners.into();
        let mut server = web::Server {
            metrics: Some(Arc::clone(&self.metrics.http)),
            hosts: (self.options.write_api || self.options.lifecycle)
                .then(|| self.options.hosts.clone()),
            health,
            ..web::Server::default()
        };
        let watching = self.options.web_config.as_ref().map(|web_config| {
            server.web_config = Arc::clone(web_config);
            let metrics = Arc::clone(&self.metrics.http);
            tokio::spawn(web_config::watch(Arc::clone(web_config), metrics))
        });
        let watchdog = tokio::spawn(systemd::run_watchdog());
        // The sockets are open: a client that connects from now on is answered.
        systemd::ready();
        server.run(all, self, paths.into(), stopping).await;
        if let Some(member) = member {
            member.abort();
        }
        watchdog.abort();
        if let Some(watching) = watching {
            watching.abort();
        }
        app.stop_working();
        let collector = app.collector();
        match tokio::time::timeout(LAST_WRITE_TIMEOUT, collector.persist()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(
                event = "last_write_failed",
                %error,
                "failed to persist the latest changes"
            ),
            Err(_) => warn!(
                event = "last_write_failed",
                error = "timed out",
                "failed to persist the latest changes"
            ),
        }
        if let Some(membership) = &app.membership {
            // Another process takes over at once.
            let _ = tokio::time::timeout(LAST_WRITE_TIMEOUT, membership.release()).await;
        }
        info!(event = "stopped", "stopped");
    }

    fn collector(&self) -> Collector {
        self.collector.load().as_ref().clone()
    }

    /// Returns whether this process has the state: it is not a standby.
    fn is_owner(&self) -> bool {
        let membership = self.membership.as_ref();
        membership.is_none_or(|membership| membership.is_owner())
    }

    fn settings(&self) -> TrackerSettings {
        runtime::tracker_settings(&self.runtime.load().plan, self.options.shard)
    }

    /// Starts sources and housekeeping.
    fn start_working(&self) {
        let context = self.source_context();
        sources::lock(&self.sources).start(&self.runtime.load(), &context);
        let collector = self.collector();
        let task = tokio::spawn(async move { collector.run_housekeeping().await });
        self.set_housekeeping(Some(Housekeeping(task.abort_handle())));
    }

    fn set_housekeeping(&self, housekeeping: Option<Housekeeping>) {
        let running = self.housekeeping.lock();
        *running.unwrap_or_else(PoisonError::into_inner) = housekeeping;
    }

    /// Stops sources and housekeeping.
    fn stop_working(&self) {
        sources::lock(&self.sources).stop(&self.metrics);
        self.set_housekeeping(None);
    }

    fn source_context(&self) -> SourceContext {
        SourceContext {
            collector: self.collector(),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            first_read: self.options.first_read,
        }
    }
}

/// The task that expires and writes. It ends when this is dropped.
struct Housekeeping(tokio::task::AbortHandle);

impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Opens the shared storage, if there is one. Makes no call to it.
#[cfg(feature = "dynamodb")]
async fn open_membership(
    options: &Options,
    metrics: &SelfMetrics,
    clock: &Arc<dyn Clock>,
    limits: TrackerLimits,
) -> anyhow::Result<Option<Membership>> {
    let Some(storage) = &options.shared_storage else {
        return Ok(None);
    };
    let shard = options.shard;
    let settings = SharedStoreSettings {
        lifetime: storage.lease_duration,
        clock: dynamodb::boot_clock(),
        most_transfers: limits.transfers,
        observer: Arc::new(ObservedLease {
            metrics: Arc::clone(&metrics.lease),
            shard,
            clock: Arc::clone(clock),
        }),
    };
    let process = storage.process.clone();
    let store = dynamodb::open(&storage.url, shard, process, settings);
    let store = Box::pin(store).await?;
    Ok(Some(Membership::new(
        Arc::new(store),
        &metrics.lease,
        shard,
    )))
}

#[cfg(not(feature = "dynamodb"))]
#[expect(
    clippy::unused_async,
    reason = "there is no shared storage without the feature"
)]
async fn open_membership(
    _: &Options,
    _: &SelfMetrics,
    _: &Arc<dyn Clock>,
    _: TrackerLimits,
) -> anyhow::Result<Option<Membership>> {
    Ok(None)
}

/// Opens the storage and loads its contents on a blocking thread.
async fn open_storage(
    directory: &Path,
    limits: TrackerLimits,
) -> anyhow::Result<(Arc<dyn Store>, SavedState)> {
    let path = directory.to_owned();
    let opened = tokio::task::spawn_blocking(move || -> Result<_, StoreError> {
        let store = LocalStore::open(&path)?.loading_at_most(limits.transfers);
        let saved = store.load()?;
        Ok((store, saved))
    });
    let (store, saved) = opened.await.context("failed to open the storage")??;
    info!(
        event = "storage_opened",
        path = %directory.display(),
        bytes = store.size(),
        connectors = saved.connectors.len(),
        transfers = saved.transfers.len(),
        "storage opened"
    );
    Ok((Arc::new(OnThreads(Arc::new(store))), saved))
}
