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
//! | [`listen`] | listening sockets |
//! | `web_config` | renews the web configuration and its certificates |
//! | `systemd` | notifications for systemd |

mod accounts;
mod connection;
mod exporter;
mod health;
pub mod listen;
mod probe;
pub mod reload;
mod runtime;
mod sources;
mod systemd;
mod web_config;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::collector::{Collected, Collector};
use crate::config::Plan;
use crate::metrics::cache::SegmentCache;
use crate::metrics::self_metrics::SelfMetrics;
use crate::store::local::LocalStore;
use crate::store::{BlockingStore, OnThreads, Store, StoreError};
use crate::tracker::TrackerLimits;
use crate::tracker::persist::SavedState;
use crate::transfer::session::StaticCredentials;
use crate::transfer::{ErrorKind, TransferError, all_file_results};
use crate::web::{self, WebConfigState, WebPaths};
use connection::ConnectionProbes;
use listen::Listeners;
use model::{AccountName, Clock, ConnectorId, FileResult, Now, Shard, TransferId};
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
    /// Directory of the persistent state. If unset, state is kept in memory only.
    pub storage: Option<PathBuf>,
    /// How long the start and a reload wait for the first read of the target files, which then
    /// continues. Default: to its end.
    pub first_read: Option<Duration>,
    /// TLS, users, headers and rate limit of the server. Default: plain HTTP for everyone.
    pub web_config: Option<Arc<WebConfigState>>,
}

/// A running exporter.
pub struct App {
    /// The only place that holds the active plan and the set of accounts.
    runtime: ArcSwap<Runtime>,
    collector: Collector,
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
            collector,
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
        self.collector.collect_fully().await
    }

    /// Returns the number of transfers whose last poll failed, or that have not been polled.
    pub fn unread_transfers(&self) -> u64 {
        let overview = self.collector.overview();
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
            app.collector.stop();
        };
        self.start_sources();
        let collector = self.collector.clone();
        let housekeeping = {
            let collector = collector.clone();
            tokio::spawn(async move { collector.run_housekeeping().await })
        };
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
        housekeeping.abort();
        watchdog.abort();
        if let Some(watching) = watching {
            watching.abort();
        }
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
        info!(event = "stopped", "stopped");
    }

    fn start_sources(&self) {
        let context = self.source_context();
        let mut sources = sources::lock(&self.sources);
        sources.start(&self.runtime.load(), &context);
    }

    fn source_context(&self) -> SourceContext {
        SourceContext {
            collector: self.collector.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            first_read: self.options.first_read,
        }
    }
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
