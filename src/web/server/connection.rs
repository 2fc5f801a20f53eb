//! One connection: the TLS handshake, then HTTP/1.1 or HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
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
/// Concurrent requests of a connection with HTTP/2.
const MAX_STREAMS: u32 = 16;
/// Bytes of a response that HTTP/2 buffers for a client that reads nothing.
const MAX_STREAM_BYTES: usize = 64 * 1024;
/// How often a connection that is about to be closed is checked for a response in flight.
const CLOSE_POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The first byte of a TLS connection: a record of type handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// The response to a client that speaks plain HTTP to a TLS port.
const PLAIN_HTTP_RESPONSE: &[u8] = b"HTTP/1.0 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n400 this port speaks HTTPS\n";

/// The HTTP version of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2, negotiated by ALPN.
    Http2,
}

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
            return self.serve_http(stream, HttpVersion::Http1).await;
        };
        let peer = self.peer;
        let handshake = tokio::time::timeout(self.group.limits.handshake, handshake(stream, tls));
        match handshake.await {
            Ok(Ok(Some(stream))) => {
                let version = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => HttpVersion::Http2,
                    _ => HttpVersion::Http1,
                };
                self.serve_http(stream, version).await;
            }
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
    pub(crate) async fn serve_http<S>(self, stream: S, version: HttpVersion)
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
        let builder = http_builder(version, limits.header);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let stalled = async {
            match version {
                // The header time-out and the stall time-out of the stream cover it.
                HttpVersion::Http1 => std::future::pending().await,
                // hyper has no time-outs for what an HTTP/2 client does not send or read.
                HttpVersion::Http2 => {
                    let activity = self.slot.activity();
                    activity.stopped(limits.stall, limits.header).await;
                }
            }
        };
        tokio::select! {
            ended = self.watcher.watch(connection) => if let Err(error) = ended {
                debug!(event = "connection_failed", %peer, %error, "connection failed");
            },
            () = stalled => {
                debug!(event = "connection_closed", %peer, "no activity, closing connection");
            }
        }
    }
}

fn http_builder(version: HttpVersion, header_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
        .max_send_buf_size(MAX_STREAM_BYTES);
    match version {
        HttpVersion::Http1 => builder.http1_only(),
        HttpVersion::Http2 => builder.http2_only(),
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
