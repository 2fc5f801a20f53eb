//! Graceful shutdown of open connections.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::task::JoinSet;
use tracing::warn;

use super::pool::ConnectionPool;

/// A request whose head has begun to arrive when the server stops may still complete within this
/// time.
const PARTIAL_HEAD_GRACE: Duration = Duration::from_millis(500);

/// Waits for the requests in flight, at most for `grace`, and closes what is left.
pub(super) async fn drain(
    grace: Duration,
    acceptors: JoinSet<GracefulShutdown>,
    pools: &[&Arc<ConnectionPool>],
) {
    let requests = async move {
        let graceful = acceptors.join_all().await.into_iter();
        futures_util::future::join_all(graceful.map(GracefulShutdown::shutdown)).await;
    };
    let close_idle = async {
        tokio::time::sleep(PARTIAL_HEAD_GRACE).await;
        for pool in pools {
            pool.close_idle();
        }
        std::future::pending::<()>().await;
    };
    let drained = async {
        tokio::select! {
            () = requests => {}
            () = close_idle => {}
        }
    };
    if tokio::time::timeout(grace, drained).await.is_err() {
        warn!(
            event = "drain_timed_out",
            seconds = grace.as_secs_f64(),
            "closing connections with requests in flight"
        );
        for pool in pools {
            pool.close_all();
        }
    }
}
