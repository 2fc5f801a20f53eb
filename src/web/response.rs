//! Forms of responses.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use serde_json::json;

pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// Returns a response with a body of one buffer.
pub(crate) fn text(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response {
    respond(status, HeaderValue::from_static(content_type), body.into())
}

/// Returns an error as a line of text.
pub(crate) fn text_error(status: StatusCode, message: &str) -> Response {
    text(status, PLAIN, format!("{message}\n"))
}

/// Returns an error as JSON.
pub(crate) fn json_error(status: StatusCode, message: &str) -> Response {
    text(status, JSON, format!("{}\n", json!({ "error": message })))
}

pub(crate) fn respond(status: StatusCode, content_type: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
