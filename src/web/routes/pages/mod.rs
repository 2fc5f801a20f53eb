//! Pages for people, and their twins for programs. None of them calls AWS.

pub(crate) mod handlers;
mod html;
mod json;
mod landing;
mod query;
mod shell;
mod spark;
mod transfers;

use std::time::SystemTime;

use axum::body::Body;
use axum::http::header::HeaderValue;
use axum::http::{Response, StatusCode};

use crate::tracker::query::RecentFiles;
use crate::web::response::{JSON, text};
use model::{Account, Chunk, ConnectorView, LastSweep};
use query::BadParameter;
pub use query::ProbeRequest;
pub(crate) use query::probe as probe_request;

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

/// Returns the value of `Content-Security-Policy` of all pages.
pub(crate) fn content_security_policy() -> HeaderValue {
    HeaderValue::from_static(shell::policy())
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

/// The whole at a glance.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The moment.
    pub now: SystemTime,
    /// When the process started.
    pub started: SystemTime,
    /// The connectors, by account and id.
    pub connectors: Vec<Chunk<ConnectorView>>,
    /// The last hour of each, in the same order.
    pub recent: Vec<RecentFiles>,
    /// The accounts, each with the requests a second that are allowed now.
    pub accounts: Vec<(Account, f64)>,
    /// `None` before the first.
    pub last_sweep: Option<LastSweep>,
    /// The sources of transfers that have been looked at: source, target, and whether the newest look succeeded.
    pub sources: Vec<(String, String, bool)>,
    /// False where there is a storage whose newest write failed.
    pub storage_up: bool,
}

impl Overview {
    /// Every connector with its last hour.
    pub(super) fn connectors(&self) -> impl Iterator<Item = (&ConnectorView, &RecentFiles)> {
        self.connectors
            .iter()
            .flat_map(|page| page.iter())
            .zip(&self.recent)
    }
}
