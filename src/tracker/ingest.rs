//! Facts reported by discovery sources: started transfers, ended files, ended remote operations.

use std::sync::Arc;

use super::expiring_map::RETENTION;
use super::file_ledger::EventMatch;
use super::retention::retired_hash;
use super::{FailedFile, Tracker};
use model::{Fact, FileEnd, Finished, Now, OperationEnd, Origin, Shard, TransferKey, stable_hash};

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
}

impl Tracker {
    /// Ingests a fact that a source reported.
    pub fn ingest(&mut self, fact: &Fact, origin: Origin, now: Now) -> Ingested {
        if self.excludes(fact, origin) {
            return Ingested::Foreign;
        }
        match fact {
            Fact::Started(start) => {
                if !self.is_owned(&start.key) {
                    return Ingested::Foreign;
                }
                let reported = self.is_reported(&start.key, origin);
                self.track(start.key.clone(), origin, start.started_at, now);
                if reported {
                    Ingested::Duplicate
                } else {
                    Ingested::New { failed: None }
                }
            }
            Fact::FileEnded(file) => self.ingest_file_end(file, origin, now),
            Fact::OperationEnded(end) => self.ingest_operation_end(end, now),
        }
    }

    fn ingest_file_end(&mut self, file: &FileEnd, origin: Origin, now: Now) -> Ingested {
        if !self.is_owned(&file.key) {
            return Ingested::Foreign;
        }
        let end = self.admitted_end(&file.end);
        let Some(event_match) = self.match_event(file, &end, origin, now) else {
            return Ingested::Foreign;
        };
        if event_match == EventMatch::Duplicate {
            return Ingested::Duplicate;
        }
        let Some(number) = self.connectors.find(&file.key.connector_key()) else {
            return Ingested::Foreign;
        };
        let connector = &mut self.connectors[number];
        let counters = &mut connector.counters;
        counters.add_transferred(file);
        if matches!(event_match, EventMatch::Counted | EventMatch::CountedLate) {
            counters.count(&end, &file.key.transfer, file.ended_at);
            connector.count_recent(&end, file.ended_at, now.wall);
            if end != file.end {
                self.label_guard.count_folded();
            }
        } else {
            counters.record_end_time(&end, file.ended_at);
        }
        self.mark_connector(number);
        let failed = match &file.end {
            // A file that a poll reported before has already been logged.
            Finished::Failed(code) if event_match == EventMatch::Counted => Some(FailedFile {
                path: file.path.clone(),
                code: code.clone(),
                message: file.message.clone(),
            }),
            _ => None,
        };
        if let (Some(failed), Some(slot)) = (&failed, self.slot(&file.key)) {
            self.keep_failure(slot, failed, file.ended_at);
        }
        Ingested::New { failed }
    }

    /// Matches an event with the ledger of its transfer, which is tracked if it is not yet. Returns
    /// `None` if the transfer cannot be tracked.
    fn match_event(
        &mut self,
        file: &FileEnd,
        end: &Finished,
        origin: Origin,
        now: Now,
    ) -> Option<EventMatch> {
        let hash = retired_hash(&file.key);
        if self.retired.contains(hash) && self.slot(&file.key).is_none() {
            let event_match = match self.retired.get_mut(hash) {
                Some(Some(ledger)) => {
                    ledger.record_event(&file.file_transfer_id, &file.path, end, true)
                }
                _ => EventMatch::Duplicate,
            };
            self.mark_retired(hash);
            return Some(event_match);
        }
        self.track(file.key.clone(), origin, None, now);
        let slot = self.slot(&file.key)?;
        let event_match = self.update(slot, |transfer, _| transfer.record_event(file, end, now));
        self.mark_transfer(slot);
        Some(event_match)
    }

    fn ingest_operation_end(&mut self, ended: &OperationEnd, now: Now) -> Ingested {
        let Some(account) = self.accounts.get(&ended.connector.account) else {
            return Ingested::Foreign;
        };
        let (connector, operation) = (&ended.connector, ended.operation);
        // The shard is chosen by connector and operation id, as a transfer's is by connector and
        // transfer id.
        if self.settings.shard != Shard::ONLY
            && !self.settings.shard.owns_text(&connector.id, &ended.id)
        {
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
        let number = self.connector_number(connector.clone(), &account, now);
        self.operations.insert(hash, now.wall + RETENTION, ());
        if let Some(dirty) = &mut self.dirty {
            dirty.operations.insert(hash);
        }
        let end = self.admitted_end(&ended.end);
        self.connectors[number].discovered = true;
        self.connectors[number]
            .counters
            .count_operation(operation, end);
        self.mark_connector(number);
        Ingested::New { failed: None }
    }

    /// Returns the end with the failure code that it is counted under.
    fn admitted_end(&mut self, end: &Finished) -> Finished {
        match end {
            Finished::Failed(Some(code)) => {
                Finished::Failed(Some(self.label_guard.admit_code(code)))
            }
            other => other.clone(),
        }
    }

    fn is_owned(&self, key: &TransferKey) -> bool {
        self.accounts.contains_key(&key.account)
            && self.settings.shard.owns(&key.connector, &key.transfer)
    }

    /// Returns whether `origin` has already reported the transfer. A retired transfer counts as
    /// reported, except for the write API, which tracks it again.
    fn is_reported(&self, key: &TransferKey, origin: Origin) -> bool {
        match self.slot(key) {
            Some(slot) => self.transfers[slot].has(origin),
            None => self.retired.contains(retired_hash(key)) && origin != Origin::Api,
        }
    }
}
