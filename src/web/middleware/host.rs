//! Which `Host` a request may name.
//!
//! A browser sends requests of a page to the page's own host, and a page of an attacker can have
//! that name resolve to the exporter's address (DNS rebinding). Then the page may read every
//! response and call every route, because nothing is cross-site. The name gives it away.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, Version};
use axum::middleware::Next;
use axum::response::Response;

use super::Middleware;
use crate::metrics::self_metrics::RejectReason;
use crate::web::response::{PLAIN, text};
use crate::web::server::service::RequestContext;

const MALFORMED: &str = "400 bad request: a request has one `Host`\n";
const UNKNOWN: &str = "403 forbidden: not a host of this exporter. Use its address, or a name of \
                       `--web.listen-address` or `--web.external-url`, or enable TLS or users\n";

/// Ends of names that public DNS does not have.
const LOCAL_SUFFIXES: [&str; 5] = [".localhost", ".local", ".internal", ".svc", ".home.arpa"];

/// The names of the server, beside addresses and names that public DNS does not have. `None` accepts
/// every name.
pub(crate) type HostNames = Option<Arc<[String]>>;

/// Rejects requests with a `Host` that is malformed, or that is not the exporter's.
pub(super) async fn check(
    State(middleware): State<Middleware>,
    Extension(context): Extension<RequestContext>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(host) = host(request.uri(), request.headers(), request.version()) else {
        return text(StatusCode::BAD_REQUEST, PLAIN, MALFORMED);
    };
    // A page of another name has neither a certificate of that name nor a password.
    let is_open = context.web_config.tls().is_none() && context.web_config.users().is_empty();
    if let Some(names) = &middleware.hosts
        && is_open
        && !host.is_none_or(|host| is_own(host, names))
    {
        middleware.count_rejected(RejectReason::Host);
        return text(StatusCode::FORBIDDEN, PLAIN, UNKNOWN);
    }
    next.run(request).await
}

#[derive(Debug, PartialEq, Eq)]
struct Malformed;

/// Returns the host that a request names, without its port; `None` if it names none.
fn host<'r>(
    uri: &'r Uri,
    headers: &'r HeaderMap,
    version: Version,
) -> Result<Option<&'r str>, Malformed> {
    let mut hosts = headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(host.to_str().map_err(|_| Malformed)?),
        (None, _) if version == Version::HTTP_11 => return Err(Malformed),
        (None, _) => None,
        (Some(_), Some(_)) => return Err(Malformed),
    };
    // RFC 9112, section 3.2.2: a host in the target replaces that of the header.
    uri.authority()
        .map(Authority::as_str)
        .or(header)
        .filter(|host| !host.is_empty())
        .map(without_port)
        .transpose()
}

/// Returns the host of `host[:port]`. An IPv6 address keeps its brackets.
fn without_port(authority: &str) -> Result<&str, Malformed> {
    let (host, rest) = match authority.find(']') {
        Some(end) if authority.starts_with('[') => authority.split_at(end + 1),
        Some(_) => return Err(Malformed),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._~%[]:".contains(&b);
    let is_valid = !host.is_empty()
        && host.bytes().all(is_host)
        && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    is_valid.then_some(host).ok_or(Malformed)
}

/// Returns whether a host is an address, a name that public DNS does not have, or one of `names`.
fn is_own(host: &str, names: &[String]) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host.parse::<IpAddr>().is_ok()
        || !host.contains('.')
        || LOCAL_SUFFIXES.iter().any(|suffix| host.ends_with(suffix))
        || names.iter().any(|name| name.eq_ignore_ascii_case(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(hosts: &[&str]) -> HeaderMap {
        let hosts = hosts.iter().map(|host| (HOST, host.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, host) in hosts {
            headers.append(name, host);
        }
        headers
    }

    fn named(hosts: &[&str]) -> Result<Option<String>, Malformed> {
        let headers = headers(hosts);
        let uri = Uri::from_static("/metrics");
        host(&uri, &headers, Version::HTTP_11).map(|host| host.map(str::to_owned))
    }

    #[test]
    fn a_request_names_one_host_with_or_without_a_port() {
        for (text, expected) in [
            ("exporter:10922", "exporter"),
            ("Exporter.example", "Exporter.example"),
            ("192.0.2.1:10922", "192.0.2.1"),
            ("[2001:db8::1]:10922", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
            ("exporter:", "exporter"),
        ] {
            assert_eq!(named(&[text]), Ok(Some(expected.to_owned())), "{text}");
        }
        assert_eq!(named(&[""]), Ok(None));
    }

    #[test]
    fn requests_without_one_sound_host_are_malformed() {
        for hosts in [
            &[][..],
            &["a", "a"],
            &["a", "b"],
            &["a", ""],
            &["a b"],
            &["a,b"],
            &["user@a"],
            &["a:b"],
            &["a:1:2"],
            &["2001:db8::1"],
            &[":10922"],
            &["a]"],
            &["[::1]x"],
            &["a/b"],
            &["a#b"],
            &["a?b"],
            &["a\\b"],
        ] {
            assert_eq!(named(hosts), Err(Malformed), "{hosts:?}");
        }
        let uri = Uri::from_static("http://evil.example/metrics");
        let headers = headers(&["localhost"]);
        assert_eq!(
            host(&uri, &headers, Version::HTTP_11),
            Ok(Some("evil.example"))
        );
    }

    #[test]
    fn http_1_0_needs_no_host() {
        let uri = Uri::from_static("/metrics");
        assert_eq!(host(&uri, &headers(&[]), Version::HTTP_10), Ok(None));
        let two = headers(&["a", "a"]);
        assert_eq!(host(&uri, &two, Version::HTTP_10), Err(Malformed));
    }

    #[test]
    fn addresses_local_names_and_configured_names_are_the_exporters() {
        let names = ["exporter.example".to_owned()];
        for host in [
            "192.0.2.1",
            "[2001:db8::1]",
            "localhost",
            "LOCALHOST",
            "exporter",
            "a.localhost",
            "exporter.monitoring.svc",
            "exporter.monitoring.svc.cluster.local",
            "ip-192-0-2-1.eu-central-1.compute.internal",
            "exporter.example",
            "Exporter.Example.",
        ] {
            assert!(is_own(host, &names), "{host}");
        }
        for host in [
            "evil.example",
            "exporter.example.evil.example",
            "192.0.2.1.evil.example",
            "localhost.evil.example",
            "evil.com",
            "svc.evil.com",
            "[evil.example]",
            "192.0.2.1.nip.io",
            "a.exporter.example",
        ] {
            assert!(!is_own(host, &names), "{host}");
        }
    }
}
