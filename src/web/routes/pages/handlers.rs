//! The handlers of pages. Rendering blocks for about 100 ms with 100,000 transfers, so it runs on blocking threads.

use std::num::NonZero;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{PageResponse, json, landing, transfers};
use crate::web::middleware::work_queue::{Admission, WorkQueue};
use crate::web::response::{HTML, JSON, PLAIN, text};
use crate::web::routes::RouteState;

/// Pages that wait for each that is rendered.
const WAITING: usize = 16;
/// Pages rendered at once, whatever the number of cores.
const MAX_CONCURRENCY: usize = 8;

/// The OpenAPI description of the routes below `/api/v1`, and of `/probe`.
const OPENAPI: &str = include_str!("openapi.json");

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
    render(admission, move || PageResponse {
        status: StatusCode::OK,
        content_type: HTML,
        body: landing::page(state.exporter.as_ref(), &state.telemetry_path),
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
        transfers::page(state.exporter.as_ref(), &query, &state.telemetry_path)
    })
    .await
}

pub(crate) async fn transfers_json(
    State(state): State<RouteState>,
    Extension(admission): Extension<Admission>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    render(admission, move || {
        json::transfers(state.exporter.as_ref(), &query)
    })
    .await
}

pub(crate) async fn targets(
    State(state): State<RouteState>,
    Extension(admission): Extension<Admission>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    render(admission, move || {
        json::targets(state.exporter.as_ref(), &query)
    })
    .await
}

pub(crate) async fn openapi() -> Response {
    text(StatusCode::OK, JSON, OPENAPI)
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
    match rendered.await {
        Ok(page) => page.into(),
        Err(_) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            PLAIN,
            "failed to render the page\n",
        ),
    }
}
