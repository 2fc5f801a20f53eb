//! The write API: orchestrators tell of the transfers that they start.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::{Method, StatusCode};
use serde_json::json;

use crate::web::{Exporter, WriteApiError, WriteRequest};
use model::{ConnectorId, TransferId};

/// Set by browsers: where a request comes from
/// (<https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Answers `PUT` and `DELETE /api/v1/transfers/{connector_id}/{transfer_id}[?account=][&started_at=]`: status and JSON. What
/// is answered with a status below 300 is durable, and a repetition changes nothing.
pub(crate) async fn answer(
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    exporter: Arc<dyn Exporter>,
) -> (StatusCode, Bytes) {
    let write = match read(method, path, query, headers) {
        Ok(write) => write,
        Err((status, message)) => return error(status, &message),
    };
    let told = json!({
        "account": write.account,
        "connector_id": write.connector.as_str(),
        "transfer_id": write.transfer.as_str(),
    });
    let new = match exporter.write(write).await {
        Ok(new) => new,
        Err(refusal) => {
            let status = match refusal {
                WriteApiError::Disabled => StatusCode::FORBIDDEN,
                WriteApiError::UnknownAccount => StatusCode::NOT_FOUND,
                WriteApiError::OtherShard(_) => StatusCode::MISDIRECTED_REQUEST,
                WriteApiError::NotPersisted => StatusCode::SERVICE_UNAVAILABLE,
            };
            return error(status, &refusal.to_string());
        }
    };
    let status = if new && *method == Method::PUT {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    (status, format!("{told}\n").into())
}

type Fault = (StatusCode, String);

fn read(
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
) -> Result<WriteRequest, Fault> {
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    if is_cross_site(headers) {
        return Err((
            StatusCode::FORBIDDEN,
            "a page of another site asks for this".to_owned(),
        ));
    }
    let (connector, transfer) = path.split_once('/').unwrap_or((path, ""));
    let connector: ConnectorId = connector.parse().map_err(|error| bad(format!("{error}")))?;
    // A transfer's id may have slashes, which a client may have escaped.
    let transfer = transfer.replace("%2F", "/").replace("%2f", "/");
    let transfer: TransferId = transfer.parse().map_err(|error| bad(format!("{error}")))?;
    let mut write = WriteRequest {
        account: None,
        connector,
        transfer,
        started_at: None,
        track: *method == Method::PUT,
    };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "account" => write.account = Some(value.into_owned()),
            "started_at" => {
                write.started_at = Some(time(&value).ok_or_else(|| bad(STARTED_AT.to_owned()))?)
            }
            _ => {
                return Err(bad(
                    "the parameters are `account` and `started_at`".to_owned()
                ));
            }
        }
    }
    Ok(write)
}

const STARTED_AT: &str =
    "`started_at` is a time such as `2026-01-31T12:00:00Z`, or seconds since the epoch";

fn time(text: &str) -> Option<SystemTime> {
    let seconds = text
        .parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .and_then(|since| UNIX_EPOCH.checked_add(since))
        .or_else(|| humantime::parse_rfc3339(text).ok())
}

/// A browser says where a request comes from; other clients say nothing, and are not what this is about.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let site = text(&SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let origin = text(&ORIGIN).is_some_and(|origin| {
        origin
            .split_once("://")
            .is_none_or(|(_, host)| text(&HOST).is_none_or(|own| own != host))
    });
    site || origin
}

fn error(status: StatusCode, message: &str) -> (StatusCode, Bytes) {
    (status, format!("{}\n", json!({ "error": message })).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(path: &str, query: &str, headers: &[(&str, &str)]) -> Result<WriteRequest, Fault> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        read(&Method::PUT, path, query, &map)
    }

    #[test]
    fn a_transfer_id_may_have_slashes_escaped_or_not() {
        for path in [
            "c-0123456789abcdef0/a/b",
            "c-0123456789abcdef0/a%2Fb",
            "c-0123456789abcdef0/a%2fb",
        ] {
            assert_eq!(reading(path, "", &[]).unwrap().transfer.as_str(), "a/b");
        }
    }

    #[test]
    fn what_is_no_pair_and_no_parameter_is_said() {
        for (path, query) in [
            ("", ""),
            ("c-0123456789abcdef0", ""),
            ("c-0123456789abcdef0/", ""),
            ("c-1/a", ""),
            ("c-0123456789abcdef0/a b", ""),
            ("c-0123456789abcdef0/a", "acount=x"),
            ("c-0123456789abcdef0/a", "started_at=yesterday"),
            ("c-0123456789abcdef0/a", "started_at=-1"),
        ] {
            assert_eq!(
                reading(path, query, &[]).unwrap_err().0,
                StatusCode::BAD_REQUEST,
                "{path}?{query}"
            );
        }
        let write = reading(
            "c-0123456789abcdef0/a",
            "account=prod&started_at=2026-01-31T12:00:00Z",
            &[],
        )
        .unwrap();
        assert_eq!(write.account.as_deref(), Some("prod"));
        assert_eq!(write.started_at, time("1769860800"));
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let path = "c-0123456789abcdef0/a";
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[
                ("origin", "https://evil.example"),
                ("host", "localhost:10922"),
            ],
            &[("origin", "null"), ("host", "localhost:10922")],
        ] {
            assert_eq!(
                reading(path, "", headers).unwrap_err().0,
                StatusCode::FORBIDDEN,
                "{headers:?}"
            );
        }
        for headers in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[
                ("origin", "http://localhost:10922"),
                ("host", "localhost:10922"),
            ],
        ] {
            assert!(reading(path, "", headers).is_ok(), "{headers:?}");
        }
    }
}
