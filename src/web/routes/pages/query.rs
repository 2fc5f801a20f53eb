//! Query strings of pages and of the JSON API.

use std::collections::BTreeSet;
use std::fmt::Display;

use crate::tracker::query::{CursorError, Query, StateFilter};
use model::{ConnectorId, IdError, TransferId};

/// Maximum of `limit` for transfers.
pub(super) const MAX_LIMIT: usize = 1_000;
/// Maximum of `limit` for targets. Prometheus does not page.
pub(super) const MAX_TARGETS: usize = 10_000;
/// Maximum length of a search, in characters.
const MAX_SEARCH: usize = 200;

/// An invalid parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{parameter}`: {message}")]
pub(crate) struct BadParameter {
    pub(super) parameter: String,
    pub(super) message: String,
}

fn bad(parameter: &str, message: &dyn Display) -> BadParameter {
    BadParameter {
        parameter: parameter.to_owned(),
        message: message.to_string(),
    }
}

/// Parses the parameters. Empty ones are dropped, because a form sends all of its fields.
fn pairs(query: &str, known: &[&str]) -> Result<Vec<(String, String)>, BadParameter> {
    let mut seen = BTreeSet::new();
    let mut pairs = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !known.contains(&name.as_ref()) {
            // Bounded, because the error repeats it.
            let name: String = name.chars().take(40).collect();
            return Err(bad(
                &name,
                &format_args!("is not a parameter; there are {}", known.join(", ")),
            ));
        }
        if !seen.insert(name.clone()) {
            return Err(bad(&name, &"is given twice"));
        }
        if !value.is_empty() {
            pairs.push((name.into_owned(), value.into_owned()));
        }
    }
    Ok(pairs)
}

/// Parameters of `/transfers` and `/api/v1/transfers`.
pub(super) const TRANSFERS: [&str; 6] = [
    "account",
    "connector_id",
    "state",
    "search",
    "limit",
    "cursor",
];
/// Parameters of `/api/v1/targets`.
pub(super) const TARGETS: [&str; 4] = ["account", "connector_id", "state", "limit"];
/// Parameters of `/probe`.
pub(super) const PROBE: [&str; 3] = ["account", "connector_id", "transfer_id"];

/// Parses a filter with the parameters of `known`. `limit` is the default of the parameter, `most`
/// its maximum.
pub(super) fn transfers(
    query: &str,
    known: &[&str],
    limit: usize,
    most: usize,
) -> Result<Query, BadParameter> {
    let mut filter = Query {
        limit,
        ..Query::default()
    };
    for (name, value) in pairs(query, known)? {
        match name.as_str() {
            "account" => filter.account = Some(value),
            "connector_id" => {
                filter.connector =
                    Some(value.parse().map_err(|error: IdError| bad(&name, &error))?);
            }
            "state" => {
                let state = StateFilter::ALL
                    .into_iter()
                    .find(|state| state.as_str() == value);
                filter.state = Some(state.ok_or_else(|| {
                    let known: Vec<_> = StateFilter::ALL
                        .iter()
                        .map(|state| state.as_str())
                        .collect();
                    bad(&name, &format_args!("is one of {}", known.join(", ")))
                })?);
            }
            "search" if value.chars().count() > MAX_SEARCH => {
                return Err(bad(
                    &name,
                    &format_args!("has at most {MAX_SEARCH} characters"),
                ));
            }
            "search" => filter.search = Some(value),
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=most).contains(limit));
                filter.limit = limit.ok_or_else(|| {
                    bad(&name, &format_args!("is a whole number from 1 to {most}"))
                })?;
            }
            _ => {
                filter.after = Some(
                    value
                        .parse()
                        .map_err(|error: CursorError| bad(&name, &error))?,
                );
            }
        }
    }
    Ok(filter)
}

/// The parameters of `/probe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// The configured account; optional if there is only one.
    pub account: Option<String>,
    /// The connector.
    pub connector: ConnectorId,
    /// The transfer.
    pub transfer: TransferId,
}

/// Parses the parameters of `/probe`.
pub(crate) fn probe(query: &str) -> Result<ProbeRequest, BadParameter> {
    let (mut account, mut connector, mut transfer) = (None, None, None);
    for (name, value) in pairs(query, &PROBE)? {
        match name.as_str() {
            "account" => account = Some(value),
            "connector_id" => {
                connector = Some(value.parse().map_err(|error: IdError| bad(&name, &error))?);
            }
            _ => transfer = Some(value.parse().map_err(|error: IdError| bad(&name, &error))?),
        }
    }
    let missing = |name| bad(name, &"is missing");
    Ok(ProbeRequest {
        account,
        connector: connector.ok_or_else(|| missing("connector_id"))?,
        transfer: transfer.ok_or_else(|| missing("transfer_id"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TransferState;

    #[test]
    fn a_filter_is_parsed_and_empty_fields_are_dropped() {
        let read = |query: &str| transfers(query, &TRANSFERS, 50, MAX_LIMIT).unwrap();
        assert_eq!(
            read(""),
            Query {
                limit: 50,
                ..Query::default()
            }
        );
        assert_eq!(
            read("search=&state=&account=&connector_id=&limit=&cursor="),
            read("")
        );
        let filter = read(
            "account=a+b&connector_id=c-0123456789abcdef0&state=failed&search=%3Cb%3E&limit=7",
        );
        assert_eq!(
            filter,
            Query {
                account: Some("a b".into()),
                connector: Some("c-0123456789abcdef0".parse().unwrap()),
                state: Some(StateFilter::Is(TransferState::Failed)),
                search: Some("<b>".into()),
                after: None,
                limit: 7,
            }
        );
    }

    #[test]
    fn an_invalid_parameter_is_named() {
        for (query, parameter) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("state=FAILED", "state"),
            ("connector_id=c-1", "connector_id"),
            ("cursor=xyz", "cursor"),
            ("cursor=3132", "cursor"),
            ("cursor=%F0%9F%9A%80", "cursor"),
            ("search=a&search=b", "search"),
            ("serach=a", "serach"),
            ("=a", ""),
        ] {
            let error = transfers(query, &TRANSFERS, 50, MAX_LIMIT).unwrap_err();
            assert_eq!(error.parameter, parameter, "{query}");
        }
        let long = format!("search={}", "x".repeat(201));
        assert_eq!(
            transfers(&long, &TRANSFERS, 50, MAX_LIMIT)
                .unwrap_err()
                .parameter,
            "search"
        );
    }

    #[test]
    fn a_probe_requires_a_connector_and_a_transfer() {
        let probed = probe("connector_id=c-0123456789abcdef0&transfer_id=a%2Fb").unwrap();
        assert_eq!((probed.transfer.as_str(), probed.account), ("a/b", None));
        for (query, parameter) in [
            ("", "connector_id"),
            ("connector_id=c-0123456789abcdef0", "transfer_id"),
            (
                "connector_id=c-0123456789abcdef0&transfer_id=a%20b",
                "transfer_id",
            ),
            (
                "connector_id=c-0123456789abcdef0&transfer_id=a&module=x",
                "module",
            ),
            ("target=x", "target"),
        ] {
            assert_eq!(probe(query).unwrap_err().parameter, parameter, "{query}");
        }
    }
}
