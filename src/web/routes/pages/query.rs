//! Query strings of pages and of the JSON API.

use std::collections::BTreeSet;
use std::fmt::Display;

use crate::tracker::query::{
    CursorError, FailureFilter, MAX_FAILURES, Query, Resolution, StateFilter,
};
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
        parameter: model::visible(parameter).to_string(),
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
pub(super) const TARGETS: [&str; 5] = ["account", "connector_id", "module", "state", "limit"];
/// Parameters of `/api/v1/failures`.
pub(super) const FAILURES: [&str; 4] = ["account", "connector_id", "resolution", "limit"];
/// Parameters of `/api/v1/failures/acknowledge`.
pub(super) const ACKNOWLEDGE: [&str; 5] = [
    "account",
    "connector_id",
    "transfer_id",
    "path",
    "failure_code",
];
/// Parameters of `/probe`.
pub(super) const PROBE: [&str; 4] = ["account", "connector_id", "module", "transfer_id"];

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
            "limit" => filter.limit = parse_limit(&name, &value, most)?,
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

/// Which targets are listed.
#[derive(Clone, Debug)]
pub(super) struct TargetsQuery {
    pub(super) filter: Query,
    /// Connections of connectors instead of transfers.
    pub(super) of_connections: bool,
}

/// Parses the parameters of `/api/v1/targets`.
pub(super) fn targets(query: &str) -> Result<TargetsQuery, BadParameter> {
    let mut of_connections = false;
    let mut rest = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs(query, &TARGETS)? {
        if name == "module" {
            of_connections = is_connection(&name, &value)?;
        } else {
            rest.append_pair(&name, &value);
        }
    }
    let filter = transfers(&rest.finish(), &TARGETS, MAX_TARGETS, MAX_TARGETS)?;
    if of_connections && filter.state.is_some() {
        return Err(bad("state", &"has no meaning with `module=connection`"));
    }
    Ok(TargetsQuery {
        filter,
        of_connections,
    })
}

/// Returns whether `module` stands for connections.
fn is_connection(name: &str, value: &str) -> Result<bool, BadParameter> {
    match value {
        "transfer" => Ok(false),
        "connection" => Ok(true),
        _ => Err(bad(name, &"is `transfer` (the default) or `connection`")),
    }
}

/// Which failed files are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FailureQuery {
    pub(super) filter: FailureFilter,
    pub(super) resolution: Resolution,
    pub(super) limit: usize,
}

/// Parses the parameters of `/api/v1/failures`.
pub(super) fn failures(query: &str, limit: usize) -> Result<FailureQuery, BadParameter> {
    let mut failures = FailureQuery {
        filter: FailureFilter::default(),
        resolution: Resolution::Unresolved,
        limit,
    };
    for (name, value) in pairs(query, &FAILURES)? {
        match name.as_str() {
            "limit" => failures.limit = parse_limit(&name, &value, MAX_FAILURES)?,
            "resolution" => {
                let mut known = Resolution::ALL.into_iter();
                let found = known.find(|resolution| resolution.as_str() == value);
                failures.resolution = found.ok_or_else(|| {
                    let known = Resolution::ALL.map(Resolution::as_str).join(", ");
                    bad(&name, &format_args!("is one of {known}"))
                })?;
            }
            _ => set_filter(&mut failures.filter, &name, value)?,
        }
    }
    Ok(failures)
}

/// Parses the parameters of `/api/v1/failures/acknowledge`. One of them is required, so that a bare
/// request does not acknowledge everything.
pub(super) fn acknowledge(query: &str) -> Result<FailureFilter, BadParameter> {
    let mut filter = FailureFilter::default();
    for (name, value) in pairs(query, &ACKNOWLEDGE)? {
        set_filter(&mut filter, &name, value)?;
    }
    if filter == FailureFilter::default() {
        let known = ACKNOWLEDGE.join(", ");
        return Err(bad(
            "connector_id",
            &format_args!("or another of {known} is required"),
        ));
    }
    Ok(filter)
}

fn set_filter(filter: &mut FailureFilter, name: &str, value: String) -> Result<(), BadParameter> {
    let bad_id = |error: IdError| bad(name, &error);
    match name {
        "account" => filter.account = Some(value),
        "connector_id" => filter.connector = Some(value.parse().map_err(bad_id)?),
        "transfer_id" => filter.transfer = Some(value.parse().map_err(bad_id)?),
        "path" => filter.path = Some(value),
        _ => filter.code = Some(value),
    }
    Ok(())
}

fn parse_limit(name: &str, value: &str, most: usize) -> Result<usize, BadParameter> {
    let limit = value.parse().ok();
    limit
        .filter(|limit| (1..=most).contains(limit))
        .ok_or_else(|| bad(name, &format_args!("is a whole number from 1 to {most}")))
}

/// The parameters of `/probe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// The configured account; optional if there is only one.
    pub account: Option<String>,
    /// The connector.
    pub connector: ConnectorId,
    /// What is probed.
    pub module: ProbeModule,
}

/// What `/probe` probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeModule {
    /// The results of a transfer.
    Transfer(TransferId),
    /// The connection to the partner's server.
    Connection,
}

/// Parses the parameters of `/probe`.
pub(crate) fn probe(query: &str) -> Result<ProbeRequest, BadParameter> {
    let (mut account, mut connector, mut transfer) = (None, None, None);
    let mut of_connection = false;
    for (name, value) in pairs(query, &PROBE)? {
        match name.as_str() {
            "account" => account = Some(value),
            "connector_id" => {
                connector = Some(value.parse().map_err(|error: IdError| bad(&name, &error))?);
            }
            "module" => of_connection = is_connection(&name, &value)?,
            _ => transfer = Some(value.parse().map_err(|error: IdError| bad(&name, &error))?),
        }
    }
    let missing = |name| bad(name, &"is missing");
    let connector = connector.ok_or_else(|| missing("connector_id"))?;
    let module = match (of_connection, transfer) {
        (true, None) => ProbeModule::Connection,
        (true, Some(_)) => {
            return Err(bad(
                "transfer_id",
                &"has no meaning with `module=connection`",
            ));
        }
        (false, transfer) => ProbeModule::Transfer(transfer.ok_or_else(|| missing("transfer_id"))?),
    };
    Ok(ProbeRequest {
        account,
        connector,
        module,
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
    fn failures_are_filtered_and_an_acknowledgement_names_what_it_is_about() {
        let connector = Some("c-0123456789abcdef0".parse().unwrap());
        let read = failures("connector_id=c-0123456789abcdef0&limit=7", 100).unwrap();
        assert_eq!((read.filter.connector, read.limit), (connector.clone(), 7));
        assert_eq!(read.resolution, Resolution::Unresolved);
        let read = failures("resolution=acknowledged", 100).unwrap();
        assert_eq!(read.resolution, Resolution::Acknowledged);
        for (query, parameter) in [
            ("resolution=gone", "resolution"),
            ("limit=10001", "limit"),
            ("connector_id=c-1", "connector_id"),
            ("state=failed", "state"),
        ] {
            assert_eq!(failures(query, 100).unwrap_err().parameter, parameter);
        }
        let query = "connector_id=c-0123456789abcdef0&transfer_id=t-1&path=%2Fa+b&failure_code=X";
        let filter = acknowledge(query).unwrap();
        assert_eq!(filter.connector, connector);
        assert_eq!(filter.path.as_deref(), Some("/a b"));
        assert_eq!(filter.code.as_deref(), Some("X"));
        for query in ["", "path=", "limit=1", "transfer_id=a%20b"] {
            assert!(acknowledge(query).is_err(), "{query}");
        }
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
        let transfer = ProbeModule::Transfer("a/b".parse().unwrap());
        assert_eq!((probed.module, probed.account), (transfer, None));
        let probed = probe("module=connection&connector_id=c-0123456789abcdef0").unwrap();
        assert_eq!(probed.module, ProbeModule::Connection);
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
            (
                "connector_id=c-0123456789abcdef0&transfer_id=a&module=connection",
                "transfer_id",
            ),
            ("target=x", "target"),
        ] {
            assert_eq!(probe(query).unwrap_err().parameter, parameter, "{query}");
        }
    }

    #[test]
    fn targets_are_transfers_or_connections() {
        assert!(!targets("state=failed").unwrap().of_connections);
        let connections = targets("module=connection&limit=3").unwrap();
        assert!(connections.of_connections);
        assert_eq!(connections.filter.limit, 3);
        for (query, parameter) in [
            ("module=x", "module"),
            ("module=connection&state=failed", "state"),
            ("module=connection&limit=0", "limit"),
        ] {
            assert_eq!(targets(query).unwrap_err().parameter, parameter, "{query}");
        }
    }
}
