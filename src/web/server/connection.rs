//! One connection: its handshake, and HTTP/1.1 or HTTP/2 on it, within limits.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::limits::ServerLimits;
use super::pool::ConnectionSlot;
use super::stall::StallTimeout;
use crate::metrics::self_metrics::RejectReason;
use crate::web::config_state::{ClientPolicy, WebConfigState};
use crate::web::middleware::Middleware;
use crate::web::middleware::access_log::AccessLogBody;

/// Bytes of a request's head, and of what is buffered of it.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// Requests at once on a connection with HTTP/2.
const MAX_STREAMS: u32 = 16;
/// Bytes of an answer that HTTP/2 holds for a client that takes none.
const MAX_STREAM_BYTES: usize = 64 * 1024;
/// How often a connection that is to end is looked at.
const A_MOMENT: Duration = Duration::from_millis(20);
/// The first byte of TLS (RFC 8446, section 5.1): a record of a handshake.
const HANDSHAKE: u8 = 22;
const PLAIN_TO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n400 this port speaks HTTPS\n";

/// A connection that has been accepted.
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) place: Arc<ConnectionSlot>,
    pub(crate) front: Arc<Middleware>,
    pub(crate) limits: ServerLimits,
    pub(crate) watcher: Watcher,
}

impl Connection {
    /// Serves it until it ends, or has to make room.
    pub(crate) async fn serve(self, stream: TcpStream) {
        let (place, web_config, grace) = (
            Arc::clone(&self.place),
            Arc::clone(&self.front.web_config),
            self.limits.grace,
        );
        let (client_policy, config) = {
            let active = web_config.active();
            (active.client_policy(), active.tls())
        };
        tokio::select! {
            () = self.run(stream, config) => {}
            () = place.evicted() => debug!("an idle connection made room"),
            () = is_over(&web_config, client_policy, &place, grace) => debug!("clients are let in by other rules now"),
        }
    }

    async fn run(self, stream: TcpStream, config: Option<Arc<ServerConfig>>) {
        let Some(config) = config else {
            return self.http1(stream).await;
        };
        let peer = self.peer;
        match tokio::time::timeout(self.limits.handshake, handshake(stream, config)).await {
            Ok(Ok(Some(stream))) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                self.http2(stream).await
            }
            Ok(Ok(Some(stream))) => self.http1(stream).await,
            Ok(Ok(None)) => debug!(%peer, "nothing came"),
            Ok(Err(error)) => {
                self.front.count(RejectReason::Tls);
                debug!(%peer, %error, "no TLS handshake");
            }
            Err(_) => {
                self.front.count(RejectReason::Tls);
                debug!(%peer, "no TLS handshake in time");
            }
        }
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let stream = StallTimeout::new(stream, Arc::clone(&self.place), self.limits.stall);
        let (front, place, peer) = (self.front, self.place, self.peer);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| answer(&front, &place, peer, request)),
            );
        if let Err(error) = self.watcher.watch(connection).await {
            debug!(%error, "connection");
        }
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let ServerLimits { stall, header, .. } = self.limits;
        let stream = StallTimeout::new(stream, Arc::clone(&self.place), stall);
        let (front, place, peer) = (self.front, Arc::clone(&self.place), self.peer);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
            .max_send_buf_size(MAX_STREAM_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| answer(&front, &place, peer, request)),
            );
        tokio::select! {
            ended = self.watcher.watch(connection) => if let Err(error) = ended {
                debug!(%error, "connection");
            },
            // HTTP/2 has no time-out of its own for what a client does not send or take.
            () = self.place.has_stopped(stall, header) => debug!(%peer, "a connection on which nothing moves is closed"),
        }
    }
}

/// Ends when the connection was let in by rules that are in force no more, and nothing of an answer is on its way, or the
/// grace for it is over: else a client whose certificate is trusted no more would go on for as long as it asks.
async fn is_over(
    web_config: &WebConfigState,
    client_policy: ClientPolicy,
    place: &ConnectionSlot,
    grace: Duration,
) {
    web_config.client_policy_changed(client_policy).await;
    let end = Instant::now() + grace;
    while !place.is_idle() && Instant::now() < end {
        tokio::time::sleep(A_MOMENT).await;
    }
}

fn answer(
    front: &Arc<Middleware>,
    place: &Arc<ConnectionSlot>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<AccessLogBody>, Infallible>> + Send + use<> {
    let (front, place) = (Arc::clone(front), Arc::clone(place));
    async move { Ok(front.answer(request, &place, peer).await) }
}

/// TLS on the stream; `None` where the client went without a word.
async fn handshake(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first[0] != HANDSHAKE && first[0].is_ascii_uppercase() {
        // Who has forgotten the `s` is told so.
        stream.write_all(PLAIN_TO_TLS).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("HTTP on a port of HTTPS"));
    }
    TlsAcceptor::from(config).accept(stream).await.map(Some)
}
