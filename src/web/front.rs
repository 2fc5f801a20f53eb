//! What every request passes before it has a handler, and every answer before it goes.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HOST, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use tokio::time::Instant;

use super::auth::Verdict;
use super::body::Body;
use super::connections::Place;
use super::handlers;
use super::response::{PLAIN, text};
use super::route::{Route, route};
use super::security::{Active, Security};
use super::sent::{Record, Sent, method_name};
use super::{Exporter, Turns};
use crate::metrics::self_metrics::{HttpMetrics, RejectReason};

/// One way in.
pub(super) struct Front {
    pub(super) exporter: Arc<dyn Exporter>,
    pub(super) telemetry_path: Arc<str>,
    pub(super) security: Arc<Security>,
    pub(super) metrics: Option<Arc<HttpMetrics>>,
    /// For pages.
    pub(super) turns: Turns,
    /// `/-/healthy` and `/-/ready` are all that is here.
    pub(super) health_alone: bool,
}

impl Front {
    /// Answers one request.
    pub(super) async fn answer<B>(
        &self,
        request: Request<B>,
        place: &Arc<Place>,
        peer: SocketAddr,
    ) -> Response<Sent> {
        let begun = Instant::now();
        place.touched();
        let method = method_name(request.method());
        let route = self.route(&request);
        let active = self.security.active();
        let mut response = match self.refusal(&request, &active).await {
            Some(refusal) => refusal,
            None if self.health_alone && route == Route::NotFound => text(
                StatusCode::NOT_FOUND,
                PLAIN,
                "404 page not found: /-/healthy and /-/ready are here\n",
            ),
            None => {
                // A request that waits for its password to be verified holds no place that others need.
                let _answering = place.answering();
                let exporter = Arc::clone(&self.exporter);
                handlers::answer(
                    with_host(request),
                    exporter,
                    &self.telemetry_path,
                    &self.turns,
                )
                .await
            }
        };
        for (name, value) in active.headers() {
            response.headers_mut().insert(name, value.clone());
        }
        let (handler, status) = (route.handler(), response.status());
        if let Some(metrics) = &self.metrics {
            metrics.count_request(handler, status.as_str());
        }
        let record = Record {
            method,
            handler,
            status,
            peer,
            begun,
        };
        response.map(|body| Sent::new(body, place.sending(), record))
    }

    /// Counts a client that is not served.
    pub(super) fn count(&self, reason: RejectReason) {
        if let Some(metrics) = &self.metrics {
            metrics.count_rejected(reason);
        }
    }

    fn route<B>(&self, request: &Request<B>) -> Route {
        let path = request.uri().path();
        if self.health_alone && !["/-/healthy", "/-/ready"].contains(&path) {
            return Route::NotFound;
        }
        route(request.method().as_str(), path, &self.telemetry_path)
    }

    async fn refusal<B>(&self, request: &Request<B>, active: &Active) -> Option<Response<Body>> {
        let again = |mut response: Response<Body>| {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        };
        if !active.allows() {
            self.count(RejectReason::RateLimit);
            return Some(again(text(
                StatusCode::TOO_MANY_REQUESTS,
                PLAIN,
                "429 too many requests\n",
            )));
        }
        let users = &active.plan().users;
        if users.is_empty() {
            return None;
        }
        match self
            .security
            .verifier()
            .verify(users, request.headers().get(AUTHORIZATION))
            .await
        {
            Verdict::Granted => None,
            Verdict::Refused => {
                self.count(RejectReason::Unauthorized);
                let mut response = text(StatusCode::UNAUTHORIZED, PLAIN, "401 unauthorized\n");
                let challenge = HeaderValue::from_static(
                    "Basic realm=\"aws-transfer-exporter\", charset=\"UTF-8\"",
                );
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                Some(response)
            }
            Verdict::Busy => {
                self.count(RejectReason::Busy);
                let body = "429 too many passwords wait to be verified\n";
                Some(again(text(StatusCode::TOO_MANY_REQUESTS, PLAIN, body)))
            }
        }
    }
}

/// HTTP/2 has the host in another place.
fn with_host<B>(mut request: Request<B>) -> Request<B> {
    let authority = request
        .uri()
        .authority()
        .and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(authority) = authority.filter(|_| !request.headers().contains_key(HOST)) {
        request.headers_mut().insert(HOST, authority);
    }
    request
}
