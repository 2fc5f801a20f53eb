//! HTML pages and the JSON API. None of them calls AWS.

pub(crate) mod handlers;
pub(crate) mod html;
mod json;
mod landing;
mod layout;
mod openapi;
mod query;
mod spark;
mod targets;
mod transfers;

use std::time::SystemTime;

use axum::body::Body;
use axum::http::header::HeaderValue;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;

use crate::tracker::query::RecentFiles;
use crate::web::response::{JSON, text};
use model::{Account, Chunk, ConnectorView, LastSweep};
pub(crate) use openapi::description;
use query::BadParameter;
pub(crate) use query::probe as probe_request;
pub use query::{ProbeModule, ProbeRequest};

/// A rendered page.
pub(crate) struct PageResponse {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl From<PageResponse> for Response<Body> {
    fn from(page: PageResponse) -> Self {
        text(page.status, page.content_type, page.body)
    }
}

impl IntoResponse for PageResponse {
    fn into_response(self) -> Response<Body> {
        self.into()
    }
}

/// Returns the value of `Content-Security-Policy` of all pages.
pub(crate) fn content_security_policy() -> HeaderValue {
    HeaderValue::from_static(layout::policy())
}

/// Returns the response to a request with an invalid parameter.
pub(crate) fn bad_parameter(error: &BadParameter) -> PageResponse {
    PageResponse {
        status: StatusCode::BAD_REQUEST,
        content_type: JSON,
        body: json::error(error),
    }
}

/// Returns the response to a probe of an account that is not configured.
pub(crate) fn bad_account() -> PageResponse {
    bad_parameter(&BadParameter {
        parameter: "account".into(),
        message: "is not configured, or is missing although several accounts are".into(),
    })
}

/// The state of the exporter, for pages.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The time of the snapshot.
    pub now: SystemTime,
    /// Start of the process.
    pub started: SystemTime,
    /// The connectors, by account and id.
    pub connectors: Vec<Chunk<ConnectorView>>,
    /// The last hour of each connector, in the same order.
    pub recent: Vec<RecentFiles>,
    /// The accounts with their current request rate per second.
    pub accounts: Vec<(Account, f64)>,
    /// Health of sweeps, sources and storage.
    pub health: Health,
    /// Whether the write API is enabled.
    pub write_api: bool,
}

/// Health of sweeps, sources and storage.
#[derive(Clone, Debug)]
pub struct Health {
    /// The last sweep; `None` before the first.
    pub last_sweep: Option<LastSweep>,
    /// The sources that were polled.
    pub sources: Vec<SourceHealth>,
    /// False if the last write to the storage failed.
    pub storage_up: bool,
    /// Whether another process owns the state.
    pub is_standby: bool,
}

/// Health of one discovery source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceHealth {
    /// Kind of the source: `files`, `events`, `cloudtrail` or `connectors`.
    pub source: String,
    /// Distinguishes sources of one kind.
    pub target: String,
    /// Whether the last poll succeeded.
    pub up: bool,
}

impl Overview {
    /// Returns the connectors with their last hour.
    pub(super) fn connectors(&self) -> impl Iterator<Item = (&ConnectorView, &RecentFiles)> {
        self.connectors
            .iter()
            .flat_map(|chunk| chunk.iter())
            .zip(&self.recent)
    }
}
