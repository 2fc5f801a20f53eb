//! Scenarios: an initial state and changes to come.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::connector::ConnectorSpec;
use super::faults::Faults;
use super::rules::Rule;
use super::script::FileScript;
use super::text::ConnectorIdText;
use super::{span, text};
use model::{ConnectorId, Direction, TransferId};

/// The shortest time between repetitions of a step.
const MIN_PERIOD: Duration = Duration::from_mins(1);

/// An initial state, and steps that change it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence about its purpose.
    pub description: String,
    /// The connectors by ID.
    #[serde(default)]
    pub(crate) connectors: BTreeMap<ConnectorIdText, ConnectorSpec>,
    /// Rules for transfers that clients start.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The faults.
    #[serde(default, deserialize_with = "checked_faults")]
    pub faults: Option<Faults>,
    /// Transfers that have started.
    #[serde(default)]
    pub transfers: Vec<PlannedTransfer>,
    /// Changes to come.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// A change of the state at a time after the start of the scenario.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The time from the start of the scenario.
    #[serde(with = "span")]
    pub at: Duration,
    /// Repeats the step with this period, at least a minute.
    #[serde(default, deserialize_with = "period")]
    pub every: Option<Duration>,
    /// Connectors to add or replace.
    #[serde(default)]
    pub(crate) connectors: BTreeMap<ConnectorIdText, ConnectorSpec>,
    /// Replaces the rules.
    #[serde(default)]
    pub rules: Option<Vec<Rule>>,
    /// Replaces the faults.
    #[serde(default, deserialize_with = "checked_faults")]
    pub faults: Option<Faults>,
    /// Transfers to start.
    #[serde(default)]
    pub transfers: Vec<PlannedTransfer>,
}

/// A transfer that a scenario starts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTransfer {
    /// The connector.
    #[serde(with = "text::id")]
    pub connector: ConnectorId,
    /// The ID; drawn by default.
    #[serde(default, with = "text::optional_transfer")]
    pub transfer: Option<TransferId>,
    /// The direction.
    #[serde(default = "retrieve", with = "text::required_direction")]
    pub direction: Direction,
    /// The files. `{date}` in a path is the date of the start.
    pub files: Vec<FileScript>,
}

fn retrieve() -> Direction {
    Direction::Retrieve
}

fn checked_faults<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Faults>, D::Error> {
    let faults = Option::<Faults>::deserialize(from)?;
    faults
        .map(|faults| faults.checked().map_err(D::Error::custom))
        .transpose()
}

fn period<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let every = span::deserialize(from)?;
    if every < MIN_PERIOD {
        return Err(D::Error::custom("`every` is shorter than a minute"));
    }
    Ok(Some(every))
}

impl Scenario {
    /// Returns all steps, the first of which sets up the initial state.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        let first = Step {
            at: Duration::ZERO,
            every: None,
            connectors: self.connectors,
            rules: Some(self.rules),
            faults: self.faults,
            transfers: self.transfers,
        };
        [first].into_iter().chain(self.steps).collect()
    }
}

impl PlannedTransfer {
    /// Returns the files of a transfer that starts at `at`.
    pub(crate) fn files_at(&self, at: SystemTime) -> Vec<FileScript> {
        let text = humantime::format_rfc3339_seconds(at).to_string();
        let date = text.split('T').next().unwrap_or_default();
        let dated = |file: &FileScript| FileScript {
            path: file.path.replace("{date}", date),
            ..file.clone()
        };
        self.files.iter().map(dated).collect()
    }
}

/// Steps to come, by time.
#[derive(Default)]
pub(crate) struct Timeline {
    steps: BTreeMap<(SystemTime, usize), Step>,
}

impl Timeline {
    /// Plans the steps of a scenario that starts at `start`.
    pub(crate) fn new(steps: Vec<Step>, start: SystemTime) -> Self {
        let planned = steps.into_iter().enumerate().filter_map(|(index, step)| {
            let at = start.checked_add(step.at)?;
            Some(((at, index), step))
        });
        Self {
            steps: planned.collect(),
        }
    }

    /// Returns the time of the next step.
    pub(crate) fn next(&self) -> Option<SystemTime> {
        self.steps.first_key_value().map(|((at, _), _)| *at)
    }

    /// Removes the next step that is due, and plans its repetition.
    pub(crate) fn pop_due(&mut self, now: SystemTime) -> Option<(SystemTime, Step)> {
        let entry = self
            .steps
            .first_entry()
            .filter(|step| step.key().0 <= now)?;
        let ((at, index), step) = entry.remove_entry();
        if let Some(next) = step.every.and_then(|every| at.checked_add(every)) {
            self.steps.insert((next, index), step.clone());
        }
        Some((at, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::now;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn steps_are_due_in_the_order_of_time_and_repeat() {
        let step = |at, every| Step {
            at: MINUTE * at,
            every,
            ..Step::default()
        };
        let start = now().wall;
        let steps = vec![step(5, None), step(1, Some(3 * MINUTE))];
        let mut timeline = Timeline::new(steps, start);
        assert_eq!(timeline.next(), Some(start + MINUTE));
        let due = std::iter::from_fn(|| timeline.pop_due(start + 7 * MINUTE));
        let minutes: Vec<_> = due
            .map(|(at, _)| at.duration_since(start).unwrap() / 60)
            .map(|minutes| minutes.as_secs())
            .collect();
        assert_eq!(minutes, [1, 4, 5, 7]);
        assert_eq!(timeline.next(), Some(start + 10 * MINUTE));
    }

    #[test]
    fn a_path_can_have_the_date() {
        let json = r#"{"connector": "c-0123456789abcdef0", "files": [{"path": "/{date}.csv"}]}"#;
        let planned: PlannedTransfer = serde_json::from_str(json).unwrap();
        assert_eq!(planned.files_at(now().wall)[0].path, "/2026-01-01.csv");
    }

    #[test]
    fn what_cannot_hold_is_refused() {
        for bad in [
            r#"{"at": 1, "every": "10s"}"#,
            r#"{"at": 1, "faults": {"throttle_rate": 2}}"#,
            r#"{"at": 1, "connectors": {"c-1": {}}}"#,
            r#"{"every": "1h"}"#,
        ] {
            assert!(serde_json::from_str::<Step>(bad).is_err(), "{bad}");
        }
    }
}
