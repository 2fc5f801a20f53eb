//! What every request passes before its handler and every response after it, one layer a file.

pub(crate) mod access_log;
pub(crate) mod auth;
pub(crate) mod cross_site;
pub(crate) mod host;
pub(crate) mod rate_limit;
mod response_headers;
pub(crate) mod work_queue;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use tower::ServiceBuilder;

use super::response::{PLAIN, text};
use super::routes::RouteInfo;
use super::server::service::RequestContext;
use crate::metrics::self_metrics::{HttpMetrics, RejectReason};
use auth::PasswordVerifier;
use host::HostNames;
pub(crate) use response_headers::PageHeaders;

/// The layers of every route.
#[derive(Clone)]
pub(crate) struct Middleware {
    /// Instruments of the server; `None` records nothing.
    metrics: Option<Arc<HttpMetrics>>,
    /// Verifies passwords.
    verifier: Arc<PasswordVerifier>,
    /// The hosts that requests may name.
    hosts: HostNames,
}

impl Middleware {
    pub(crate) fn new(metrics: Option<Arc<HttpMetrics>>, hosts: HostNames) -> Self {
        Self {
            metrics,
            verifier: PasswordVerifier::new(),
            hosts,
        }
    }

    /// Wraps the handlers of one route. A request passes the layers from the first to the last.
    pub(crate) fn wrap<S>(&self, route: RouteInfo, handlers: MethodRouter<S>) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        handlers.layer(
            ServiceBuilder::new()
                .layer(Extension(route))
                .layer(from_fn_with_state(self.clone(), access_log::record))
                .layer(from_fn(response_headers::set_configured))
                .layer(from_fn_with_state(self.clone(), host::check))
                .layer(from_fn_with_state(self.clone(), rate_limit::limit))
                .layer(from_fn_with_state(self.clone(), auth::authenticate))
                .layer(from_fn_with_state(self.clone(), hold_connection)),
        )
    }

    /// Counts a rejected request.
    fn count_rejected(&self, reason: RejectReason) {
        if let Some(metrics) = &self.metrics {
            metrics.count_rejected(reason);
        }
    }
}

/// Protects the connection from eviction while the handler runs. The innermost layer: a request
/// that waits for its password to be verified must not hold a connection that others need. Rejects
/// the request if too many of its client are in progress, but never a health check.
async fn hold_connection(
    State(middleware): State<Middleware>,
    Extension(context): Extension<RequestContext>,
    Extension(route): Extension<RouteInfo>,
    request: Request,
    next: Next,
) -> Response {
    let place = context.slot.reserve_response();
    if place.is_none() && !route.is_health() {
        middleware.count_rejected(RejectReason::Busy);
        return too_many_requests("too many requests of this client are in progress");
    }
    let _responding = context.slot.begin_response(place);
    next.run(request).await
}

/// Returns a 429 that asks the client to retry in a second.
pub(crate) fn too_many_requests(message: &str) -> Response {
    let mut response = text(
        StatusCode::TOO_MANY_REQUESTS,
        PLAIN,
        format!("429 {message}\n"),
    );
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
