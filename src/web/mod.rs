//! The HTTP server. `server` owns sockets, connections and TLS, `middleware` is what every request
//! passes, and `routes` answers.
//!
//! | route | response |
//! | --- | --- |
//! | `GET /` | landing page: version, status at a glance, links |
//! | `GET /metrics` (`--web.telemetry-path`) | metrics in the negotiated format and encoding; `?name[]=` selects families |
//! | `GET /transfers` | HTML page of connectors, transfers and failed files, with filters and search |
//! | `GET /api/v1/transfers` | the same data as JSON, with the same parameters |
//! | `GET /api/v1/failures` | failed files as JSON |
//! | `GET /api/v1/flows` | flows with their windows as JSON |
//! | `GET /api/v1/targets` | unfinished transfers as targets of `/probe`, in the `http_sd` format of Prometheus |
//! | `GET /api/v1/openapi.json` | `OpenAPI` description of these routes |
//! | `GET /probe?connector_id=&transfer_id=[&account=]` | polls one transfer and returns only its metrics |
//! | `PUT`, `DELETE /api/v1/transfers/{connector_id}/{transfer_id}` | starts or stops tracking a transfer (`--web.enable-write-api`); durable once answered |
//! | `POST /api/v1/failures/acknowledge` | acknowledges failed files (`--web.enable-write-api`) |
//! | `POST /-/reload` | reloads the configuration (`--web.enable-lifecycle`): 200 once the new one is active, else 500 with the reasons |
//! | `GET /-/healthy` | 200 while the process runs |
//! | `GET /-/ready` | 200 while scrapes can be answered, else 503 |
//!
//! All paths are below `--web.route-prefix`. Links and redirects are relative, so that they hold
//! behind a proxy that adds or removes a prefix.
//!
//! HEAD returns the headers of GET without a body and starts no poll. An unknown path is 404, a
//! method that the path does not support 405 with `Allow`.
//!
//! Requests pass the rate limit and the authentication of the web configuration file before they
//! reach a handler. `--web.health-listen-address` serves only `/-/healthy` and `/-/ready`, without
//! TLS or authentication.

mod body;
mod config_state;
mod fair_share;
#[doc(hidden)]
pub mod fuzzing;
pub mod healthcheck;
mod middleware;
mod paths;
mod response;
mod routes;
mod server;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use crate::metrics::ScrapeRequest;
use crate::metrics::exposition::Exposition;
use crate::tracker::query::{FailureFilter, KeptFailure, Query, Selection};
use model::{Chunk, ConnectorId, FlowView, Shard, TransferId};

pub use config_state::{EffectiveWebConfig, WebConfigState};
pub use middleware::work_queue::{Permit, QueueSlot, WorkQueue};
pub use paths::{ExternalUrl, RoutePrefix, WebPaths, is_plain};
pub use routes::pages::{Health, Overview, ProbeModule, ProbeRequest, SourceHealth};
pub use server::limits::ServerLimits;
pub use server::pool::MAX_CONNECTIONS;
pub use server::{Server, listen};

/// A request of the write API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    /// Account name; optional if exactly one account is configured.
    pub account: Option<String>,
    /// The connector.
    pub connector: ConnectorId,
    /// The transfer.
    pub transfer: TransferId,
    /// Start time of the transfer, if given.
    pub started_at: Option<SystemTime>,
    /// Number of files that were requested, if given: 1 to
    /// [`TransferStart::MAX_FILES`](model::TransferStart::MAX_FILES).
    pub files: Option<u32>,
    /// True to start tracking the transfer, false to stop.
    pub track: bool,
}

/// What a request of the write API has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The transfer is tracked now, or not any more.
    Changed,
    /// It was so before.
    Unchanged,
    /// The process that owns the transfer's shard will find the request.
    Forwarded,
}

/// Why a request of the write API failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteApiError {
    /// The write API is disabled.
    #[error("the write API is disabled: start the exporter with --web.enable-write-api")]
    Disabled,
    /// The account is not configured, or missing although several are.
    #[error("`account` is not configured, or is missing although several accounts are")]
    UnknownAccount,
    /// The transfer belongs to another shard.
    #[error("the transfer belongs to another shard; this is shard {0}")]
    OtherShard(Shard),
    /// There are as many transfers or connectors as the configuration allows.
    #[error("`limits.{0}` of the configuration is reached: remove transfers, or raise it")]
    LimitExceeded(&'static str),
    /// Another process owns the state.
    #[error(
        "this exporter is a standby: send the request to the one that owns the shard, to which a Service or load balancer that follows /-/ready leads"
    )]
    Standby,
    /// The change was applied in memory but could not be persisted.
    #[error("failed to persist the change: retry")]
    NotPersisted,
}

/// Why a reload over HTTP failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// Reloads over HTTP are disabled.
    #[error(
        "reloads over HTTP are disabled: start the exporter with --web.enable-lifecycle, or send SIGHUP"
    )]
    Disabled,
    /// There is nothing to reload.
    #[error("the exporter was started without a configuration file")]
    NoFile,
    /// The new configuration is invalid or could not be applied.
    #[error("failed to reload the configuration, the previous one stays active:\n{0}")]
    Failed(String),
}

/// Why a probe failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The account is not configured, or missing although several are.
    #[error("`account` is not configured, or is missing although several accounts are")]
    UnknownAccount,
    /// Too many probes of the account are waiting.
    #[error("too many probes of this account are waiting")]
    Busy,
    /// Connections are not probed.
    #[error("probes of connections are off; set `probe.connection.enabled: true`")]
    Disabled,
    /// Connections of connectors that the exporter does not know are not probed.
    #[error(
        "the connector is not known; add it to `connectors`, or configure `discovery.connectors`"
    )]
    UnknownConnector,
    /// Rendering failed.
    #[error("failed to render the metrics")]
    Render,
}

/// Whether scrapes are answered with the state of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// They are.
    Ready,
    /// Another process owns the state.
    Standby,
    /// The exporter is stopping.
    Stopping,
}

/// How a scrape gets its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeMode {
    /// From memory, without any wait. Counters are not exported: they may not be durable.
    Current,
    /// What is known and durable, without a wait for polls: too many scrapes wait for them.
    Known,
    /// By polls of everything that is due.
    Polled,
}

/// What the server needs of the exporter.
pub trait Exporter: Send + Sync + 'static {
    /// Renders the metrics of one scrape; `None` if rendering fails. `timeout_header` is the value
    /// of `X-Prometheus-Scrape-Timeout-Seconds`. AWS is called in [`ScrapeMode::Polled`] only.
    fn scrape(
        self: Arc<Self>,
        request: ScrapeRequest,
        timeout_header: Option<String>,
        mode: ScrapeMode,
    ) -> Pin<Box<dyn Future<Output = Option<Exposition>> + Send>>;

    /// Starts or stops tracking a transfer. The change is durable once this returns `Ok`.
    fn write(
        self: Arc<Self>,
        request: WriteRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Written, WriteApiError>> + Send>>;

    /// Acknowledges the unresolved failed files that `filter` accepts, and returns the number of those that
    /// this process has. The
    /// change is durable once this returns `Ok`.
    fn acknowledge(
        self: Arc<Self>,
        filter: FailureFilter,
    ) -> Pin<Box<dyn Future<Output = Result<usize, WriteApiError>> + Send>>;

    /// Returns the status of the exporter, for the landing page.
    fn overview(&self) -> Overview;

    /// Returns the transfers that match `query`. Blocks for about 100 ms with 100,000 transfers.
    fn select(&self, query: &Query) -> Selection;

    /// Returns the retained failed files, the newest first.
    fn failures(&self) -> Vec<Arc<KeptFailure>>;

    /// Returns all flows, in configured order.
    fn flows(&self) -> Vec<Chunk<FlowView>>;

    /// Polls one transfer, or tests a connection, and renders the metrics of it.
    fn probe(
        self: Arc<Self>,
        probe: ProbeRequest,
        request: ScrapeRequest,
        timeout_header: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Result<Exposition, ProbeError>> + Send>>;

    /// Reloads the configuration and returns once the new one is active.
    fn reload(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), ReloadError>> + Send>> {
        Box::pin(async { Err(ReloadError::NoFile) })
    }

    /// Returns whether scrapes are answered with the state of AWS.
    fn readiness(&self) -> Readiness;
}
