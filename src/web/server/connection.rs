//! One connection: the TLS handshake, then HTTP/1.1. There is no HTTP/2: it would save nothing, and
//! what each of its streams buffers for a client that reads nothing has no common bound.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::accept::ListenerGroup;
use super::pool::ConnectionSlot;
use super::service::ConnectionService;
use super::stall::StallTimeout;
use crate::metrics::self_metrics::RejectReason;
use crate::web::config_state::{ClientPolicy, WebConfigState};

/// Bytes of a request head, which are buffered.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// How often a connection that is about to be closed is checked for a response in flight.
const CLOSE_POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The first byte of a TLS connection: a record of type handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// The response to a client that speaks plain HTTP to a TLS port.
const PLAIN_HTTP_RESPONSE: &[u8] = b"HTTP/1.0 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n400 this port speaks HTTPS\n";

/// An accepted connection.
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) slot: Arc<ConnectionSlot>,
    pub(crate) group: Arc<ListenerGroup>,
    pub(crate) watcher: Watcher,
}

impl Connection {
    /// Serves the connection until it ends, is evicted, or its client policy changes.
    pub(super) async fn serve(self, stream: TcpStream) {
        let (slot, group, peer) = (Arc::clone(&self.slot), Arc::clone(&self.group), self.peer);
        let web_config = group.web_config.effective();
        let (policy, tls) = (web_config.client_policy(), web_config.tls());
        drop(web_config);
        tokio::select! {
            () = self.serve_stream(stream, tls) => {}
            () = slot.evicted() => {
                debug!(event = "connection_evicted", %peer, "idle connection evicted");
            }
            () = policy_expired(&group.web_config, policy, &slot, group.limits.grace) => {
                debug!(
                    event = "connection_closed",
                    %peer,
                    "TLS client policy changed, closing connection"
                );
            }
        }
    }

    async fn serve_stream(self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        let Some(tls) = tls else {
            return self.serve_http(stream).await;
        };
        let peer = self.peer;
        let handshake = tokio::time::timeout(self.group.limits.handshake, handshake(stream, tls));
        match handshake.await {
            Ok(Ok(Some(stream))) => self.serve_http(stream).await,
            Ok(Ok(None)) => {
                debug!(event = "connection_closed", %peer, "connection closed before any data");
            }
            Ok(Err(error)) => {
                self.group.count_rejected(RejectReason::Tls);
                debug!(event = "tls_handshake_failed", %peer, %error, "TLS handshake failed");
            }
            Err(_) => {
                self.group.count_rejected(RejectReason::Tls);
                debug!(event = "tls_handshake_failed", %peer, "TLS handshake timed out");
            }
        }
    }

    /// Serves HTTP on the stream until the connection ends.
    pub(crate) async fn serve_http<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.group.limits;
        let peer = self.peer;
        let stream = StallTimeout::new(stream, Arc::clone(&self.slot), limits.stall);
        let service = ConnectionService {
            router: self.group.router.clone(),
            web_config: Arc::clone(&self.group.web_config),
            peer,
            slot: Arc::clone(&self.slot),
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header)
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(connection).await {
            debug!(event = "http_connection_failed", %peer, %error, "connection failed");
        }
    }
}

/// Completes when the connection was admitted under a client policy that is no longer in effect,
/// and no response is in flight or `grace` is over. Otherwise a client whose certificate is no
/// longer trusted could keep its connection.
async fn policy_expired(
    web_config: &WebConfigState,
    policy: ClientPolicy,
    slot: &ConnectionSlot,
    grace: Duration,
) {
    web_config.client_policy_changed(policy).await;
    let deadline = Instant::now() + grace;
    while !slot.is_idle() && Instant::now() < deadline {
        tokio::time::sleep(CLOSE_POLL_INTERVAL).await;
    }
}

/// Runs the TLS handshake; `None` if the client closes the connection without sending anything.
async fn handshake(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first[0] != TLS_HANDSHAKE && first[0].is_ascii_uppercase() {
        stream.write_all(PLAIN_HTTP_RESPONSE).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("plain HTTP request on a TLS port"));
    }
    TlsAcceptor::from(config).accept(stream).await.map(Some)
}
