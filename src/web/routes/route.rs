//! Which handler answers, pure.

/// A request's destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Page(Page),
    Metrics,
    Healthy,
    Ready,
    Reload,
    /// What follows `/api/v1/transfers/`.
    Write,
    NotFound,
    /// The path is known, and not by this method; with the methods for `Allow`.
    MethodNotAllowed(&'static str),
}

impl Route {
    /// What metrics and logs call it.
    pub(crate) fn handler(self) -> &'static str {
        match self {
            Self::Page(Page::Landing) => "landing",
            Self::Page(Page::Transfers) => "transfers",
            Self::Page(Page::TransfersJson) => "transfers_json",
            Self::Page(Page::OpenApi) => "openapi",
            Self::Page(Page::Targets) => "targets",
            Self::Page(Page::ProbeRequest) => "probe",
            Self::Metrics => "metrics",
            Self::Reload => "reload",
            Self::Healthy => "healthy",
            Self::Ready => "ready",
            Self::Write => "transfer",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
        }
    }
}

/// What `pages` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Landing,
    Transfers,
    TransfersJson,
    Targets,
    OpenApi,
    ProbeRequest,
}

impl Page {
    pub(crate) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::Landing,
            "/transfers" => Self::Transfers,
            "/api/v1/transfers" => Self::TransfersJson,
            "/api/v1/targets" => Self::Targets,
            "/api/v1/openapi.json" => Self::OpenApi,
            "/probe" => Self::ProbeRequest,
            _ => return None,
        })
    }
}

/// Where single transfers are.
pub(crate) const TRANSFERS: &str = "/api/v1/transfers/";

/// `method` and `path` to a route. HEAD goes wherever GET goes.
pub(crate) fn route(method: &str, path: &str, telemetry_path: &str) -> Route {
    let found = match path {
        path if path == telemetry_path => Route::Metrics,
        "/-/healthy" => Route::Healthy,
        "/-/ready" => Route::Ready,
        "/-/reload" => {
            return match method {
                "POST" => Route::Reload,
                _ => Route::MethodNotAllowed("POST"),
            };
        }
        path if path.starts_with(TRANSFERS) => {
            return match method {
                "PUT" | "DELETE" => Route::Write,
                _ => Route::MethodNotAllowed("PUT, DELETE"),
            };
        }
        path => match Page::at(path) {
            Some(page) => Route::Page(page),
            None => return Route::NotFound,
        },
    };
    match method {
        "GET" | "HEAD" => found,
        _ => Route::MethodNotAllowed("GET, HEAD"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_paths_answer_get_and_head() {
        for (path, expected) in [
            ("/", Route::Page(Page::Landing)),
            ("/transfers", Route::Page(Page::Transfers)),
            ("/api/v1/transfers", Route::Page(Page::TransfersJson)),
            ("/api/v1/targets", Route::Page(Page::Targets)),
            ("/api/v1/openapi.json", Route::Page(Page::OpenApi)),
            ("/probe", Route::Page(Page::ProbeRequest)),
            ("/metrics", Route::Metrics),
            ("/-/healthy", Route::Healthy),
            ("/-/ready", Route::Ready),
        ] {
            assert_eq!(route("GET", path, "/metrics"), expected);
            assert_eq!(route("HEAD", path, "/metrics"), expected);
            for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"] {
                assert_eq!(
                    route(method, path, "/metrics"),
                    Route::MethodNotAllowed("GET, HEAD"),
                    "{method} {path}"
                );
            }
        }
    }

    #[test]
    fn unknown_paths_are_not_found_by_any_method() {
        for path in [
            "/metric",
            "/metrics/",
            "//",
            "/-/",
            "/-/healthy/x",
            "/favicon.ico",
            "*",
        ] {
            assert_eq!(route("GET", path, "/metrics"), Route::NotFound, "{path}");
            assert_eq!(route("POST", path, "/metrics"), Route::NotFound, "{path}");
        }
    }

    #[test]
    fn single_transfers_are_put_and_deleted() {
        let path = "/api/v1/transfers/c-0123456789abcdef0/a/b";
        for method in ["PUT", "DELETE"] {
            assert_eq!(route(method, path, "/metrics"), Route::Write);
        }
        for method in ["GET", "POST", "PATCH"] {
            assert_eq!(
                route(method, path, "/metrics"),
                Route::MethodNotAllowed("PUT, DELETE"),
                "{method}"
            );
        }
        assert_eq!(
            route("PUT", "/api/v1/transfers", "/metrics"),
            Route::MethodNotAllowed("GET, HEAD")
        );
    }

    #[test]
    fn a_reload_is_posted() {
        assert_eq!(route("POST", "/-/reload", "/metrics"), Route::Reload);
        for method in ["GET", "HEAD", "PUT", "DELETE", "post"] {
            assert_eq!(
                route(method, "/-/reload", "/metrics"),
                Route::MethodNotAllowed("POST"),
                "{method}"
            );
        }
    }

    #[test]
    fn the_telemetry_path_moves_the_metrics() {
        assert_eq!(
            route("GET", "/probe/metrics", "/probe/metrics"),
            Route::Metrics
        );
        assert_eq!(route("GET", "/metrics", "/probe/metrics"), Route::NotFound);
        assert_eq!(route("GET", "/", "/"), Route::Metrics);
    }
}
