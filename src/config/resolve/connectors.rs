//! The names of connectors.

use std::collections::{BTreeMap, HashMap};

use super::{CONNECTOR_ID_HINT, Resolver};
use crate::config::check;
use crate::config::error::shown;
use crate::config::file::ConnectorEntry;
use crate::config::reader::Given;
use model::{ConnectorId, ConnectorNames, ConnectorTitle};

/// Names of `aws_transfer_connector_info`'s own labels, and of target labels.
const TAKEN_LABELS: [&str; 9] = [
    "aws_account",
    "aws_region",
    "connector_id",
    "name",
    "url",
    "egress_type",
    "status",
    "job",
    "instance",
];

impl Resolver {
    pub(super) fn connectors(&mut self, entries: &[Option<ConnectorEntry>]) -> ConnectorNames {
        let mut titles = ConnectorNames::new();
        let mut first: HashMap<ConnectorId, usize> = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let key = |name: &str| format!("connectors[{index}].{name}");
            let name_hint = "1 to 256 characters that can be printed";
            let name = self.checked(
                &entry.name,
                || key("name"),
                |text| check::printable(text, 256),
                "not a connector's name",
                name_hint,
            );
            let labels = self.labels(index, entry);
            let at = match &entry.id {
                Given::Value(at) => at,
                Given::Absent => {
                    self.fault(entry.line, key("id"), "missing", CONNECTOR_ID_HINT);
                    continue;
                }
                Given::Faulty => continue,
            };
            let Ok(id) = at.value.parse::<ConnectorId>() else {
                self.fault(
                    at.line,
                    key("id"),
                    at.saying("not a connector id"),
                    CONNECTOR_ID_HINT,
                );
                continue;
            };
            if let Some(earlier) = first.get(&id) {
                let message = format!("the same connector as in line {earlier}");
                self.fault(at.line, key("id"), message, "list each connector once");
                continue;
            }
            first.insert(id.clone(), at.line);
            let name = name.unwrap_or_else(|| id.as_str().to_owned()).into();
            titles.insert(id, ConnectorTitle { name, labels });
        }
        titles
    }

    fn labels(&mut self, index: usize, entry: &ConnectorEntry) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        for (name, line, value) in &entry.labels {
            let key = || format!("connectors[{index}].labels.{}", shown(name));
            let fault = if !check::label_name(name) {
                Some((
                    "not a label name",
                    "letters, digits and `_`, no digit first",
                ))
            } else if name.starts_with("__") {
                Some((
                    "a label name of Prometheus' own",
                    "a name that does not start with `__`",
                ))
            } else if TAKEN_LABELS.contains(&name.as_str()) {
                Some(("a label that the series have already", "another name"))
            } else {
                None
            };
            if let Some((message, hint)) = fault {
                self.fault(*line, key(), message, hint);
            }
            let Some(at) = value.value() else { continue };
            if at.value.chars().any(char::is_control) || at.value.chars().count() > 1024 {
                self.fault(
                    at.line,
                    key(),
                    "not a label's value",
                    "1024 characters at most, none a control character",
                );
            }
            labels.insert(name.clone(), at.value.clone());
        }
        labels
    }
}
