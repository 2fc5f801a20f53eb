//! `/-/healthy` and `/-/ready`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::web::response::{PLAIN, text};
use crate::web::{Exporter, Readiness};

/// Returns 200.
pub(super) async fn healthy() -> Response {
    text(StatusCode::OK, PLAIN, "aws-transfer-exporter is healthy.\n")
}

/// Returns 200 while scrapes can be answered, else 503.
pub(super) async fn ready(State(exporter): State<Arc<dyn Exporter>>) -> Response {
    let (status, body) = match exporter.readiness() {
        Readiness::Ready => (StatusCode::OK, "aws-transfer-exporter is ready.\n"),
        Readiness::Standby => (
            StatusCode::SERVICE_UNAVAILABLE,
            "aws-transfer-exporter is a standby.\n",
        ),
        Readiness::Stopping => (
            StatusCode::SERVICE_UNAVAILABLE,
            "aws-transfer-exporter is stopping.\n",
        ),
    };
    text(status, PLAIN, body)
}
