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
use axum::http::header::{ALLOW, HeaderValue, LOCATION};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post, put};
use axum::{Extension, Router};

use super::Exporter;
use super::fair_share::FairShare;
use super::middleware::work_queue::admit;
use super::middleware::{Middleware, PageHeaders, cross_site};
use super::paths::{ExternalUrl, WebPaths};
use super::response::{PLAIN, json_error, text, text_error};
use crate::metrics::negotiate::Offer;
use pages::handlers;

/// What handlers answer from.
#[derive(Clone)]
pub(crate) struct RouteState {
    pub(crate) exporter: Arc<dyn Exporter>,
    pub(crate) paths: Arc<WebPaths>,
    /// The formats of metrics.
    pub(super) offer: Offer,
    /// The `OpenAPI` description.
    pub(crate) description: Arc<str>,
    /// Scrapes and probes that wait for AWS. They are no work, since polls are shared.
    waiting: Arc<FairShare>,
}

impl RouteState {
    /// Creates the state of a server with at most so many `connections`.
    pub(crate) fn new(
        exporter: Arc<dyn Exporter>,
        paths: WebPaths,
        offer: Offer,
        connections: usize,
    ) -> Self {
        // The rest is for requests that do not wait.
        let waiting = FairShare::new((connections / 2).max(1));
        Self {
            exporter,
            description: pages::description(&paths).into(),
            paths: Arc::new(paths),
            offer,
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
    let external = state.paths.external().and_then(ExternalUrl::origin);
    let protect = |handlers, format| cross_site::protect(handlers, format, external);
    RouterBuilder::new(middleware, &state.paths)
        // First, because it may be the path of another route.
        .add(
            state.paths.telemetry(),
            "metrics",
            GET,
            get(metrics::scrape),
        )
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
            "/api/v1/failures",
            "failures_json",
            GET,
            page(get(handlers::failures_json)),
        )
        .add(
            "/api/v1/flows",
            "flows_json",
            GET,
            page(get(handlers::flows_json)),
        )
        .add(
            "/api/v1/failures/acknowledge",
            "acknowledge",
            "POST",
            protect(post(handlers::acknowledge), json_error),
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
        .add(api::TRANSFER_PATH, "transfer", "PUT, DELETE", {
            protect(put(api::write).delete(api::write), json_error)
        })
        .add(api::TRANSFERS_PREFIX, "transfer", "PUT, DELETE", {
            protect(put(api::write).delete(api::write), json_error)
        })
        .add("/-/reload", "reload", "POST", {
            protect(post(reload::reload), text_error)
        })
        .add_health()
        .add_redirects()
        .finish(state, "404 page not found\n".to_owned())
}

/// Returns the routes of the listeners that serve only health checks.
pub(crate) fn health_router(state: &RouteState, middleware: &Middleware) -> Router {
    let prefix = state.paths.prefix();
    RouterBuilder::new(middleware, &state.paths)
        .add_health()
        .finish(
            state,
            format!(
                "404 page not found: this address serves only {prefix}/-/healthy and {prefix}/-/ready\n"
            ),
        )
}

/// Builds a router whose routes are all below one prefix and have the same middleware.
struct RouterBuilder<'a> {
    router: Router<RouteState>,
    added: HashSet<String>,
    prefix: &'a str,
    middleware: &'a Middleware,
}

impl<'a> RouterBuilder<'a> {
    fn new(middleware: &'a Middleware, paths: &'a WebPaths) -> Self {
        Self {
            // The prefix and the telemetry path may have any segment.
            router: Router::new().without_v07_checks(),
            added: HashSet::new(),
            prefix: paths.prefix(),
            middleware,
        }
    }

    /// Adds a route below the prefix; the first of several with the same path wins.
    fn add(
        self,
        path: &str,
        name: &'static str,
        allow: &'static str,
        handlers: MethodRouter<RouteState>,
    ) -> Self {
        let route = RouteInfo {
            name,
            allow: Some(allow),
            is_health: HEALTH.contains(&path),
        };
        let path = format!("{}{path}", self.prefix);
        self.add_at(path, route, handlers)
    }

    /// Redirects `/` and the prefix to the landing page, as Prometheus does. The addresses are
    /// relative, so that they hold behind a proxy.
    fn add_redirects(self) -> Self {
        let Some((_, last)) = self.prefix.rsplit_once('/') else {
            return self;
        };
        let redirects = [
            ("/".to_owned(), format!(".{}/", self.prefix)),
            (self.prefix.to_owned(), format!("{last}/")),
        ];
        let route = RouteInfo {
            name: "redirect",
            allow: Some(GET),
            is_health: false,
        };
        redirects.into_iter().fold(self, |builder, (path, target)| {
            let redirect = move || std::future::ready(found(&target));
            builder.add_at(path, route, get(redirect))
        })
    }

    fn add_at(
        mut self,
        path: String,
        route: RouteInfo,
        handlers: MethodRouter<RouteState>,
    ) -> Self {
        if !self.added.contains(&path) {
            let handlers = handlers.fallback(method_not_allowed);
            let handlers = self.middleware.wrap(route, handlers);
            self.router = self.router.route(&path, handlers);
            self.added.insert(path);
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
    fn finish(self, state: &RouteState, not_found: String) -> Router {
        let handler = any(move || async move { text(StatusCode::NOT_FOUND, PLAIN, not_found) });
        let fallback = self.middleware.wrap(RouteInfo::NOT_FOUND, handler);
        self.router
            .with_state(state.clone())
            .fallback_service(fallback.with_state(()))
    }
}

/// Returns a redirect to an address, which may be relative.
fn found(address: &str) -> Response {
    let mut response = text(StatusCode::FOUND, PLAIN, format!("302 found: {address}\n"));
    if let Ok(address) = HeaderValue::from_str(address) {
        response.headers_mut().insert(LOCATION, address);
    }
    response
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
