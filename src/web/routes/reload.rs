//! `POST /-/reload`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::web::response::{PLAIN, text, text_error};
use crate::web::{Exporter, ReloadError};

/// Reloads the configuration, and answers once the new one is active or with the reasons why it is
/// not.
pub(super) async fn reload(State(exporter): State<Arc<dyn Exporter>>) -> Response {
    match exporter.reload().await {
        Ok(()) => text(StatusCode::OK, PLAIN, "configuration reloaded\n"),
        Err(error) => {
            let status = match error {
                ReloadError::Disabled => StatusCode::FORBIDDEN,
                ReloadError::NoFile | ReloadError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            text_error(status, &error.to_string())
        }
    }
}
