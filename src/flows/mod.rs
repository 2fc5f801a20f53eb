//! Flows: deliveries that a business expects, and whether they were on time. Pure: finished files,
//! configuration and `now` go in; counters and windows come out.
//!
//! | module | contents |
//! | --- | --- |
//! | [`matcher`] | which flow owns a file |
//! | [`schedule`] | deadlines in local time |
//! | `window` | the files of one deadline, and how they stand |
//! | `timeline` | the windows of a flow, and the outcomes of those that have closed |
//! | `flow` | one flow: its counters and its windows |
//! | [`record`] | the persistent form |

mod flow;
pub mod matcher;
pub mod record;
pub mod schedule;
#[cfg(test)]
mod tests;
mod timeline;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flow::Flow;
use matcher::{ConnectorRef, Matcher};
use model::{
    Chunk, ConnectorGroups, ConnectorId, Direction, Finished, FlowTitle, FlowView, Millis,
    Ownership, Shard, millis,
};
use record::FlowRecord;
use schedule::Schedule;
use window::Due;

/// Flows per chunk of a snapshot. A scrape looks up each chunk once for each family, changed or not.
const FLOWS_PER_CHUNK: usize = 512;

/// Flows that are no longer configured and whose counters are kept.
const MAX_DORMANT: usize = 10_000;

/// Evidence is complete enough for a decision once scrapes have run for this long, even if one account
/// cannot be read.
const CATCH_UP: Duration = Duration::from_mins(5);

/// Scrapes that are further apart than this are no continuous watch.
const PAUSE: Duration = Duration::from_mins(15);

/// A flow as it is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowConfig {
    /// Its name, and which files it matches.
    pub title: Arc<FlowTitle>,
    /// Failure codes that are no failure of the flow.
    pub ignore_codes: BTreeSet<String>,
    /// When deliveries are due.
    pub expect: Option<Expect>,
}

impl FlowConfig {
    /// Returns the connectors that are listed by ID.
    pub fn connector_ids(&self) -> BTreeSet<ConnectorId> {
        let connectors = self.title.connectors.iter();
        connectors.filter_map(|text| text.parse().ok()).collect()
    }

    /// Returns whether a process has the files of the flow.
    pub fn is_owned(&self, ownership: &Ownership) -> bool {
        ownership.shard() == Shard::ONLY
            || self.connector_ids().iter().any(|id| ownership.owns_all(id))
    }
}

/// Returns the connectors that shards do not divide: those of each flow belong to one shard, which has
/// all of its files.
pub fn connector_groups(flows: &[FlowConfig]) -> ConnectorGroups {
    ConnectorGroups::new(flows.iter().map(FlowConfig::connector_ids))
}

/// What is expected of each delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// When it is due.
    pub schedule: Schedule,
    /// Number of completed files, each with its own path.
    pub files: u64,
    /// Least size of a file in bytes. If it is not 0, files count when an event reports their size.
    pub min_bytes: u64,
}

/// A finished file, as a flow sees it.
#[derive(Clone, Debug)]
pub struct FlowFile<'a> {
    /// Hash of its transfer.
    pub transfer: u64,
    /// Hash of its path.
    pub path: u64,
    /// How it ended, with the failure code as it is counted.
    pub end: Finished,
    /// The failure code as it was reported.
    pub code: Option<&'a str>,
    /// When it ended at the earliest.
    pub earliest: SystemTime,
    /// When it ended, or was first seen to have ended.
    pub at: SystemTime,
    /// Whether an event has reported when it ended.
    pub is_exact: bool,
    /// Its size and operation, from an event.
    pub size: Option<(u64, Direction)>,
    /// Whether its connector counts it.
    pub is_counted: bool,
}

/// All flows.
#[derive(Debug, Default)]
pub struct Flows {
    configs: Vec<FlowConfig>,
    matcher: Matcher,
    states: Vec<Flow>,
    by_name: BTreeMap<Arc<str>, usize>,
    /// Records of flows that are not configured.
    dormant: BTreeMap<String, FlowRecord>,
    changed: BTreeSet<Arc<str>>,
    chunks: Vec<Option<Chunk<FlowView>>>,
    /// Up to when the evidence is complete.
    judged: Millis,
    /// Since when scrapes have followed each other, and the last one.
    scraped: Option<(SystemTime, SystemTime)>,
    /// When each flow changes by itself. It is looked at then, not in each scrape.
    due: Vec<Due>,
}

impl Flows {
    /// Replaces the configuration. Flows that are still configured keep their counters and windows. One
    /// that matches other files, or that was not configured before, is watched from now on: windows whose
    /// deadline has passed belong to the process that had it before. Those of a flow that leaves are
    /// closed.
    pub fn configure(&mut self, configs: &[FlowConfig], now: SystemTime) {
        if self.configs == configs {
            self.end_watches(now);
            return;
        }
        let judged = self.judged;
        let before = std::mem::take(&mut self.states);
        for mut flow in before {
            flow.advance(millis(now), judged);
            self.dormant
                .insert(flow.title().name.to_string(), flow.record_form(judged));
        }
        self.configs = configs.to_vec();
        self.matcher = Matcher::new(configs);
        for config in configs {
            let known = self.dormant.remove(&*config.title.name);
            self.changed.insert(Arc::clone(&config.title.name));
            self.states.push(Flow::new(config, known, judged, now));
        }
        self.end_watches(now);
        while self.dormant.len() > MAX_DORMANT {
            if let Some((name, _)) = self.dormant.pop_first() {
                self.changed.insert(name.into());
            }
        }
        let names = self.states.iter().enumerate();
        self.by_name = names
            .map(|(at, flow)| (Arc::clone(&flow.title().name), at))
            .collect();
        self.chunks.clear();
        self.due.clear();
        self.advance(now);
    }

    /// Ends the watches of the flows that are not configured.
    fn end_watches(&mut self, now: SystemTime) {
        for (name, record) in &mut self.dormant {
            if record.leave(self.judged, millis(now)) {
                self.changed.insert(name.as_str().into());
            }
        }
    }

    /// Returns whether no flow is configured.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Returns the flow that owns a file.
    pub fn flow_of(
        &self,
        connector: ConnectorRef<'_>,
        operation: Option<Direction>,
        path: &str,
    ) -> Option<usize> {
        self.matcher.flow_of(connector, operation, path)
    }

    /// Records a finished file of a flow.
    pub fn record(&mut self, flow: usize, file: &FlowFile<'_>, now: SystemTime) {
        self.states[flow].record(file, millis(now));
        self.mark(flow);
    }

    /// Records the event of a file that a poll has reported before: when it really ended, and its size.
    pub fn refine(&mut self, flow: usize, file: &FlowFile<'_>, now: SystemTime) {
        self.states[flow].refine(file, millis(now));
        self.mark(flow);
    }

    /// Forgets a file that a poll has reported and that belongs to another flow, as its event shows.
    pub fn forget_polled(&mut self, flow: usize, file: &FlowFile<'_>) {
        self.states[flow].forget_polled(file);
        self.mark(flow);
    }

    /// Records a directory listing of a connector.
    pub fn record_listing(
        &mut self,
        connector: ConnectorRef<'_>,
        folder: &str,
        items: u64,
        is_truncated: bool,
        at: SystemTime,
    ) {
        for flow in self.matcher.flows_of_folder(connector, folder) {
            if self.states[flow].record_listing(items, is_truncated, at) {
                self.mark(flow);
            }
        }
    }

    /// Returns whether a failure code is no failure of a flow.
    pub fn ignores(&self, flow: usize, code: Option<&str>) -> bool {
        code.is_some_and(|code| self.configs[flow].ignore_codes.contains(code))
    }

    /// Changes the number of unresolved failures of a flow.
    pub fn count_unresolved(&mut self, flow: usize, by: i64) {
        let unresolved = &mut self.states[flow].unresolved;
        *unresolved = unresolved.saturating_add_signed(by);
        self.mark(flow);
    }

    /// Notes a scrape: `is_complete` is true if everything that was due when it arrived was answered.
    pub fn scraped(&mut self, is_complete: bool, now: SystemTime) {
        let since = match self.scraped {
            Some((since, last)) if now.duration_since(last).is_ok_and(|pause| pause <= PAUSE) => {
                since
            }
            _ => now,
        };
        self.scraped = Some((since, now));
        let has_caught_up = now
            .duration_since(since)
            .is_ok_and(|watched| watched >= CATCH_UP);
        if is_complete || has_caught_up {
            self.judged = self.judged.max(millis(now));
        }
        self.advance(now);
    }

    /// Notes that the clock was set back.
    pub fn set_back(&mut self, now: SystemTime) {
        self.judged = self.judged.min(millis(now));
        self.scraped = None;
        self.due.clear();
    }

    /// Sets the number of unresolved failures of all flows to 0.
    pub fn clear_unresolved(&mut self) {
        for at in 0..self.states.len() {
            if std::mem::take(&mut self.states[at].unresolved) > 0 {
                self.mark(at);
            }
        }
    }

    /// Returns the name of a flow.
    pub fn name(&self, flow: usize) -> &Arc<str> {
        &self.states[flow].title().name
    }

    /// Counts a file that was recorded as not counted. Its flow may not be configured any more.
    pub fn count_late(&mut self, name: &str, end: &Finished) {
        if let Some(flow) = self.by_name.get(name).copied() {
            self.states[flow].count(end);
            self.mark(flow);
        }
    }

    /// Closes windows, and opens the next ones.
    pub fn advance(&mut self, now: SystemTime) {
        let (now, judged) = (millis(now), self.judged);
        self.due.resize(self.states.len(), Due::NOW);
        for at in 0..self.states.len() {
            if !self.due[at].is_reached(now, judged) {
                continue;
            }
            if self.states[at].advance(now, judged) {
                self.mark(at);
            }
            self.due[at] = self.states[at].due(now, judged);
        }
    }

    fn mark(&mut self, flow: usize) {
        if let Some(due) = self.due.get_mut(flow) {
            *due = Due::NOW;
        }
        // Most changes are of a flow that has changed since the last write.
        if !std::mem::replace(&mut self.states[flow].is_marked, true) {
            self.changed
                .insert(Arc::clone(&self.states[flow].title().name));
        }
        if let Some(chunk) = self.chunks.get_mut(flow / FLOWS_PER_CHUNK) {
            *chunk = None;
        }
    }

    /// Returns all flows in configured order. Only changed chunks are built again.
    pub fn views(&mut self) -> Vec<Chunk<FlowView>> {
        let judged = self.judged;
        self.chunks
            .resize(self.states.len().div_ceil(FLOWS_PER_CHUNK), None);
        let flows = self.states.chunks_mut(FLOWS_PER_CHUNK);
        let build = |(chunk, flows): (&mut Option<Chunk<FlowView>>, &mut [Flow])| {
            let view = |flow: &mut Flow| flow.view(judged);
            let built = chunk.get_or_insert_with(|| flows.iter_mut().map(view).collect());
            Arc::clone(built)
        };
        self.chunks.iter_mut().zip(flows).map(build).collect()
    }

    /// Returns the names of the flows that have changed since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<Arc<str>> {
        let changed = std::mem::take(&mut self.changed);
        for name in &changed {
            if let Some(flow) = self.by_name.get(name) {
                self.states[*flow].is_marked = false;
            }
        }
        changed
    }

    /// Marks flows as changed again.
    pub fn mark_changed(&mut self, names: impl IntoIterator<Item = Arc<str>>) {
        self.changed.extend(names);
    }

    /// Returns the names of all flows with a record.
    pub fn names(&self) -> Vec<Arc<str>> {
        let dormant = self.dormant.keys().map(|name| name.as_str().into());
        self.by_name.keys().cloned().chain(dormant).collect()
    }

    /// Returns the persistent form of a flow; `None` if nothing is kept of it.
    pub fn record_of(&self, name: &str) -> Option<FlowRecord> {
        match self.by_name.get(name) {
            Some(at) => Some(self.states[*at].record_form(self.judged)),
            None => self.dormant.get(name).cloned(),
        }
    }

    /// Restores records. Called before the first file is recorded; the configuration may be in force
    /// already.
    pub fn restore(&mut self, records: Vec<(String, FlowRecord)>, now: SystemTime) {
        let judged = records.iter().map(|(_, record)| record.judged).max();
        // A clock that was ahead must not judge what is still to come.
        self.judged = judged.unwrap_or(0).min(millis(now));
        self.dormant.extend(records);
        let configs = std::mem::take(&mut self.configs);
        self.states.clear();
        self.due.clear();
        if !configs.is_empty() {
            self.configure(&configs, now);
        }
    }
}
