//! Files of flows that were not counted: they count if the start of their transfer is reported later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use super::expiring_map::ExpiringMap;
use super::fate::FATE_KEPT;
use super::persist::{UncountedFile, UncountedRecord, end_record};
use model::{Finished, millis, time};

/// Transfers with uncounted files. Beyond it, the oldest are forgotten.
const MAX_TRANSFERS: usize = 50_000;

/// Uncounted files by the hash of their transfer.
#[derive(Debug, Default)]
pub(super) struct UncountedFiles {
    files: ExpiringMap<Vec<UncountedFile>>,
    changed: BTreeSet<u64>,
}

impl UncountedFiles {
    pub(super) fn add(
        &mut self,
        transfer: u64,
        flow: &Arc<str>,
        path: u64,
        end: &Finished,
        now: SystemTime,
    ) {
        let mut files = self.files.remove(transfer).unwrap_or_default();
        files.push(UncountedFile {
            flow: flow.to_string(),
            path,
            end: end_record(end),
        });
        self.files.insert(transfer, now + FATE_KEPT, files);
        self.changed.insert(transfer);
        self.changed.extend(self.files.shed(MAX_TRANSFERS));
    }

    /// Forgets a file whose event has counted it. Another file may have the same path.
    pub(super) fn forget(&mut self, transfer: u64, path: u64, end: &Finished) {
        let Some((until, mut files)) = self.take(transfer) else {
            return;
        };
        let end = end_record(end);
        let of_path = |file: &UncountedFile| file.path == path;
        let same = files
            .iter()
            .position(|file| of_path(file) && file.end == end);
        if let Some(at) = same.or_else(|| files.iter().position(of_path)) {
            files.remove(at);
        }
        if !files.is_empty() {
            self.files.insert(transfer, until, files);
        }
    }

    /// Returns the flows of files that are counted as `ends`, and how they are counted.
    pub(super) fn count(&mut self, transfer: u64, ends: &[Finished]) -> Vec<(String, Finished)> {
        let Some((until, mut files)) = self.take(transfer) else {
            return Vec::new();
        };
        let mut counted = Vec::new();
        for end in ends {
            let record = end_record(end);
            if let Some(at) = files.iter().position(|file| file.end == record) {
                counted.push((files.remove(at).flow, end.clone()));
            }
        }
        if !files.is_empty() {
            self.files.insert(transfer, until, files);
        }
        counted
    }

    fn take(&mut self, transfer: u64) -> Option<(SystemTime, Vec<UncountedFile>)> {
        let (until, _) = *self.files.get(transfer)?;
        self.changed.insert(transfer);
        Some((until, self.files.remove(transfer)?))
    }

    pub(super) fn expire(&mut self, now: SystemTime) {
        self.changed.extend(self.files.expire(now));
    }

    pub(super) fn restore(&mut self, saved: Vec<(u64, UncountedRecord)>) {
        for (transfer, record) in saved {
            self.files
                .insert(transfer, time(record.until), record.files);
        }
    }

    /// Returns what has changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<(u64, Option<UncountedRecord>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let record = |transfer| {
            let (until, files) = self.files.get(transfer)?;
            Some(UncountedRecord {
                until: millis(*until),
                files: files.clone(),
            })
        };
        changed
            .map(|transfer| (transfer, record(transfer)))
            .collect()
    }

    pub(super) fn mark_changed(&mut self, transfers: impl IntoIterator<Item = u64>) {
        self.changed.extend(transfers);
    }

    pub(super) fn mark_all_changed(&mut self) {
        self.changed.extend(self.files.hashes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_forgets_one_of_two_files_of_a_path() {
        let mut files = UncountedFiles::default();
        let (flow, now) = ("prices".into(), SystemTime::UNIX_EPOCH);
        let failed = Finished::Failed(None);
        for end in [&Finished::Completed, &Finished::Completed, &failed] {
            files.add(1, &flow, 7, end, now);
        }
        files.forget(1, 7, &failed);
        files.forget(1, 7, &Finished::Completed);
        let all = [Finished::Completed, Finished::Completed, failed];
        assert_eq!(
            files.count(1, &all),
            [("prices".to_owned(), Finished::Completed)]
        );
    }
}
