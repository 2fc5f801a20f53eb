//! Counts of files.

use std::sync::Arc;

use thin_vec::ThinVec;

use crate::{FailureCode, FileStatus};

/// Files by status, and failed ones by code. 32 bytes: the tracker holds one for each of a hundred
/// thousand transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileCounts {
    /// QUEUED.
    pub queued: u32,
    /// IN_PROGRESS.
    pub in_progress: u32,
    /// COMPLETED.
    pub completed: u32,
    /// FAILED without a code.
    pub failed_without_code: u32,
    /// FAILED by code, sorted by code.
    pub failed: ThinVec<(FailureCode, u32)>,
    /// Statuses that the API model does not define, sorted by name.
    pub other: ThinVec<(Arc<str>, u32)>,
}

impl FileCounts {
    /// Adds one file.
    pub fn add_file(&mut self, status: &FileStatus, code: Option<&FailureCode>) {
        self.add_files(status, code, 1);
    }

    /// Adds files of one status and code.
    pub fn add_files(&mut self, status: &FileStatus, code: Option<&FailureCode>, files: u32) {
        match (status, code) {
            (FileStatus::Queued, _) => self.queued += files,
            (FileStatus::InProgress, _) => self.in_progress += files,
            (FileStatus::Completed, _) => self.completed += files,
            (FileStatus::Failed, None) => self.failed_without_code += files,
            (FileStatus::Failed, Some(code)) => add_sorted(&mut self.failed, code, files),
            (FileStatus::Other(name), _) => add_sorted(&mut self.other, name, files),
        }
    }

    /// Releases spare capacity.
    pub fn shrink(&mut self) {
        self.failed.shrink_to_fit();
        self.other.shrink_to_fit();
    }

    /// Adds another transfer's counts.
    pub fn add(&mut self, more: &Self) {
        self.queued += more.queued;
        self.in_progress += more.in_progress;
        self.completed += more.completed;
        self.failed_without_code += more.failed_without_code;
        for (code, files) in &more.failed {
            add_sorted(&mut self.failed, code, *files);
        }
        for (name, files) in &more.other {
            add_sorted(&mut self.other, name, *files);
        }
    }

    /// Subtracts another transfer's counts, which were added before.
    pub fn subtract(&mut self, less: &Self) {
        self.queued -= less.queued;
        self.in_progress -= less.in_progress;
        self.completed -= less.completed;
        self.failed_without_code -= less.failed_without_code;
        for (code, files) in &less.failed {
            subtract_sorted(&mut self.failed, code, *files);
        }
        for (name, files) in &less.other {
            subtract_sorted(&mut self.other, name, *files);
        }
    }

    /// Returns the number of FAILED files, with a code or without.
    pub fn failed_files(&self) -> u32 {
        self.failed_without_code + self.failed.iter().map(|(_, files)| files).sum::<u32>()
    }

    /// Returns the number of files that are neither COMPLETED nor FAILED.
    pub fn unfinished_files(&self) -> u32 {
        self.queued + self.in_progress + self.other.iter().map(|(_, files)| files).sum::<u32>()
    }

    /// Returns the number of all files.
    pub fn total(&self) -> u32 {
        self.unfinished_files() + self.completed + self.failed_files()
    }
}

fn add_sorted<K: Ord + Clone>(counts: &mut ThinVec<(K, u32)>, key: &K, files: u32) {
    match counts.binary_search_by(|(known, _)| known.cmp(key)) {
        Ok(at) => counts[at].1 += files,
        Err(at) => counts.insert(at, (key.clone(), files)),
    }
}

/// Removes a count that reaches 0: a sum lists only the codes of files that are tracked now.
fn subtract_sorted<K: Ord>(counts: &mut ThinVec<(K, u32)>, key: &K, files: u32) {
    if let Ok(at) = counts.binary_search_by(|(known, _)| known.cmp(key)) {
        counts[at].1 = counts[at].1.saturating_sub(files);
        if counts[at].1 == 0 {
            counts.remove(at);
        }
    }
}
