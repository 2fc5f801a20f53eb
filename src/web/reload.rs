//! `POST /-/reload`: answered when the new configuration is in force, or with the reasons why it is not.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderMap;

use super::{Exporter, NotReloaded, write};

pub(super) async fn answer(
    headers: &HeaderMap,
    exporter: Arc<dyn Exporter>,
) -> (StatusCode, String) {
    if write::is_cross_site(headers) {
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
        Err(error @ NotReloaded::Disabled) => (StatusCode::FORBIDDEN, format!("{error}\n")),
        Err(error @ (NotReloaded::NoFile | NotReloaded::Refused(_))) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
        }
    }
}
