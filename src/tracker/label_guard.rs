//! Limits the cardinality of labels whose values come from AWS.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{FailureCode, FileCounts, FileResult, FileStatus};

/// Number of undocumented failure codes that are exported; further ones are counted as `OTHER`.
const MAX_UNDOCUMENTED_CODES: usize = 100;
/// Number of undocumented statuses that are exported; further ones are counted as `OTHER`.
const MAX_UNDOCUMENTED_STATUSES: usize = 20;
/// Maximum length of a name in bytes; longer ones are counted as `OTHER`. The longest documented
/// name has 33.
const MAX_NAME_BYTES: usize = 128;

/// The failure codes and statuses seen so far.
#[derive(Debug, Default)]
pub(super) struct LabelGuard {
    /// Documented codes. They are not limited; interning them shares one string among all
    /// transfers.
    documented: BTreeSet<FailureCode>,
    undocumented: BTreeSet<FailureCode>,
    statuses: BTreeSet<Arc<str>>,
    /// Number of files whose code was replaced by `OTHER`.
    folded: u64,
}

impl LabelGuard {
    /// Returns the code to count under: the code itself, or `OTHER` if it exceeds a limit.
    pub(super) fn admit_code(&mut self, code: &FailureCode) -> FailureCode {
        let (seen, limit) = if code.is_documented() {
            (&mut self.documented, usize::MAX)
        } else {
            (&mut self.undocumented, MAX_UNDOCUMENTED_CODES)
        };
        if code.as_str().len() <= MAX_NAME_BYTES && admit(seen, code, limit) {
            return seen.get(code).unwrap_or(code).clone();
        }
        FailureCode::new(FailureCode::OTHER).unwrap_or_else(|| code.clone())
    }

    /// Returns the status to count under.
    pub(super) fn admit_status(&mut self, status: &FileStatus) -> FileStatus {
        match status {
            FileStatus::Other(name)
                if name.len() > MAX_NAME_BYTES
                    || !admit(&mut self.statuses, name, MAX_UNDOCUMENTED_STATUSES) =>
            {
                FileStatus::Other(FailureCode::OTHER.into())
            }
            known => known.clone(),
        }
    }

    /// Counts files by the status and code to count under.
    pub(super) fn count_files(&mut self, files: &[FileResult]) -> FileCounts {
        let mut counts = FileCounts::default();
        for file in files {
            self.count_file(file, &mut counts);
        }
        counts
    }

    /// Counts a file by the status and code to count under, and returns this code.
    pub(super) fn count_file(
        &mut self,
        file: &FileResult,
        counts: &mut FileCounts,
    ) -> Option<FailureCode> {
        let code = file.failure_code.as_ref();
        let code = code.filter(|_| file.status == FileStatus::Failed);
        let code = code.map(|code| self.admit_code(code));
        counts.add_file(&self.admit_status(&file.status), code.as_ref());
        code
    }

    /// Counts one file whose code was replaced by `OTHER`.
    pub(super) fn count_folded(&mut self) {
        self.folded += 1;
    }

    /// Restores the count of a previous process.
    pub(super) fn restore_folded(&mut self, folded: u64) {
        self.folded = folded;
    }

    /// Returns the number of files whose code was replaced by `OTHER`.
    pub(super) fn folded(&self) -> u64 {
        self.folded
    }
}

fn admit<T: Ord + Clone>(seen: &mut BTreeSet<T>, name: &T, limit: usize) -> bool {
    seen.contains(name) || (seen.len() < limit && seen.insert(name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::DOCUMENTED_FAILURE_CODES;

    #[test]
    fn names_that_are_too_long_for_a_label_count_as_other() {
        let mut guard = LabelGuard::default();
        for (length, passes) in [
            (MAX_NAME_BYTES, true),
            (MAX_NAME_BYTES + 1, false),
            (1 << 20, false),
        ] {
            let name = "X".repeat(length);
            let expected = if passes {
                name.as_str()
            } else {
                FailureCode::OTHER
            };
            assert_eq!(
                guard.admit_code(&FailureCode::new(&name).unwrap()).as_str(),
                expected
            );
            assert_eq!(
                guard.admit_status(&FileStatus::from_wire(&name)).as_str(),
                expected
            );
        }
        assert!(
            DOCUMENTED_FAILURE_CODES
                .iter()
                .all(|code| code.len() <= MAX_NAME_BYTES)
        );
    }
}
