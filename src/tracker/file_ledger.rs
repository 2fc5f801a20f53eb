//! Which files of a transfer have been counted as finished, whichever way each was learned.
//!
//! Two sources tell that a file has ended: an answer of the API tells all files at once, and an event tells one. Each may
//! be first, events come twice, late or never, and nothing documented says that a path is unique within a transfer, nor
//! that both write it in the same way. So each end is an entry that either source may have told, and is counted once:
//!
//! - An answer's file is the entry of the same path that an answer told before, else one that an event told.
//! - An event's file is the entry of its `file-transfer-id`, else one of the same path that no event told yet.
//! - Where an event's path is none of the answer's, the two write paths differently: then equal ends are matched.
//! - What matches nothing is a new entry.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use model::{FileResult, Finished, stable_hash};

/// The ends of one transfer's files.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FileLedger {
    pub(super) entries: Vec<Entry>,
    /// Paths of the newest answer that had not ended.
    pub(super) open_paths: Vec<u64>,
    /// An answer has been read.
    pub(super) answered: bool,
}

/// The end of one file. Paths and ids are kept as hashes: within a transfer they only have to differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) path: u64,
    pub(super) end: Finished,
    /// An answer has told it.
    pub(super) answered: bool,
    /// The event that told it.
    pub(super) told: Option<NonZeroU64>,
    /// False for what had finished before anyone watched.
    pub(super) counted: bool,
}

/// What an event changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EventMatch {
    /// It has been told before.
    Duplicate,
    /// The file had been counted already, by an answer.
    AlreadyCounted,
    /// The file counts now, and an answer had told it as one of the base.
    CountedLate,
    /// The file counts now, and nobody had told it.
    Counted,
}

impl FileLedger {
    /// Takes an answer in. `ends` holds how each of `files` ended, `base` says that what is new is not to be counted.
    /// What comes back are indices into `files` of those that nobody had told before.
    pub(super) fn answer(
        &mut self,
        files: &[FileResult],
        ends: &[Option<Finished>],
        base: bool,
    ) -> Vec<usize> {
        self.answered = true;
        let mut told: BTreeMap<u64, Vec<(usize, &Finished)>> = BTreeMap::new();
        self.open_paths.clear();
        for (at, (file, end)) in files.iter().zip(ends).enumerate() {
            let path = stable_hash(&file.path);
            match end {
                Some(end) => told.entry(path).or_default().push((at, end)),
                None => self.open_paths.push(path),
            }
        }
        let mut unmatched = Vec::new();
        for (path, told) in &told {
            for (at, end) in self.not_answered_before(*path, told) {
                match self.told_alone(|entry| entry.path == *path, end) {
                    Some(entry) => entry.answered = true,
                    None => unmatched.push((*path, at, end)),
                }
            }
        }
        let foreign = |entry: &Entry, open: &[u64]| {
            !told.contains_key(&entry.path) && !open.contains(&entry.path)
        };
        let mut new = Vec::new();
        for (path, at, end) in unmatched {
            let open = std::mem::take(&mut self.open_paths);
            let matched = self.told_alone(
                |entry| foreign(entry, &open) && is_alike(&entry.end, end),
                end,
            );
            if let Some(entry) = matched {
                entry.answered = true;
                entry.path = path;
            } else {
                self.entries.push(Entry {
                    path,
                    end: end.clone(),
                    answered: true,
                    told: None,
                    counted: !base,
                });
                new.push(at);
            }
            self.open_paths = open;
        }
        new.sort_unstable();
        new
    }

    /// Takes an event in. `settled` says that answers have told every file.
    pub(super) fn event(
        &mut self,
        file_transfer_id: &str,
        path: &str,
        end: &Finished,
        settled: bool,
    ) -> EventMatch {
        let id = NonZeroU64::new(stable_hash(file_transfer_id)).unwrap_or(NonZeroU64::MIN);
        if self.entries.iter().any(|entry| entry.told == Some(id)) {
            return EventMatch::Duplicate;
        }
        let path = stable_hash(path);
        let known =
            self.open_paths.contains(&path) || self.entries.iter().any(|entry| entry.path == path);
        let mut matched = self.untold(|entry| entry.path == path, end);
        if matched.is_none() && self.answered && !known {
            matched = self.untold(|entry| entry.answered && is_alike(&entry.end, end), end);
        }
        if matched.is_none() && settled {
            matched = self.untold(|_| true, end);
        }
        match matched.map(|at| &mut self.entries[at]) {
            Some(entry) => {
                entry.told = Some(id);
                if std::mem::replace(&mut entry.counted, true) {
                    EventMatch::AlreadyCounted
                } else {
                    EventMatch::CountedLate
                }
            }
            // Every file is known, and an event has told each: one more cannot be a file.
            None if settled => EventMatch::Duplicate,
            None => {
                self.entries.push(Entry {
                    path,
                    end: end.clone(),
                    answered: false,
                    told: Some(id),
                    counted: true,
                });
                EventMatch::Counted
            }
        }
    }

    /// True if every entry has been told by an event: nothing can count any more.
    pub(super) fn is_told(&self) -> bool {
        self.entries.iter().all(|entry| entry.told.is_some())
    }

    /// Of the ends told for a path, those that no earlier answer told: as many as there are more of them now, and not
    /// those that ended as one before.
    fn not_answered_before<'a>(
        &self,
        path: u64,
        told: &[(usize, &'a Finished)],
    ) -> Vec<(usize, &'a Finished)> {
        let mut before: Vec<&Finished> = self
            .entries
            .iter()
            .filter(|entry| entry.answered && entry.path == path)
            .map(|entry| &entry.end)
            .collect();
        let room = told.len().saturating_sub(before.len());
        let is_new =
            |(_, end): &(usize, &'a Finished)| match before.iter().position(|known| known == end) {
                Some(at) => {
                    before.swap_remove(at);
                    false
                }
                None => true,
            };
        told.iter().copied().filter(is_new).take(room).collect()
    }

    /// An entry that an event alone has told, one that ended as `end` before others.
    fn told_alone(&mut self, of: impl Fn(&Entry) -> bool, end: &Finished) -> Option<&mut Entry> {
        let at = self.best(|entry| !entry.answered && of(entry), end)?;
        Some(&mut self.entries[at])
    }

    fn untold(&self, of: impl Fn(&Entry) -> bool, end: &Finished) -> Option<usize> {
        self.best(|entry| entry.told.is_none() && of(entry), end)
    }

    fn best(&self, of: impl Fn(&Entry) -> bool, end: &Finished) -> Option<usize> {
        let fitting = || {
            self.entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| of(entry))
        };
        let same = fitting().find(|(_, entry)| entry.end == *end);
        same.or_else(|| fitting().next()).map(|(at, _)| at)
    }
}

/// Both completed, or both failed: the code of a failure may be told by one source and not by the other.
fn is_alike(a: &Finished, b: &Finished) -> bool {
    matches!(a, Finished::Completed) == matches!(b, Finished::Completed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{FailureCode, FileStatus};

    const DONE: Finished = Finished::Completed;

    fn failed(code: &str) -> Finished {
        Finished::Failed(FailureCode::new(code))
    }

    const NONE: [usize; 0] = [];

    /// Files by path and end; no end: it runs.
    fn answer(
        ledger: &mut FileLedger,
        files: &[(&str, Option<Finished>)],
        base: bool,
    ) -> Vec<usize> {
        let results: Vec<_> = files
            .iter()
            .map(|(path, _)| FileResult {
                path: (*path).to_owned(),
                status: FileStatus::Queued,
                failure_code: None,
                failure_message: None,
            })
            .collect();
        let ends: Vec<_> = files.iter().map(|(_, end)| end.clone()).collect();
        ledger.answer(&results, &ends, base)
    }

    #[test]
    fn a_file_that_both_tell_counts_once_whichever_is_first() {
        let mut ledger = FileLedger::default();
        assert_eq!(ledger.event("t/1", "/a", &DONE, false), EventMatch::Counted);
        assert_eq!(
            ledger.event("t/1", "/a", &DONE, false),
            EventMatch::Duplicate
        );
        assert_eq!(
            answer(
                &mut ledger,
                &[("/a", Some(DONE)), ("/b", Some(DONE)), ("/c", None)],
                false
            ),
            [1]
        );
        assert_eq!(
            ledger.event("t/2", "/b", &DONE, false),
            EventMatch::AlreadyCounted
        );
        assert_eq!(
            ledger.event("t/3", "/c", &failed("X"), false),
            EventMatch::Counted
        );
        assert_eq!(
            answer(
                &mut ledger,
                &[
                    ("/a", Some(DONE)),
                    ("/b", Some(DONE)),
                    ("/c", Some(failed("X")))
                ],
                false
            ),
            NONE
        );
        assert!(ledger.is_told());
    }

    #[test]
    fn a_file_of_the_base_counts_when_an_event_tells_it() {
        let mut ledger = FileLedger::default();
        assert_eq!(
            answer(&mut ledger, &[("/a", Some(DONE)), ("/b", None)], true),
            [0]
        );
        assert_eq!(
            ledger.event("t/1", "/a", &DONE, false),
            EventMatch::CountedLate
        );
        assert_eq!(
            ledger.event("t/1", "/a", &DONE, false),
            EventMatch::Duplicate
        );
    }

    #[test]
    fn paths_that_the_two_write_differently_are_matched_by_their_ends() {
        let mut ledger = FileLedger::default();
        let all = [
            ("in/a", Some(DONE)),
            ("in/b", Some(failed("X"))),
            ("in/c", None),
        ];
        assert_eq!(
            ledger.event("t/1", "/bucket/in/a", &DONE, false),
            EventMatch::Counted
        );
        assert_eq!(
            answer(&mut ledger, &all, false),
            [1],
            "the first is the event's"
        );
        assert_eq!(
            ledger.event("t/2", "/bucket/in/b", &failed(""), false),
            EventMatch::AlreadyCounted,
            "told without its code"
        );
        assert_eq!(
            ledger.event("t/3", "/bucket/in/c", &DONE, false),
            EventMatch::Counted,
            "the answer is older than the end"
        );
        assert_eq!(
            answer(
                &mut ledger,
                &[all[0].clone(), all[1].clone(), ("in/c", Some(DONE))],
                false
            ),
            NONE
        );
        assert!(ledger.is_told());
    }

    #[test]
    fn equal_paths_are_as_many_files_as_are_told() {
        let mut ledger = FileLedger::default();
        assert_eq!(
            answer(
                &mut ledger,
                &[("/a", Some(DONE)), ("/a", Some(DONE)), ("/a", None)],
                false
            ),
            [0, 1]
        );
        assert_eq!(
            ledger.event("t/1", "/a", &DONE, false),
            EventMatch::AlreadyCounted
        );
        assert_eq!(
            ledger.event("t/2", "/a", &DONE, false),
            EventMatch::AlreadyCounted
        );
        assert_eq!(ledger.event("t/3", "/a", &DONE, false), EventMatch::Counted);
        assert_eq!(
            answer(
                &mut ledger,
                &[("/a", Some(DONE)), ("/a", Some(DONE)), ("/a", Some(DONE))],
                false
            ),
            NONE
        );
    }

    #[test]
    fn once_settled_no_event_makes_a_file_more() {
        let mut ledger = FileLedger::default();
        answer(&mut ledger, &[("/a", Some(DONE))], false);
        assert_eq!(
            ledger.event("t/1", "/elsewhere", &failed("X"), true),
            EventMatch::AlreadyCounted
        );
        assert_eq!(
            ledger.event("t/2", "/a", &DONE, true),
            EventMatch::Duplicate
        );
    }
}
