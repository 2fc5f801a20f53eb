//! Pages for people, and their twins for programs. None of them calls AWS, but for `/probe`.

mod html;
mod json;
mod landing;
mod query;
mod shell;
mod spark;
mod transfers;

use std::num::NonZero;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use hyper::{Request, Response, StatusCode};

use super::route::Page;
use crate::tracker::query::RecentFiles;
use crate::web::body::Body;
use crate::web::response::{self, HTML, JSON, PLAIN};
use crate::web::{Exporter, WorkQueue};
use model::{Account, Chunk, ConnectorView, LastSweep};
use query::BadParameter;
pub use query::ProbeRequest;

/// Why a probe is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// No account of this name, or none named where there are several.
    #[error("`account`: names no configured account, or is missing where there are several")]
    UnknownAccount,
    /// So many wait already that this one is not made.
    #[error("429 too many probes of this account wait already")]
    Busy,
    /// The exposition could not be made.
    #[error("the exposition could not be made")]
    Exposition,
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

/// Pages that wait for each that is made.
const WAITING: usize = 16;

/// Pages at once, however many cores there are.
const MOST_AT_ONCE: usize = 8;

/// The queue of pages. Half of the cores are left for scrapes.
pub(crate) fn turns() -> WorkQueue {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let at_once = (cores / 2).clamp(1, MOST_AT_ONCE);
    WorkQueue::new(at_once, at_once * WAITING)
}

/// The description of the routes below `/api/v1`, and of `/probe`.
const OPENAPI: &str = include_str!("openapi.json");

/// Answers a request for a page.
pub(super) async fn answer<B>(
    page: Page,
    request: &Request<B>,
    exporter: Arc<dyn Exporter>,
    telemetry_path: &str,
    turns: &WorkQueue,
) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    match page {
        Page::ProbeRequest => probe(request, &query, exporter).await,
        Page::OpenApi => finish(response::text(StatusCode::OK, JSON, OPENAPI)),
        Page::Landing | Page::Transfers | Page::TransfersJson | Page::Targets => {
            let telemetry_path = telemetry_path.to_owned();
            let Some(place) = turns.try_enter() else {
                return busy("429 too many pages wait already");
            };
            let turn = turns.permit().await;
            // To look through a hundred thousand transfers takes its time.
            let made = tokio::task::spawn_blocking(move || {
                // Held until it is made, even where the client has gone.
                let _held = (place, turn);
                match page {
                    Page::Landing => (
                        StatusCode::OK,
                        HTML,
                        landing::page(exporter.as_ref(), &telemetry_path),
                    ),
                    Page::Transfers => transfers::page(exporter.as_ref(), &query, &telemetry_path),
                    Page::Targets => json::targets(exporter.as_ref(), &query),
                    _ => json::transfers(exporter.as_ref(), &query),
                }
            });
            let (status, kind, text) = made.await.unwrap_or_else(|_| {
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    PLAIN,
                    "the page could not be made\n".to_owned(),
                )
            });
            finish(response::text(status, kind, text))
        }
    }
}

async fn probe<B>(
    request: &Request<B>,
    query: &str,
    exporter: Arc<dyn Exporter>,
) -> Response<Body> {
    let probe = match query::probe(query) {
        Ok(probe) => probe,
        Err(error) => {
            return finish(response::text(
                StatusCode::BAD_REQUEST,
                JSON,
                json::error(&error),
            ));
        }
    };
    let (wanted, timeout) = response::wanted(request);
    let formats = wanted.clone();
    if request.method() == hyper::Method::HEAD {
        return response::exposition(
            &formats,
            crate::metrics::exposition::Body::Whole(Vec::new()),
        );
    }
    match exporter.probe(probe, wanted, timeout).await {
        Ok(exposition) => finish(response::exposition(&formats, exposition)),
        Err(refusal @ ProbeError::UnknownAccount) => {
            let error = BadParameter {
                parameter: "account".into(),
                message: refusal.to_string(),
            };
            finish(response::text(
                StatusCode::BAD_REQUEST,
                JSON,
                json::error(&error),
            ))
        }
        Err(refusal @ ProbeError::Busy) => busy(&refusal.to_string()),
        Err(refusal @ ProbeError::Exposition) => finish(response::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            PLAIN,
            format!("{refusal}\n"),
        )),
    }
}

/// As the rate limit answers.
fn busy(text: &str) -> Response<Body> {
    let mut response = finish(response::text(
        StatusCode::TOO_MANY_REQUESTS,
        PLAIN,
        format!("{text}\n"),
    ));
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// What holds for all of these: nothing is kept, and a page loads nothing and runs nothing.
fn finish(mut response: Response<Body>) -> Response<Body> {
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("referrer-policy"),
        HeaderValue::from_static("no-referrer"),
    );
    if let Ok(policy) = HeaderValue::from_str(shell::policy()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}
