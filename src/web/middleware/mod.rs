//! What every request passes before it has a handler, and every answer before it goes.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HOST, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use tokio::time::Instant;

pub(crate) mod access_log;
pub(crate) mod auth;
pub(crate) mod rate_limit;
pub(crate) mod work_queue;

use super::Exporter;
use super::body::Body;
use super::config_state::{EffectiveWebConfig, WebConfigState};
use super::response::{PLAIN, text};
use super::routes;
use super::routes::route::{Route, route};
use super::server::pool::ConnectionSlot;
use crate::metrics::self_metrics::{HttpMetrics, RejectReason};
use access_log::{AccessLogBody, AccessLogRecord, method_name};
use auth::AuthResult;
use work_queue::WorkQueue;

/// One way in.
pub(crate) struct Middleware {
    pub(crate) exporter: Arc<dyn Exporter>,
    pub(crate) telemetry_path: Arc<str>,
    pub(crate) web_config: Arc<WebConfigState>,
    pub(crate) own: Option<Arc<HttpMetrics>>,
    /// For pages.
    pub(crate) turns: WorkQueue,
    /// `/-/healthy` and `/-/ready` are all that is here.
    pub(crate) health_alone: bool,
}

impl Middleware {
    /// Answers one request.
    pub(crate) async fn answer<B>(
        &self,
        request: Request<B>,
        place: &Arc<ConnectionSlot>,
        peer: SocketAddr,
    ) -> Response<AccessLogBody> {
        let begun = Instant::now();
        place.touched();
        let method = method_name(request.method());
        let route = self.route(&request);
        let active = self.web_config.active();
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
                routes::answer(
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
        if let Some(own) = &self.own {
            own.count_request(handler, status.as_str());
        }
        let record = AccessLogRecord {
            method,
            handler,
            status,
            peer,
            begun,
        };
        response.map(|body| AccessLogBody::new(body, place.sending(), record))
    }

    /// Counts a client that is not served.
    pub(crate) fn count(&self, reason: RejectReason) {
        if let Some(own) = &self.own {
            own.count_rejected(reason);
        }
    }

    fn route<B>(&self, request: &Request<B>) -> Route {
        let path = request.uri().path();
        if self.health_alone && !["/-/healthy", "/-/ready"].contains(&path) {
            return Route::NotFound;
        }
        route(request.method().as_str(), path, &self.telemetry_path)
    }

    async fn refusal<B>(
        &self,
        request: &Request<B>,
        active: &EffectiveWebConfig,
    ) -> Option<Response<Body>> {
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
            .web_config
            .verifier()
            .verify(users, request.headers().get(AUTHORIZATION))
            .await
        {
            AuthResult::Granted => None,
            AuthResult::Refused => {
                self.count(RejectReason::Unauthorized);
                let mut response = text(StatusCode::UNAUTHORIZED, PLAIN, "401 unauthorized\n");
                let challenge = HeaderValue::from_static(
                    "Basic realm=\"aws-transfer-exporter\", charset=\"UTF-8\"",
                );
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                Some(response)
            }
            AuthResult::Busy => {
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
