//! What must not be shown, in every place where it can stand.

use super::{PAIR, env, read};
use crate::config::{ConfigFile, Plan, discovery, file};

/// Every scalar of the schema as a path of keys.
const SCALARS: &[&str] = &[
    "accounts.-.name",
    "accounts.-.region",
    "accounts.-.profile",
    "accounts.-.assume_role.role_arn",
    "accounts.-.assume_role.external_id",
    "accounts.-.assume_role.session_name",
    "accounts.-.endpoint_url",
    "accounts.-.fips",
    "accounts.-.dual_stack",
    "transfers.-.account",
    "transfers.-.connector_id",
    "transfers.-.transfer_id",
    "transfers.-.transfer_ids.-",
    "connectors.-.id",
    "connectors.-.name",
    "connectors.-.labels.x",
    "discovery.files.-.account",
    "discovery.files.-.paths.-",
    "discovery.files.-.refresh_interval",
    "discovery.events.-.account",
    "discovery.events.-.queue_url",
    "discovery.events.-.endpoint_url",
    "discovery.events.-.include.-",
    "discovery.cloudtrail.-.account",
    "discovery.cloudtrail.-.lookback",
    "discovery.cloudtrail.-.refresh_interval",
    "discovery.cloudtrail.-.endpoint_url",
    "discovery.cloudtrail.-.include.-",
    "discovery.connectors.-.account",
    "discovery.connectors.-.refresh_interval",
    "discovery.connectors.-.include.-",
    "collector.concurrency",
    "collector.requests_per_second",
    "collector.timeout",
    "collector.timeout_offset",
    "collector.min_refresh_interval",
    "collector.max_refresh_interval",
    "collector.gone_after",
    "metrics.per_transfer",
    "metrics.keep_settled",
    "metrics.max_transfers",
];

/// Lists and sections where a scalar is wrong.
const CONTAINERS: &[&str] = &[
    "accounts",
    "accounts.-",
    "accounts.-.assume_role",
    "transfers",
    "transfers.-",
    "transfers.-.transfer_ids",
    "connectors",
    "connectors.-",
    "connectors.-.labels",
    "collector",
    "metrics",
    "unknown_key",
    "accounts.-.unknown_key",
    "discovery",
    "discovery.files",
    "discovery.files.-",
    "discovery.files.-.paths",
    "discovery.events.-",
];

/// A document with `value` at `path`.
fn with(path: &str, value: &str) -> String {
    path.split('.')
        .rev()
        .fold(value.to_owned(), |inner, step| match step {
            "-" => format!("[{inner}]"),
            key => format!("{{{key}: {inner}}}"),
        })
}

#[test]
fn the_list_of_scalars_is_the_schema() {
    let keys = [
        file::ACCOUNT_KEYS,
        file::ASSUME_ROLE_KEYS,
        file::TRANSFER_KEYS,
        file::CONNECTOR_KEYS,
        file::COLLECTOR_KEYS,
        file::METRICS_KEYS,
        discovery::FILES_KEYS,
        discovery::EVENTS_KEYS,
        discovery::CLOUDTRAIL_KEYS,
        discovery::CONNECTORS_KEYS,
    ];
    for key in keys.iter().copied().flatten() {
        assert!(
            SCALARS
                .iter()
                .any(|path| path.split('.').any(|step| step == *key)),
            "{key}"
        );
    }
}

#[test]
fn no_error_shows_what_a_variable_held() {
    for path in SCALARS.iter().chain(CONTAINERS) {
        for value in [
            "'${SECRET}'",
            "'x${SECRET}'",
            "'${SECRET}${UNSET}'",
            "'${SECRET} ${'",
        ] {
            let file = ConfigFile::read("x.yml", &with(path, value), &env);
            let debug = format!("{file:?}");
            assert!(!debug.contains("hunter2"), "{path}: {debug}");
            let problems = match Plan::resolve(file) {
                Err(problems) => problems,
                // Nearly any text is a pattern.
                Ok(_) if path.ends_with("paths.-") || path.ends_with("include.-") => continue,
                Ok(_) => panic!("{path}: {value}"),
            };
            for text in [problems.to_string(), format!("{problems:?}")] {
                assert!(!text.contains("hunter2"), "{path}: {text}");
            }
        }
    }
}

#[test]
fn no_error_shows_a_literal_where_secrets_stand() {
    for path in SCALARS
        .iter()
        .filter(|path| path.starts_with("accounts"))
        .chain(CONTAINERS)
    {
        for value in [
            "'hunter2 \u{e9} '",
            "hunter2",
            "!hunter2 x",
            "!!int hunter2",
            "'hunter2\n",
            "*hunter2",
            "&hunter2 &x",
            "[hunter2, @",
        ] {
            if let Err(text) = read(&with(path, value)) {
                assert!(!text.contains("hunter2"), "{path}: {text}");
            }
        }
    }
}

#[test]
fn debug_does_not_show_the_external_id() {
    let role = "{role_arn: 'arn:aws:iam::123456789012:role/x', external_id: hunter2}";
    let text = format!("accounts: [{{name: a, assume_role: {role}}}]\n{PAIR}");
    let file = ConfigFile::read("x.yml", &text, &env);
    assert!(!format!("{file:?}").contains("hunter2"));
    let plan = Plan::resolve(file).unwrap();
    assert!(!format!("{plan:?}").contains("hunter2"));
    let secret = plan.accounts[0]
        .assume_role
        .as_ref()
        .unwrap()
        .external_id
        .as_ref()
        .unwrap();
    assert_eq!(secret.expose(), "hunter2");
}
