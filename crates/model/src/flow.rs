//! Flows: what a business calls a feed, and whether its deliveries were on time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::{Direction, Finished};

/// How a window stands, or how it was closed; the labels `state` and `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowState {
    /// The deadline has not passed, and files are missing. Never an outcome.
    Waiting,
    /// Enough files had ended by the deadline.
    OnTime,
    /// The deadline has passed. As an outcome: the files came afterwards.
    Late,
    /// The deadline and the grace have passed without a file.
    Missing,
    /// They have passed with too few files, too small files, or failed ones.
    Invalid,
    /// They have passed, and the exporter did not watch the whole window.
    Unknown,
}

impl FlowState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Waiting,
        Self::OnTime,
        Self::Late,
        Self::Missing,
        Self::Invalid,
        Self::Unknown,
    ];

    /// The states that a window may be closed with.
    pub const OUTCOMES: [Self; 5] = [
        Self::OnTime,
        Self::Late,
        Self::Missing,
        Self::Invalid,
        Self::Unknown,
    ];

    /// Returns the label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::OnTime => "on_time",
            Self::Late => "late",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }
}

/// What the configuration says about a flow, for pages and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowTitle {
    /// Its name, which is unique.
    pub name: Arc<str>,
    /// Its connectors, as they are configured.
    pub connectors: Vec<String>,
    /// Its operation, if it is limited to one.
    pub operation: Option<Direction>,
    /// The globs on its paths.
    pub paths: Vec<String>,
    /// What is expected, for readers; empty without `expect`.
    pub expect: String,
    /// Number of files that a window needs.
    pub required_files: u64,
}

/// One flow.
#[derive(Clone, Debug)]
pub struct FlowView {
    /// What the configuration says about it.
    pub title: Arc<FlowTitle>,
    /// The creation time of its counters.
    pub known_since: SystemTime,
    /// Its finished files.
    pub finished: BTreeMap<Finished, u64>,
    /// Bytes by direction. Requires events.
    pub bytes: BTreeMap<Direction, u64>,
    /// When one of its files last completed.
    pub last_completed: Option<SystemTime>,
    /// Its failed files whose path has not completed since, without those with an ignored code.
    pub unresolved_failures: u64,
    /// Files whose path had completed in the same window before.
    pub duplicates: u64,
    /// The current window, if deliveries are expected.
    pub window: Option<FlowWindow>,
    /// Closed windows by outcome.
    pub outcomes: BTreeMap<FlowState, u64>,
    /// Closed windows whose outcome was replaced, by the replaced outcome.
    pub corrected: BTreeMap<FlowState, u64>,
    /// The newest directory listing: items, and whether it was truncated.
    pub listing: Option<(u64, bool)>,
}

/// The current window of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowWindow {
    /// Files that end from then on belong to it.
    pub opens: SystemTime,
    /// When its files must have ended.
    pub deadline: SystemTime,
    /// When it is closed at the latest.
    pub closes: SystemTime,
    /// How it stands.
    pub state: FlowState,
    /// Files that count.
    pub files: u64,
}
