//! Requests to responses.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use super::route::{Route, route};
use super::{Exporter, page};
use crate::metrics::negotiate::{self, Encoding};
use crate::metrics::{self, NameFilter};

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
/// Set by Prometheus: the scrape's time-out in seconds
/// (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config>).
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Answers one request.
pub(super) async fn answer<B>(
    request: Request<B>,
    exporter: Arc<dyn Exporter>,
    telemetry_path: &str,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    match route(request.method().as_str(), path, telemetry_path) {
        Route::Metrics => scrape(&request, exporter).await,
        Route::Landing => {
            let page = page::landing(telemetry_path, &exporter.state_line());
            let mut response = text(StatusCode::OK, HTML, page);
            let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            response
        }
        Route::Healthy => text(StatusCode::OK, PLAIN, "aws-transfer-exporter is healthy.\n"),
        Route::Ready if exporter.is_ready() => text(StatusCode::OK, PLAIN, "aws-transfer-exporter is ready.\n"),
        Route::Ready => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "aws-transfer-exporter is stopping.\n"),
        Route::NotFound => text(StatusCode::NOT_FOUND, PLAIN, "404 page not found\n"),
        Route::MethodNotAllowed(allow) => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "405 method not allowed\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            response
        }
    }
}

async fn scrape<B>(request: &Request<B>, exporter: Arc<dyn Exporter>) -> Response<Full<Bytes>> {
    let filter = NameFilter::from_query(request.uri().query().unwrap_or_default());
    let sweep = request.method() != Method::HEAD && filter.admits_state();
    let timeout = header(request.headers(), &SCRAPE_TIMEOUT);
    let encoding = negotiate::encoding(header(request.headers(), &ACCEPT_ENCODING).as_deref());
    let body = exporter.scrape(filter, timeout, sweep).await;
    let body = match encoding {
        Encoding::Identity => body,
        Encoding::Gzip => match tokio::task::spawn_blocking(move || gzip(&body)).await {
            Ok(body) => body,
            Err(_) => {
                return text(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "the exposition could not be compressed\n");
            }
        },
    };
    let mut response = text(StatusCode::OK, metrics::CONTENT_TYPE, body);
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if encoding == Encoding::Gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// All values of a header as one list; `None` where it is absent. Bytes that are no text count as absent.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    // The fastest level: an exposition is repetitive enough for it, and the scrape waits.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
