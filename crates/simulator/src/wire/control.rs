//! Control routes, for a simulator in another process. They need no credentials: a simulator
//! listens on the loopback interface.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::page;
use super::reply::Reply;
use crate::account_clock::{MAX_JUMP, MAX_SPEED};
use crate::domain::{parse_duration, span};
use crate::{ConnectorSpec, Faults, FileScript, Rule, Simulator};
use model::{ConnectorId, Direction, TransferId};

const HELP: &str = "\
Simulator of the endpoints of AWS Transfer Family, of CloudTrail's event history and of an SQS queue of events

GET    /                                             a page with the state
POST   /                                             the three APIs, selected by X-Amz-Target: set the address of
                                                     this server as `endpoint_url` of each
GET    /_simulator/openapi.json                      these routes as OpenAPI
GET    /_simulator/state                             connectors, newest transfers, queue, rules, faults and time
POST   /_simulator/reset                             return to the initial state and start the scenario again
GET    /_simulator/time                              the time of the account
PUT    /_simulator/time                              {\"speed\": 60, \"advance\": \"12h\"}; a speed of 0 stops it
GET    /_simulator/rules                             the lives of files of transfers that clients start
PUT    /_simulator/rules                             replace them: [{\"path\": \"*.csv\", \"end\": \"never\"}, ...]
POST   /_simulator/rules                             put one first: {\"times\": 1, \"end\": {\"failed\": {...}}}
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
The program `transfer-simulator` has scenarios in addition:
GET    /_simulator/scenarios                         the names of those that it contains
PUT    /_simulator/scenario                          reset, and start the scenario of the body, or that of ?name=
Durations are seconds, texts such as \"50ms\", or \"forever\".
";

/// The OpenAPI description of the control routes.
const OPENAPI: &str = include_str!("openapi.json");

/// The relevant parts of a request.
pub(crate) struct ControlRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
}

/// The body of `PUT /_simulator/time`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeChange {
    speed: Option<f64>,
    #[serde(default, deserialize_with = "span::deserialize")]
    advance: Duration,
}

/// Answers a request that is not an API call.
pub(crate) fn answer(simulator: &Simulator, request: &ControlRequest<'_>, body: &[u8]) -> Reply {
    let ControlRequest {
        method,
        host,
        path,
        query,
    } = *request;
    if path == "/" && *method == Method::GET {
        return Reply::page(page::render(&simulator.snapshot()));
    }
    let Some(path) = path.strip_prefix("/_simulator/") else {
        return not_found();
    };
    match (method.as_str(), path) {
        ("GET", "") => Reply::text(StatusCode::OK, HELP),
        ("GET", "openapi.json") => Reply::file("application/json", OPENAPI),
        ("GET", "page.css") => Reply::file("text/css; charset=utf-8", page::STYLE),
        ("GET", "state") => Reply::json_of(&simulator.snapshot()),
        ("POST", "reset") => {
            simulator.reset();
            done(Ok(()))
        }
        ("GET", "time") => Reply::json_of(&simulator.time()),
        ("PUT", "time") => done(put_time(simulator, body)),
        ("GET", "rules") => Reply::json_of(&simulator.state().rules.all()),
        ("PUT", "rules") => {
            done(parsed(body).map(|rules: Vec<Rule>| simulator.state().rules.set(rules)))
        }
        ("POST", "rules") => {
            done(parsed(body).map(|rule: Rule| simulator.state().rules.put_first(rule)))
        }
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
        ("GET", "faults") => Reply::json_of(&*simulator.faults()),
        ("PUT", "faults") => {
            done(Faults::from_json(body).map(|faults| simulator.set_faults(faults)))
        }
        #[cfg(feature = "standalone")]
        ("GET", "scenarios") => Reply::json_of(&crate::shipped_scenarios().collect::<Vec<_>>()),
        #[cfg(feature = "standalone")]
        ("PUT", "scenario") => done(put_scenario(simulator, query, body)),
        ("PUT", path) => match path.split_once('/') {
            Some(("connectors", id)) => done(put_connector(simulator, id, body)),
            Some(("transfers", ids)) => done(put_transfer(simulator, ids, query, body)),
            _ => other(path),
        },
        (_, path) => other(path),
    }
}

fn not_found() -> Reply {
    Reply::text(
        StatusCode::NOT_FOUND,
        "Not found; GET /_simulator/ lists the routes.\n",
    )
}

/// Answers a request whose path or method is wrong.
fn other(path: &str) -> Reply {
    let first = path.split('/').next().unwrap_or_default();
    let is_route = match first {
        "" | "openapi.json" | "page.css" | "state" | "reset" | "time" | "rules" | "queue"
        | "calls" | "faults" => first == path,
        "scenarios" | "scenario" => first == path && cfg!(feature = "standalone"),
        _ => matches!(first, "connectors" | "transfers"),
    };
    if !is_route {
        return not_found();
    }
    Reply::text(
        StatusCode::METHOD_NOT_ALLOWED,
        "This route does not accept that method.\n",
    )
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn put_time(simulator: &Simulator, body: &[u8]) -> Result<(), String> {
    let TimeChange { speed, advance } = parsed(body)?;
    if let Some(speed) = speed.filter(|speed| !(0.0..=MAX_SPEED).contains(speed)) {
        return Err(format!("`speed`: {speed} is not between 0 and {MAX_SPEED}"));
    }
    if advance > MAX_JUMP {
        return Err(format!("`advance`: longer than {} s", MAX_JUMP.as_secs()));
    }
    simulator.change_time(speed, advance);
    Ok(())
}

#[cfg(feature = "standalone")]
fn put_scenario(simulator: &Simulator, query: Option<&str>, body: &[u8]) -> Result<(), String> {
    let (name, scenario) = match query.map(|query| query.split_once('=')) {
        None => (
            "scenario.yml",
            crate::Scenario::from_yaml("scenario.yml", body),
        ),
        Some(Some(("name", name))) => (name, crate::Scenario::shipped(name)),
        Some(_) => return Err("the parameter is `name`".to_owned()),
    };
    simulator.load(name, scenario.map_err(|error| error.to_string())?);
    Ok(())
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
    let spec: ConnectorSpec = parsed(body)?;
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
    let files: Vec<FileScript> = parsed(body)?;
    simulator.put_transfer_of(direction, &connector, &transfer, files, started_at);
    Ok(())
}

#[cfg(test)]
mod tests;
