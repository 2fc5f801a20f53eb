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
//! | [`shards`](Sharding) | the shards of the process, each with its own state |
//! | `routing` | passes facts to the shards that they belong to |
//! | `membership` | waits for the leases of a shared store, and works while they are held |
//! | `balance` | which shards a process takes and gives back |
//! | `inbox` | reads what other processes have passed on |
//! | `observed_lease` | records what happens to the lease |
//! | [`listen`] | listening sockets |
//! | `web_config` | renews the web configuration and its certificates |
//! | `systemd` | notifications for systemd |

mod accounts;
mod balance;
mod connection;
mod exporter;
mod health;
mod inbox;
pub mod listen;
mod membership;
#[cfg(feature = "dynamodb")]
mod observed_lease;
mod probe;
pub mod reload;
mod routing;
mod runtime;
mod shards;
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
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::collector::{Collected, Collector};
use crate::config::Plan;
use crate::metrics::cache::SegmentCache;
use crate::metrics::negotiate::Offer;
use crate::metrics::self_metrics::SelfMetrics;
#[cfg(feature = "dynamodb")]
use crate::store::dynamodb::{SharedTable, TableUrl};
use crate::store::local::LocalStore;
use crate::store::{BlockingStore, OnThreads, Store, StoreError};
#[cfg(feature = "dynamodb")]
use crate::store::{Inboxes, LeaseObserver, Members};
use crate::tracker::TrackerLimits;
use crate::tracker::persist::SavedState;
use crate::transfer::session::StaticCredentials;
use crate::transfer::{ErrorKind, TransferError, all_file_results};
use crate::web::{self, WebConfigState, WebPaths};
use connection::ConnectionProbes;
use listen::Listeners;
use membership::Membership;
use model::{AccountName, Clock, ConnectorId, FileResult, Now, TransferId};
#[cfg(feature = "dynamodb")]
use observed_lease::ObservedLease;
use probe::RunningProbes;
use reload::ReloadHandle;
use runtime::Runtime;
pub use shards::Sharding;
use shards::{ShardState, Shards, Task};
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
    /// Shards of the transfers that this exporter tracks. Default: all transfers.
    pub sharding: Sharding,
    /// Enables the write API.
    pub write_api: bool,
    /// Enables `POST /-/reload`.
    pub lifecycle: bool,
    /// The formats of metrics that clients may ask for.
    pub offer: Offer,
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
    shards: Arc<Shards>,
    /// Of a store that is shared.
    membership: Option<Arc<Membership>>,
    /// Locked while a configuration or a collector is replaced.
    changing: tokio::sync::Mutex<()>,
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
        let metrics = Arc::new(SelfMetrics::new()?);
        let shards = open_shards(&plan, &options, &metrics, &clock).await?;
        Self::with_shards(plan, options, clock, metrics, shards).await
    }

    async fn with_shards(
        plan: Plan,
        options: Options,
        clock: Arc<dyn Clock>,
        metrics: Arc<SelfMetrics>,
        (shards, membership): (Shards, Option<Membership>),
    ) -> anyhow::Result<Arc<Self>> {
        let started = clock.now().wall;
        metrics.collector.set_shards(&shards.owned_shards());
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let app = Self {
            runtime: ArcSwap::default(),
            shards: Arc::new(shards),
            membership: membership.map(Arc::new),
            changing: tokio::sync::Mutex::default(),
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
    /// are not polled, because their messages belong to the exporter that keeps running. Returns
    /// whether all of it succeeded.
    pub async fn discover_once(&self) -> bool {
        let runtime = self.runtime.load_full();
        let polled = self.source_context().poll_cloudtrail_once(&runtime).await;
        let mut polls = self.metrics.discovery.last_polls().into_values();
        polled && polls.all(|succeeded| succeeded)
    }

    /// Runs one sweep to its end and returns what was collected, of each shard.
    pub async fn sweep(&self) -> Vec<Collected> {
        let collectors = self.shards.collectors();
        join_all(collectors.iter().map(Collector::collect_fully)).await
    }

    /// Returns the number of transfers whose last poll failed, or that have not been polled.
    pub fn unread_transfers(&self) -> u64 {
        let overview = self.collected_overview();
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
            for state in app.shards.all() {
                state.collector().stop();
            }
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
            offer: self.options.offer,
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
        let collectors = app.shards.collectors();
        let last_writes = collectors.iter().map(|collector| async {
            let error = match tokio::time::timeout(LAST_WRITE_TIMEOUT, collector.persist()).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "timed out".to_owned(),
            };
            warn!(
                event = "last_write_failed",
                error, "failed to persist the latest changes"
            );
        });
        join_all(last_writes).await;
        if let Some(membership) = &app.membership {
            // Other processes take over at once.
            let leaving = membership.leave(app.shards.all());
            let _ = tokio::time::timeout(LAST_WRITE_TIMEOUT, leaving).await;
        }
        info!(event = "stopped", "stopped");
    }

    /// Starts sources and housekeeping.
    fn start_working(&self) {
        let context = self.source_context();
        sources::lock(&self.sources).start(&self.runtime.load(), &context);
        for (state, collector) in self.shards.owned() {
            state.set_tasks(vec![Self::keep_house(collector)]);
        }
    }

    /// Expires and writes until the task is dropped.
    fn keep_house(collector: Collector) -> Task {
        let task = tokio::spawn(async move { collector.run_housekeeping().await });
        Task(task.abort_handle())
    }

    /// Stops sources and housekeeping.
    fn stop_working(&self) {
        sources::lock(&self.sources).stop(&self.metrics);
        for state in self.shards.all() {
            state.set_tasks(Vec::new());
        }
    }

    fn source_context(&self) -> SourceContext {
        SourceContext {
            shards: Arc::clone(&self.shards),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            first_read: self.options.first_read,
        }
    }
}

/// Opens the state of the process's shards. Makes no call to a storage that is shared.
async fn open_shards(
    plan: &Plan,
    options: &Options,
    metrics: &Arc<SelfMetrics>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Shards, Option<Membership>)> {
    let settings = |shard| runtime::tracker_settings(plan, shard);
    let empty = |shard| Collector::new(metrics, Arc::clone(clock), settings(shard));
    #[cfg(feature = "dynamodb")]
    if let Some(storage) = &options.shared_storage {
        let lifetime = storage.lease_duration;
        let process = storage.process.clone();
        let table = Box::pin(SharedTable::connect(&storage.url, process, lifetime)).await?;
        let observer = |shard: String| -> Arc<dyn LeaseObserver> {
            Arc::new(ObservedLease {
                metrics: Arc::clone(&metrics.lease),
                shard,
                clock: Arc::clone(clock),
            })
        };
        let shards = options.sharding.shards();
        let observers = shards
            .iter()
            .map(|shard| observer(shard.index().to_string()));
        let observers: Vec<_> = observers.collect();
        let states = shards.into_iter().zip(&observers).map(|(shard, observer)| {
            let most_transfers = settings(shard).limits.transfers;
            let lease = table.state(shard, most_transfers, Arc::clone(observer));
            Arc::new(ShardState::new(shard, empty(shard), Some(Arc::new(lease))))
        });
        let states: Vec<_> = states.collect();
        let (mut inboxes, mut members) = (None, None);
        if let Sharding::Automatic { .. } = options.sharding {
            let of_table: Arc<dyn Inboxes> = table.inboxes(observers);
            let of_process: Arc<dyn Members> = table.members(observer(String::new()));
            (inboxes, members) = (Some(of_table), Some(of_process));
        }
        let membership = Membership::new(&states, members, &metrics.lease, lifetime);
        return Ok((Shards::new(states, inboxes), Some(membership)));
    }
    let Sharding::Fixed(shard) = options.sharding else {
        anyhow::bail!("shards are shared automatically in shared storage only");
    };
    let collector = match &options.storage {
        None => empty(shard),
        Some(directory) => {
            let (store, saved) = open_storage(directory, settings(shard).limits).await?;
            let clock = Arc::clone(clock);
            Collector::with_store(metrics, clock, settings(shard), store, saved)
        }
    };
    let state = ShardState::new(shard, collector, None);
    Ok((Shards::new(vec![Arc::new(state)], None), None))
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
