//! The metrics, at `--web.telemetry-path`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, VARY,
};
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::RouteState;
use crate::metrics::exposition::Exposition;
use crate::metrics::negotiate::Offer;
use crate::metrics::{NameFilter, ScrapeRequest, negotiate};
use crate::web::body::exposition_body;
use crate::web::response::{PLAIN, respond, text};
use crate::web::server::service::RequestContext;
use crate::web::{Readiness, ScrapeMode};

/// Set by Prometheus: the timeout of the scrape in seconds
/// (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config>).
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Answers a scrape. HEAD, and a scrape of the exporter's own families alone, poll nothing. A client
/// with too many waiting scrapes gets what is known.
pub(super) async fn scrape(
    State(state): State<RouteState>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    let (scrape, timeout) = scrape_request(&request, state.offer);
    let polls = request.method() != Method::HEAD && scrape.filter.admits_sweep();
    let place = polls
        .then(|| state.waiting.try_enter(context.slot.client()))
        .flatten();
    let mode = match &place {
        _ if !polls => ScrapeMode::Current,
        Some(_) => ScrapeMode::Polled,
        None => ScrapeMode::Known,
    };
    let exporter = Arc::clone(&state.exporter);
    match exporter.scrape(scrape.clone(), timeout, mode).await {
        Some(exposition) => {
            let mut response = exposition_response(&scrape, exposition);
            if state.exporter.readiness() == Readiness::Standby {
                // A client that came through a Service or load balancer is led to the owner.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            response
        }
        None => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            PLAIN,
            "failed to render the metrics\n",
        ),
    }
}

/// Returns what the client of a scrape or a probe asks for, and the value of its timeout header.
pub(super) fn scrape_request(request: &Request, offer: Offer) -> (ScrapeRequest, Option<String>) {
    let headers = request.headers();
    let scrape = ScrapeRequest {
        filter: NameFilter::from_query(request.uri().query().unwrap_or_default()),
        format: negotiate::format(header(headers, &ACCEPT).as_deref(), offer),
        encoding: negotiate::encoding(header(headers, &ACCEPT_ENCODING).as_deref()),
    };
    (scrape, header(headers, &SCRAPE_TIMEOUT))
}

/// Returns the response to a scrape or a probe.
pub(super) fn exposition_response(scrape: &ScrapeRequest, exposition: Exposition) -> Response {
    let content_type = HeaderValue::try_from(scrape.format.to_string());
    let content_type = content_type.unwrap_or(HeaderValue::from_static(PLAIN));
    let mut response = respond(StatusCode::OK, content_type, exposition_body(exposition));
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(encoding) = scrape.encoding.as_header() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// Returns all values of a header as one list. Values that are not text count as absent.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}
