//! Control over HTTP, for a simulator that runs in another process. It asks for no credentials: a simulator stands on
//! the loopback.

use std::time::Duration;

use hyper::{Method, StatusCode};

use super::answer::Page;
use super::{ConnectorSpec, Faults, FileScript, Simulator, span};
use model::{ConnectorId, Direction, TransferId};

const HELP: &str = "\
Simulator of the endpoints of AWS Transfer Family, of CloudTrail's event history and of an SQS queue of events

POST /                                               the three APIs, told apart by X-Amz-Target: set this server's
                                                     address as `endpoint_url` of each
GET    /_simulator/queue                             the URL of the queue, for `queue_url`
DELETE /_simulator/queue                             empty it; what is not over yet tells no event either
GET    /_simulator/calls                             what was asked so far
DELETE /_simulator/calls                             count from zero
GET    /_simulator/faults                            the faults
PUT    /_simulator/faults                            {\"latency\": \"50ms\", \"throttle_rate\": 0.1,
                                                      \"cloudtrail_quota\": true, \"event_duplicate_rate\": 0.1,
                                                      \"event_loss_rate\": 0.1, \"event_delay\": \"2s\", ...}
PUT    /_simulator/connectors/{connector}            {\"host\": \"sftp.example.com\", \"protocol\": \"sftp\", ...}
PUT    /_simulator/transfers/{connector}/{transfer}  [{\"path\": \"/a\", \"queued_for\": 2, \"in_progress_for\": \"5s\",
                                                       \"end\": \"completed\" | \"never\" | {\"status\": \"PAUSED\"} |
                                                       {\"failed\": {\"code\": \"TIMEOUT_ERROR\", \"message\": \"...\"}}}]
                                                     ?age=8d backdates the start, ?direction=send sends (retrieves
                                                     else); \"bytes\" of a file is its size
Durations are seconds, texts such as \"50ms\", or \"forever\".
";

/// The head of a request, as far as it matters.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

/// Answers what is not an API call.
pub(super) fn answer(simulator: &Simulator, asked: &Asked<'_>, body: &[u8]) -> Page {
    let Asked {
        method,
        host,
        path,
        query,
    } = *asked;
    let Some(path) = path.strip_prefix("/_simulator/") else {
        return Page::text(
            StatusCode::NOT_FOUND,
            "Not found; GET /_simulator/ tells what there is.\n",
        );
    };
    let put = *method == Method::PUT;
    match (method.as_str(), path) {
        ("GET", "") => Page::text(StatusCode::OK, HELP),
        ("GET", "queue") => Page::text(
            StatusCode::OK,
            simulator.queue_url(&format!("http://{host}")) + "\n",
        ),
        ("DELETE", "queue") => {
            simulator.state().purge();
            done(Ok(()))
        }
        ("GET", "calls") => Page::json(&simulator.calls().to_json()),
        ("DELETE", "calls") => {
            simulator.reset_calls();
            done(Ok(()))
        }
        ("GET", "faults") => {
            Page::json(&serde_json::to_value(&*simulator.faults()).unwrap_or_default())
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
            (None, None) if !matches!(path, "" | "calls" | "faults" | "queue") => Page::text(
                StatusCode::NOT_FOUND,
                "Not found; GET /_simulator/ tells what there is.\n",
            ),
            _ => Page::text(
                StatusCode::METHOD_NOT_ALLOWED,
                "This route does not take that method.\n",
            ),
        },
    }
}

fn done(result: Result<(), String>) -> Page {
    match result {
        Ok(()) => Page::text(StatusCode::NO_CONTENT, ""),
        Err(reason) => Page::text(StatusCode::BAD_REQUEST, reason + "\n"),
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

/// A transfer id may have slashes, so the rest of the path is one.
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
            Some(("age", text)) => age = span::parse(text)?,
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
        .ok_or("`age` reaches past the beginning of time")?;
    let files: Vec<FileScript> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    simulator.put_transfer_of(direction, &connector, &transfer, files, started_at);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{now, simulator};
    use crate::{Operation, Settings};

    const TRANSFER: &str = "/_simulator/transfers/c-0123456789abcdef0/a/b";

    fn ask(simulator: &Simulator, method: &str, uri: &str, body: &str) -> StatusCode {
        let (path, query) = uri
            .split_once('?')
            .map_or((uri, None), |(path, query)| (path, Some(query)));
        answer(
            simulator,
            &Asked {
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
    fn routes_and_methods_that_are_not_there_are_told_apart() {
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
    fn calls_are_told_as_json_and_reset() {
        let simulator = simulator(Settings::default());
        crate::lock(&simulator.0.calls).begin(Some(Operation::ListConnectors));
        let asked = Asked {
            method: &Method::GET,
            host: "h",
            path: "/_simulator/calls",
            query: None,
        };
        let page = answer(&simulator, &asked, b"");
        let calls: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
        assert_eq!(calls["operations"]["ListConnectors"], 1);
        assert_eq!(
            ask(&simulator, "DELETE", "/_simulator/calls", ""),
            StatusCode::NO_CONTENT
        );
        assert_eq!(simulator.calls().of(Operation::ListConnectors), 0);
        assert_eq!(now(), simulator.now());
    }
}
