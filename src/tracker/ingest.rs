//! What sources other than the API tell.

use std::sync::Arc;

use super::expiring_map::RETENTION;
use super::file_ledger::EventMatch;
use super::{FailedFile, Tracker, retired_hash};
use model::{Fact, FileEnd, Finished, Now, OperationEnd, Origin, Shard, TransferKey, stable_hash};

/// What became of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// It was news.
    New {
        /// The failed file that it told, if it did.
        failed: Option<FailedFile>,
    },
    /// It had been told before.
    Duplicate,
    /// It is of an account that is not configured, or of another shard.
    Foreign,
}

impl Tracker {
    /// True while the transfer is tracked and unfinished. One that was due may have settled since by events, or have left.
    pub fn is_unfinished(&self, key: &TransferKey) -> bool {
        let connector = self.connectors.find(&key.connector_key());
        let slot = connector.and_then(|connector| self.transfers.find(connector, &key.transfer));
        slot.is_some_and(|slot| self.transfers[slot].state().is_unfinished())
    }

    /// Takes in what a source has told.
    pub fn ingest(&mut self, fact: &Fact, origin: Origin, now: Now) -> Ingested {
        match fact {
            Fact::Started(start) => {
                if !self.is_ours(&start.key) {
                    return Ingested::Foreign;
                }
                let known = self.is_known(&start.key, origin);
                self.track(start.key.clone(), origin, start.started_at, now);
                if known {
                    Ingested::Duplicate
                } else {
                    Ingested::New { failed: None }
                }
            }
            Fact::FileEnded(file) => self.file_ended(file, origin, now),
            Fact::OperationEnded(end) => self.operation_ended(end, now),
        }
    }

    fn file_ended(&mut self, file: &FileEnd, origin: Origin, now: Now) -> Ingested {
        if !self.is_ours(&file.key) {
            return Ingested::Foreign;
        }
        let end = self.admitted(&file.end);
        let hash = retired_hash(&file.key);
        let told = if self.retired.contains(hash) && self.slot(&file.key).is_none() {
            let told = match self.retired.get_mut(hash) {
                Some(Some(ledger)) => ledger.event(&file.file_transfer_id, &file.path, &end, true),
                _ => EventMatch::Duplicate,
            };
            self.journal_retired(hash);
            told
        } else {
            self.track(file.key.clone(), origin, None, now);
            let Some(slot) = self.slot(&file.key) else {
                return Ingested::Foreign;
            };
            let told = self.change(slot, |transfer, _| transfer.told(file, &end, now));
            self.journal_transfer(slot);
            told
        };
        if told == EventMatch::Duplicate {
            return Ingested::Duplicate;
        }
        let Some(number) = self.connectors.find(&file.key.connector_key()) else {
            return Ingested::Foreign;
        };
        let connector = &mut self.connectors[number];
        let counters = &mut connector.counters;
        counters.moved(file);
        if matches!(told, EventMatch::Counted | EventMatch::CountedLate) {
            counters.count(&end, &file.key.transfer, file.ended_at);
            connector.count_recent(&end, file.ended_at, now.wall);
            if end != file.end {
                self.codes.note_folded();
            }
        } else {
            counters.note(&end, file.ended_at);
        }
        self.touch(number);
        let failed = match &file.end {
            // One that an answer has told was reported with it.
            Finished::Failed(code) if told == EventMatch::Counted => Some(FailedFile {
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

    fn operation_ended(&mut self, ended: &OperationEnd, now: Now) -> Ingested {
        let Some(account) = self.accounts.get(&ended.connector.account) else {
            return Ingested::Foreign;
        };
        let (connector, operation) = (&ended.connector, ended.operation);
        // By connector and id, as a transfer's shard is by connector and transfer.
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
        let number = self.number_of(connector.clone(), &account, now);
        self.operations.insert(hash, now.wall + RETENTION, ());
        if let Some(journal) = &mut self.journal {
            journal.operations.insert(hash);
        }
        let end = self.admitted(&ended.end);
        self.connectors[number].discovered = true;
        self.connectors[number].counters.operation(operation, end);
        self.touch(number);
        Ingested::New { failed: None }
    }

    /// An end with the code that it is counted under.
    fn admitted(&mut self, end: &Finished) -> Finished {
        match end {
            Finished::Failed(Some(code)) => Finished::Failed(Some(self.codes.admit_code(code))),
            other => other.clone(),
        }
    }

    fn is_ours(&self, key: &TransferKey) -> bool {
        self.accounts.contains_key(&key.account)
            && self.settings.shard.owns(&key.connector, &key.transfer)
    }

    fn is_known(&self, key: &TransferKey, origin: Origin) -> bool {
        match self.slot(key) {
            Some(slot) => self.transfers[slot].is_of(origin),
            None => self.retired.contains(retired_hash(key)) && origin != Origin::Api,
        }
    }

    pub(super) fn slot(&self, key: &TransferKey) -> Option<u32> {
        let number = self.connectors.find(&key.connector_key())?;
        self.transfers.find(number, &key.transfer)
    }
}
