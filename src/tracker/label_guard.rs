//! Bounds on the label values that come from AWS.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{FailureCode, FileCounts, FileResult, FileStatus};

/// Unlisted failure codes that pass through; later ones count as `OTHER`.
const MAX_UNLISTED_CODES: usize = 100;
/// Statuses outside the API's model that pass through; later ones count as `OTHER`.
const MAX_UNLISTED_STATUSES: usize = 20;
/// Bytes of a name that passes through; the longest that AWS lists has 33. A longer one counts as `OTHER`.
const LONGEST_NAME: usize = 128;

/// The names that have been seen.
#[derive(Debug, Default)]
pub(super) struct LabelGuard {
    /// The listed ones that have been seen: each transfer holds the same text.
    listed: BTreeSet<FailureCode>,
    codes: BTreeSet<FailureCode>,
    statuses: BTreeSet<Arc<str>>,
    folded: u64,
}

impl LabelGuard {
    /// The code to count under. ListedTransfer codes and the first 100 unlisted ones pass through.
    pub(super) fn admit_code(&mut self, code: &FailureCode) -> FailureCode {
        let listed = code.is_documented();
        let (seen, bound) = if listed {
            (&mut self.listed, usize::MAX)
        } else {
            (&mut self.codes, MAX_UNLISTED_CODES)
        };
        if code.as_str().len() <= LONGEST_NAME && admit(seen, code, bound) {
            return seen.get(code).unwrap_or(code).clone();
        }
        FailureCode::new(FailureCode::OTHER).unwrap_or_else(|| code.clone())
    }

    /// The status to count under.
    pub(super) fn admit_status(&mut self, status: &FileStatus) -> FileStatus {
        match status {
            FileStatus::Other(name)
                if name.len() > LONGEST_NAME
                    || !admit(&mut self.statuses, name, MAX_UNLISTED_STATUSES) =>
            {
                FileStatus::Other(FailureCode::OTHER.into())
            }
            known => known.clone(),
        }
    }

    /// Files of a transfer that is not tracked, counted under the names of those that are.
    pub(super) fn count(&mut self, files: &[FileResult]) -> FileCounts {
        let mut counts = FileCounts::default();
        for file in files {
            let code = file
                .failure_code
                .as_ref()
                .filter(|_| file.status == FileStatus::Failed);
            let code = code.map(|code| self.admit_code(code));
            counts.add_file(&self.admit_status(&file.status), code.as_ref());
        }
        counts
    }

    /// Notes that one file's code was folded.
    pub(super) fn note_folded(&mut self) {
        self.folded += 1;
    }

    /// Goes on from a count of earlier.
    pub(super) fn restore_folded(&mut self, folded: u64) {
        self.folded = folded;
    }

    /// Files whose code was folded.
    pub(super) fn folded(&self) -> u64 {
        self.folded
    }
}

fn admit<T: Ord + Clone>(seen: &mut BTreeSet<T>, name: &T, bound: usize) -> bool {
    seen.contains(name) || (seen.len() < bound && seen.insert(name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::DOCUMENTED_FAILURE_CODES;

    #[test]
    fn a_name_that_is_too_long_for_a_label_counts_as_other() {
        let mut book = LabelGuard::default();
        for (length, passes) in [
            (LONGEST_NAME, true),
            (LONGEST_NAME + 1, false),
            (1 << 20, false),
        ] {
            let name = "X".repeat(length);
            let expected = if passes {
                name.as_str()
            } else {
                FailureCode::OTHER
            };
            assert_eq!(
                book.admit_code(&FailureCode::new(&name).unwrap()).as_str(),
                expected
            );
            assert_eq!(
                book.admit_status(&FileStatus::from_wire(&name)).as_str(),
                expected
            );
        }
        assert!(
            DOCUMENTED_FAILURE_CODES
                .iter()
                .all(|code| code.len() <= LONGEST_NAME)
        );
    }
}
