//! The state of a simulator, for its control API and its page.

use std::time::SystemTime;

use serde::Serialize;

use crate::domain::{Faults, Rule, StartedTransfer};
use crate::{Simulator, lock};

/// Number of transfers that a snapshot shows.
const NEWEST: usize = 100;

/// The state at one moment.
#[derive(Serialize)]
pub(crate) struct SimulatorSnapshot {
    pub(crate) time: Time,
    pub(crate) scenario: Option<LoadedScenario>,
    pub(crate) connectors: Vec<Connector>,
    /// The newest ones, newest first.
    pub(crate) transfers: Vec<Transfer>,
    /// Number of all transfers.
    pub(crate) transfer_count: usize,
    pub(crate) queue: QueueDepth,
    pub(crate) rules: Vec<Rule>,
    pub(crate) faults: Faults,
    pub(crate) calls: Vec<OperationCalls>,
}

/// The account's time.
#[derive(Serialize)]
pub(crate) struct Time {
    pub(crate) now: String,
    pub(crate) speed: f64,
}

/// The scenario that was loaded last.
#[derive(Serialize)]
pub(crate) struct LoadedScenario {
    pub(crate) name: String,
    pub(crate) description: String,
    /// Absent after the last step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_step_at: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Connector {
    pub(crate) id: String,
    pub(crate) host: String,
    /// Why no session with the partner is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    pub(crate) transfer_count: usize,
}

#[derive(Serialize)]
pub(crate) struct Transfer {
    pub(crate) connector: String,
    pub(crate) id: String,
    pub(crate) direction: &'static str,
    pub(crate) started_at: String,
    pub(crate) files: Vec<File>,
}

#[derive(Serialize)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_message: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct QueueDepth {
    pub(crate) available: usize,
    pub(crate) in_flight: usize,
    pub(crate) delayed: usize,
}

#[derive(Serialize)]
pub(crate) struct OperationCalls {
    pub(crate) operation: &'static str,
    pub(crate) calls: u64,
}

impl Simulator {
    pub(crate) fn time(&self) -> Time {
        Time {
            now: text_of(self.now().wall),
            speed: self.0.clock.speed(),
        }
    }

    pub(crate) fn snapshot(&self) -> SimulatorSnapshot {
        let now = self.now().wall;
        let faults = self.faults();
        let mut state = self.state();
        state.advance(now, &faults);
        let depth = state.queue.depth(now);
        let next_step_at = state.timeline.next().map(text_of);
        let connectors = state
            .connectors_from(0, usize::MAX)
            .map(|(id, spec)| Connector {
                id: id.to_string(),
                host: spec.host.clone(),
                problem: spec.connection_problem(),
                transfer_count: state.transfers_of(id),
            });
        let transfers = state.newest().take(NEWEST).map(|it| transfer(it, now));
        SimulatorSnapshot {
            time: self.time(),
            scenario: lock(&self.0.scenario)
                .as_ref()
                .map(|(name, scenario)| LoadedScenario {
                    name: name.clone(),
                    description: scenario.description.clone(),
                    next_step_at,
                }),
            connectors: connectors.collect(),
            transfers: transfers.collect(),
            transfer_count: state.transfer_count(),
            queue: QueueDepth {
                available: depth.available,
                in_flight: depth.in_flight,
                delayed: depth.delayed,
            },
            rules: state.rules.all().to_vec(),
            faults: Faults::clone(&faults),
            calls: self
                .calls()
                .operations
                .iter()
                .map(|(operation, calls)| OperationCalls {
                    operation: operation.as_str(),
                    calls: *calls,
                })
                .collect(),
        }
    }
}

fn transfer(started: &StartedTransfer, now: SystemTime) -> Transfer {
    let elapsed = now.duration_since(started.started_at).unwrap_or_default();
    let files = started.files.iter().map(|file| {
        let result = file.result_at(elapsed);
        File {
            path: result.path,
            status: result.status.as_str().to_owned(),
            failure_code: result.failure_code.map(|code| code.as_str().to_owned()),
            failure_message: result.failure_message,
        }
    });
    Transfer {
        connector: started.connector.to_string(),
        id: started.transfer.to_string(),
        direction: started.direction.as_str(),
        started_at: text_of(started.started_at),
        files: files.collect(),
    }
}

fn text_of(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
