//! One connection without a socket, for tests that feed it bytes.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Exporter;
use super::routes::{self, pages};

/// As the server has them.
const MAX_HEADER_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// Serves `stream` until it ends, as a connection that was accepted is served, but without its time-outs.
pub async fn serve_connection<S>(stream: S, exporter: Arc<dyn Exporter>, telemetry_path: &str)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let turns = pages::turns();
    let service = service_fn(|request| {
        let (exporter, turns) = (Arc::clone(&exporter), turns.clone());
        async move {
            Ok::<_, Infallible>(routes::answer(request, exporter, telemetry_path, &turns).await)
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    // What is wrong with the bytes is told to whoever sent them.
    let _ = connection.await;
}
