//! `/probe`: polls one transfer and returns only its metrics.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::metrics::{exposition_response, scrape_request};
use super::pages;
use crate::metrics::exposition::Exposition;
use crate::web::middleware::too_many_requests;
use crate::web::response::{PLAIN, text};
use crate::web::{Exporter, ProbeError};

/// Answers a probe. HEAD polls nothing.
pub(super) async fn probe(State(exporter): State<Arc<dyn Exporter>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let probe = match pages::probe_request(query) {
        Ok(probe) => probe,
        Err(error) => return pages::bad_parameter(&error).into(),
    };
    let (scrape, timeout) = scrape_request(&request);
    if request.method() == Method::HEAD {
        return exposition_response(&scrape, Exposition::Whole(Vec::new()));
    }
    match exporter.probe(probe, scrape.clone(), timeout).await {
        Ok(exposition) => exposition_response(&scrape, exposition),
        Err(ProbeError::UnknownAccount) => pages::bad_account().into(),
        Err(error @ ProbeError::Busy) => too_many_requests(&error.to_string()),
        Err(error @ ProbeError::Render) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            PLAIN,
            format!("{error}\n"),
        ),
    }
}
