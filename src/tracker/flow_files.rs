//! Passes finished files to the flow that owns them.

use std::time::{Duration, SystemTime};

use super::Tracker;
use super::fate::fate_hash;
use super::file_ledger::EventMatch;
use crate::flows::matcher::ConnectorRef;
use crate::flows::{FlowConfig, FlowFile};
use model::{
    Chunk, ConnectorDetails, Direction, FailureCode, FileEnd, FileResult, FileStatus, Finished,
    FlowView, Now, OperationEnd, TransferKey, stable_hash,
};

use super::connector::Connector;

/// A clock that is wrong by more makes flows count other files than their connectors.
const MAX_CLOCK_ERROR: Duration = Duration::from_hours(24);

/// When a file that a poll reports has ended at the earliest, and the transfer.
pub(super) struct PolledRow<'a> {
    pub(super) key: &'a TransferKey,
    pub(super) slot: u32,
    pub(super) earliest: SystemTime,
}

/// Returns how a flow knows a connector.
fn connector_ref(connector: &Connector) -> ConnectorRef<'_> {
    let (title, details) = (connector.title.as_deref(), connector.details.as_deref());
    ConnectorRef {
        id: connector.key.id.as_str(),
        name: ConnectorDetails::known_name(title, details).map(|name| &**name),
    }
}

impl Tracker {
    /// Replaces the flows by those that this process owns. Called after [`Tracker::configure`] and, if
    /// there is a store, [`Tracker::restore`].
    pub fn configure_flows(&mut self, flows: &[FlowConfig], now: Now) {
        let owned = flows.iter().filter(|flow| flow.is_owned(&self.ownership));
        let owned: Vec<_> = owned.cloned().collect();
        self.flows.configure(&owned, now.wall);
        self.flows.clear_unresolved();
        let (flows, connectors) = (&self.flows, &self.connectors);
        self.failures.assign_flows(|failure| {
            let number = connectors.find(&failure.connector_key())?;
            let connector = connector_ref(&connectors[number]);
            let flow = flows.flow_of(connector, None, &failure.path)?;
            let code = failure.code.as_ref().map(FailureCode::as_str);
            (!flows.ignores(flow, code)).then_some(flow)
        });
        self.count_unresolved_of_flows();
    }

    /// Notes that a scrape is answered: `is_complete` is true if everything that was due when it arrived
    /// has been polled.
    pub fn note_scrape(&mut self, is_complete: bool, now: Now) {
        self.flows.scraped(is_complete, now.wall);
    }

    pub(super) fn has_flows(&self) -> bool {
        !self.flows.is_empty()
    }

    /// Returns all flows, in configured order.
    pub fn flow_views(&mut self) -> Vec<Chunk<FlowView>> {
        self.flows.views()
    }

    /// Passes on what has changed of unresolved failures.
    pub(super) fn count_unresolved_of_flows(&mut self) {
        for (flow, by) in self.failures.take_flow_changes() {
            self.flows.count_unresolved(flow, by);
        }
    }

    /// Returns the flow of a path of a connector.
    pub(super) fn flow_of(
        &self,
        number: u32,
        operation: Option<Direction>,
        path: &str,
    ) -> Option<usize> {
        if self.flows.is_empty() {
            return None;
        }
        let connector = connector_ref(&self.connectors[number]);
        self.flows.flow_of(connector, operation, path)
    }

    /// Returns the flow whose unresolved failures a failed file is one of.
    pub(super) fn flow_of_failure(
        &self,
        number: u32,
        path: &str,
        code: Option<&FailureCode>,
    ) -> Option<usize> {
        let flow = self.flow_of(number, None, path)?;
        let code = code.map(FailureCode::as_str);
        (!self.flows.ignores(flow, code)).then_some(flow)
    }

    /// Returns when a file that the next poll reports as ended has ended at the earliest: the poll
    /// before, or the start of its transfer.
    pub(super) fn earliest_end(&self, slot: u32, now: Now) -> SystemTime {
        let transfer = &self.transfers[slot];
        let polled = transfer
            .answered()
            .and_then(|at| now.wall.checked_sub(now.since(at)));
        let started = transfer.has_start().then(|| transfer.since());
        polled.max(started).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Records a file that a poll has reported as ended.
    pub(super) fn record_row_of_flow(
        &mut self,
        row: &PolledRow<'_>,
        file: &FileResult,
        is_counted: bool,
        now: Now,
    ) {
        let number = self.transfers[row.slot].connector();
        let Some(flow) = self.flow_of(number, None, &file.path) else {
            return;
        };
        let end = match file.status {
            FileStatus::Completed => Finished::Completed,
            FileStatus::Failed => self.admitted_end(&Finished::Failed(file.failure_code.clone())),
            _ => return,
        };
        let file = FlowFile {
            transfer: fate_hash(row.key),
            path: stable_hash(&file.path),
            code: file.failure_code.as_ref().map(FailureCode::as_str),
            earliest: row.earliest,
            at: now.wall,
            is_exact: false,
            size: None,
            is_counted,
            end,
        };
        self.flows.record(flow, &file, now.wall);
        if !is_counted && self.may_count_later(row) {
            let name = self.flows.name(flow);
            self.uncounted
                .add(file.transfer, name, file.path, &file.end, now.wall);
        }
    }

    /// Returns whether the start of a transfer may be reported, or judged otherwise, so that its files
    /// count.
    fn may_count_later(&self, row: &PolledRow<'_>) -> bool {
        let transfer = &self.transfers[row.slot];
        let from = self.watched_from(row.key, transfer.seen());
        !transfer.has_start() || transfer.since() + MAX_CLOCK_ERROR >= from
    }

    /// Counts files of a transfer that were not counted, as its connector now does.
    pub(super) fn count_baseline_of_flows(&mut self, transfer: u64, ends: &[Finished]) {
        let ends: Vec<_> = ends.iter().map(|end| self.admitted_end(end)).collect();
        for (flow, end) in self.uncounted.count(transfer, &ends) {
            self.flows.count_late(&flow, &end);
        }
    }

    /// Records a file that an event has reported as ended, which is counted as `end`.
    pub(super) fn record_event_of_flow(
        &mut self,
        number: u32,
        file: &FileEnd,
        end: &Finished,
        event_match: &EventMatch,
        now: Now,
    ) {
        let path = &file.path;
        let flow = self.flow_of(number, Some(file.direction), path);
        let is_new = event_match.is_logged() || event_match.has_no_row();
        // A poll does not report the operation, which may decide whose file it is.
        let polled = self.flow_of(number, None, path).filter(|_| !is_new);
        let other = polled.filter(|polled| Some(*polled) != flow);
        let code = match &file.end {
            Finished::Failed(Some(code)) => Some(code.as_str()),
            _ => None,
        };
        let flow_file = FlowFile {
            transfer: fate_hash(&file.key),
            path: stable_hash(path),
            end: end.clone(),
            code,
            earliest: file.ended_at,
            at: file.ended_at,
            is_exact: true,
            size: Some((file.bytes, file.direction)),
            is_counted: event_match.counts(),
        };
        if let Some(other) = other {
            self.flows.forget_polled(other, &flow_file);
        }
        let Some(flow) = flow else { return };
        if *event_match == EventMatch::CountedLate {
            self.uncounted
                .forget(flow_file.transfer, flow_file.path, end);
        }
        if is_new {
            self.flows.record(flow, &flow_file, now.wall);
        } else {
            self.flows.refine(flow, &flow_file, now.wall);
        }
    }

    /// Records the listing of a remote directory.
    pub(super) fn record_listing_of_flows(&mut self, number: u32, ended: &OperationEnd) {
        if let Some(listing) = &ended.listing {
            let connector = connector_ref(&self.connectors[number]);
            self.flows.record_listing(
                connector,
                &listing.directory,
                listing.items,
                listing.is_truncated,
                listing.at,
            );
        }
    }
}
