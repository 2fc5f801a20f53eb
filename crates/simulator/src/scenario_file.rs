//! Scenarios as YAML: files, and those that the program contains.

use std::fmt;
use std::path::Path;

use crate::{PlannedTransfer, Rule, Scenario};
use model::ConnectorId;

/// The scenarios that the program contains, by name.
const SHIPPED: [(&str, &str); 5] = [
    (
        "host-key-rotation",
        include_str!("../scenarios/host-key-rotation.yml"),
    ),
    (
        "nightly-batch",
        include_str!("../scenarios/nightly-batch.yml"),
    ),
    ("stuck-queue", include_str!("../scenarios/stuck-queue.yml")),
    ("throttling", include_str!("../scenarios/throttling.yml")),
    (
        "wrong-password",
        include_str!("../scenarios/wrong-password.yml"),
    ),
];

/// Where the keys of a scenario are listed.
const HINT: &str = "docs/get-started/test-your-own-transfer-code.md lists the keys; \
    `transfer-simulator scenarios NAME` prints an example";

/// Why a scenario cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct ScenarioError {
    name: String,
    /// Line and column, counted from 1.
    place: Option<(usize, usize)>,
    cause: String,
    hint: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to read the scenario {}", self.name)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}\n  hint: {}", self.cause, self.hint)
    }
}

impl std::error::Error for ScenarioError {}

/// Returns the names of the scenarios that the program contains.
pub fn shipped_scenarios() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

impl Scenario {
    /// Reads YAML. `name` stands in errors.
    pub fn from_yaml(name: &str, yaml: &[u8]) -> Result<Self, ScenarioError> {
        let error = |place, cause: String, hint: &str| ScenarioError {
            name: name.to_owned(),
            place,
            cause,
            hint: hint.to_owned(),
        };
        let text = std::str::from_utf8(yaml)
            .map_err(|cause| error(None, cause.to_string(), "save the file as UTF-8"))?;
        let scenario: Self = serde_yaml::from_str(text).map_err(|cause| {
            let place = cause.location().map(|at| (at.line(), at.column()));
            let cause = cause.to_string();
            let cause = cause.split(" at line ").next().unwrap_or_default();
            error(place_of_key(text, cause).or(place), cause.to_owned(), HINT)
        })?;
        if let Some(unknown) = scenario.unknown_connector() {
            return Err(error(
                places_of(text, unknown.as_str()).next(),
                format!("{unknown} is not one of the connectors"),
                "add it to `connectors`, or correct the ID",
            ));
        }
        Ok(scenario)
    }

    /// Returns a connector that a rule or a transfer names and nothing adds, which is a typing
    /// error.
    fn unknown_connector(&self) -> Option<&ConnectorId> {
        let is_known = |id: &ConnectorId| {
            let later = self.steps.iter().map(|step| &step.connectors);
            [&self.connectors]
                .into_iter()
                .chain(later)
                .any(|connectors| connectors.keys().any(|key| key.0 == *id))
        };
        let of_steps = self.steps.iter().flat_map(|step| {
            let rules = step.rules.iter().flatten();
            named(rules, &step.transfers)
        });
        named(self.rules.iter(), &self.transfers)
            .chain(of_steps)
            .find(|id| !is_known(id))
    }

    /// Reads a file.
    pub fn from_file(path: &Path) -> Result<Self, ScenarioError> {
        let name = path.display().to_string();
        let yaml = std::fs::read(path).map_err(|cause| ScenarioError {
            name: name.clone(),
            place: None,
            cause: cause.to_string(),
            hint: format!(
                "name a file, or one of: {}",
                shipped_scenarios().collect::<Vec<_>>().join(", ")
            ),
        })?;
        Self::from_yaml(&name, &yaml)
    }

    /// Returns a scenario that the program contains.
    pub fn shipped(name: &str) -> Result<Self, ScenarioError> {
        let yaml = Self::shipped_yaml(name).ok_or_else(|| ScenarioError {
            name: name.to_owned(),
            place: None,
            cause: "no scenario has this name".to_owned(),
            hint: format!(
                "name one of: {}",
                shipped_scenarios().collect::<Vec<_>>().join(", ")
            ),
        })?;
        Self::from_yaml(name, yaml.as_bytes())
    }

    /// Returns the text of a scenario that the program contains.
    pub fn shipped_yaml(name: &str) -> Option<&'static str> {
        let found = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
        found.map(|(_, yaml)| *yaml)
    }
}

fn named<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    transfers: &'a [PlannedTransfer],
) -> impl Iterator<Item = &'a ConnectorId> {
    let of_transfers = transfers.iter().map(|transfer| &transfer.connector);
    rules
        .filter_map(|rule| rule.connector.as_ref())
        .chain(of_transfers)
}

/// Returns the place of the key that a cause names, if there is one such key. The parser only knows
/// the structure around it.
fn place_of_key(text: &str, cause: &str) -> Option<(usize, usize)> {
    let key = format!("{}:", cause.split('`').nth(1)?);
    let is_key = |&(line, column): &(usize, usize)| {
        let line = text.lines().nth(line - 1);
        let before = line.and_then(|line| line.get(..column - 1));
        before.is_some_and(|before| before.trim_start_matches([' ', '-']).is_empty())
    };
    let mut places = places_of(text, &key).filter(is_key);
    places.next().filter(|_| places.next().is_none())
}

/// Returns the lines that contain `part`, with its column.
fn places_of(text: &str, part: &str) -> impl Iterator<Item = (usize, usize)> {
    let lines = text.lines().enumerate();
    lines.filter_map(move |(line, text)| Some((line + 1, text.find(part)? + 1)))
}

#[cfg(test)]
mod tests;
