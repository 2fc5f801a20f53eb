//! Protection against cross-site request forgery, for routes that change something.

use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;

/// Set by browsers: the relation of a request's origin to its target
/// (<https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Renders an error in the format of a route.
pub(crate) type ErrorFormat = fn(StatusCode, &str) -> Response;

/// Wraps handlers that a page of another site must not call.
pub(crate) fn protect<S>(handlers: MethodRouter<S>, format: ErrorFormat) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    handlers.route_layer(from_fn_with_state(format, reject_cross_site))
}

async fn reject_cross_site(
    State(format): State<ErrorFormat>,
    request: Request,
    next: Next,
) -> Response {
    if is_cross_site(request.uri(), request.headers()) {
        format(StatusCode::FORBIDDEN, "cross-site request rejected")
    } else {
        next.run(request).await
    }
}

/// Returns whether a browser says that the request comes from another site. Other clients send none
/// of these headers.
fn is_cross_site(uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    // HTTP/2 has the host in the target.
    let host = text(&HOST).or_else(|| uri.authority().map(Authority::as_str));
    let is_other_site =
        text(&SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let is_other_origin = text(&ORIGIN).is_some_and(|origin| {
        origin
            .split_once("://")
            .is_none_or(|(_, origin_host)| host != Some(origin_host))
    });
    is_other_site || is_other_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &'static str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        is_cross_site(&Uri::from_static(uri), &headers)
    }

    #[test]
    fn requests_of_pages_of_other_sites_are_cross_site() {
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[
                ("origin", "https://evil.example"),
                ("host", "localhost:10922"),
            ],
            &[("origin", "null"), ("host", "localhost:10922")],
            &[("origin", "http://localhost:10922")],
        ] {
            assert!(check("/-/reload", headers), "{headers:?}");
        }
    }

    #[test]
    fn requests_of_own_pages_and_of_other_clients_are_not_cross_site() {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[
                ("origin", "http://localhost:10922"),
                ("host", "localhost:10922"),
            ],
        ] {
            assert!(!check("/-/reload", headers), "{headers:?}");
        }
    }

    #[test]
    fn the_host_of_http_2_is_in_the_target() {
        let uri = "https://localhost:10922/-/reload";
        assert!(!check(uri, &[("origin", "https://localhost:10922")]));
        assert!(check(uri, &[("origin", "https://evil.example")]));
    }
}
