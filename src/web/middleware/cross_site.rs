//! Protection against cross-site request forgery, for routes that change something.

use std::sync::Arc;

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
/// `external` is the origin of the external URL: a proxy may send another `Host`.
pub(crate) fn protect<S>(
    handlers: MethodRouter<S>,
    format: ErrorFormat,
    external: Option<&str>,
) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let protection = Protection {
        format,
        external: external.map(Into::into),
    };
    handlers.route_layer(from_fn_with_state(protection, reject_cross_site))
}

#[derive(Clone)]
struct Protection {
    format: ErrorFormat,
    external: Option<Arc<str>>,
}

async fn reject_cross_site(
    State(Protection { format, external }): State<Protection>,
    request: Request,
    next: Next,
) -> Response {
    if is_cross_site(request.uri(), request.headers(), external.as_deref()) {
        format(StatusCode::FORBIDDEN, "cross-site request rejected")
    } else {
        next.run(request).await
    }
}

/// Returns whether a browser says that the request comes from another site, in any of its headers.
/// Other clients send none of them.
fn is_cross_site(uri: &Uri, headers: &HeaderMap, external: Option<&str>) -> bool {
    let texts = |name: &HeaderName| {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap_or_default())
    };
    let target = uri.authority().map(Authority::as_str);
    let host = target.or_else(|| texts(&HOST).next());
    let is_other_site = texts(&SEC_FETCH_SITE).any(|site| !matches!(site, "same-origin" | "none"));
    let is_own = |origin: &str| {
        let origin_host = origin.split_once("://").map(|(_, host)| host);
        external == Some(origin) || (origin_host.is_some() && origin_host == host)
    };
    let is_other_origin = texts(&ORIGIN).any(|origin| !is_own(origin));
    is_other_site || is_other_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTERNAL: &str = "https://proxy.example.com";

    fn check(uri: &'static str, headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        is_cross_site(&Uri::from_static(uri), &map, Some(EXTERNAL))
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
    fn requests_of_the_external_url_are_not_cross_site() {
        let host = ("host", "10.0.0.1:10922");
        let same = ("sec-fetch-site", "same-origin");
        assert!(!check("/-/reload", &[("origin", EXTERNAL), host, same]));
        for headers in [
            &[("origin", EXTERNAL), host, ("sec-fetch-site", "cross-site")][..],
            &[("origin", "http://proxy.example.com"), host],
            &[("origin", "https://proxy.example.com:8443"), host],
            &[("origin", "https://proxy.example.com.evil.example"), host],
        ] {
            assert!(check("/-/reload", headers), "{headers:?}");
        }
    }

    #[test]
    fn every_header_of_a_name_is_compared() {
        let own = ("origin", "http://localhost:10922");
        let other = ("origin", "https://evil.example");
        let host = ("host", "localhost:10922");
        for headers in [
            &[own, other, host][..],
            &[other, own, host],
            &[own, ("origin", "null"), host],
            &[own, ("origin", ""), host],
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            assert!(check("/-/reload", headers), "{headers:?}");
        }
        assert!(!check("/-/reload", &[own, own, host]));
    }

    #[test]
    fn a_host_in_the_target_is_the_host() {
        let uri = "http://localhost:10922/-/reload";
        assert!(!check(uri, &[("origin", "http://localhost:10922")]));
        assert!(check(uri, &[("origin", "https://evil.example")]));
    }
}
