//! Floor 3: the HTTP server.
//!
//! | route | answer |
//! | --- | --- |
//! | `GET /` | landing page: version, state at a glance, links |
//! | `GET /metrics` (`--web.telemetry-path`) | the exposition, in the format and encoding that the client prefers; `?name[]=` filters families |
//! | `GET /transfers` | connectors, transfers and failed files for people, to be filtered and searched |
//! | `GET /api/v1/transfers` | the same as JSON, by the same parameters |
//! | `GET /api/v1/targets` | unfinished transfers as targets for `/probe`, in the form of Prometheus' `http_sd` |
//! | `GET /api/v1/openapi.json` | the description of these routes |
//! | `GET /probe?connector_id=&transfer_id=[&account=]` | looks at one transfer now, and tells its families alone |
//! | `PUT`, `DELETE /api/v1/transfers/{connector_id}/{transfer_id}` | starts or stops to track one (`--web.enable-write-api`), durably |
//! | `POST /-/reload` | reloads (`--web.enable-lifecycle`): 200 once the new configuration is in force, or 500 with the reasons |
//! | `GET /-/healthy` | 200 while the process is up |
//! | `GET /-/ready` | 200 while it can answer a scrape, else 503 |
//!
//! `--web.health-listen-address` has the last two alone, in plain HTTP for everybody. On the other addresses each request
//! passes the rate limit and the authentication of the web configuration file before it has a handler.
//!
//! HEAD is answered as GET without a body, and starts no sweep and no look. Any other path is 404, any other method 405.

mod body;
mod config_state;
#[doc(hidden)]
pub mod fuzzing;
pub mod healthcheck;
mod middleware;
mod response;
mod routes;
mod server;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use crate::metrics::ScrapeRequest;
use crate::metrics::exposition::Body as Exposition;
use crate::tracker::query::KeptFailure;
use crate::tracker::query::{Query, Selection};
use model::{ConnectorId, Shard, TransferId};

pub use config_state::{EffectiveWebConfig, WebConfigState};
pub use middleware::work_queue::WorkQueue;
pub use routes::pages::{Overview, ProbeError, ProbeRequest};
pub use server::limits::ServerLimits;
pub use server::pool::MAX_CONNECTIONS;
pub use server::{Server, listen};

/// What the write API was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    /// The configured account; may be left out where there is one.
    pub account: Option<String>,
    /// The connector.
    pub connector: ConnectorId,
    /// The transfer.
    pub transfer: TransferId,
    /// When it started, where the caller tells it.
    pub started_at: Option<SystemTime>,
    /// True to track it, false to stop.
    pub track: bool,
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteApiError {
    /// The write API is off.
    #[error("the write API is off: start the exporter with --web.enable-write-api")]
    Disabled,
    /// No account of this name, or none named where there are several.
    #[error("`account` names no configured account, or is missing where there are several")]
    UnknownAccount,
    /// The transfer is another shard's.
    #[error("the transfer is of another shard than this one, which is {0}")]
    OtherShard(Shard),
    /// It is known, and the store does not take it.
    #[error("the storage does not take it: try again")]
    NotPersisted,
}

/// Why there was no reload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// Reloads over HTTP are off.
    #[error(
        "reloads over HTTP are off: start the exporter with --web.enable-lifecycle, or send it SIGHUP"
    )]
    Disabled,
    /// There is nothing to reload.
    #[error("the exporter was started without a configuration file")]
    NoFile,
    /// The new configuration is not sound, or could not be put into force.
    #[error("the configuration was not reloaded, the one before stays:\n{0}")]
    Failed(String),
}

/// What the server answers from.
pub trait Exporter: Send + Sync + 'static {
    /// The exposition for one scrape, in the format and the encoding that it is wanted in; `None` if it could not be
    /// made. `timeout_header` is the value of `X-Prometheus-Scrape-Timeout-Seconds`; without `sweep`, no AWS call is made.
    fn scrape(
        self: Arc<Self>,
        wanted: ScrapeRequest,
        timeout_header: Option<String>,
        sweep: bool,
    ) -> Pin<Box<dyn Future<Output = Option<Exposition>> + Send>>;

    /// Starts or stops to track a transfer; true if it was not tracked before from here, or was until now. What has been
    /// answered is durable.
    fn write(
        self: Arc<Self>,
        write: WriteRequest,
    ) -> Pin<Box<dyn Future<Output = Result<bool, WriteApiError>> + Send>>;

    /// The whole at a glance.
    fn overview(&self) -> Overview;

    /// The transfers that `query` takes. May take a tenth of a second where there are very many.
    fn select(&self, query: &Query) -> Selection;

    /// The failed files that are kept, the newest first.
    fn failures(&self) -> Vec<Arc<KeptFailure>>;

    /// Looks at one transfer, and tells its families in the format and the encoding that they are wanted in.
    fn probe(
        self: Arc<Self>,
        probe: ProbeRequest,
        wanted: ScrapeRequest,
        timeout_header: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Result<Exposition, ProbeError>> + Send>>;

    /// Reloads the configuration; done once the new one is in force.
    fn reload(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), ReloadError>> + Send>> {
        Box::pin(async { Err(ReloadError::NoFile) })
    }

    /// True while a scrape can be answered.
    fn is_ready(&self) -> bool;
}
