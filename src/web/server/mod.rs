//! Sockets to requests, within limits.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{debug, warn};

mod client_certificate;
pub(crate) mod connection;
pub(crate) mod limits;
pub mod listen;
pub(crate) mod pool;
mod stall;
pub(crate) mod tls;

use super::Exporter;
use super::config_state::WebConfigState;
use super::middleware::Middleware;
use super::routes::pages;
use crate::metrics::self_metrics::{HttpMetrics, RejectReason};
use connection::Connection;
use limits::ServerLimits;
use pool::ConnectionPool;

/// ConnectionPool at once on the addresses for health alone.
const MAX_HEALTH_CONNECTIONS: usize = 32;
/// Once the server stops, a request whose head has begun may still come whole within this time.
const LAST_HEADS: Duration = Duration::from_millis(500);
/// The pause after an accept that failed for want of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server has beside its listeners.
pub struct Server {
    /// What clients may ask of it.
    pub limits: ServerLimits,
    /// TLS, users, headers and the rate limit.
    pub web_config: Arc<WebConfigState>,
    /// Where requests are counted; `None` nowhere.
    pub metrics: Option<Arc<HttpMetrics>>,
    /// Listeners that have `/-/healthy` and `/-/ready` alone, in plain HTTP for everybody.
    pub health: Vec<TcpListener>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            limits: ServerLimits::default(),
            web_config: WebConfigState::plain_http(),
            metrics: None,
            health: Vec::new(),
        }
    }
}

impl Server {
    /// Serves `listeners` until `shutdown` ends; then no connection is accepted, requests in flight are answered, and it
    /// returns when they are or when the grace is over, and what is left then is closed.
    pub async fn run(
        self,
        listeners: Vec<TcpListener>,
        exporter: Arc<dyn Exporter>,
        telemetry_path: Arc<str>,
        shutdown: impl Future<Output = ()>,
    ) {
        let Self {
            limits,
            web_config,
            metrics,
            health,
        } = self;
        if let Some(metrics) = &metrics {
            web_config.record_metrics(metrics);
        }
        let watching = tokio::spawn(Arc::clone(&web_config).watch(metrics.clone()));
        let front = |web_config, health_alone| {
            let (exporter, telemetry_path, metrics) = (
                Arc::clone(&exporter),
                Arc::clone(&telemetry_path),
                metrics.clone(),
            );
            Arc::new(Middleware {
                exporter,
                telemetry_path,
                web_config,
                own: metrics,
                turns: pages::turns(),
                health_alone,
            })
        };
        // A flood on the one cannot take the other's places.
        let pools = [
            ConnectionPool::new(limits.connections),
            ConnectionPool::new(MAX_HEALTH_CONNECTIONS),
        ];
        let (main, apart) = (
            front(web_config, false),
            front(WebConfigState::plain_http(), true),
        );
        let (stop, stopped) = watch::channel(());
        let mut acceptors = tokio::task::JoinSet::new();
        let listeners = listeners
            .into_iter()
            .map(|listener| (listener, &main, &pools[0]));
        for (listener, front, pool) in
            listeners.chain(health.into_iter().map(|one| (one, &apart, &pools[1])))
        {
            let acceptor = Acceptor {
                limits,
                front: Arc::clone(front),
                pool: Arc::clone(pool),
                graceful: GracefulShutdown::new(),
            };
            acceptors.spawn(acceptor.run(listener, stopped.clone()));
        }
        shutdown.await;
        drop(stop);
        watching.abort();
        drain(limits.grace, acceptors, &pools).await;
    }
}

async fn drain(
    grace: Duration,
    acceptors: tokio::task::JoinSet<GracefulShutdown>,
    pools: &[Arc<ConnectionPool>],
) {
    let drained = async move {
        let draining = acceptors
            .join_all()
            .await
            .into_iter()
            .map(GracefulShutdown::shutdown);
        futures_util::future::join_all(draining).await;
    };
    let heads = async {
        tokio::time::sleep(LAST_HEADS).await;
        for pool in pools {
            pool.close_idle();
        }
        std::future::pending::<()>().await;
    };
    let drained = async {
        tokio::select! {
            () = drained => {}
            () = heads => {}
        }
    };
    if tokio::time::timeout(grace, drained).await.is_err() {
        warn!(
            seconds = grace.as_secs_f64(),
            "requests were still in flight when the grace ended"
        );
        for pool in pools {
            pool.close_all();
        }
    }
}

struct Acceptor {
    limits: ServerLimits,
    front: Arc<Middleware>,
    pool: Arc<ConnectionPool>,
    graceful: GracefulShutdown,
}

impl Acceptor {
    async fn run(
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
                    if let Some(place) = self.pool.enter() {
                        // Without it an answer may wait for the client's delayed acknowledgement.
                        let _ = stream.set_nodelay(true);
                        let connection = Connection {
                            peer,
                            place: Arc::new(place),
                            front: Arc::clone(&self.front),
                            limits: self.limits,
                            watcher: self.graceful.watcher(),
                        };
                        tokio::spawn(connection.serve(stream));
                        // Its request may be here already. In a burst, others must not push it out before it is read.
                        tokio::task::yield_now().await;
                    } else {
                        self.front.count(RejectReason::Connections);
                        debug!(%peer, "refused: every connection is being answered");
                    }
                }
                // The client's doing, and over.
                Err(error) if is_of_one_connection(&error) => debug!(%error, "accept"),
                Err(error) => {
                    let limit = self.pool.shrink();
                    warn!(%error, limit, "no connection can be accepted; fewer are kept from here on");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
