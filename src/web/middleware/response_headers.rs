//! Headers of every response, and those of pages.

use axum::Extension;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::MethodRouter;
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::web::server::service::RequestContext;

/// Sets `X-Content-Type-Options`, and the headers of the web configuration file over those of the
/// handler.
pub(super) async fn set_configured(
    Extension(context): Extension<RequestContext>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in context.web_config.headers() {
        headers.insert(name, value.clone());
    }
    response
}

/// Headers of pages: they are not cached, load nothing and run nothing.
#[derive(Clone)]
pub(crate) struct PageHeaders {
    /// The value of `Content-Security-Policy`.
    pub(crate) content_security_policy: HeaderValue,
}

impl PageHeaders {
    /// Wraps the handlers of a page.
    pub(crate) fn wrap<S>(&self, handlers: MethodRouter<S>) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let policy = self.content_security_policy.clone();
        handlers.route_layer(
            ServiceBuilder::new()
                .layer(SetResponseHeaderLayer::overriding(
                    CACHE_CONTROL,
                    HeaderValue::from_static("no-store"),
                ))
                .layer(SetResponseHeaderLayer::overriding(
                    REFERRER_POLICY,
                    HeaderValue::from_static("no-referrer"),
                ))
                .layer(SetResponseHeaderLayer::overriding(
                    CONTENT_SECURITY_POLICY,
                    policy,
                )),
        )
    }
}
