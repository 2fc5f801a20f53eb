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
use super::{Exporter, handlers};

/// A whole request head must arrive within this time, from the first byte on or from the answer before it; so this is
/// the keep-alive time as well.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head, and of what is buffered of it.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// Requests in flight are answered for at most this long once the server stops.
const GRACE: Duration = Duration::from_secs(10);
/// The pause after an accept that failed for want of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `listeners` until `shutdown` ends; then no connection is accepted, requests in flight are answered, and it
/// returns when they are or when the grace of 10 s is over.
pub async fn run(
    listeners: Vec<TcpListener>,
    exporter: Arc<dyn Exporter>,
    telemetry_path: Arc<str>,
    shutdown: impl Future<Output = ()>,
) {
    let connections = Connections::new(MAX_CONNECTIONS);
    let (stop, stopped) = watch::channel(());
    let mut acceptors = tokio::task::JoinSet::new();
    for listener in listeners {
        let acceptor = Acceptor {
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
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        warn!(seconds = GRACE.as_secs(), "requests were still in flight when the grace ended");
    }
}

struct Acceptor {
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
                Ok((stream, peer)) => match self.connections.enter() {
                    Some(place) => self.serve(stream, place),
                    None => debug!(%peer, "refused: every connection is being answered"),
                },
                // The client's doing, and over.
                Err(error) if is_of_one_connection(&error) => debug!(%error, "accept"),
                Err(error) => {
                    warn!(%error, "no connection can be accepted");
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
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
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
