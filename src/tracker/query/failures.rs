//! The newest failed files with their messages, for pages and the JSON API. Paths and messages are
//! never exported as labels. The number and the length of entries are limited, and they are removed
//! with their transfer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use crate::tracker::persist::{FailureRecord, Millis, millis, time};
use crate::tracker::{FailedFile, Tracker};
use model::{ConnectorLabels, FailureCode, TransferId};

/// Maximum number of failed files over all transfers. The oldest are evicted.
pub const MAX_FAILURES: usize = 10_000;

/// Maximum length of a path, a code or a message in bytes. Longer texts are cut at a character
/// boundary, followed by a note with their length.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// One failed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFailure {
    /// Its connector.
    pub connector: Arc<ConnectorLabels>,
    /// Its transfer.
    pub transfer: TransferId,
    /// Its path as reported by AWS, cut to [`MAX_TEXT_BYTES`]. Untrusted text.
    pub path: Box<str>,
    /// The failure code, if AWS reported one, cut as well. Not limited by the label guard.
    pub code: Option<FailureCode>,
    /// The failure message, cut as well. Untrusted text.
    pub message: Option<Box<str>>,
    /// When it failed, in whole milliseconds: the time in the event if an event was the first
    /// report, else the time of the poll.
    pub at: SystemTime,
}

/// Cuts `text` to [`MAX_TEXT_BYTES`].
pub(in crate::tracker) fn cut(text: &str) -> Box<str> {
    if text.len() <= MAX_TEXT_BYTES {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    format!("{}… (cut: {} bytes in all)", &text[..end], text.len()).into()
}

/// Time and sequence number, which separates files that failed in the same millisecond.
type FailureKey = (Millis, u64);

/// Failed files by time, and by the slot of their transfer.
#[derive(Debug, Default)]
pub(in crate::tracker) struct Failures {
    by_time: BTreeMap<FailureKey, (u32, Arc<KeptFailure>)>,
    by_slot: BTreeSet<(u32, FailureKey)>,
    next: u64,
}

impl Failures {
    /// Adds a failed file of the transfer in `slot`. Returns the slot of the transfer whose file
    /// was evicted, if any.
    pub(in crate::tracker) fn insert(&mut self, slot: u32, failure: KeptFailure) -> Option<u32> {
        let at = (millis(failure.at), self.next);
        self.next += 1;
        self.by_time.insert(at, (slot, Arc::new(failure)));
        self.by_slot.insert((slot, at));
        if self.by_time.len() <= MAX_FAILURES {
            return None;
        }
        let (at, (evicted, _)) = self.by_time.pop_first()?;
        self.by_slot.remove(&(evicted, at));
        Some(evicted)
    }

    /// Removes the failed files of a transfer.
    pub(in crate::tracker) fn remove(&mut self, slot: u32) {
        let keys: Vec<_> = self.keys(slot).collect();
        for at in keys {
            self.by_slot.remove(&(slot, at));
            self.by_time.remove(&at);
        }
    }

    /// Returns the failed files of a transfer, oldest first.
    pub(in crate::tracker) fn iter(
        &self,
        slot: u32,
    ) -> impl DoubleEndedIterator<Item = &Arc<KeptFailure>> {
        self.keys(slot)
            .filter_map(|at| self.by_time.get(&at))
            .map(|(_, failure)| failure)
    }

    /// Returns the slots of all transfers with failed files.
    pub(in crate::tracker) fn slots(&self) -> BTreeSet<u32> {
        self.by_slot.iter().map(|(slot, _)| *slot).collect()
    }

    pub(in crate::tracker) fn records(&self, slot: u32) -> Vec<FailureRecord> {
        let record = |failure: &Arc<KeptFailure>| {
            let code = failure
                .code
                .as_ref()
                .map_or_else(String::new, ToString::to_string);
            (
                failure.path.to_string(),
                code,
                failure.message.as_deref().map(Into::into),
                millis(failure.at),
            )
        };
        self.iter(slot).map(record).collect()
    }

    fn keys(&self, slot: u32) -> impl DoubleEndedIterator<Item = FailureKey> + '_ {
        self.by_slot
            .range((slot, (0, 0))..=(slot, (Millis::MAX, u64::MAX)))
            .map(|(_, at)| *at)
    }
}

impl Tracker {
    /// Returns the failed files, newest first.
    pub fn failures(&self) -> Vec<Arc<KeptFailure>> {
        self.failures
            .by_time
            .values()
            .rev()
            .map(|(_, failure)| Arc::clone(failure))
            .collect()
    }

    /// Adds a failed file and marks the change for the store.
    pub(in crate::tracker) fn keep_failure(
        &mut self,
        slot: u32,
        file: &FailedFile,
        at: SystemTime,
    ) {
        let transfer = &self.transfers[slot];
        let failure = KeptFailure {
            connector: Arc::clone(&self.connectors[transfer.connector()].labels),
            transfer: transfer.id().clone(),
            path: cut(&file.path),
            code: file
                .code
                .as_ref()
                .and_then(|code| FailureCode::new(&cut(code.as_str()))),
            message: file.message.as_deref().map(cut),
            at: time(millis(at)),
        };
        let evicted = self.failures.insert(slot, failure);
        if let Some(dirty) = &mut self.dirty {
            dirty.failures.extend([slot].into_iter().chain(evicted));
        }
    }

    /// Restores the failed files of the transfer in `slot`.
    pub(in crate::tracker) fn restore_failures(&mut self, slot: u32, records: Vec<FailureRecord>) {
        let transfer = &self.transfers[slot];
        let (labels, id) = (
            Arc::clone(&self.connectors[transfer.connector()].labels),
            transfer.id().clone(),
        );
        for (path, code, message, at) in records {
            let failure = KeptFailure {
                connector: Arc::clone(&labels),
                transfer: id.clone(),
                path: path.into(),
                code: FailureCode::new(&code),
                message: message.map(Into::into),
                at: time(at),
            };
            self.failures.insert(slot, failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use model::{Account, AccountName};

    fn failure(path: &str, second: u64) -> KeptFailure {
        let account = Account {
            name: AccountName::new("prod"),
            region: "eu-central-1".into(),
        };
        let id = "c-0123456789abcdef0".parse().unwrap();
        KeptFailure {
            connector: Arc::new(ConnectorLabels {
                account: Arc::new(account),
                id,
            }),
            transfer: "t".parse().unwrap(),
            path: path.into(),
            code: None,
            message: None,
            at: UNIX_EPOCH + Duration::from_secs(second),
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character_boundary_with_a_note() {
        assert_eq!(&*cut("/a"), "/a");
        assert_eq!(
            &*cut(&"x".repeat(MAX_TEXT_BYTES)),
            "x".repeat(MAX_TEXT_BYTES)
        );
        // A three-byte character spans the limit.
        let long = format!("a{}", "漢".repeat(40_000));
        let short = cut(&long);
        assert_eq!(
            &*short,
            format!("a{}… (cut: 120001 bytes in all)", "漢".repeat(341))
        );
    }

    #[test]
    fn the_oldest_failed_files_of_all_transfers_are_evicted() {
        let mut failures = Failures::default();
        for n in 0..MAX_FAILURES as u64 {
            let slot = u32::from(n % 2 == 1);
            assert_eq!(failures.insert(slot, failure("/a", 1_000 + n)), None);
        }
        assert_eq!(failures.insert(2, failure("/new", 999_999)), Some(0));
        assert_eq!(failures.insert(2, failure("/new", 999_999)), Some(1));
        assert_eq!(failures.insert(2, failure("/older than all", 0)), Some(2));
        assert_eq!(
            failures.iter(0).count() + failures.iter(1).count(),
            MAX_FAILURES - 2
        );
        assert_eq!(failures.iter(2).count(), 2);
        failures.remove(0);
        failures.remove(2);
        assert_eq!(
            (failures.by_time.len(), failures.slots()),
            (MAX_FAILURES / 2 - 1, BTreeSet::from([1]))
        );
    }
}
