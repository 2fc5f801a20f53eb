//! The routes: each is declared once, with its path, its handlers, and its name in metrics and
//! logs.

mod api;
mod health;
mod metrics;
pub(crate) mod pages;
mod probe;
mod reload;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::FromRef;
use axum::http::header::{ALLOW, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post, put};
use axum::{Extension, Router};

use super::Exporter;
use super::fair_share::FairShare;
use super::middleware::work_queue::admit;
use super::middleware::{Middleware, PageHeaders, cross_site};
use super::response::{PLAIN, json_error, text, text_error};
use pages::handlers;

/// What handlers answer from.
#[derive(Clone)]
pub(crate) struct RouteState {
    pub(crate) exporter: Arc<dyn Exporter>,
    pub(crate) telemetry_path: Arc<str>,
    /// Scrapes and probes that wait for AWS. They are no work, since polls are shared.
    waiting: Arc<FairShare>,
}

impl RouteState {
    /// Creates the state of a server with at most so many `connections`.
    pub(crate) fn new(
        exporter: Arc<dyn Exporter>,
        telemetry_path: Arc<str>,
        connections: usize,
    ) -> Self {
        // The rest is for requests that do not wait.
        let waiting = FairShare::new((connections / 2).max(1));
        Self {
            exporter,
            telemetry_path,
            waiting,
        }
    }
}

impl FromRef<RouteState> for Arc<dyn Exporter> {
    fn from_ref(state: &RouteState) -> Self {
        Arc::clone(&state.exporter)
    }
}

/// The route of a request, determined once by the router. A request extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteInfo {
    name: &'static str,
    /// The supported methods, as the header `Allow` has them; `None` for unknown paths.
    allow: Option<&'static str>,
    /// Whether it is answered at once, however much is in progress.
    is_health: bool,
}

const GET: &str = "GET, HEAD";

/// The paths of health checks.
const HEALTH: [&str; 2] = ["/-/healthy", "/-/ready"];

impl RouteInfo {
    const NOT_FOUND: Self = Self {
        name: "not_found",
        allow: None,
        is_health: false,
    };

    /// Returns whether it is answered at once, however much is in progress.
    pub(crate) fn is_health(self) -> bool {
        self.is_health
    }

    /// Returns what metrics and logs call the handler of a request with this method.
    pub(crate) fn handler(self, method: &Method) -> &'static str {
        let is_allowed = |allow: &str| allow.split(", ").any(|known| known == method.as_str());
        if self.allow.is_none_or(is_allowed) {
            self.name
        } else {
            "method_not_allowed"
        }
    }
}

/// Returns the routes of the main listeners.
pub(crate) fn router(state: &RouteState, middleware: &Middleware) -> Router {
    let queue = handlers::work_queue();
    let headers = PageHeaders {
        content_security_policy: pages::content_security_policy(),
    };
    let page = |handlers| headers.wrap(admit(handlers, &queue));
    RouterBuilder::new(middleware)
        // First, because it may be the path of another route.
        .add(&state.telemetry_path, "metrics", GET, get(metrics::scrape))
        .add("/", "landing", GET, page(get(handlers::landing)))
        .add(
            "/transfers",
            "transfers",
            GET,
            page(get(handlers::transfers)),
        )
        .add(
            "/api/v1/transfers",
            "transfers_json",
            GET,
            page(get(handlers::transfers_json)),
        )
        .add(
            "/api/v1/targets",
            "targets",
            GET,
            page(get(handlers::targets)),
        )
        .add(
            "/api/v1/openapi.json",
            "openapi",
            GET,
            headers.wrap(get(handlers::openapi)),
        )
        .add("/probe", "probe", GET, headers.wrap(get(probe::probe)))
        .add(api::TRANSFER_PATH, "transfer", "PUT, DELETE", transfer())
        .add(api::TRANSFERS_PREFIX, "transfer", "PUT, DELETE", transfer())
        .add("/-/reload", "reload", "POST", {
            cross_site::protect(post(reload::reload), text_error)
        })
        .add_health()
        .finish(state, "404 page not found\n")
}

/// Returns the routes of the listeners that serve only health checks.
pub(crate) fn health_router(state: &RouteState, middleware: &Middleware) -> Router {
    RouterBuilder::new(middleware).add_health().finish(
        state,
        "404 page not found: this address serves only /-/healthy and /-/ready\n",
    )
}

fn transfer() -> MethodRouter<RouteState> {
    cross_site::protect(put(api::write).delete(api::write), json_error)
}

/// Builds a router whose routes all have the same middleware.
struct RouterBuilder<'a> {
    router: Router<RouteState>,
    paths: HashSet<String>,
    middleware: &'a Middleware,
}

impl<'a> RouterBuilder<'a> {
    fn new(middleware: &'a Middleware) -> Self {
        Self {
            // The telemetry path may have any segment.
            router: Router::new().without_v07_checks(),
            paths: HashSet::new(),
            middleware,
        }
    }

    /// Adds a route; the first of several with the same path wins.
    fn add(
        mut self,
        path: &str,
        name: &'static str,
        allow: &'static str,
        handlers: MethodRouter<RouteState>,
    ) -> Self {
        if self.paths.insert(path.to_owned()) {
            let route = RouteInfo {
                name,
                allow: Some(allow),
                is_health: HEALTH.contains(&path),
            };
            let handlers = handlers.fallback(method_not_allowed);
            let handlers = self.middleware.wrap(route, handlers);
            self.router = self.router.route(path, handlers);
        }
        self
    }

    fn add_health(self) -> Self {
        let [healthy, ready] = HEALTH;
        self.add(healthy, "healthy", GET, get(health::healthy)).add(
            ready,
            "ready",
            GET,
            get(health::ready),
        )
    }

    /// Answers unknown paths with `not_found`.
    fn finish(self, state: &RouteState, not_found: &'static str) -> Router {
        let handler = any(move || async move { text(StatusCode::NOT_FOUND, PLAIN, not_found) });
        let fallback = self.middleware.wrap(RouteInfo::NOT_FOUND, handler);
        self.router
            .with_state(state.clone())
            .fallback_service(fallback.with_state(()))
    }
}

async fn method_not_allowed(Extension(route): Extension<RouteInfo>) -> Response {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        PLAIN,
        "405 method not allowed\n",
    );
    if let Some(allow) = route.allow {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}
