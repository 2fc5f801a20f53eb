//! `connectors`.

use std::collections::{BTreeMap, HashMap};

use super::{CONNECTOR_ID_HINT, REQUIRED, Resolver, check};
use crate::config::file::{ConnectorEntry, ListOf};
use crate::config::plan::label_name;
use crate::config::yaml::{Field, escape};
use model::{ConnectorId, ConnectorNames, ConnectorTitle};

/// Labels of `aws_transfer_connector_info`, and labels that Prometheus adds to a target.
const RESERVED_LABELS: [&str; 11] = [
    "aws_account",
    "aws_region",
    "connector_id",
    "name",
    "url",
    "egress_type",
    "status",
    "security_policy",
    "ip_address_type",
    "job",
    "instance",
];

impl Resolver {
    pub(super) fn connectors(&mut self, field: &Field<ListOf<ConnectorEntry>>) -> ConnectorNames {
        let mut names = ConnectorNames::new();
        let mut first: HashMap<ConnectorId, usize> = HashMap::new();
        for (index, entry) in field.items() {
            let key = |name: &str| format!("connectors[{index}].{name}");
            let name = self.checked(
                &entry.value.name,
                || key("name"),
                |text| check::is_printable(text, 256),
                "invalid connector name",
                "use 1 to 256 printable characters",
            );
            let labels = self.labels(index, &entry.value);
            let Some((id, line)) = self.connector_id(&entry.value.id, entry.line, &key("id"))
            else {
                continue;
            };
            if let Some(earlier) = first.get(&id) {
                let message = format!("duplicate connector, first listed in line {earlier}");
                self.report(line, key("id"), message)
                    .with_hint("list each connector once");
                continue;
            }
            first.insert(id.clone(), line);
            let name = name.unwrap_or_else(|| id.as_str().to_owned()).into();
            names.insert(id, ConnectorTitle { name, labels });
        }
        names
    }

    /// Returns the tags that become labels of connectors.
    pub(super) fn labels_from_tags(&mut self, field: &Field<ListOf<String>>) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for (index, tag) in field.items() {
            let key = || format!("connector_labels_from_tags[{index}]");
            let name = label_name(&tag.value);
            if let Some((message, hint)) = label_name_error(&name) {
                self.report(tag.line, key(), message).with_hint(hint);
            } else if tags.iter().any(|other| label_name(other) == name) {
                self.report(tag.line, key(), "another tag has the same label name")
                    .with_hint("list each tag once");
            } else {
                tags.push(tag.value.clone());
            }
        }
        tags
    }

    /// Parses a required connector ID of the entry in `entry_line`, and returns it with its line.
    pub(super) fn connector_id(
        &mut self,
        field: &Field<String>,
        entry_line: usize,
        key: &str,
    ) -> Option<(ConnectorId, usize)> {
        if field.is_absent() {
            self.report(entry_line, key, REQUIRED)
                .with_hint(CONNECTOR_ID_HINT);
        }
        let text = field.value()?;
        let id = text.value.parse().ok();
        if id.is_none() {
            self.report(text.line, key, text.describe("invalid connector ID"))
                .with_hint(CONNECTOR_ID_HINT);
        }
        Some((id?, text.line))
    }

    fn labels(&mut self, index: usize, entry: &ConnectorEntry) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        let Some(written) = entry.labels.value() else {
            return labels;
        };
        for label in &written.value.0 {
            let key = || format!("connectors[{index}].labels.{}", escape(&label.name));
            if let Some((message, hint)) = label_name_error(&label.name) {
                self.report(label.line, key(), message).with_hint(hint);
            }
            let Some(value) = label.value.value() else {
                continue;
            };
            let text = &value.value;
            if text.chars().any(char::is_control) || text.chars().count() > 1024 {
                self.report(value.line, key(), "invalid label value")
                    .with_hint("use at most 1024 characters, without control characters");
            }
            labels.insert(label.name.clone(), text.clone());
        }
        labels
    }
}

fn label_name_error(name: &str) -> Option<(&'static str, &'static str)> {
    if !check::is_label_name(name) {
        Some((
            "invalid label name",
            "use letters, digits and `_`, and do not start with a digit",
        ))
    } else if name.starts_with("__") {
        Some((
            "label names that start with `__` are reserved for Prometheus",
            "use a name that does not start with `__`",
        ))
    } else if RESERVED_LABELS.contains(&name) {
        Some(("reserved label name", "use another name"))
    } else {
        None
    }
}
