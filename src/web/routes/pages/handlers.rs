//! The handlers of pages. Rendering blocks for about 100 ms with 100,000 transfers, so it runs on
//! blocking threads.

use std::num::NonZero;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;

use super::query::{self, BadParameter, MAX_LIMIT, TRANSFERS};
use super::{PageResponse, bad_parameter, json, landing, targets, transfers};
use crate::web::Exporter;
use crate::web::middleware::work_queue::{Admission, WorkQueue};
use crate::web::response::{HTML, JSON, PLAIN, text};
use crate::web::routes::{RouteState, api};

/// Pages that wait for each that is rendered.
const WAITING: usize = 16;
/// Pages rendered at once, whatever the number of cores.
const MAX_CONCURRENCY: usize = 8;
/// Default number of transfers of a JSON response.
const JSON_LIMIT: usize = 100;

/// Returns the queue of pages. Half of the cores are left for scrapes.
pub(crate) fn work_queue() -> WorkQueue {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let concurrency = (cores / 2).clamp(1, MAX_CONCURRENCY);
    WorkQueue::new(concurrency, concurrency * WAITING)
}

pub(crate) async fn landing(
    State(state): State<RouteState>,
    Extension(admission): Extension<Admission>,
) -> Response {
    render(admission, move || {
        let page = landing::page(state.exporter.as_ref(), state.paths.telemetry());
        html(StatusCode::OK, page)
    })
    .await
}

pub(crate) async fn transfers(
    State(state): State<RouteState>,
    Extension(admission): Extension<Admission>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    render(admission, move || {
        let (exporter, telemetry_path) = (state.exporter.as_ref(), state.paths.telemetry());
        match query::transfers(&query, &TRANSFERS, transfers::ROWS, MAX_LIMIT) {
            Ok(query) => html(
                StatusCode::OK,
                transfers::page(exporter, &query, telemetry_path),
            ),
            Err(error) => html(
                StatusCode::BAD_REQUEST,
                transfers::bad_request(&error, telemetry_path),
            ),
        }
    })
    .await
}

pub(crate) async fn transfers_json(
    State(state): State<RouteState>,
    Extension(admission): Extension<Admission>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let query = query::transfers(&query, &TRANSFERS, JSON_LIMIT, MAX_LIMIT);
    render_json(state, admission, query, |exporter, query| {
        json::transfers(exporter, &query)
    })
    .await
}

pub(crate) async fn failures_json(
    State(state): State<RouteState>,
    Extension(admission): Extension<Admission>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query::failures(&query.unwrap_or_default(), JSON_LIMIT);
    render_json(state, admission, query, |exporter, query| {
        json::failures(exporter, &query)
    })
    .await
}

pub(crate) async fn flows_json(
    State(state): State<RouteState>,
    Extension(admission): Extension<Admission>,
) -> Response {
    render_json(state, admission, Ok(()), |exporter, ()| {
        json::flows(exporter)
    })
    .await
}

/// Acknowledges failed files. A change is durable once it is answered with 200.
pub(crate) async fn acknowledge(
    State(state): State<RouteState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let filter = match query::acknowledge(&query.unwrap_or_default()) {
        Ok(filter) => filter,
        Err(error) => return bad_parameter(&error).into_response(),
    };
    match state.exporter.acknowledge(filter).await {
        // A browser returns to the page. The address is relative to the path of this route.
        Ok(_) if is_browser(&headers) => Redirect::to("../../../transfers#failed").into_response(),
        Ok(acknowledged) => {
            let body = json::AcknowledgedJson { acknowledged };
            json_response(&body).into_response()
        }
        Err(error) => api::refused(&error),
    }
}

fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

pub(crate) async fn targets(
    State(state): State<RouteState>,
    Extension(admission): Extension<Admission>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query::targets(&query.unwrap_or_default());
    let paths = Arc::clone(&state.paths);
    render_json(state, admission, query, move |exporter, query| {
        targets::targets(exporter, query, paths.prefix())
    })
    .await
}

pub(crate) async fn openapi(State(state): State<RouteState>) -> Response {
    text(StatusCode::OK, JSON, state.description.to_string())
}

/// Returns a rendered page. A template fails only if writing to memory does.
fn html(status: StatusCode, page: askama::Result<String>) -> PageResponse {
    match page {
        Ok(body) => PageResponse {
            status,
            content_type: HTML,
            body,
        },
        Err(_) => failure(),
    }
}

/// Responds with what `select` returns for the query.
async fn render_json<T: Serialize, Q: Send + 'static>(
    state: RouteState,
    admission: Admission,
    query: Result<Q, BadParameter>,
    select: impl FnOnce(&dyn Exporter, Q) -> T + Send + 'static,
) -> Response {
    render(admission, move || match query {
        Ok(query) => json_response(&select(state.exporter.as_ref(), query)),
        Err(error) => bad_parameter(&error),
    })
    .await
}

fn json_response(value: &impl Serialize) -> PageResponse {
    match serde_json::to_string(value) {
        Ok(body) => PageResponse {
            status: StatusCode::OK,
            content_type: JSON,
            body: body + "\n",
        },
        Err(_) => failure(),
    }
}

fn failure() -> PageResponse {
    PageResponse {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        content_type: PLAIN,
        body: "failed to render the page\n".to_owned(),
    }
}

async fn render(
    admission: Admission,
    page: impl FnOnce() -> PageResponse + Send + 'static,
) -> Response {
    let rendered = tokio::task::spawn_blocking(move || {
        // Held until the end, even if the client disconnects.
        let _admission = admission;
        page()
    });
    rendered.await.unwrap_or_else(|_| failure()).into()
}
