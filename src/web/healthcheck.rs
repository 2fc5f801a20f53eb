//! The health check of the command line: requests `/-/healthy` of a running exporter, for images
//! without a shell.

use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The time for the response.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why an exporter is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// The connection failed.
    #[error("failed to connect to {0}: {1}")]
    Connect(String, std::io::Error),
    /// The response is not HTTP.
    #[error("failed to get a response from {0}: {1}")]
    Http(String, hyper::Error),
    /// The prefix is not the start of a path.
    #[error("failed to request `{0}/-/healthy`: {1}")]
    Path(String, hyper::http::Error),
    /// The status is not 200.
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
    /// No response arrived in time.
    #[error("{0} did not answer within 3 s")]
    Timeout(String),
}

/// Checks the exporter that listens on `address` and has its routes below `prefix`. An unspecified
/// host means this machine.
///
/// # Errors
/// [`HealthcheckError`].
pub async fn check(address: &str, prefix: &str) -> Result<(), HealthcheckError> {
    let target = connect_address(address);
    tokio::time::timeout(TIMEOUT, get(&target, prefix))
        .await
        .unwrap_or(Err(HealthcheckError::Timeout(target)))
}

async fn get(target: &str, prefix: &str) -> Result<(), HealthcheckError> {
    let http = |error| HealthcheckError::Http(target.to_owned(), error);
    let stream = TcpStream::connect(target)
        .await
        .map_err(|error| HealthcheckError::Connect(target.to_owned(), error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    tokio::spawn(connection);
    let request = Request::get(format!("{prefix}/-/healthy"))
        .header(HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| HealthcheckError::Path(prefix.to_owned(), error))?;
    match sender.send_request(request).await.map_err(http)?.status() {
        StatusCode::OK => Ok(()),
        status => Err(HealthcheckError::Status(target.to_owned(), status)),
    }
}

/// Returns where to connect for a listen address: one without a host, or with `0.0.0.0` or `[::]`,
/// is reached on the loopback.
fn connect_address(address: &str) -> String {
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
        assert_eq!(connect_address(":10922"), "localhost:10922");
        assert_eq!(connect_address("0.0.0.0:1"), "localhost:1");
        assert_eq!(connect_address("[::]:1"), "localhost:1");
        assert_eq!(connect_address("[::1]:1"), "[::1]:1");
        assert_eq!(connect_address("10.0.0.1:1"), "10.0.0.1:1");
    }
}
