//! From a connection to the router.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use tokio::time::Instant;
use tower::Service as _;

use super::pool::ConnectionSlot;
use crate::web::config_state::{EffectiveWebConfig, WebConfigState};

/// What middleware knows of a request beside its head. A request extension.
#[derive(Clone)]
pub(crate) struct RequestContext {
    /// The client's address.
    pub(crate) peer: SocketAddr,
    /// The slot of the request's connection.
    pub(crate) slot: Arc<ConnectionSlot>,
    /// The web configuration that was in effect when the request arrived.
    pub(crate) web_config: Arc<EffectiveWebConfig>,
    /// When the request arrived.
    pub(crate) started: Instant,
}

/// Serves the requests of one connection.
pub(crate) struct ConnectionService {
    pub(crate) router: Router,
    pub(crate) web_config: Arc<WebConfigState>,
    pub(crate) peer: SocketAddr,
    pub(crate) slot: Arc<ConnectionSlot>,
}

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(RequestContext {
            peer: self.peer,
            slot: Arc::clone(&self.slot),
            web_config: self.web_config.effective(),
            started: Instant::now(),
        });
        self.router.clone().call(request)
    }
}
