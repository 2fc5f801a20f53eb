//! `/probe`: polls one transfer, or tests a connection, and returns only the metrics of it.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::metrics::{exposition_response, scrape_request};
use super::{RouteState, pages};
use crate::metrics::exposition::Exposition;
use crate::web::ProbeError;
use crate::web::middleware::too_many_requests;
use crate::web::response::{PLAIN, text};
use crate::web::server::service::RequestContext;

/// Answers a probe. HEAD polls nothing.
pub(super) async fn probe(
    State(state): State<RouteState>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let probe = match pages::probe_request(query) {
        Ok(probe) => probe,
        Err(error) => return pages::bad_parameter(&error).into(),
    };
    let (scrape, timeout) = scrape_request(&request, state.offer);
    if request.method() == Method::HEAD {
        return exposition_response(&scrape, Exposition::Whole(Vec::new()));
    }
    let Some(_place) = state.waiting.try_enter(context.slot.client()) else {
        return too_many_requests("too many requests of this client wait for AWS");
    };
    match state.exporter.probe(probe, scrape.clone(), timeout).await {
        Ok(exposition) => exposition_response(&scrape, exposition),
        Err(ProbeError::UnknownAccount) => pages::bad_account().into(),
        Err(error @ ProbeError::Busy) => too_many_requests(&error.to_string()),
        Err(error @ (ProbeError::Disabled | ProbeError::UnknownConnector)) => {
            text(StatusCode::NOT_FOUND, PLAIN, format!("{error}\n"))
        }
        Err(error @ ProbeError::Render) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            PLAIN,
            format!("{error}\n"),
        ),
    }
}
