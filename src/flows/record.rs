//! The persistent form of a flow. The store encodes it and does not interpret it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::timeline::Timeline;
use model::{FailureCode, Finished, FlowState, Millis};

/// The end of a file or an operation: `None` if it completed, else the failure code (empty if there
/// is none).
pub type EndRecord = Option<String>;

pub(crate) fn end_record(end: &Finished) -> EndRecord {
    match end {
        Finished::Completed => None,
        Finished::Failed(code) => Some(code.as_ref().map_or_else(String::new, ToString::to_string)),
    }
}

pub(crate) fn end(record: &EndRecord) -> Finished {
    match record {
        None => Finished::Completed,
        Some(code) => Finished::Failed(FailureCode::new(code)),
    }
}

/// A flow with its counters and windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowRecord {
    /// Up to when the evidence was complete.
    pub(super) judged: Millis,
    /// Hash of what it matches.
    pub(super) matching: u64,
    /// When it was configured first: the creation time of its counters.
    pub(super) known_since: Millis,
    /// Since when it has matched the same files.
    pub(super) watched_from: Millis,
    /// Finished files by end.
    pub(super) finished: Vec<(EndRecord, u64)>,
    /// Bytes by number of the direction.
    pub(super) bytes: Vec<(u8, u64)>,
    pub(super) last_completed: Option<Millis>,
    /// Newest listing: time, items, whether it was truncated.
    pub(super) listing: Option<(Millis, u64, bool)>,
    pub(super) timeline: Timeline,
    /// Until when it was watched, as far as is known.
    pub(super) watched_until: Millis,
    /// When it left: it is not configured, or another shard has its files.
    pub(super) left: Option<Millis>,
}

impl FlowRecord {
    /// Returns the number of windows that have been counted.
    pub fn closed_windows(&self) -> u64 {
        let sum = |counts: BTreeMap<FlowState, u64>| counts.into_values().sum::<u64>();
        sum(self.timeline.outcomes()) - sum(self.timeline.corrected())
    }

    /// Ends the watch of a flow. The windows whose deadline was before its end are closed, since those
    /// that follow belong to the process that has the flow then. Returns false if it had ended before.
    pub(super) fn leave(&mut self, judged: Millis, now: Millis) -> bool {
        if self.left.is_some() {
            return false;
        }
        self.left = Some(now);
        self.timeline.end(self.watched_until.min(now), judged);
        true
    }
}
