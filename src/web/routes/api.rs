//! The write API: orchestrators report the transfers that they start.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::json;

use super::RouteState;
use crate::web::response::{JSON, json_error, text};
use crate::web::{WriteApiError, WriteRequest, Written};
use model::{ConnectorId, TransferId, TransferStart};

/// The path of a single transfer. The ids are parsed from the undecoded path, because a transfer id
/// may have slashes.
pub(super) const TRANSFER_PATH: &str = "/api/v1/transfers/{*transfer}";
/// The path of a transfer without its ids, which is a client error.
pub(super) const TRANSFERS_PREFIX: &str = "/api/v1/transfers/";

const STARTED_AT: &str =
    "`started_at` must be a time such as `2026-01-31T12:00:00Z`, or seconds since the epoch";
const FILES: &str = "`files` must be a number from 1 to 1000";

/// Answers `PUT` and `DELETE
/// /api/v1/transfers/{connector_id}/{transfer_id}[?account=][&started_at=][&files=]`. A change is
/// durable once it is answered with a status below 300, and repeating it changes nothing.
pub(super) async fn write(
    State(RouteState {
        exporter, paths, ..
    }): State<RouteState>,
    method: Method,
    uri: Uri,
) -> Response {
    let path = paths.strip(uri.path());
    let ids = path.and_then(|path| path.strip_prefix(TRANSFERS_PREFIX));
    let query = uri.query().unwrap_or_default();
    let request = match write_request(&method, ids.unwrap_or_default(), query) {
        Ok(request) => request,
        Err(message) => return json_error(StatusCode::BAD_REQUEST, &message),
    };
    let body = json!({
        "account": request.account,
        "connector_id": request.connector.as_str(),
        "transfer_id": request.transfer.as_str(),
    });
    match exporter.write(request).await {
        Ok(written) => {
            let status = match written {
                Written::Changed if method == Method::PUT => StatusCode::CREATED,
                Written::Changed | Written::Unchanged => StatusCode::OK,
                Written::Forwarded => StatusCode::ACCEPTED,
            };
            text(status, JSON, format!("{body}\n"))
        }
        Err(error) => refused(&error),
    }
}

/// Returns the response to a refused change.
pub(super) fn refused(error: &WriteApiError) -> Response {
    let status = match error {
        WriteApiError::Disabled => StatusCode::FORBIDDEN,
        WriteApiError::UnknownAccount => StatusCode::NOT_FOUND,
        WriteApiError::OtherShard(_) => StatusCode::MISDIRECTED_REQUEST,
        WriteApiError::LimitExceeded(_) => StatusCode::TOO_MANY_REQUESTS,
        WriteApiError::NotPersisted | WriteApiError::Standby => StatusCode::SERVICE_UNAVAILABLE,
    };
    json_error(status, &error.to_string())
}

/// Parses a request of the write API. `ids` is `{connector_id}/{transfer_id}`.
fn write_request(method: &Method, ids: &str, query: &str) -> Result<WriteRequest, String> {
    let (connector, transfer) = ids.split_once('/').unwrap_or((ids, ""));
    let connector: ConnectorId = connector.parse().map_err(|error| format!("{error}"))?;
    // Clients may escape the slashes of a transfer id.
    let transfer = transfer.replace("%2F", "/").replace("%2f", "/");
    let transfer: TransferId = transfer.parse().map_err(|error| format!("{error}"))?;
    let mut request = WriteRequest {
        account: None,
        connector,
        transfer,
        started_at: None,
        files: None,
        track: *method == Method::PUT,
    };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "account" => request.account = Some(value.into_owned()),
            "started_at" => request.started_at = Some(parse_time(&value).ok_or(STARTED_AT)?),
            "files" => request.files = Some(parse_files(&value).ok_or(FILES)?),
            _ => {
                let message =
                    "unknown parameter: the parameters are `account`, `started_at` and `files`";
                return Err(message.to_owned());
            }
        }
    }
    Ok(request)
}

fn parse_files(text: &str) -> Option<u32> {
    let files = text.parse().ok()?;
    (1..=TransferStart::MAX_FILES)
        .contains(&files)
        .then_some(files)
}

fn parse_time(text: &str) -> Option<SystemTime> {
    let seconds = text
        .parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .and_then(|since| UNIX_EPOCH.checked_add(since))
        .or_else(|| humantime::parse_rfc3339(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(ids: &str, query: &str) -> Result<WriteRequest, String> {
        write_request(&Method::PUT, ids, query)
    }

    #[test]
    fn a_transfer_id_may_have_slashes_escaped_or_not() {
        for ids in [
            "c-0123456789abcdef0/a/b",
            "c-0123456789abcdef0/a%2Fb",
            "c-0123456789abcdef0/a%2fb",
        ] {
            assert_eq!(parse(ids, "").unwrap().transfer.as_str(), "a/b");
        }
    }

    #[test]
    fn invalid_ids_and_parameters_are_rejected() {
        for (ids, query) in [
            ("", ""),
            ("c-0123456789abcdef0", ""),
            ("c-0123456789abcdef0/", ""),
            ("c-1/a", ""),
            ("c-0123456789abcdef0/a b", ""),
            ("c-0123456789abcdef0/a", "acount=x"),
            ("c-0123456789abcdef0/a", "started_at=yesterday"),
            ("c-0123456789abcdef0/a", "started_at=-1"),
            ("c-0123456789abcdef0/a", "files=0"),
            ("c-0123456789abcdef0/a", "files=1001"),
            ("c-0123456789abcdef0/a", "files=2.5"),
            ("c-0123456789abcdef0/a", "files="),
        ] {
            assert!(parse(ids, query).is_err(), "{ids}?{query}");
        }
    }

    #[test]
    fn the_number_of_files_is_between_one_and_a_thousand() {
        let ids = "c-0123456789abcdef0/a";
        for files in [1, 1_000] {
            let request = parse(ids, &format!("files={files}")).unwrap();
            assert_eq!(request.files, Some(files));
        }
        let error = parse(ids, "files=many").unwrap_err();
        assert_eq!(error, "`files` must be a number from 1 to 1000");
    }

    #[test]
    fn a_start_time_is_a_timestamp_or_seconds_since_the_epoch() {
        let ids = "c-0123456789abcdef0/a";
        let request = parse(ids, "account=prod&started_at=2026-01-31T12:00:00Z").unwrap();
        assert_eq!(request.account.as_deref(), Some("prod"));
        let seconds = parse(ids, "started_at=1769860800").unwrap();
        assert_eq!(request.started_at, seconds.started_at);
    }
}
