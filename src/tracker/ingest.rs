//! Facts reported by discovery sources: started transfers, ended files, ended remote operations.

use std::sync::Arc;

use super::fate::{FATE_KEPT, Fate, fate_hash};
use super::file_ledger::EventMatch;
use super::transfer::{Transfer, has_results};
use super::{FailedFile, Limit, Tracker};
use model::{
    ConnectorKey, Fact, FailureCode, FileEnd, Finished, Now, OperationEnd, Origin, TransferKey,
    TransferStart, stable_hash,
};

/// Bytes of a ledger beyond which the events of its transfer are counted without it. A transfer of AWS
/// has at most ten files, of about twelve bytes; a sender of events may invent any number, and each
/// costs a pass over the ledger.
pub(super) const MAX_LEDGER: usize = 12 << 10;

/// The outcome of one ingested fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// The fact was new.
    New {
        /// The failed file, if the fact was the first report of one.
        failed: Option<FailedFile>,
    },
    /// The fact had already been reported.
    Duplicate,
    /// The fact belongs to an account that is not configured, to another shard or to an excluded
    /// connector.
    Foreign,
    /// The fact belongs to a shard of another process, which gets it.
    Forwarded,
    /// The fact would exceed a limit, and was refused.
    LimitExceeded(Limit),
    /// The file or operation is counted, but its transfer or connector would exceed a limit.
    Untracked {
        /// The limit.
        limit: Limit,
        /// The failed file, if the fact was the first report of one.
        failed: Option<FailedFile>,
    },
}

impl Tracker {
    /// Ingests a fact that a source reported.
    pub fn ingest(&mut self, fact: &Fact, origin: Origin, now: Now) -> Ingested {
        if self.excludes(fact, origin) {
            return Ingested::Foreign;
        }
        self.follow_clock(now);
        if let Some(limit) = self.exceeded_limit(fact, origin) {
            return self.ingest_beyond(fact, limit, origin, now);
        }
        match fact {
            Fact::Started(start) => self.ingest_start(start, origin, now),
            Fact::FileEnded(file) => self.ingest_file_end(file, origin, now),
            Fact::OperationEnded(end) => self.count_operation(end, end.connector.clone(), now),
        }
    }

    pub(super) fn ingest_start(
        &mut self,
        start: &TransferStart,
        origin: Origin,
        now: Now,
    ) -> Ingested {
        if !self.is_owned(&start.key) {
            return Ingested::Foreign;
        }
        let is_known = match self.slot(&start.key) {
            Some(slot) => self.transfers[slot].has(origin),
            None if self.start_of_ended(start, origin, now) => return Ingested::Duplicate,
            None => false,
        };
        match self.track_start(start, None, origin, now) {
            None => Ingested::Foreign,
            Some(_) if is_known => Ingested::Duplicate,
            Some(_) => Ingested::New { failed: None },
        }
    }

    /// Records a start of a transfer that had settled when it left, or whose results have expired, and
    /// returns true, if it need not be tracked again: sources that read a history report such
    /// transfers again and again.
    pub(super) fn start_of_ended(
        &mut self,
        start: &TransferStart,
        origin: Origin,
        now: Now,
    ) -> bool {
        let hash = fate_hash(&start.key);
        let is_history = matches!(origin, Origin::Cloudtrail | Origin::Events);
        let is_over = |fate: &Fate| fate.ended || !has_results(fate.since, now);
        let Some(fate) = self
            .fates
            .get(hash)
            .filter(|fate| is_history && is_over(fate))
        else {
            return false;
        };
        let Some(account) = self.accounts.get(&start.key.account).map(Arc::clone) else {
            return false;
        };
        let from = self.watched_from(&start.key, fate.seen | 1 << origin as u8);
        let number = self.connector_number(start.key.connector_key(), &account, now);
        let id = start.key.transfer.clone();
        let same_watch = self.watch_moments.is_same_watch(fate.left, from);
        let mut transfer = Transfer::resume(id, number, &fate, same_watch, now);
        let rows = fate.ledger.unpack().entries.len();
        let has_more = start.files.is_some_and(|files| files as usize > rows);
        if has_more && has_results(fate.since, now) {
            return false;
        }
        self.connectors[number].discovered = true;
        self.connectors[number].used = now.instant;
        transfer.record_start(start, None, now);
        let ends = transfer.watch_from(from);
        let started = transfer.count_start(false, from);
        if transfer.has_start() {
            self.record_start(number, transfer.since(), started);
        }
        self.count_late(number, &start.key.transfer, &ends, now);
        if !ends.is_empty() {
            self.count_baseline_of_flows(hash, &ends);
        }
        let updated = Fate {
            ended: fate.ended,
            ..transfer.fate(fate.left)
        };
        if updated != fate {
            self.insert_fate(hash, &updated);
        }
        true
    }

    fn ingest_file_end(&mut self, file: &FileEnd, origin: Origin, now: Now) -> Ingested {
        if !self.is_owned(&file.key) {
            return Ingested::Foreign;
        }
        let Some(account) = self.accounts.get(&file.key.account).map(Arc::clone) else {
            return Ingested::Foreign;
        };
        let event_match = self
            .match_beyond_ledger(file, now)
            .or_else(|| self.match_event(file, origin, now));
        let Some(event_match) = event_match else {
            return Ingested::Foreign;
        };
        if event_match == EventMatch::Duplicate {
            return Ingested::Duplicate;
        }
        let number = self.connector_number(file.key.connector_key(), &account, now);
        self.count_event(number, file, &event_match, now)
    }

    /// Counts a file that an event has reported, under the connector `number`.
    pub(super) fn count_event(
        &mut self,
        number: u32,
        file: &FileEnd,
        event_match: &EventMatch,
        now: Now,
    ) -> Ingested {
        let end = self.admitted_end_of(number, &file.end);
        let transfer = self.slot(&file.key).map(|slot| &self.transfers[slot]);
        let transfer_start = transfer.filter(|it| it.has_start()).map(Transfer::since);
        let connector = &mut self.connectors[number];
        connector.discovered = true;
        connector.used = now.instant;
        let counters = &mut connector.counters;
        counters.add_transferred(file, transfer_start);
        if event_match.counts() {
            counters.count(&end, &file.key.transfer, file.ended_at);
            connector.count_recent(&end, file.ended_at, now.wall);
            if end != file.end {
                self.label_guard.count_folded();
            }
        } else {
            counters.record_end_time(&end, file.ended_at);
        }
        self.mark_connector(number);
        self.record_event_of_flow(number, file, &end, event_match, now);
        let failed = match &file.end {
            // A file that a poll reported before has already been logged.
            Finished::Failed(code) if event_match.is_logged() => Some(FailedFile {
                path: file.path.clone(),
                code: code.clone(),
                message: file.message.clone(),
            }),
            _ => None,
        };
        let started = file.duration.and_then(|it| file.ended_at.checked_sub(it));
        let since = self.slot(&file.key).map_or_else(
            || started.unwrap_or(file.ended_at),
            |slot| self.transfers[slot].since(),
        );
        if let Some(failed) = &failed {
            self.keep_failure(&file.key, since, failed, file.ended_at);
        }
        if file.end == Finished::Completed {
            self.complete_path(&file.key, &file.path, since);
        }
        Ingested::New { failed }
    }

    /// Matches an event of a transfer whose ledger is full, by its id alone. Returns `None` if it is
    /// not full.
    pub(super) fn match_beyond_ledger(&mut self, file: &FileEnd, now: Now) -> Option<EventMatch> {
        let fate = fate_hash(&file.key);
        let ledger = match self.slot(&file.key) {
            Some(slot) => self.transfers[slot].ledger(),
            None => &self.fates.get_larger(fate, MAX_LEDGER)?.ledger,
        };
        if ledger.bytes().len() <= MAX_LEDGER {
            return None;
        }
        let hash = stable_hash(&format!("{fate}/{}", file.file_transfer_id));
        if self.operations.contains(hash) || ledger.has_event(&file.file_transfer_id) {
            return Some(EventMatch::Duplicate);
        }
        self.remember(hash, now);
        Some(EventMatch::Counted)
    }

    /// Remembers what has been counted and has no ledger.
    fn remember(&mut self, hash: u64, now: Now) {
        self.operations.insert(hash, now.wall + FATE_KEPT, ());
        let shed = self.operations.shed(self.settings.limits.transfers);
        if let Some(dirty) = &mut self.dirty {
            dirty.operations.insert(hash);
            dirty.operations.extend(shed);
        }
    }

    /// Matches an event with the ledger of its transfer, which is tracked if it is not yet. Returns
    /// `None` if the transfer cannot be tracked.
    fn match_event(&mut self, file: &FileEnd, origin: Origin, now: Now) -> Option<EventMatch> {
        if self.slot(&file.key).is_none()
            && let Some(event_match) = self.match_event_of_ended(file, now)
        {
            return Some(event_match);
        }
        // A file starts when its transfer does, or later, which says nothing about its other files.
        let file_started = file
            .duration
            .and_then(|duration| file.ended_at.checked_sub(duration));
        let start = TransferStart {
            key: file.key.clone(),
            started_at: None,
            reported_at: None,
            files: None,
        };
        let slot = self.track_start(&start, file_started, origin, now)?;
        let settings = self.settings;
        Some(self.update(slot, |transfer, _| {
            transfer.record_event(file, &settings, now)
        }))
    }

    /// Matches an event with the fate of a transfer that had settled when it left, or whose results
    /// have expired. Returns `None` if the transfer has to be tracked again: for a file that was not
    /// known while AWS keeps its results, or because it had not settled.
    fn match_event_of_ended(&mut self, file: &FileEnd, now: Now) -> Option<EventMatch> {
        let hash = fate_hash(&file.key);
        let is_over = |fate: &Fate| fate.ended || !has_results(fate.since, now);
        let mut fate = self.fates.get(hash).filter(is_over)?;
        let event_match = fate.record_event(file);
        let is_kept = has_results(fate.since, now);
        if event_match.has_no_row() && is_kept {
            return None;
        }
        self.insert_fate(hash, &fate);
        Some(event_match)
    }

    /// Counts an operation under `counted_as`.
    pub(super) fn count_operation(
        &mut self,
        ended: &OperationEnd,
        counted_as: ConnectorKey,
        now: Now,
    ) -> Ingested {
        let Some(account) = self.accounts.get(&ended.connector.account) else {
            return Ingested::Foreign;
        };
        let (connector, operation) = (&ended.connector, ended.operation);
        // The shard is chosen by connector and operation id, as a transfer's is by connector and
        // transfer id.
        if !self.ownership.owns_text(&connector.id, &ended.id) {
            return Ingested::Foreign;
        }
        let text = format!(
            "{}/{}/{}/{}",
            connector.account,
            connector.id,
            operation.as_str(),
            ended.id
        );
        let hash = stable_hash(&text);
        if self.operations.contains(hash) {
            return Ingested::Duplicate;
        }
        let account = Arc::clone(account);
        let number = self.connector_number(counted_as, &account, now);
        self.remember(hash, now);
        let end = self.admitted_end_of(number, &ended.end);
        let connector = &mut self.connectors[number];
        connector.discovered = true;
        connector.used = now.instant;
        connector.counters.count_operation(operation, end);
        self.mark_connector(number);
        self.record_listing_of_flows(number, ended);
        Ingested::New { failed: None }
    }

    /// Returns the end with the failure code that it is counted under at a connector. Undocumented
    /// codes of one that may not exist are `OTHER`, so that it adds few series.
    fn admitted_end_of(&mut self, number: u32, end: &Finished) -> Finished {
        match end {
            Finished::Failed(Some(code))
                if !code.is_documented() && !self.connectors[number].is_confirmed() =>
            {
                Finished::Failed(FailureCode::new(FailureCode::OTHER))
            }
            end => self.admitted_end(end),
        }
    }

    /// Returns the end with the failure code that it is counted under.
    pub(super) fn admitted_end(&mut self, end: &Finished) -> Finished {
        match end {
            Finished::Failed(Some(code)) => {
                Finished::Failed(Some(self.label_guard.admit_code(code)))
            }
            other => other.clone(),
        }
    }

    pub(super) fn is_owned(&self, key: &TransferKey) -> bool {
        self.accounts.contains_key(&key.account)
            && self.ownership.owns(&key.connector, &key.transfer)
    }
}
