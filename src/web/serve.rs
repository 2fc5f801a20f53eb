//! Sockets to requests, within bounds.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::{debug, warn};

use super::connections::{Connections, MAX_CONNECTIONS, Place};
use super::stream::Watched;
use super::{Exporter, handlers};

/// Bytes of a request's head, and of what is buffered of it.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// Once the server stops, a request whose head has begun may still come whole within this time.
const LAST_HEADS: Duration = Duration::from_millis(500);
/// The pause after an accept that failed for want of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What clients may ask of the server in connections and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once. Default [`MAX_CONNECTIONS`].
    pub connections: usize,
    /// A whole request head must arrive within this time, from the first byte on or from the answer before it; so this
    /// is the keep-alive time as well. Default 30 s.
    pub header: Duration,
    /// A client that takes nothing of its answer for this long is given up. Default 10 s.
    pub stall: Duration,
    /// Requests in flight are answered for at most this long once the server stops. Default 10 s.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            header: Duration::from_secs(30),
            stall: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

/// [`run_within`] the default bounds.
pub async fn run(
    listeners: Vec<TcpListener>,
    exporter: Arc<dyn Exporter>,
    telemetry_path: Arc<str>,
    shutdown: impl Future<Output = ()>,
) {
    run_within(Bounds::default(), listeners, exporter, telemetry_path, shutdown).await;
}

/// Serves `listeners` until `shutdown` ends; then no connection is accepted, requests in flight are answered, and it
/// returns when they are or when the grace is over, and what is left then is closed.
pub async fn run_within(
    bounds: Bounds,
    listeners: Vec<TcpListener>,
    exporter: Arc<dyn Exporter>,
    telemetry_path: Arc<str>,
    shutdown: impl Future<Output = ()>,
) {
    let connections = Connections::new(bounds.connections);
    let (stop, stopped) = watch::channel(());
    let mut acceptors = tokio::task::JoinSet::new();
    for listener in listeners {
        let acceptor = Acceptor {
            bounds,
            exporter: Arc::clone(&exporter),
            telemetry_path: Arc::clone(&telemetry_path),
            connections: Arc::clone(&connections),
            graceful: GracefulShutdown::new(),
        };
        acceptors.spawn(acceptor.run(listener, stopped.clone()));
    }
    shutdown.await;
    drop(stop);
    let drained = async move {
        let draining = acceptors.join_all().await.into_iter().map(GracefulShutdown::shutdown);
        futures_util::future::join_all(draining).await;
    };
    let heads = async {
        tokio::time::sleep(LAST_HEADS).await;
        connections.close_idle();
        std::future::pending::<()>().await;
    };
    let drained = async {
        tokio::select! {
            () = drained => {}
            () = heads => {}
        }
    };
    if tokio::time::timeout(bounds.grace, drained).await.is_err() {
        warn!(seconds = bounds.grace.as_secs_f64(), "requests were still in flight when the grace ended");
        connections.close_all();
    }
}

struct Acceptor {
    bounds: Bounds,
    exporter: Arc<dyn Exporter>,
    telemetry_path: Arc<str>,
    connections: Arc<Connections>,
    graceful: GracefulShutdown,
}

impl Acceptor {
    async fn run(self, listener: TcpListener, mut stopped: watch::Receiver<()>) -> GracefulShutdown {
        let mut ended = pin!(async move { while stopped.changed().await.is_ok() {} });
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut ended => return self.graceful,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(place) = self.connections.enter() {
                        self.serve(stream, place);
                        // Its request may be here already. In a burst, others must not push it out before it is read.
                        tokio::task::yield_now().await;
                    } else {
                        debug!(%peer, "refused: every connection is being answered");
                    }
                }
                // The client's doing, and over.
                Err(error) if is_of_one_connection(&error) => debug!(%error, "accept"),
                Err(error) => {
                    let limit = self.connections.shrink();
                    warn!(%error, limit, "no connection can be accepted; fewer are kept from here on");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, place: Place) {
        // Without it an answer may wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let place = Arc::new(place);
        let service = {
            let exporter = Arc::clone(&self.exporter);
            let telemetry_path = Arc::clone(&self.telemetry_path);
            let place = Arc::clone(&place);
            service_fn(move |request| {
                let exporter = Arc::clone(&exporter);
                let telemetry_path = Arc::clone(&telemetry_path);
                let answering = place.answering();
                async move {
                    let response = handlers::answer(request, exporter, &telemetry_path).await;
                    drop(answering);
                    Ok::<_, Infallible>(response)
                }
            })
        };
        let stream = Watched::new(stream, Arc::clone(&place), self.bounds.stall);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.header)
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    debug!(%error, "connection");
                },
                () = place.evicted() => debug!("an idle connection made room"),
            }
        });
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
