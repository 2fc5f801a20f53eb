//! Floor 3: the HTTP server.
//!
//! | route | answer |
//! | --- | --- |
//! | `GET /` | landing page: version, links, a line of state |
//! | `GET /metrics` (`--web.telemetry-path`) | the exposition, in the format and encoding that the client prefers; `?name[]=` filters families |
//! | `GET /-/healthy` | 200 while the process is up |
//! | `GET /-/ready` | 200 while it can answer a scrape, else 503 |
//!
//! HEAD is answered as GET without a body, and starts no sweep. Any other path is 404, any other method 405.

mod body;
mod connections;
mod handlers;
pub mod healthcheck;
pub mod listen;
mod page;
mod route;
mod serve;
mod stream;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::metrics::Wanted;
use crate::metrics::exposition::Body as Exposition;

pub use connections::MAX_CONNECTIONS;
pub use serve::{Bounds, run, run_within};

/// What the server answers from.
pub trait Exporter: Send + Sync + 'static {
    /// The exposition for one scrape, in the format and the encoding that it is wanted in; `None` if it could not be
    /// made. `timeout_header` is the value of `X-Prometheus-Scrape-Timeout-Seconds`; without `sweep`, no AWS call is made.
    fn scrape(
        self: Arc<Self>,
        wanted: Wanted,
        timeout_header: Option<String>,
        sweep: bool,
    ) -> Pin<Box<dyn Future<Output = Option<Exposition>> + Send>>;

    /// One line for people: what is tracked, and how it stands.
    fn state_line(&self) -> String;

    /// True while a scrape can be answered.
    fn is_ready(&self) -> bool;
}
