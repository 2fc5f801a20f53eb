//! Where the routes are: `--web.telemetry-path`, `--web.route-prefix` and `--web.external-url`.

use std::str::FromStr;

use axum::http::Uri;
use axum::http::uri::{Authority, Scheme};

/// The paths of the routes, and the URL under which clients outside reach them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPaths {
    telemetry: String,
    prefix: RoutePrefix,
    external: Option<ExternalUrl>,
}

impl From<&str> for WebPaths {
    fn from(telemetry: &str) -> Self {
        Self::new(telemetry, None, None)
    }
}

impl WebPaths {
    /// Creates the paths. Without a `prefix`, the path of the external URL is the prefix.
    pub fn new(
        telemetry: impl Into<String>,
        prefix: Option<RoutePrefix>,
        external: Option<ExternalUrl>,
    ) -> Self {
        let of_external = || external.as_ref().map(|url| url.path.clone());
        Self {
            telemetry: telemetry.into(),
            prefix: prefix.or_else(of_external).unwrap_or_default(),
            external,
        }
    }

    /// Returns the path of the metrics, below the prefix.
    pub(crate) fn telemetry(&self) -> &str {
        &self.telemetry
    }

    /// Returns the prefix of all routes: empty, or a path without a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix.0
    }

    /// Returns the external URL.
    pub(crate) fn external(&self) -> Option<&ExternalUrl> {
        self.external.as_ref()
    }

    /// Returns the path of a request below the prefix.
    pub(crate) fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.prefix())
    }
}

/// The prefix of all routes: empty, or a path without a slash at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePrefix(String);

impl FromStr for RoutePrefix {
    type Err = &'static str;

    /// Parses a path as Prometheus does: slashes at its ends make no difference.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.trim_matches('/');
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
        if path.is_empty() {
            Ok(Self::default())
        } else if is_plain(path) && path.split('/').all(is_segment) {
            Ok(Self(format!("/{path}")))
        } else {
            Err("expected a path such as `/exporter`, without a query")
        }
    }
}

/// The URL under which clients outside reach the exporter, for example through a reverse proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl {
    /// Scheme, host and port; `None` if only the path is known.
    origin: Option<Origin>,
    path: RoutePrefix,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    /// `scheme://host[:port]`, as browsers write it in the header `Origin`.
    text: String,
    host: String,
}

impl FromStr for ExternalUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected an `http` or `https` URL such as \
                                `https://proxy.example.com/exporter/`, or its path";
        let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
        let is_whole = uri.query().is_none() && !text.contains('#');
        let origin = match (uri.scheme(), uri.authority()) {
            (Some(scheme), Some(authority)) => {
                Some(Origin::new(scheme, authority).ok_or(EXPECTED)?)
            }
            (None, None) if text.starts_with('/') && !text.starts_with("//") => None,
            _ => return Err(EXPECTED),
        };
        let path = uri.path().parse().map_err(|_| EXPECTED)?;
        is_whole.then_some(Self { origin, path }).ok_or(EXPECTED)
    }
}

impl Origin {
    /// Returns `None` for other schemes and without a host. A user and a password have no effect.
    fn new(scheme: &Scheme, authority: &Authority) -> Option<Self> {
        let default_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().filter(|port| *port != default_port);
        let text = match port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        (!host.is_empty()).then_some(Self { text, host })
    }
}

impl ExternalUrl {
    /// Returns `scheme://host[:port]`, as browsers write it in the header `Origin`; `None` if only
    /// the path is known.
    pub(crate) fn origin(&self) -> Option<&str> {
        Some(&self.origin.as_ref()?.text)
    }

    /// Returns the host without a port; `None` if only the path is known.
    pub fn host(&self) -> Option<&str> {
        Some(&self.origin.as_ref()?.host)
    }

    /// Returns the URL without a slash at its end; `None` if only the path is known.
    pub(crate) fn url(&self) -> Option<String> {
        Some(format!("{}{}", self.origin()?, self.path.0))
    }
}

/// Returns whether a path has visible ASCII characters that need no escape in a URL or a route.
pub fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|b| b.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(external: &str, prefix: Option<&str>) -> WebPaths {
        let external = (!external.is_empty()).then(|| external.parse().unwrap());
        WebPaths::new(
            "/metrics",
            prefix.map(|text| text.parse().unwrap()),
            external,
        )
    }

    #[test]
    fn the_prefix_is_the_path_of_the_external_url_unless_it_is_given() {
        for (external, prefix, expected) in [
            ("", None, ""),
            ("", Some("/"), ""),
            ("", Some("exporter"), "/exporter"),
            ("", Some("/a/b/"), "/a/b"),
            ("https://proxy.example.com", None, ""),
            ("https://proxy.example.com/", None, ""),
            ("https://proxy.example.com/exporter", None, "/exporter"),
            ("https://proxy.example.com:8443/a/b/", None, "/a/b"),
            ("http://[2001:db8::1]:80/a%20b", None, "/a%20b"),
            ("/exporter/", None, "/exporter"),
            ("https://proxy.example.com/exporter", Some("/"), ""),
            (
                "https://proxy.example.com/exporter",
                Some("/other"),
                "/other",
            ),
        ] {
            assert_eq!(
                paths(external, prefix).prefix(),
                expected,
                "{external} {prefix:?}"
            );
        }
    }

    #[test]
    fn an_external_url_has_the_origin_that_browsers_send() {
        for (text, origin, host) in [
            (
                "https://Proxy.Example.com:443/x",
                "https://proxy.example.com",
                "proxy.example.com",
            ),
            ("http://proxy:80/", "http://proxy", "proxy"),
            ("https://user:secret@proxy/x", "https://proxy", "proxy"),
            ("http://proxy:443/", "http://proxy:443", "proxy"),
            (
                "https://[2001:db8::1]:8443/x",
                "https://[2001:db8::1]:8443",
                "[2001:db8::1]",
            ),
        ] {
            let url: ExternalUrl = text.parse().unwrap();
            assert_eq!(
                (url.origin(), url.host()),
                (Some(origin), Some(host)),
                "{text}"
            );
        }
        let path: ExternalUrl = "/x".parse().unwrap();
        assert_eq!((path.origin(), path.host(), path.url()), (None, None, None));
    }

    #[test]
    fn other_texts_are_neither_a_url_nor_a_prefix() {
        for bad in [
            "proxy.example.com/exporter",
            "proxy:80",
            "exporter",
            "ftp://proxy/x",
            "https://",
            "https:///x",
            "https://proxy/x?y",
            "https://proxy/x#y",
            "https://proxy/a//b",
            "https://proxy/a/../b",
            "//proxy/x",
            "'https://proxy/x'",
            "\"/x\"",
            "https://proxy/{x}",
            "https://proxy/ä",
            "https://proxy/a b",
        ] {
            assert!(bad.parse::<ExternalUrl>().is_err(), "{bad}");
        }
        for bad in [
            "/a b",
            "/a?b",
            "/a//b",
            "/../a",
            "/a/./b",
            "/{a}",
            "https://a b",
            "'/a'?",
        ] {
            assert!(bad.parse::<RoutePrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_path_below_the_prefix_has_a_rest() {
        let paths = paths("", Some("/exporter"));
        assert_eq!(paths.strip("/exporter/metrics"), Some("/metrics"));
        assert_eq!(paths.strip("/metrics"), None);
        assert_eq!(WebPaths::from("/m").strip("/metrics"), Some("/metrics"));
    }
}
