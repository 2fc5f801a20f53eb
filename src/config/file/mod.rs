//! The configuration file as the user writes it: every key optional, every value with its line.

mod discovery;
mod flows;

use std::time::Duration;

use super::Secret;
use super::yaml::{
    Document, Field, FromNode, KeyPath, NamedValues, ProblemList, Reader, Spanned, mapping,
    parse_list,
};

pub(super) use discovery::{
    CloudtrailEntry, ConnectorListEntry, DiscoverySection, EventsEntry, FilesEntry,
};
pub(super) use flows::{ExpectEntry, FlowEntry, OneOrMore};

/// A list as it is written; invalid items have been reported.
pub(super) type ListOf<T> = Vec<Field<T>>;

mapping! {
    pub(super) struct RootSection {
        accounts: ListOf<AccountEntry>,
        transfers: ListOf<TransferEntry>,
        connectors: ListOf<ConnectorEntry>,
        connector_labels_from_tags: ListOf<String>,
        discovery: DiscoverySection,
        flows: ListOf<FlowEntry>,
        collector: CollectorSection,
        metrics: MetricsSection,
        limits: LimitsSection,
        probe: ProbeSection,
    }
}

mapping! {
    pub(super) struct AccountEntry {
        name: String,
        region: String,
        account_id: String,
        profile: String,
        assume_role: AssumeRoleEntry,
        endpoint_url: String,
        fips: bool,
        dual_stack: bool,
        proxy_url: Secret,
        ca_file: String,
    }
}

mapping! {
    pub(super) struct AssumeRoleEntry {
        role_arn: String,
        external_id: Secret,
        session_name: String,
    }
}

mapping! {
    pub(super) struct TransferEntry {
        account: String,
        connector_id: String,
        transfer_id: String,
        transfer_ids: ListOf<String>,
    }
}

mapping! {
    pub(super) struct ConnectorEntry {
        id: String,
        name: String,
        labels: NamedValues<String>,
    }
}

mapping! {
    pub(super) struct CollectorSection {
        concurrency: i64,
        requests_per_second: f64,
        timeout: Duration,
        timeout_offset: Duration,
        max_scrape_timeout: Duration,
        min_refresh_interval: Duration,
        max_refresh_interval: Duration,
        gone_after: Duration,
    }
}

mapping! {
    pub(super) struct MetricsSection {
        per_transfer: String,
        keep_settled: Duration,
        keep_unresolved: Duration,
        max_transfers: i64,
    }
}

mapping! {
    pub(super) struct ProbeSection {
        connection: ConnectionSection,
    }
}

mapping! {
    pub(super) struct ConnectionSection {
        enabled: bool,
        min_interval: Duration,
    }
}

mapping! {
    pub(super) struct LimitsSection {
        transfers: i64,
        connectors: i64,
    }
}

/// A configuration file that has been read, with the problems found so far.
#[derive(Debug)]
pub struct ConfigFile {
    pub(super) problems: ProblemList,
    pub(super) root: RootSection,
}

impl ConfigFile {
    /// Reads the YAML document `text`. `file` is its name in messages, and `env` looks up an
    /// environment variable. Problems are kept and returned by
    /// [`Plan::resolve`](super::Plan::resolve).
    pub fn read(file: &str, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut reader = Reader::new(file, env);
        let root = match reader.parse(text) {
            Some(node) if node.is_null() => {
                reader
                    .report(node.line, &KeyPath::ROOT, "the file is empty")
                    .with_hint("add `transfers` or `discovery`");
                Field::Invalid
            }
            Some(node) => RootSection::from_node(&node, &KeyPath::ROOT, &mut reader),
            None => Field::Invalid,
        };
        let root = match root {
            Field::Valid(root) => root.value,
            // Not absent: a missing key is not another problem.
            Field::Absent | Field::Invalid => RootSection {
                transfers: Field::Invalid,
                ..RootSection::default()
            },
        };
        Self {
            problems: reader.problems,
            root,
        }
    }
}

/// Reads a file of `discovery.files`, a list of transfers, entry by entry: passes each valid one with
/// its index to `add`, with what `start` returned. Returns `None` if the file has no list, which has
/// been reported.
pub(super) fn read_targets<T>(
    file: &str,
    text: &str,
    start: impl Fn() -> T,
    add: impl Fn(&mut T, usize, &Spanned<TransferEntry>),
) -> (Option<T>, ProblemList) {
    // Its author may not be allowed to read the exporter's environment.
    let reader = || Reader::new(file, &|_| None);
    let read = parse_list(
        text,
        || (reader(), start()),
        |(reader, list), index, node| {
            let entry = TransferEntry::from_node(node, &KeyPath::ROOT.index(index), reader);
            if let Some(entry) = entry.value() {
                add(list, index, entry);
            }
        },
    );
    match read {
        Ok((Document::List { .. }, (reader, list))) => (Some(list), reader.problems),
        Ok((Document::Node(node), (mut reader, _))) => {
            if node.is_null() {
                // Not an empty list: a file is empty for a moment while it is written.
                reader
                    .report(node.line, &KeyPath::ROOT, "the file is empty")
                    .with_hint("write `[]` for an empty list");
            } else {
                reader.list(&node, &KeyPath::ROOT);
            }
            (None, reader.problems)
        }
        Err(error) => {
            let mut reader = reader();
            reader.report_syntax(&error);
            (None, reader.problems)
        }
    }
}
