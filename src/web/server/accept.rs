//! The accept loop.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{debug, warn};

use super::connection::Connection;
use super::limits::ServerLimits;
use super::pool::ConnectionPool;
use crate::metrics::self_metrics::{HttpMetrics, RejectReason};
use crate::web::config_state::WebConfigState;

/// The pause after an accept that failed for lack of a resource.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// What the connections of several listeners share.
pub(crate) struct ListenerGroup {
    pub(crate) router: Router,
    pub(crate) web_config: Arc<WebConfigState>,
    pub(crate) metrics: Option<Arc<HttpMetrics>>,
    pub(crate) pool: Arc<ConnectionPool>,
    pub(crate) limits: ServerLimits,
}

impl ListenerGroup {
    /// Counts a rejected connection.
    pub(super) fn count_rejected(&self, reason: RejectReason) {
        if let Some(metrics) = &self.metrics {
            metrics.count_rejected(reason);
        }
    }
}

/// Accepts the connections of one listener.
pub(super) struct Acceptor {
    pub(super) group: Arc<ListenerGroup>,
    pub(super) graceful: GracefulShutdown,
}

impl Acceptor {
    /// Accepts until the sender of `stopped` is dropped, and returns the handle that drains the
    /// accepted connections.
    pub(super) async fn run(
        self,
        listener: TcpListener,
        mut stopped: watch::Receiver<()>,
    ) -> GracefulShutdown {
        let mut ended = pin!(async move { while stopped.changed().await.is_ok() {} });
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut ended => return self.graceful,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(slot) = self.group.pool.acquire(peer.ip()) else {
                        self.group.count_rejected(RejectReason::Connections);
                        debug!(
                            event = "connection_rejected",
                            %peer,
                            "connection pool is full of active connections"
                        );
                        continue;
                    };
                    // With Nagle's algorithm a response may wait for the client's delayed
                    // acknowledgement.
                    let _ = stream.set_nodelay(true);
                    let connection = Connection {
                        peer,
                        slot: Arc::new(slot),
                        group: Arc::clone(&self.group),
                        watcher: self.graceful.watcher(),
                    };
                    tokio::spawn(connection.serve(stream));
                    // Its request may be here already. In a burst it must be read before others
                    // evict it.
                    tokio::task::yield_now().await;
                }
                Err(error) if is_connection_error(&error) => {
                    debug!(event = "accept_failed", %error, "client closed the connection");
                }
                Err(error) => {
                    let limit = self.group.pool.shrink();
                    warn!(
                        event = "accept_failed",
                        %error,
                        limit,
                        "failed to accept a connection, lowered the connection limit"
                    );
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }
}

/// Returns whether the error concerns only the connection that was to be accepted.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
