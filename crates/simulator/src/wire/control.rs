//! Control routes, for a simulator in another process. They need no credentials: a simulator
//! listens on the loopback interface.

use std::time::Duration;

use hyper::{Method, StatusCode};

use super::reply::Reply;
use crate::domain::parse_duration;
use crate::{ConnectorSpec, Faults, FileScript, Simulator};
use model::{ConnectorId, Direction, TransferId};

const HELP: &str = "\
Simulator of the endpoints of AWS Transfer Family, of CloudTrail's event history and of an SQS queue of events

POST /                                               the three APIs, selected by X-Amz-Target: set the address of
                                                     this server as `endpoint_url` of each
GET    /_simulator/queue                             the URL of the queue, for `queue_url`
DELETE /_simulator/queue                             remove all messages, and the events of files in progress
GET    /_simulator/calls                             the requests so far
DELETE /_simulator/calls                             reset the counts
GET    /_simulator/faults                            the faults
PUT    /_simulator/faults                            {\"latency\": \"50ms\", \"throttle_rate\": 0.1,
                                                      \"cloudtrail_quota\": true, \"event_duplicate_rate\": 0.1,
                                                      \"event_loss_rate\": 0.1, \"event_delay\": \"2s\", ...}
PUT    /_simulator/connectors/{connector}            {\"host\": \"sftp.example.com\", \"protocol\": \"sftp\", ...}
PUT    /_simulator/transfers/{connector}/{transfer}  [{\"path\": \"/a\", \"queued_for\": 2, \"in_progress_for\": \"5s\",
                                                       \"end\": \"completed\" | \"never\" | {\"status\": \"PAUSED\"} |
                                                       {\"failed\": {\"code\": \"TIMEOUT_ERROR\", \"message\": \"...\"}}}]
                                                     ?age=8d backdates the start; ?direction=send sends (default:
                                                     retrieve); \"bytes\" is the size of a file
Durations are seconds, texts such as \"50ms\", or \"forever\".
";

/// The relevant parts of a request.
pub(crate) struct ControlRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
}

/// Answers a request that is not an API call.
pub(crate) fn answer(simulator: &Simulator, request: &ControlRequest<'_>, body: &[u8]) -> Reply {
    let ControlRequest {
        method,
        host,
        path,
        query,
    } = *request;
    let Some(path) = path.strip_prefix("/_simulator/") else {
        return Reply::text(
            StatusCode::NOT_FOUND,
            "Not found; GET /_simulator/ lists the routes.\n",
        );
    };
    let put = *method == Method::PUT;
    match (method.as_str(), path) {
        ("GET", "") => Reply::text(StatusCode::OK, HELP),
        ("GET", "queue") => Reply::text(
            StatusCode::OK,
            simulator.queue_url(&format!("http://{host}")) + "\n",
        ),
        ("DELETE", "queue") => {
            simulator.state().purge();
            done(Ok(()))
        }
        ("GET", "calls") => Reply::json(&simulator.calls().to_json()),
        ("DELETE", "calls") => {
            simulator.reset_calls();
            done(Ok(()))
        }
        ("GET", "faults") => {
            Reply::json(&serde_json::to_value(&*simulator.faults()).unwrap_or_default())
        }
        ("PUT", "faults") => {
            done(Faults::from_json(body).map(|faults| simulator.set_faults(faults)))
        }
        (_, path) => match (
            path.strip_prefix("connectors/"),
            path.strip_prefix("transfers/"),
        ) {
            (Some(id), _) if put => done(put_connector(simulator, id, body)),
            (_, Some(ids)) if put => done(put_transfer(simulator, ids, query, body)),
            (None, None) if !matches!(path, "" | "calls" | "faults" | "queue") => Reply::text(
                StatusCode::NOT_FOUND,
                "Not found; GET /_simulator/ lists the routes.\n",
            ),
            _ => Reply::text(
                StatusCode::METHOD_NOT_ALLOWED,
                "This route does not accept that method.\n",
            ),
        },
    }
}

fn done(result: Result<(), String>) -> Reply {
    match result {
        Ok(()) => Reply::text(StatusCode::NO_CONTENT, ""),
        Err(reason) => Reply::text(StatusCode::BAD_REQUEST, reason + "\n"),
    }
}

fn put_connector(simulator: &Simulator, id: &str, body: &[u8]) -> Result<(), String> {
    let id: ConnectorId = id
        .parse()
        .map_err(|error: model::IdError| error.to_string())?;
    let spec: ConnectorSpec = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    simulator.add_connector(id, spec);
    Ok(())
}

/// Puts a transfer. A transfer id may contain slashes, so the rest of the path is the id.
fn put_transfer(
    simulator: &Simulator,
    ids: &str,
    query: Option<&str>,
    body: &[u8],
) -> Result<(), String> {
    let (connector, transfer) = ids
        .split_once('/')
        .ok_or("the path is `transfers/{connector}/{transfer}`")?;
    let connector: ConnectorId = connector
        .parse()
        .map_err(|error: model::IdError| error.to_string())?;
    let transfer: TransferId = transfer
        .parse()
        .map_err(|error: model::IdError| error.to_string())?;
    let (mut age, mut direction) = (Duration::ZERO, Direction::Retrieve);
    for parameter in query.into_iter().flat_map(|query| query.split('&')) {
        match parameter.split_once('=') {
            Some(("age", text)) => age = parse_duration(text)?,
            Some(("direction", "send")) => direction = Direction::Send,
            Some(("direction", "retrieve")) => direction = Direction::Retrieve,
            _ => {
                return Err(
                    "the parameters are `age`, and `direction`, which is `send` or `retrieve`"
                        .to_owned(),
                );
            }
        }
    }
    let started_at = simulator
        .now()
        .wall
        .checked_sub(age)
        .ok_or("`age` is too long")?;
    let files: Vec<FileScript> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    simulator.put_transfer_of(direction, &connector, &transfer, files, started_at);
    Ok(())
}

#[cfg(test)]
mod tests {
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
        let ask =
            |method: &str, path: &str, body: &str| ask(&simulator, method, path, body).as_u16();
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
            [ask("GET", "/"), ask("GET", "/_simulator/call")],
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
}
