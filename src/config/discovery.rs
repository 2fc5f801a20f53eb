//! The schema of `discovery`: what a user can write there, and what one wrote.

use std::time::Duration;

use super::node::Node;
use super::reader::{At, Given, Path, Reader, Section};

pub(super) const DISCOVERY_KEYS: &[&str] = &["files", "events", "cloudtrail", "connectors"];
pub(super) const FILES_KEYS: &[&str] = &["account", "paths", "refresh_interval"];
pub(super) const EVENTS_KEYS: &[&str] = &["account", "queue_url", "endpoint_url", "include"];
pub(super) const CLOUDTRAIL_KEYS: &[&str] = &[
    "account",
    "lookback",
    "refresh_interval",
    "endpoint_url",
    "include",
];
pub(super) const CONNECTORS_KEYS: &[&str] = &["account", "refresh_interval", "include"];

/// What stands under `discovery`.
#[derive(Debug, Default)]
pub(super) struct DiscoverySection {
    pub(super) files: Vec<Option<FilesEntry>>,
    pub(super) events: Vec<Option<EventsEntry>>,
    pub(super) cloudtrail: Vec<Option<CloudtrailEntry>>,
    pub(super) connectors: Vec<Option<ConnectorsEntry>>,
}

impl DiscoverySection {
    /// True where any source is listed.
    pub(super) fn is_given(&self) -> bool {
        !(self.files.is_empty()
            && self.events.is_empty()
            && self.cloudtrail.is_empty()
            && self.connectors.is_empty())
    }
}

#[derive(Debug)]
pub(super) struct FilesEntry {
    pub(super) line: usize,
    pub(super) account: Given<String>,
    pub(super) paths: Given<Vec<Given<String>>>,
    pub(super) refresh_interval: Given<Duration>,
}

#[derive(Debug)]
pub(super) struct EventsEntry {
    pub(super) line: usize,
    pub(super) account: Given<String>,
    pub(super) queue_url: Given<String>,
    pub(super) endpoint_url: Given<String>,
    pub(super) include: Given<Vec<Given<String>>>,
}

#[derive(Debug)]
pub(super) struct CloudtrailEntry {
    pub(super) line: usize,
    pub(super) account: Given<String>,
    pub(super) lookback: Given<Duration>,
    pub(super) refresh_interval: Given<Duration>,
    pub(super) endpoint_url: Given<String>,
    pub(super) include: Given<Vec<Given<String>>>,
}

#[derive(Debug)]
pub(super) struct ConnectorsEntry {
    pub(super) line: usize,
    pub(super) account: Given<String>,
    pub(super) refresh_interval: Given<Duration>,
    pub(super) include: Given<Vec<Given<String>>>,
}

impl DiscoverySection {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>, path: &Path<'_>) -> Self {
        let Some((section, path)) = reader.subsection(root, path, "discovery", DISCOVERY_KEYS)
        else {
            return Self::default();
        };
        Self {
            files: listed(reader, &section, &path, "files", files),
            events: listed(reader, &section, &path, "events", events),
            cloudtrail: listed(reader, &section, &path, "cloudtrail", cloudtrail),
            connectors: listed(reader, &section, &path, "connectors", connectors),
        }
    }
}

fn listed<T>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    path: &Path<'_>,
    key: &str,
    read: fn(&mut Reader<'_>, &Node, &Path<'_>) -> Option<T>,
) -> Vec<Option<T>> {
    match reader.entries_of(section, path, key, read) {
        Given::Value(At { value, line, .. }) => {
            if value.is_empty() {
                reader.fault(
                    line,
                    &path.key(key),
                    "an empty list",
                    Some("leave the key out".to_owned()),
                );
            }
            value
        }
        Given::Absent | Given::Faulty => Vec::new(),
    }
}

fn files(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Option<FilesEntry> {
    let section = reader.section(node, path, FILES_KEYS)?;
    Some(FilesEntry {
        line: section.line,
        account: reader.take(&section, path, "account"),
        paths: reader.texts(&section, path, "paths"),
        refresh_interval: reader.take(&section, path, "refresh_interval"),
    })
}

fn events(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Option<EventsEntry> {
    let section = reader.section(node, path, EVENTS_KEYS)?;
    Some(EventsEntry {
        line: section.line,
        account: reader.take(&section, path, "account"),
        queue_url: reader.take(&section, path, "queue_url"),
        endpoint_url: reader.take(&section, path, "endpoint_url"),
        include: reader.texts(&section, path, "include"),
    })
}

fn cloudtrail(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Option<CloudtrailEntry> {
    let section = reader.section(node, path, CLOUDTRAIL_KEYS)?;
    Some(CloudtrailEntry {
        line: section.line,
        account: reader.take(&section, path, "account"),
        lookback: reader.take(&section, path, "lookback"),
        refresh_interval: reader.take(&section, path, "refresh_interval"),
        endpoint_url: reader.take(&section, path, "endpoint_url"),
        include: reader.texts(&section, path, "include"),
    })
}

fn connectors(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Option<ConnectorsEntry> {
    let section = reader.section(node, path, CONNECTORS_KEYS)?;
    Some(ConnectorsEntry {
        line: section.line,
        account: reader.take(&section, path, "account"),
        refresh_interval: reader.take(&section, path, "refresh_interval"),
        include: reader.texts(&section, path, "include"),
    })
}
