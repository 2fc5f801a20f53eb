//! Asks an exporter's own `/-/healthy`, for images without a shell.

use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An exporter that does not answer by then is not healthy.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why it is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// No connection.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, std::io::Error),
    /// No proper answer.
    #[error("{0} does not answer HTTP: {1}")]
    Http(String, hyper::Error),
    /// An answer other than 200.
    #[error("{0} answers {1}")]
    Status(String, StatusCode),
    /// No answer in time.
    #[error("{0} does not answer within 3 s")]
    Timeout(String),
}

/// Asks the exporter that listens on `address`; an unspecified host means this machine.
///
/// # Errors
/// [`HealthcheckError`].
pub async fn check(address: &str) -> Result<(), HealthcheckError> {
    let target = reachable(address);
    tokio::time::timeout(TIMEOUT, get(&target))
        .await
        .unwrap_or(Err(HealthcheckError::Timeout(target)))
}

async fn get(target: &str) -> Result<(), HealthcheckError> {
    let http = |error| HealthcheckError::Http(target.to_owned(), error);
    let stream = TcpStream::connect(target)
        .await
        .map_err(|error| HealthcheckError::Connect(target.to_owned(), error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = hyper::Uri::from_static("/-/healthy");
    request
        .headers_mut()
        .insert(HOST, hyper::header::HeaderValue::from_static("localhost"));
    match sender.send_request(request).await.map_err(http)?.status() {
        StatusCode::OK => Ok(()),
        status => Err(HealthcheckError::Status(target.to_owned(), status)),
    }
}

/// Where to connect for a listen address: one without a host, or with `0.0.0.0` or `[::]`, is reached on the loopback.
fn reachable(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("" | "0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_host_is_reached_on_the_loopback() {
        assert_eq!(reachable(":10922"), "localhost:10922");
        assert_eq!(reachable("0.0.0.0:1"), "localhost:1");
        assert_eq!(reachable("[::]:1"), "localhost:1");
        assert_eq!(reachable("[::1]:1"), "[::1]:1");
        assert_eq!(reachable("10.0.0.1:1"), "10.0.0.1:1");
    }
}
