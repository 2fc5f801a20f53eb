//! The newest failed files, with what AWS said of each, for people: neither a path nor a message is ever a label.
//! Bounded in number and in length, and gone with their transfer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use crate::tracker::persist::{FailureRecord, Millis, millis, time};
use crate::tracker::{FailedFile, Tracker};
use model::{ConnectorLabels, FailureCode, TransferId};

/// Failed files that are kept, over all transfers: where there are more, the oldest leave.
pub const MAX_FAILURES: usize = 10_000;

/// Bytes of a path, and of a message, that are kept. A longer text ends, on the border of a character, in a note of how
/// long it was.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// One failed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFailure {
    /// Its connector.
    pub connector: Arc<ConnectorLabels>,
    /// Its transfer.
    pub transfer: TransferId,
    /// Its path as AWS tells it, cut to [`MAX_TEXT_BYTES`]. Free text.
    pub path: Box<str>,
    /// Why it failed, where AWS gave a code; not folded, cut as well.
    pub code: Option<FailureCode>,
    /// The same for people, cut as well. Free text.
    pub message: Option<Box<str>>,
    /// When: the event's time where one told it first, else when it was first seen FAILED. To the millisecond.
    pub at: SystemTime,
}

/// `text`, cut to [`MAX_TEXT_BYTES`].
pub(in crate::tracker) fn cut(text: &str) -> Box<str> {
    if text.len() <= MAX_TEXT_BYTES {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    format!("{}… (cut: {} bytes in all)", &text[..end], text.len()).into()
}

/// Time and number: files that failed in the same millisecond stay apart.
type At = (Millis, u64);

/// The kept files by time, and by the slot of their transfer.
#[derive(Debug, Default)]
pub(in crate::tracker) struct Failures {
    by_time: BTreeMap<At, (u32, Arc<KeptFailure>)>,
    by_slot: BTreeSet<(u32, At)>,
    next: u64,
}

impl Failures {
    /// Keeps one more of the transfer in `slot`. What comes back is the slot of the one that had to leave for it.
    pub(in crate::tracker) fn keep(&mut self, slot: u32, failure: KeptFailure) -> Option<u32> {
        let at = (millis(failure.at), self.next);
        self.next += 1;
        self.by_time.insert(at, (slot, Arc::new(failure)));
        self.by_slot.insert((slot, at));
        if self.by_time.len() <= MAX_FAILURES {
            return None;
        }
        let (at, (left, _)) = self.by_time.pop_first()?;
        self.by_slot.remove(&(left, at));
        Some(left)
    }

    /// Drops those of a transfer.
    pub(in crate::tracker) fn drop_of(&mut self, slot: u32) {
        let of: Vec<_> = self.of(slot).collect();
        for at in of {
            self.by_slot.remove(&(slot, at));
            self.by_time.remove(&at);
        }
    }

    /// Those of a transfer, the oldest first.
    pub(in crate::tracker) fn kept(
        &self,
        slot: u32,
    ) -> impl DoubleEndedIterator<Item = &Arc<KeptFailure>> {
        self.of(slot)
            .filter_map(|at| self.by_time.get(&at))
            .map(|(_, failure)| failure)
    }

    /// Slots of the transfers that have any.
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
        self.kept(slot).map(record).collect()
    }

    fn of(&self, slot: u32) -> impl DoubleEndedIterator<Item = At> + '_ {
        self.by_slot
            .range((slot, (0, 0))..=(slot, (Millis::MAX, u64::MAX)))
            .map(|(_, at)| *at)
    }
}

impl Tracker {
    /// The failed files that are kept, the newest first.
    pub fn failures(&self) -> Vec<Arc<KeptFailure>> {
        self.failures
            .by_time
            .values()
            .rev()
            .map(|(_, failure)| Arc::clone(failure))
            .collect()
    }

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
        let left = self.failures.keep(slot, failure);
        if let Some(journal) = &mut self.journal {
            journal.failures.extend([slot].into_iter().chain(left));
        }
    }

    /// Takes up what was written of the transfer in `slot`.
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
            self.failures.keep(slot, failure);
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
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(&*cut("/a"), "/a");
        assert_eq!(
            &*cut(&"x".repeat(MAX_TEXT_BYTES)),
            "x".repeat(MAX_TEXT_BYTES)
        );
        // A character of three bytes stands across the bound.
        let long = format!("a{}", "漢".repeat(40_000));
        let short = cut(&long);
        assert_eq!(
            &*short,
            format!("a{}… (cut: 120001 bytes in all)", "漢".repeat(341))
        );
    }

    #[test]
    fn past_the_bound_the_oldest_leave_whichever_transfer_they_are_of() {
        let mut failures = Failures::default();
        for n in 0..MAX_FAILURES as u64 {
            let slot = u32::from(n % 2 == 1);
            assert_eq!(failures.keep(slot, failure("/a", 1_000 + n)), None);
        }
        assert_eq!(failures.keep(2, failure("/new", 999_999)), Some(0));
        assert_eq!(failures.keep(2, failure("/new", 999_999)), Some(1));
        assert_eq!(failures.keep(2, failure("/older than all", 0)), Some(2));
        assert_eq!(
            failures.kept(0).count() + failures.kept(1).count(),
            MAX_FAILURES - 2
        );
        assert_eq!(failures.kept(2).count(), 2);
        failures.drop_of(0);
        failures.drop_of(2);
        assert_eq!(
            (failures.by_time.len(), failures.slots()),
            (MAX_FAILURES / 2 - 1, BTreeSet::from([1]))
        );
    }
}
