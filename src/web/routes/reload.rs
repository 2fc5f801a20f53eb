//! `POST /-/reload`: answered when the new configuration is in force, or with the reasons why it is not.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderMap;

use super::api;
use crate::web::{Exporter, ReloadError};

pub(crate) async fn answer(
    headers: &HeaderMap,
    exporter: Arc<dyn Exporter>,
) -> (StatusCode, String) {
    if api::is_cross_site(headers) {
        return (
            StatusCode::FORBIDDEN,
            "a page of another site asks for this\n".to_owned(),
        );
    }
    match exporter.reload().await {
        Ok(()) => (
            StatusCode::OK,
            "The configuration was reloaded.\n".to_owned(),
        ),
        Err(error @ ReloadError::Disabled) => (StatusCode::FORBIDDEN, format!("{error}\n")),
        Err(error @ (ReloadError::NoFile | ReloadError::Failed(_))) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
        }
    }
}
