//! What handlers share: what is asked for, and the forms of answers.

use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};

use super::body::Body;
use crate::metrics::exposition::Body as Exposition;
use crate::metrics::{NameFilter, ScrapeRequest, negotiate};

pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
pub(crate) const HTML: &str = "text/html; charset=utf-8";
/// Set by Prometheus: the scrape's time-out in seconds
/// (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config>).
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// What a scrape or a probe wants, and the value of its time-out header.
pub(crate) fn wanted<B>(request: &Request<B>) -> (ScrapeRequest, Option<String>) {
    let headers = request.headers();
    let wanted = ScrapeRequest {
        filter: NameFilter::from_query(request.uri().query().unwrap_or_default()),
        format: negotiate::format(header(headers, &ACCEPT).as_deref()),
        encoding: negotiate::encoding(header(headers, &ACCEPT_ENCODING).as_deref()),
    };
    (wanted, header(headers, &SCRAPE_TIMEOUT))
}

/// An exposition as it was wanted.
pub(crate) fn exposition(wanted: &ScrapeRequest, exposition: Exposition) -> Response<Body> {
    let (format, encoding) = (wanted.format, wanted.encoding);
    let content_type = HeaderValue::try_from(format.to_string());
    let content_type = content_type.unwrap_or(HeaderValue::from_static(PLAIN));
    let mut response = respond(StatusCode::OK, content_type, exposition);
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(encoding) = encoding.as_header() {
        response
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// All values of a header as one list; `None` where it is absent. Bytes that are no text count as absent.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

pub(crate) fn text(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    respond(status, HeaderValue::from_static(content_type), body.into())
}

fn respond(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
