//! Which files of a running transfer have been counted as finished.

use std::collections::BTreeMap;

use crate::model::{FileResult, Finished};

/// The finished files of one transfer, by path. That a path is unique within a transfer has no documented source, so
/// each path holds a multiset: a file is counted once however often, in whatever order and under however many equal
/// paths it is told, and one that is told otherwise later is not counted again.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<String, Vec<Finished>>);

impl Ledger {
    /// Indices into `files` of those that finish with this answer. `ends` holds how each file ended, in the same order.
    pub(super) fn enter(&mut self, files: &[FileResult], ends: &[Option<Finished>]) -> Vec<usize> {
        let mut told: BTreeMap<&str, Vec<(usize, &Finished)>> = BTreeMap::new();
        for (at, (file, end)) in files.iter().zip(ends).enumerate() {
            if let Some(end) = end {
                told.entry(&file.path).or_default().push((at, end));
            }
        }
        let mut newly = Vec::new();
        for (path, told) in told {
            let entered = self.0.entry(path.to_owned()).or_default();
            let room = told.len().saturating_sub(entered.len());
            if room == 0 {
                continue;
            }
            let mut matched = entered.clone();
            let fresh: Vec<_> = told
                .into_iter()
                .filter(|(_, end)| match matched.iter().position(|known| known == *end) {
                    Some(at) => {
                        matched.swap_remove(at);
                        false
                    }
                    None => true,
                })
                .take(room)
                .collect();
            for (at, end) in fresh {
                entered.push(end.clone());
                newly.push(at);
            }
        }
        newly.sort_unstable();
        newly
    }
}
