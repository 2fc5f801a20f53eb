use super::*;

const METRICS: RouteInfo = RouteInfo {
    name: "metrics",
    allow: Some(GET),
    is_health: false,
};
const RELOAD: RouteInfo = RouteInfo {
    name: "reload",
    allow: Some("POST"),
    is_health: false,
};

#[test]
fn the_handler_of_a_request_is_named_by_route_and_method() {
    for (route, method, expected) in [
        (METRICS, "GET", "metrics"),
        (METRICS, "HEAD", "metrics"),
        (METRICS, "POST", "method_not_allowed"),
        (METRICS, "get", "method_not_allowed"),
        (RELOAD, "POST", "reload"),
        (RELOAD, "GET", "method_not_allowed"),
        (RouteInfo::NOT_FOUND, "GET", "not_found"),
        (RouteInfo::NOT_FOUND, "BREW", "not_found"),
    ] {
        let parsed = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(route.handler(&parsed), expected, "{method}");
    }
}
