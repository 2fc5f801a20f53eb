//! One connection without a socket, for tests that feed it bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};

use super::config_state::WebConfigState;
use super::middleware::Middleware;
use super::routes::{self, RouteState};
use super::server::accept::ListenerGroup;
use super::server::connection::Connection;
use super::server::limits::ServerLimits;
use super::server::pool::ConnectionPool;
use super::{Exporter, MAX_CONNECTIONS};
use crate::metrics::negotiate::Offer;

/// Serves HTTP/1.1 on `stream` until it ends, as on an accepted connection.
pub async fn serve_connection<S>(stream: S, exporter: Arc<dyn Exporter>, telemetry_path: &str)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = RouteState::new(
        exporter,
        telemetry_path.into(),
        Offer::default(),
        MAX_CONNECTIONS,
    );
    let pool = ConnectionPool::new(MAX_CONNECTIONS);
    let peer = SocketAddr::from(([127, 0, 0, 1], 0));
    let Some(slot) = pool.acquire(peer.ip()) else {
        return;
    };
    let connection = Connection {
        peer,
        slot: Arc::new(slot),
        group: Arc::new(ListenerGroup {
            router: routes::router(&state, &Middleware::new(None, None)),
            web_config: WebConfigState::plain_http(),
            metrics: None,
            pool,
            limits: ServerLimits::default(),
        }),
        watcher: GracefulShutdown::new().watcher(),
    };
    connection.serve_http(stream).await;
}
