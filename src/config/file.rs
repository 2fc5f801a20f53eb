//! The schema: what a user can write, and what one wrote.

use std::sync::Arc;
use std::time::Duration;

use super::discovery::DiscoverySection;
use super::node::{self, Node};
use super::reader::{At, Given, Path, Reader, Section};
use super::{Problem, Secret};

pub(super) const ROOT_KEYS: &[&str] = &[
    "accounts",
    "transfers",
    "connectors",
    "discovery",
    "collector",
    "metrics",
];
pub(super) const ACCOUNT_KEYS: &[&str] = &[
    "name",
    "region",
    "profile",
    "assume_role",
    "endpoint_url",
    "fips",
    "dual_stack",
];
pub(super) const ASSUME_ROLE_KEYS: &[&str] = &["role_arn", "external_id", "session_name"];
pub(super) const TRANSFER_KEYS: &[&str] =
    &["account", "connector_id", "transfer_id", "transfer_ids"];
pub(super) const CONNECTOR_KEYS: &[&str] = &["id", "name", "labels"];
pub(super) const COLLECTOR_KEYS: &[&str] = &[
    "concurrency",
    "requests_per_second",
    "timeout",
    "timeout_offset",
    "min_refresh_interval",
    "max_refresh_interval",
    "gone_after",
];
pub(super) const METRICS_KEYS: &[&str] = &["per_transfer", "keep_settled", "max_transfers"];

/// What the user wrote: every value optional, each with its line, and the problems met in reading it.
#[derive(Debug)]
pub struct ConfigFile {
    pub(super) file: Arc<str>,
    pub(super) problems: Vec<Problem>,
    pub(super) accounts: Given<Vec<Option<AccountEntry>>>,
    pub(super) transfers: Given<Vec<Option<TransferEntry>>>,
    pub(super) connectors: Vec<Option<ConnectorEntry>>,
    pub(super) discovery: DiscoverySection,
    pub(super) collector: CollectorSection,
    pub(super) metrics: MetricsSection,
}

#[derive(Debug)]
pub(super) struct AccountEntry {
    pub(super) line: usize,
    pub(super) name: Given<String>,
    pub(super) region: Given<String>,
    pub(super) profile: Given<String>,
    pub(super) assume_role: Given<AssumeRoleEntry>,
    pub(super) endpoint_url: Given<String>,
    pub(super) fips: Given<bool>,
    pub(super) dual_stack: Given<bool>,
}

#[derive(Debug)]
pub(super) struct AssumeRoleEntry {
    pub(super) role_arn: Given<String>,
    pub(super) external_id: Given<Secret>,
    pub(super) session_name: Given<String>,
}

#[derive(Debug)]
pub(super) struct TransferEntry {
    pub(super) line: usize,
    pub(super) account: Given<String>,
    pub(super) connector_id: Given<String>,
    pub(super) transfer_id: Given<String>,
    pub(super) transfer_ids: Given<Vec<Given<String>>>,
}

#[derive(Debug)]
pub(super) struct ConnectorEntry {
    pub(super) line: usize,
    pub(super) id: Given<String>,
    pub(super) name: Given<String>,
    /// Label name, its line, and the value.
    pub(super) labels: Vec<(String, usize, Given<String>)>,
}

#[derive(Debug, Default)]
pub(super) struct CollectorSection {
    pub(super) concurrency: Given<i64>,
    pub(super) requests_per_second: Given<f64>,
    pub(super) timeout: Given<Duration>,
    pub(super) timeout_offset: Given<Duration>,
    pub(super) min_refresh_interval: Given<Duration>,
    pub(super) max_refresh_interval: Given<Duration>,
    pub(super) gone_after: Given<Duration>,
}

#[derive(Debug, Default)]
pub(super) struct MetricsSection {
    pub(super) per_transfer: Given<bool>,
    pub(super) keep_settled: Given<Duration>,
    pub(super) max_transfers: Given<i64>,
}

impl ConfigFile {
    /// Reads the YAML document `text`. `file` is its name in messages, `env` answers an environment variable. Never
    /// fails: what is wrong is kept, and [`Plan::resolve`](super::Plan::resolve) tells it with what it finds itself.
    pub fn read(file: &str, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut reader = Reader {
            file: file.into(),
            env,
            problems: Vec::new(),
        };
        let mut read = Self {
            file: reader.file.clone(),
            problems: Vec::new(),
            accounts: Given::Absent,
            transfers: Given::Absent,
            connectors: Vec::new(),
            discovery: DiscoverySection::default(),
            collector: CollectorSection::default(),
            metrics: MetricsSection::default(),
        };
        match node::parse(text) {
            Ok(root) => read.fill(&root, &mut reader),
            Err(error) => {
                read.transfers = Given::Faulty;
                reader.fault(
                    error.line,
                    &Path::ROOT,
                    error.message,
                    error.hint.map(str::to_owned),
                );
            }
        }
        read.problems = reader.problems;
        read
    }

    fn fill(&mut self, root: &Node, reader: &mut Reader<'_>) {
        self.transfers = Given::Faulty;
        if matches!(root.value, node::Value::Null) {
            reader.fault(
                root.line,
                &Path::ROOT,
                "the document is empty",
                Some("`transfers` is needed".to_owned()),
            );
            return;
        }
        let path = Path::ROOT;
        let Some(section) = reader.section(root, &path, ROOT_KEYS) else {
            return;
        };
        self.accounts = reader.entries_of(&section, &path, "accounts", account);
        self.transfers = reader.entries_of(&section, &path, "transfers", transfer);
        if let Given::Value(connectors) =
            reader.entries_of(&section, &path, "connectors", connector)
        {
            self.connectors = connectors.value;
        }
        self.discovery = DiscoverySection::read(reader, &section, &path);
        if let Some((section, path)) =
            reader.subsection(&section, &path, "collector", COLLECTOR_KEYS)
        {
            self.collector = CollectorSection {
                concurrency: reader.take(&section, &path, "concurrency"),
                requests_per_second: reader.take(&section, &path, "requests_per_second"),
                timeout: reader.take(&section, &path, "timeout"),
                timeout_offset: reader.take(&section, &path, "timeout_offset"),
                min_refresh_interval: reader.take(&section, &path, "min_refresh_interval"),
                max_refresh_interval: reader.take(&section, &path, "max_refresh_interval"),
                gone_after: reader.take(&section, &path, "gone_after"),
            };
        }
        if let Some((section, path)) = reader.subsection(&section, &path, "metrics", METRICS_KEYS) {
            self.metrics = MetricsSection {
                per_transfer: reader.take(&section, &path, "per_transfer"),
                keep_settled: reader.take(&section, &path, "keep_settled"),
                max_transfers: reader.take(&section, &path, "max_transfers"),
            };
        }
    }
}

/// What a file of `discovery.files` lists, and the problems met in reading it.
pub(super) fn targets(file: &str, text: &str) -> (Given<Vec<Option<TransferEntry>>>, Vec<Problem>) {
    // Whoever writes such a file need not be whoever sets the exporter's environment.
    let mut reader = Reader {
        file: file.into(),
        env: &|_| None,
        problems: Vec::new(),
    };
    let path = Path::ROOT;
    let given = match node::parse(text) {
        Ok(root) if matches!(root.value, node::Value::Null) => Given::Value(At {
            value: Vec::new(),
            line: 1,
            hidden: false,
        }),
        Ok(root) => match reader.list(&root, &path) {
            Some(items) => {
                let value = items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| transfer(&mut reader, item, &path.index(i)));
                Given::Value(At {
                    value: value.collect(),
                    line: root.line,
                    hidden: false,
                })
            }
            None => Given::Faulty,
        },
        Err(error) => {
            reader.fault(
                error.line,
                &path,
                error.message,
                error.hint.map(str::to_owned),
            );
            Given::Faulty
        }
    };
    (given, reader.problems)
}

type ReadEntry<T> = fn(&mut Reader<'_>, &Node, &Path<'_>) -> Option<T>;

impl Reader<'_> {
    /// The list under `key`, each item read by `read`; None for an item that is no mapping, which has been reported.
    pub(super) fn entries_of<T>(
        &mut self,
        section: &Section<'_>,
        path: &Path<'_>,
        key: &str,
        read: ReadEntry<T>,
    ) -> Given<Vec<Option<T>>> {
        let Some(node) = section.get(key) else {
            return Given::Absent;
        };
        let path = path.key(key);
        let Some(items) = self.list(node, &path) else {
            return Given::Faulty;
        };
        let value = items
            .iter()
            .enumerate()
            .map(|(index, item)| read(self, item, &path.index(index)))
            .collect();
        Given::Value(At {
            value,
            line: node.line,
            hidden: false,
        })
    }

    /// The list of texts under `key`.
    pub(super) fn texts(
        &mut self,
        section: &Section<'_>,
        path: &Path<'_>,
        key: &str,
    ) -> Given<Vec<Given<String>>> {
        let Some(node) = section.get(key) else {
            return Given::Absent;
        };
        let path = path.key(key);
        let Some(items) = self.list(node, &path) else {
            return Given::Faulty;
        };
        let value = items
            .iter()
            .enumerate()
            .map(|(i, item)| self.scalar(item, &path.index(i)))
            .collect();
        Given::Value(At {
            value,
            line: node.line,
            hidden: false,
        })
    }

    pub(super) fn subsection<'n, 'p>(
        &mut self,
        section: &Section<'n>,
        path: &'p Path<'p>,
        key: &'p str,
        known: &'static [&'static str],
    ) -> Option<(Section<'n>, Path<'p>)> {
        let path = path.key(key);
        let node = section.get(key)?;
        self.section(node, &path, known)
            .map(|section| (section, path))
    }
}

fn account(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Option<AccountEntry> {
    let section = reader.section(node, path, ACCOUNT_KEYS)?;
    Some(AccountEntry {
        line: section.line,
        name: reader.take(&section, path, "name"),
        region: reader.take(&section, path, "region"),
        profile: reader.take(&section, path, "profile"),
        assume_role: assume_role(reader, &section, path),
        endpoint_url: reader.take(&section, path, "endpoint_url"),
        fips: reader.take(&section, path, "fips"),
        dual_stack: reader.take(&section, path, "dual_stack"),
    })
}

fn assume_role(
    reader: &mut Reader<'_>,
    account: &Section<'_>,
    path: &Path<'_>,
) -> Given<AssumeRoleEntry> {
    if account.get("assume_role").is_none() {
        return Given::Absent;
    }
    let Some((section, path)) = reader.subsection(account, path, "assume_role", ASSUME_ROLE_KEYS)
    else {
        return Given::Faulty;
    };
    let value = AssumeRoleEntry {
        role_arn: reader.take(&section, &path, "role_arn"),
        external_id: reader.take(&section, &path, "external_id"),
        session_name: reader.take(&section, &path, "session_name"),
    };
    Given::Value(At {
        value,
        line: section.line,
        hidden: false,
    })
}

fn transfer(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Option<TransferEntry> {
    let section = reader.section(node, path, TRANSFER_KEYS)?;
    Some(TransferEntry {
        line: section.line,
        account: reader.take(&section, path, "account"),
        connector_id: reader.take(&section, path, "connector_id"),
        transfer_id: reader.take(&section, path, "transfer_id"),
        transfer_ids: reader.texts(&section, path, "transfer_ids"),
    })
}

fn connector(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Option<ConnectorEntry> {
    let section = reader.section(node, path, CONNECTOR_KEYS)?;
    let mut labels = Vec::new();
    if let Some(node) = section.get("labels") {
        let path = path.key("labels");
        for (name, line, value) in reader.entries(node, &path).unwrap_or_default() {
            labels.push((name.to_owned(), line, reader.scalar(value, &path.key(name))));
        }
    }
    Some(ConnectorEntry {
        line: section.line,
        id: reader.take(&section, path, "id"),
        name: reader.take(&section, path, "name"),
        labels,
    })
}
