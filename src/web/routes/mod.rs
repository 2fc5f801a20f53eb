//! Requests to responses.

use std::sync::Arc;

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

pub(crate) mod api;
pub(crate) mod pages;
mod reload;
pub(crate) mod route;

use super::body::Body;
use super::response::{JSON, PLAIN, exposition, text, wanted};
use super::{Exporter, WorkQueue};
use route::{Route, TRANSFERS, route};

/// Answers one request.
pub(crate) async fn answer<B>(
    request: Request<B>,
    exporter: Arc<dyn Exporter>,
    telemetry_path: &str,
    turns: &WorkQueue,
) -> Response<Body> {
    let path = request.uri().path();
    match route(request.method().as_str(), path, telemetry_path) {
        Route::Metrics => scrape(&request, exporter).await,
        Route::Page(page) => pages::answer(page, &request, exporter, telemetry_path, turns).await,
        Route::Healthy => text(StatusCode::OK, PLAIN, "aws-transfer-exporter is healthy.\n"),
        Route::Ready if exporter.is_ready() => {
            text(StatusCode::OK, PLAIN, "aws-transfer-exporter is ready.\n")
        }
        Route::Ready => text(
            StatusCode::SERVICE_UNAVAILABLE,
            PLAIN,
            "aws-transfer-exporter is stopping.\n",
        ),
        Route::Write => {
            let path = path.strip_prefix(TRANSFERS).unwrap_or_default();
            let query = request.uri().query().unwrap_or_default();
            let (status, body) =
                api::answer(request.method(), path, query, request.headers(), exporter).await;
            text(status, JSON, body)
        }
        Route::Reload => {
            let (status, body) = reload::answer(request.headers(), exporter).await;
            text(status, PLAIN, body)
        }
        Route::NotFound => text(StatusCode::NOT_FOUND, PLAIN, "404 page not found\n"),
        Route::MethodNotAllowed(allow) => {
            let mut response = text(
                StatusCode::METHOD_NOT_ALLOWED,
                PLAIN,
                "405 method not allowed\n",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(allow));
            response
        }
    }
}

async fn scrape<B>(request: &Request<B>, exporter: Arc<dyn Exporter>) -> Response<Body> {
    let (wanted, timeout) = wanted(request);
    let sweep = request.method() != Method::HEAD && wanted.filter.admits_state();
    let formats = wanted.clone();
    let Some(body) = exporter.scrape(wanted, timeout, sweep).await else {
        return text(
            StatusCode::INTERNAL_SERVER_ERROR,
            PLAIN,
            "the exposition could not be made\n",
        );
    };
    exposition(&formats, body)
}
