//! Entries of a ledger by their end.

use std::collections::{BTreeMap, BTreeSet};

use model::Finished;

#[cfg(test)]
thread_local! {
    /// Number of operations on indexes, and of entries that were compared one by one, in this
    /// thread.
    pub(super) static OPERATIONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Indexes of entries by their end. Each operation takes logarithmic time, because an answer may have
/// any number of rows.
#[derive(Debug, Default)]
pub(super) struct EndIndex {
    by_end: BTreeMap<Finished, BTreeSet<usize>>,
    failed: BTreeSet<usize>,
}

impl EndIndex {
    pub(super) fn insert(&mut self, at: usize, end: &Finished) {
        count();
        self.by_end.entry(end.clone()).or_default().insert(at);
        if *end != Finished::Completed {
            self.failed.insert(at);
        }
    }

    /// Removes an entry that was inserted with this end.
    pub(super) fn remove(&mut self, at: usize, end: &Finished) {
        count();
        self.failed.remove(&at);
        if let Some(same) = self.by_end.get_mut(end) {
            same.remove(&at);
            if same.is_empty() {
                self.by_end.remove(end);
            }
        }
    }

    /// Returns the first entry whose end may be the same, preferring one whose code is the same.
    pub(super) fn find(&self, end: &Finished) -> Option<usize> {
        count();
        let first = |end: &Finished| self.by_end.get(end)?.first().copied();
        first(end).or_else(|| match end {
            Finished::Completed => None,
            Finished::Failed(None) => self.failed.first().copied(),
            Finished::Failed(Some(_)) => first(&Finished::Failed(None)),
        })
    }
}

/// Counts an operation for tests.
pub(super) fn count() {
    #[cfg(test)]
    OPERATIONS.set(OPERATIONS.get() + 1);
}
