use super::*;
use crate::testing::{now, simulator};
use crate::{ApiOperation, Settings};

const TRANSFER: &str = "/_simulator/transfers/c-0123456789abcdef0/a/b";

fn ask(simulator: &Simulator, method: &str, uri: &str, body: &str) -> StatusCode {
    let (path, query) = uri
        .split_once('?')
        .map_or((uri, None), |(path, query)| (path, Some(query)));
    answer(
        simulator,
        &ControlRequest {
            method: &method.parse().unwrap(),
            host: "h",
            path,
            query,
        },
        body.as_bytes(),
    )
    .status
}

#[test]
fn faults_and_transfers_are_put_and_unknown_members_refused() {
    let simulator = simulator(Settings::default());
    let ask = |method: &str, path: &str, body: &str| ask(&simulator, method, path, body).as_u16();
    assert_eq!(
        ask("PUT", "/_simulator/faults", r#"{"latency": "50ms"}"#),
        204
    );
    assert_eq!(simulator.faults().latency, Duration::from_millis(50));
    assert_eq!(
        ask("PUT", "/_simulator/faults", r#"{"latancy": "50ms"}"#),
        400
    );
    assert_eq!(simulator.faults().latency, Duration::from_millis(50));
    assert_eq!(ask("PUT", TRANSFER, r#"[{"path": "/a"}]"#), 204);
    assert_eq!(
        ask("PUT", &format!("{TRANSFER}?age=6d"), r#"[{"path": "/a"}]"#),
        204
    );
    assert_eq!(
        ask(
            "PUT",
            &format!("{TRANSFER}?age=6d&direction=send"),
            r#"[{"path": "/a", "bytes": 7}]"#
        ),
        204
    );
    assert_eq!(ask("PUT", &format!("{TRANSFER}?direction=up"), "[]"), 400);
    assert_eq!(simulator.transfer_count(), 1);
    for bad in [
        r#"[{"path": "/a", "size": 1}]"#,
        "{}",
        "",
        r#"[{"path": "/a", "end": "lost"}]"#,
    ] {
        assert_eq!(ask("PUT", TRANSFER, bad), 400, "{bad}");
    }
    assert_eq!(ask("PUT", &format!("{TRANSFER}?old=1d"), "[]"), 400);
    assert_eq!(ask("PUT", "/_simulator/transfers/c-1/t", "[]"), 400);
    assert_eq!(
        ask(
            "PUT",
            "/_simulator/connectors/c-0123456789abcdef1",
            r#"{"protocol": "as2"}"#
        ),
        204
    );
    assert_eq!(
        ask(
            "PUT",
            "/_simulator/connectors/c-0123456789abcdef1",
            r#"{"speaks": "as2"}"#
        ),
        400
    );
}

#[test]
fn an_unknown_route_is_404_and_a_wrong_method_405() {
    let simulator = simulator(Settings::default());
    let ask = |method, path| ask(&simulator, method, path, "").as_u16();
    assert_eq!(
        [ask("GET", "/_simulator/"), ask("GET", "/_simulator/queue")],
        [200, 200]
    );
    assert_eq!(
        [ask("GET", "/index"), ask("GET", "/_simulator/call")],
        [404, 404]
    );
    assert_eq!(
        [ask("POST", "/_simulator/calls"), ask("GET", TRANSFER)],
        [405, 405]
    );
}

#[test]
fn calls_are_reported_as_json_and_reset() {
    let simulator = simulator(Settings::default());
    crate::lock(&simulator.0.calls).begin(Some(ApiOperation::ListConnectors));
    let request = ControlRequest {
        method: &Method::GET,
        host: "h",
        path: "/_simulator/calls",
        query: None,
    };
    let page = answer(&simulator, &request, b"");
    let calls: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
    assert_eq!(calls["operations"]["ListConnectors"], 1);
    assert_eq!(
        ask(&simulator, "DELETE", "/_simulator/calls", ""),
        StatusCode::NO_CONTENT
    );
    assert_eq!(simulator.calls().of(ApiOperation::ListConnectors), 0);
    assert_eq!(now(), simulator.now());
}

/// Returns the paths of the OpenAPI description.
fn described() -> serde_json::Map<String, serde_json::Value> {
    let description: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    description["paths"].as_object().unwrap().clone()
}

#[test]
fn every_described_route_answers_its_example_as_described() {
    let simulator = simulator(Settings::default());
    for (path, methods) in described() {
        let uri = path
            .replace("{connector}", "c-0123456789abcdef0")
            .replace("{transfer}", "a/b");
        for (method, operation) in methods.as_object().unwrap() {
            let content = &operation["requestBody"]["content"];
            let yaml = content["application/yaml"]["example"].as_str();
            let json = content["application/json"]["example"].to_string();
            let body = yaml.unwrap_or(&json);
            let status = ask(&simulator, &method.to_uppercase(), &uri, body);
            let responses = operation["responses"].as_object().unwrap();
            assert!(status.is_success(), "{method} {path}: {status}");
            assert!(
                responses.contains_key(status.as_str()),
                "{method} {path}: {status}"
            );
            if responses.contains_key("400") {
                let refused = ask(&simulator, &method.to_uppercase(), &uri, "\"\u{0}");
                assert_eq!(refused, StatusCode::BAD_REQUEST, "{method} {path}");
            }
        }
    }
}

#[test]
fn no_route_is_left_out_of_the_description() {
    let simulator = simulator(Settings::default());
    let described = described();
    let listed = HELP.lines().filter_map(|line| {
        let (method, rest) = line.split_once(' ')?;
        let path = rest.split_whitespace().next()?;
        let is_control = path.starts_with("/_simulator/");
        is_control.then(|| (method.to_lowercase(), path.to_owned()))
    });
    let listed: Vec<_> = listed.collect();
    for (method, path) in &listed {
        assert!(described[path].get(method).is_some(), "{method} {path}");
    }
    for (path, methods) in &described {
        for method in ["get", "put", "post", "delete"] {
            let is_described = methods.get(method).is_some();
            let status = ask(&simulator, &method.to_uppercase(), path, "").as_u16();
            let is_answered = !matches!(status, 404 | 405);
            assert_eq!(is_answered, is_described, "{method} {path}: {status}");
        }
    }
}

#[test]
fn a_rule_scripts_the_next_transfer_and_a_jump_ends_it() {
    let simulator = simulator(Settings::default());
    let connector = "c-0123456789abcdef0".parse().unwrap();
    simulator.add_connector(
        "c-0123456789abcdef0".parse().unwrap(),
        ConnectorSpec::default(),
    );
    let rule = r#"{"times": 1, "queued_for": "1h", "end": {"failed": {"code": "TIMEOUT_ERROR"}}}"#;
    assert_eq!(
        ask(&simulator, "POST", "/_simulator/rules", rule),
        StatusCode::NO_CONTENT
    );
    simulator.start(&connector, vec!["/a".to_owned()]).unwrap();
    let file = || {
        simulator
            .snapshot()
            .transfers
            .swap_remove(0)
            .files
            .swap_remove(0)
    };
    assert_eq!(file().status, "QUEUED");
    let jump = r#"{"advance": "1h"}"#;
    assert_eq!(
        ask(&simulator, "PUT", "/_simulator/time", jump),
        StatusCode::NO_CONTENT
    );
    assert_eq!(file().failure_code.as_deref(), Some("TIMEOUT_ERROR"));
    assert_eq!(simulator.now(), now().after(Duration::from_hours(1)));
    assert_eq!(simulator.snapshot().rules, []);
    assert_eq!(
        ask(&simulator, "POST", "/_simulator/reset", ""),
        StatusCode::NO_CONTENT
    );
    assert_eq!((simulator.now(), simulator.transfer_count()), (now(), 0));
}

#[test]
fn a_change_of_time_beyond_its_bounds_is_refused() {
    let simulator = simulator(Settings::default());
    for body in [
        r#"{"speed": -1}"#,
        r#"{"speed": 100001}"#,
        r#"{"advance": "32d"}"#,
        r#"{"advance": "forever"}"#,
        r#"{"by": "1d"}"#,
    ] {
        let status = ask(&simulator, "PUT", "/_simulator/time", body);
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(simulator.now(), now());
}
