//! The newest failed files with their messages, and which of them are unresolved. Paths and messages
//! are never exported as labels; their number and length are limited.
//!
//! A failure is resolved when a transfer that started no earlier than its own completes the same path,
//! or when somebody acknowledges it. Both may be observed in any order, so completed paths are
//! remembered for a while. `ListFileTransferResults` does not return the operation, so it is not
//! compared.

mod completions;
mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use completions::Completions;
pub use kept::{FailureFilter, KeptFailure, Resolution};

use super::fate::fate_hash;
use super::persist::FailureRecord;
use super::{FailedFile, Tracker};
use model::{
    ConnectorKey, ConnectorLabels, FailureCode, Finished, Millis, Now, TransferKey, millis,
    stable_hash, time,
};

/// Maximum number of failed files over all transfers. The oldest are evicted.
pub const MAX_FAILURES: usize = 10_000;

/// Maximum length of a path, a code or a message in bytes. Longer texts are cut at a character
/// boundary, followed by a note with their length.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// Cuts `text` to [`MAX_TEXT_BYTES`].
pub(super) fn cut(text: &str) -> Box<str> {
    if text.len() <= MAX_TEXT_BYTES {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    format!("{}… (cut: {} bytes in all)", &text[..end], text.len()).into()
}

/// Time and sequence number, which separates files that failed in the same millisecond.
type FailureKey = (Millis, u64);

/// Failed files with the end that their connector counts.
#[derive(Debug)]
struct Entry {
    failure: Arc<KeptFailure>,
    label: Finished,
    path: u64,
    /// The flow that it counts for.
    flow: Option<usize>,
}

/// Failed files by time, transfer and path.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_time: BTreeMap<FailureKey, Entry>,
    by_transfer: BTreeSet<(u64, FailureKey)>,
    /// By path and start of the transfer, so that a completion finds those that it resolves.
    unresolved_by_path: BTreeSet<(u64, Millis, FailureKey)>,
    /// Unresolved failures by the end that their connector counts.
    unresolved: BTreeMap<ConnectorKey, BTreeMap<Finished, u64>>,
    completions: Completions,
    /// Changes of the numbers of unresolved failures of flows.
    flow_changes: Vec<(usize, i64)>,
    next: u64,
}

/// Returns the hash of a path of a connector.
fn path_hash(connector: &ConnectorKey, path: &str) -> u64 {
    let ConnectorKey { account, id } = connector;
    if path.len() <= MAX_TEXT_BYTES {
        return stable_hash(&format!("{account}/{id}/{path}"));
    }
    stable_hash(&format!("{account}/{id}/{}", cut(path)))
}

impl Failures {
    /// Adds a failed file, which its connector counts as `label`. Returns the failures that changed:
    /// the new one, and one that was evicted.
    fn insert(
        &mut self,
        mut failure: KeptFailure,
        label: Finished,
        flow: Option<usize>,
    ) -> Vec<Arc<KeptFailure>> {
        let at = (millis(failure.at), self.next);
        self.next += 1;
        let (key, connector) = (failure.key(), failure.connector_key());
        let (transfer, path) = (fate_hash(&key), path_hash(&connector, &failure.path));
        let is_unresolved = failure.resolution == Resolution::Unresolved;
        if is_unresolved && self.completions.is_later(path, failure.since, transfer) {
            failure.resolution = Resolution::Completed;
        }
        self.by_transfer.insert((transfer, at));
        if failure.resolution == Resolution::Unresolved {
            let since = millis(failure.since);
            self.unresolved_by_path.insert((path, since, at));
            let counts = self.unresolved.entry(connector).or_default();
            *counts.entry(label.clone()).or_default() += 1;
            self.flow_changes.extend(flow.map(|flow| (flow, 1)));
        }
        let failure = Arc::new(failure);
        let mut changed = vec![Arc::clone(&failure)];
        let entry = Entry {
            failure,
            label,
            path,
            flow,
        };
        self.by_time.insert(at, entry);
        if self.by_time.len() > MAX_FAILURES
            && let Some((oldest, _)) = self.by_time.first_key_value()
        {
            let oldest = *oldest;
            changed.extend(self.remove(oldest));
        }
        changed
    }

    fn remove(&mut self, at: FailureKey) -> Option<Arc<KeptFailure>> {
        self.settle(at, Resolution::Acknowledged);
        let Entry { failure, .. } = self.by_time.remove(&at)?;
        self.by_transfer.remove(&(fate_hash(&failure.key()), at));
        Some(failure)
    }

    /// Resolves a failure. Returns it if it was unresolved.
    fn settle(&mut self, at: FailureKey, resolution: Resolution) -> Option<Arc<KeptFailure>> {
        let entry = self.by_time.get_mut(&at)?;
        let since = millis(entry.failure.since);
        if !self.unresolved_by_path.remove(&(entry.path, since, at)) {
            return None;
        }
        Arc::make_mut(&mut entry.failure).resolution = resolution;
        self.flow_changes.extend(entry.flow.map(|flow| (flow, -1)));
        let connector = entry.failure.connector_key();
        if let Some(counts) = self.unresolved.get_mut(&connector) {
            if let Some(count) = counts.get_mut(&entry.label) {
                *count -= 1;
            }
            counts.retain(|_, count| *count > 0);
            if counts.is_empty() {
                self.unresolved.remove(&connector);
            }
        }
        Some(Arc::clone(&entry.failure))
    }

    /// Records that a transfer, which started at `since`, has completed a path. Returns the failures
    /// that it resolves.
    fn complete(
        &mut self,
        key: &TransferKey,
        path: &str,
        since: SystemTime,
    ) -> Vec<Arc<KeptFailure>> {
        let (path, transfer) = (path_hash(&key.connector_key(), path), fate_hash(key));
        self.completions.insert(path, since, transfer);
        let newest = (path, millis(since), (Millis::MAX, u64::MAX));
        let of_path = (path, 0, (0, 0))..=newest;
        let found: Vec<_> = self
            .unresolved_by_path
            .range(of_path)
            .map(|(.., at)| *at)
            .filter(|at| {
                let failure = self.by_time.get(at).map(|entry| &entry.failure);
                failure.is_some_and(|failure| fate_hash(&failure.key()) != transfer)
            })
            .collect();
        found
            .into_iter()
            .filter_map(|at| self.settle(at, Resolution::Completed))
            .collect()
    }

    /// Removes the failures that `accept` returns true for, and returns them.
    fn remove_each(&mut self, accept: impl Fn(&KeptFailure) -> bool) -> Vec<Arc<KeptFailure>> {
        let found: Vec<_> = self
            .by_time
            .iter()
            .filter(|(_, entry)| accept(&entry.failure))
            .map(|(at, _)| *at)
            .collect();
        found.into_iter().filter_map(|at| self.remove(at)).collect()
    }

    /// Removes the failures that are older than `keep`, and returns them.
    fn expire(&mut self, keep: Duration, now: Now) -> Vec<Arc<KeptFailure>> {
        self.completions.expire(now.instant);
        let oldest = millis(now.wall.checked_sub(keep).unwrap_or(SystemTime::UNIX_EPOCH));
        let mut expired = Vec::new();
        while let Some((at, _)) = self.by_time.first_key_value()
            && at.0 < oldest
        {
            let at = *at;
            expired.extend(self.remove(at));
        }
        expired
    }

    /// Returns the failed files of a transfer, oldest first.
    pub(super) fn of_transfer(
        &self,
        key: &TransferKey,
    ) -> impl DoubleEndedIterator<Item = &Arc<KeptFailure>> {
        let hash = fate_hash(key);
        self.by_transfer
            .range((hash, (0, 0))..=(hash, (Millis::MAX, u64::MAX)))
            .filter_map(|(_, at)| Some(&self.by_time.get(at)?.failure))
    }

    /// Assigns each failure to the flow that it counts for, and notes the unresolved ones as changes.
    pub(super) fn assign_flows(&mut self, find: impl Fn(&KeptFailure) -> Option<usize>) {
        self.flow_changes.clear();
        for (at, entry) in &mut self.by_time {
            entry.flow = find(&entry.failure);
            let since = millis(entry.failure.since);
            if self.unresolved_by_path.contains(&(entry.path, since, *at)) {
                self.flow_changes.extend(entry.flow.map(|flow| (flow, 1)));
            }
        }
    }

    /// Returns by how much the numbers of unresolved failures of flows have changed.
    pub(super) fn take_flow_changes(&mut self) -> Vec<(usize, i64)> {
        std::mem::take(&mut self.flow_changes)
    }

    /// Returns whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    /// Returns the unresolved failures of a connector by the end that it counts.
    pub(super) fn unresolved(&self, connector: &ConnectorKey) -> BTreeMap<Finished, u64> {
        self.unresolved.get(connector).cloned().unwrap_or_default()
    }

    /// Returns the transfers with failed files.
    pub(super) fn transfers(&self) -> BTreeSet<TransferKey> {
        let entries = self.by_time.values();
        entries.map(|entry| entry.failure.key()).collect()
    }

    pub(super) fn records(&self, key: &TransferKey) -> Vec<FailureRecord> {
        let record = |failure: &Arc<KeptFailure>| FailureRecord {
            path: failure.path.to_string(),
            code: failure
                .code
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            message: failure.message.as_deref().map(Into::into),
            at: millis(failure.at),
            since: millis(failure.since),
            resolution: failure.resolution as u8,
        };
        self.of_transfer(key).map(record).collect()
    }
}

impl Tracker {
    /// Returns the failed files, newest first.
    pub fn failures(&self) -> Vec<Arc<KeptFailure>> {
        self.failures
            .by_time
            .values()
            .rev()
            .map(|entry| Arc::clone(&entry.failure))
            .collect()
    }

    /// Acknowledges the unresolved failures that a filter accepts, and returns their number.
    pub fn acknowledge_failures(&mut self, filter: &FailureFilter) -> usize {
        let unresolved = self.failures.unresolved_by_path.iter();
        let found: Vec<_> = unresolved
            .map(|(.., at)| *at)
            .filter(|at| {
                let entry = self.failures.by_time.get(at);
                entry.is_some_and(|entry| filter.admits(&entry.failure))
            })
            .collect();
        let settle = |at| self.failures.settle(at, Resolution::Acknowledged);
        let changed: Vec<_> = found.into_iter().filter_map(settle).collect();
        self.mark_failures(&changed);
        changed.len()
    }

    /// Adds a failed file of a transfer, which started or was first seen at `since`.
    pub(super) fn keep_failure(
        &mut self,
        key: &TransferKey,
        since: SystemTime,
        file: &FailedFile,
        at: SystemTime,
    ) {
        let Some(number) = self.connectors.find(&key.connector_key()) else {
            return;
        };
        let code = file
            .code
            .as_ref()
            .and_then(|code| FailureCode::new(&cut(code.as_str())));
        let failure = KeptFailure {
            connector: Arc::clone(&self.connectors[number].labels),
            transfer: key.transfer.clone(),
            since: time(millis(since)),
            path: cut(&file.path),
            code: code.clone(),
            message: file.message.as_deref().map(cut),
            at: time(millis(at)),
            resolution: Resolution::Unresolved,
        };
        let flow = self.flow_of_failure(number, &file.path, file.code.as_ref());
        let label = self.admitted_end(&Finished::Failed(code));
        let changed = self.failures.insert(failure, label, flow);
        self.mark_failures(&changed);
    }

    /// Resolves the failures of a path that a transfer, which started or was first seen at `since`, has
    /// completed.
    pub(super) fn complete_path(&mut self, key: &TransferKey, path: &str, since: SystemTime) {
        let changed = self.failures.complete(key, path, time(millis(since)));
        self.mark_failures(&changed);
    }

    /// Removes the failures that are older than `keep_unresolved`.
    pub(super) fn expire_failures(&mut self, now: Now) {
        let changed = self.failures.expire(self.settings.keep_unresolved, now);
        self.mark_failures(&changed);
    }

    /// Removes the failures of transfers that this process no longer owns.
    pub(super) fn drop_foreign_failures(&mut self) {
        if self.failures.is_empty() {
            return;
        }
        let accounts = &self.accounts;
        let is_foreign = |failure: &KeptFailure| {
            let account = accounts.get(&failure.connector.account.name);
            account.is_none_or(|account| *account != failure.connector.account)
                || !self
                    .ownership
                    .owns(&failure.connector.id, &failure.transfer)
        };
        let changed = self.failures.remove_each(is_foreign);
        self.mark_failures(&changed);
    }

    /// Restores the failed files of a transfer.
    pub(super) fn restore_failures(&mut self, key: &TransferKey, records: Vec<FailureRecord>) {
        let account = self.accounts.get(&key.account).map(Arc::clone);
        let Some(account) = account.filter(|_| self.is_owned(key)) else {
            if let Some(dirty) = &mut self.dirty {
                dirty.failures.insert(key.clone());
            }
            return;
        };
        let known = self.connectors.find(&key.connector_key());
        let labels = known.map(|number| Arc::clone(&self.connectors[number].labels));
        let labels = labels.unwrap_or_else(|| {
            Arc::new(ConnectorLabels {
                account,
                id: key.connector.clone(),
            })
        });
        for record in records {
            let code = FailureCode::new(&record.code);
            let resolution = Resolution::ALL
                .into_iter()
                .find(|resolution| *resolution as u8 == record.resolution);
            let failure = KeptFailure {
                connector: Arc::clone(&labels),
                transfer: key.transfer.clone(),
                since: time(record.since),
                path: record.path.into(),
                code: code.clone(),
                message: record.message.map(Into::into),
                at: time(record.at),
                resolution: resolution.unwrap_or_default(),
            };
            let label = self.admitted_end(&Finished::Failed(code));
            self.failures.insert(failure, label, None);
        }
    }

    /// Marks changed failures for snapshots and for the store.
    fn mark_failures(&mut self, changed: &[Arc<KeptFailure>]) {
        self.count_unresolved_of_flows();
        for failure in changed {
            if let Some(number) = self.connectors.find(&failure.connector_key()) {
                self.connectors.mark_changed(number);
            }
            if let Some(dirty) = &mut self.dirty {
                dirty.failures.insert(failure.key());
            }
        }
    }
}

#[cfg(test)]
mod tests;
