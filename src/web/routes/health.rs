//! `/-/healthy` and `/-/ready`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::web::Exporter;
use crate::web::response::{PLAIN, text};

/// Returns 200.
pub(super) async fn healthy() -> Response {
    text(StatusCode::OK, PLAIN, "aws-transfer-exporter is healthy.\n")
}

/// Returns 200 while scrapes can be answered, else 503.
pub(super) async fn ready(State(exporter): State<Arc<dyn Exporter>>) -> Response {
    if exporter.is_ready() {
        text(StatusCode::OK, PLAIN, "aws-transfer-exporter is ready.\n")
    } else {
        text(
            StatusCode::SERVICE_UNAVAILABLE,
            PLAIN,
            "aws-transfer-exporter is stopping.\n",
        )
    }
}
