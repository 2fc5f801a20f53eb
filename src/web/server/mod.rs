//! Sockets, connections and TLS: everything below a request.
//!
//! [`accept`] gives each accepted connection a slot of the [`pool`], which evicts the longest idle
//! connection when it is full. [`connection`] runs the TLS handshake and serves HTTP/1.1
//! within [`limits`]; [`service`] passes each request to the router. [`drain`] ends what is open at
//! shutdown.

pub(crate) mod accept;
mod client_certificate;
pub(crate) mod connection;
mod drain;
pub(crate) mod limits;
pub mod listen;
pub(crate) mod pool;
pub(crate) mod service;
mod stall;
pub(crate) mod tls;

use std::future::Future;
use std::sync::Arc;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Exporter;
use super::config_state::WebConfigState;
use super::middleware::Middleware;
use super::paths::WebPaths;
use super::routes::{self, RouteState};
use crate::metrics::negotiate::Offer;
use crate::metrics::self_metrics::HttpMetrics;
use accept::{Acceptor, ListenerGroup};
use limits::ServerLimits;
use pool::ConnectionPool;

/// Connections at once on the addresses that serve only health checks.
const MAX_HEALTH_CONNECTIONS: usize = 32;

/// An HTTP server without its main listeners.
pub struct Server {
    /// Limits on connections and time.
    pub limits: ServerLimits,
    /// TLS, users, headers and the rate limit.
    pub web_config: Arc<WebConfigState>,
    /// Instruments of the server; `None` records nothing.
    pub metrics: Option<Arc<HttpMetrics>>,
    /// Names of the server in the `Host` of requests, beside addresses and names that public DNS
    /// does not have. `None` accepts every name. Not checked with TLS or users.
    pub hosts: Option<Vec<String>>,
    /// The formats of metrics.
    pub offer: Offer,
    /// Listeners that serve only `/-/healthy` and `/-/ready`, without TLS or authentication.
    pub health: Vec<TcpListener>,
}

impl Default for Server {
    /// Default limits, no TLS, no authentication.
    fn default() -> Self {
        Self {
            limits: ServerLimits::default(),
            web_config: WebConfigState::plain_http(),
            metrics: None,
            hosts: None,
            offer: Offer::default(),
            health: Vec::new(),
        }
    }
}

impl Server {
    /// Serves `listeners` until `shutdown` completes. Then it accepts no more connections, waits
    /// for the requests in flight, closes what is left when [`ServerLimits::grace`] is over, and
    /// returns.
    pub async fn run(
        self,
        listeners: Vec<TcpListener>,
        exporter: Arc<dyn Exporter>,
        paths: WebPaths,
        shutdown: impl Future<Output = ()>,
    ) {
        if let Some(metrics) = &self.metrics {
            self.web_config.record_metrics(metrics);
        }
        let state = RouteState::new(exporter, paths, self.offer, self.limits.connections);
        let middleware = Middleware::new(self.metrics.clone(), self.hosts.map(Into::into));
        let main = Arc::new(ListenerGroup {
            router: routes::router(&state, &middleware),
            web_config: Arc::clone(&self.web_config),
            metrics: self.metrics.clone(),
            pool: ConnectionPool::new(self.limits.connections),
            limits: self.limits,
        });
        // Separate pools, so that a flood of one group cannot take the slots of the other.
        let health = Arc::new(ListenerGroup {
            router: routes::health_router(&state, &Middleware::new(self.metrics.clone(), None)),
            web_config: WebConfigState::plain_http(),
            metrics: self.metrics,
            pool: ConnectionPool::new(MAX_HEALTH_CONNECTIONS),
            limits: self.limits,
        });
        let (stop, stopped) = watch::channel(());
        let mut acceptors = JoinSet::new();
        for (group, listeners) in [(&main, listeners), (&health, self.health)] {
            for listener in listeners {
                let acceptor = Acceptor {
                    group: Arc::clone(group),
                    graceful: GracefulShutdown::new(),
                };
                acceptors.spawn(acceptor.run(listener, stopped.clone()));
            }
        }
        shutdown.await;
        drop(stop);
        drain::drain(self.limits.grace, acceptors, &[&main.pool, &health.pool]).await;
    }
}
