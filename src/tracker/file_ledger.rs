//! Counts each file of a transfer once, whichever source reports its end first.
//!
//! Two sources report that a file has ended: a poll reports all files of a transfer at once, an
//! event reports one file. Either may come first, and events may arrive twice, late or never. AWS
//! documents neither that a path is unique within a transfer nor that both sources format it in the
//! same way. Each end is therefore an entry that either source may have reported, matched by these
//! rules:
//!
//! - A polled file matches an entry of the same path: first one that a poll reported before, then
//!   one that only an event reported.
//! - An event matches the entry with its `file-transfer-id`, then an entry of the same path without
//!   an event.
//! - If the path of an event is unknown to the poll, the two sources format paths differently, and
//!   entries with the same kind of end are matched instead.
//! - A file that matches no entry becomes a new entry.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use model::{FileResult, Finished, stable_hash};

/// The ended files of one transfer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FileLedger {
    pub(super) entries: Vec<LedgerEntry>,
    /// Hashes of the paths that the last poll reported as not ended.
    pub(super) open_paths: Vec<u64>,
    /// Whether a poll has reported the files.
    pub(super) polled: bool,
}

/// The end of one file. Paths and ids are stored as hashes, which is enough to distinguish the
/// files of one transfer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LedgerEntry {
    pub(super) path: u64,
    pub(super) end: Finished,
    /// Whether a poll has reported it.
    pub(super) polled: bool,
    /// Hash of the id of the event that reported it.
    pub(super) event: Option<NonZeroU64>,
    /// Whether it is counted. False for files of the baseline, which had ended before the transfer
    /// was watched.
    pub(super) counted: bool,
}

/// How an event relates to what is already in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EventMatch {
    /// The event has already been recorded.
    Duplicate,
    /// The file was already counted when a poll reported it.
    AlreadyCounted,
    /// The file is counted now; a poll had reported it as part of the baseline.
    CountedLate,
    /// The file is counted now; neither source had reported it.
    Counted,
}

impl FileLedger {
    /// Records the files of a poll and returns the indices of the files that neither source had
    /// reported. `ends` holds the end of each file; if `baseline` is true, new files are not
    /// counted.
    pub(super) fn record_files(
        &mut self,
        files: &[FileResult],
        ends: &[Option<Finished>],
        baseline: bool,
    ) -> Vec<usize> {
        self.polled = true;
        let mut ended: BTreeMap<u64, Vec<(usize, &Finished)>> = BTreeMap::new();
        self.open_paths.clear();
        for (at, (file, end)) in files.iter().zip(ends).enumerate() {
            let path = stable_hash(&file.path);
            match end {
                Some(end) => ended.entry(path).or_default().push((at, end)),
                None => self.open_paths.push(path),
            }
        }
        let mut unmatched = Vec::new();
        for (path, ends) in &ended {
            for (at, end) in self.new_ends(*path, ends) {
                match self.event_only(|entry| entry.path == *path, end) {
                    Some(entry) => entry.polled = true,
                    None => unmatched.push((*path, at, end)),
                }
            }
        }
        let is_unknown_path = |entry: &LedgerEntry, open: &[u64]| {
            !ended.contains_key(&entry.path) && !open.contains(&entry.path)
        };
        let mut new = Vec::new();
        for (path, at, end) in unmatched {
            let open = std::mem::take(&mut self.open_paths);
            let matched = self.event_only(
                |entry| is_unknown_path(entry, &open) && is_same_kind(&entry.end, end),
                end,
            );
            if let Some(entry) = matched {
                entry.polled = true;
                entry.path = path;
            } else {
                self.entries.push(LedgerEntry {
                    path,
                    end: end.clone(),
                    polled: true,
                    event: None,
                    counted: !baseline,
                });
                new.push(at);
            }
            self.open_paths = open;
        }
        new.sort_unstable();
        new
    }

    /// Records an event. `settled` means that polls have reported every file of the transfer.
    pub(super) fn record_event(
        &mut self,
        file_transfer_id: &str,
        path: &str,
        end: &Finished,
        settled: bool,
    ) -> EventMatch {
        let id = NonZeroU64::new(stable_hash(file_transfer_id)).unwrap_or(NonZeroU64::MIN);
        if self.entries.iter().any(|entry| entry.event == Some(id)) {
            return EventMatch::Duplicate;
        }
        let path = stable_hash(path);
        let is_known_path =
            self.open_paths.contains(&path) || self.entries.iter().any(|entry| entry.path == path);
        let mut matched = self.api_only(|entry| entry.path == path, end);
        if matched.is_none() && self.polled && !is_known_path {
            matched = self.api_only(|entry| entry.polled && is_same_kind(&entry.end, end), end);
        }
        if matched.is_none() && settled {
            matched = self.api_only(|_| true, end);
        }
        match matched.map(|at| &mut self.entries[at]) {
            Some(entry) => {
                entry.event = Some(id);
                if std::mem::replace(&mut entry.counted, true) {
                    EventMatch::AlreadyCounted
                } else {
                    EventMatch::CountedLate
                }
            }
            // All files are known and each has its event, so another event cannot belong to another
            // file.
            None if settled => EventMatch::Duplicate,
            None => {
                self.entries.push(LedgerEntry {
                    path,
                    end: end.clone(),
                    polled: false,
                    event: Some(id),
                    counted: true,
                });
                EventMatch::Counted
            }
        }
    }

    /// Returns whether every entry has its event, so that no further event can be counted.
    pub(super) fn has_all_events(&self) -> bool {
        self.entries.iter().all(LedgerEntry::has_event)
    }

    /// Returns the polled ends of a path that no earlier poll reported. A file whose end changed
    /// between polls is not new: the number of new ends is at most the number by which the ends of
    /// this path have increased.
    fn new_ends<'a>(
        &self,
        path: u64,
        ends: &[(usize, &'a Finished)],
    ) -> Vec<(usize, &'a Finished)> {
        let mut before: Vec<&Finished> = self
            .entries
            .iter()
            .filter(|entry| entry.polled && entry.path == path)
            .map(|entry| &entry.end)
            .collect();
        let increase = ends.len().saturating_sub(before.len());
        let is_new =
            |(_, end): &(usize, &'a Finished)| match before.iter().position(|known| known == end) {
                Some(at) => {
                    before.swap_remove(at);
                    false
                }
                None => true,
            };
        ends.iter().copied().filter(is_new).take(increase).collect()
    }

    /// Returns an entry that only an event has reported, preferring one with the same end.
    fn event_only(
        &mut self,
        accept: impl Fn(&LedgerEntry) -> bool,
        end: &Finished,
    ) -> Option<&mut LedgerEntry> {
        let at = self.best_match(|entry| !entry.polled && accept(entry), end)?;
        Some(&mut self.entries[at])
    }

    /// Returns the index of an entry that only polls have reported, preferring one with the same
    /// end.
    fn api_only(&self, accept: impl Fn(&LedgerEntry) -> bool, end: &Finished) -> Option<usize> {
        self.best_match(|entry| !entry.has_event() && accept(entry), end)
    }

    fn best_match(&self, accept: impl Fn(&LedgerEntry) -> bool, end: &Finished) -> Option<usize> {
        let candidates = || {
            self.entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| accept(entry))
        };
        let same = candidates().find(|(_, entry)| entry.end == *end);
        same.or_else(|| candidates().next()).map(|(at, _)| at)
    }
}

impl LedgerEntry {
    fn has_event(&self) -> bool {
        self.event.is_some()
    }
}

/// Returns whether both ends are completions or both are failures. Failure codes are not compared:
/// one source may omit them.
fn is_same_kind(a: &Finished, b: &Finished) -> bool {
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

    /// Records a poll of files given by path and end; a file without an end is running.
    fn poll(
        ledger: &mut FileLedger,
        files: &[(&str, Option<Finished>)],
        baseline: bool,
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
        ledger.record_files(&results, &ends, baseline)
    }

    #[test]
    fn a_file_reported_by_both_sources_is_counted_once() {
        let mut ledger = FileLedger::default();
        assert_eq!(
            ledger.record_event("t/1", "/a", &DONE, false),
            EventMatch::Counted
        );
        assert_eq!(
            ledger.record_event("t/1", "/a", &DONE, false),
            EventMatch::Duplicate
        );
        assert_eq!(
            poll(
                &mut ledger,
                &[("/a", Some(DONE)), ("/b", Some(DONE)), ("/c", None)],
                false
            ),
            [1]
        );
        assert_eq!(
            ledger.record_event("t/2", "/b", &DONE, false),
            EventMatch::AlreadyCounted
        );
        assert_eq!(
            ledger.record_event("t/3", "/c", &failed("X"), false),
            EventMatch::Counted
        );
        assert_eq!(
            poll(
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
        assert!(ledger.has_all_events());
    }

    #[test]
    fn a_baseline_file_is_counted_when_an_event_reports_it() {
        let mut ledger = FileLedger::default();
        assert_eq!(
            poll(&mut ledger, &[("/a", Some(DONE)), ("/b", None)], true),
            [0]
        );
        assert_eq!(
            ledger.record_event("t/1", "/a", &DONE, false),
            EventMatch::CountedLate
        );
        assert_eq!(
            ledger.record_event("t/1", "/a", &DONE, false),
            EventMatch::Duplicate
        );
    }

    #[test]
    fn files_with_differently_formatted_paths_are_matched_by_their_ends() {
        let mut ledger = FileLedger::default();
        let all = [
            ("in/a", Some(DONE)),
            ("in/b", Some(failed("X"))),
            ("in/c", None),
        ];
        assert_eq!(
            ledger.record_event("t/1", "/bucket/in/a", &DONE, false),
            EventMatch::Counted
        );
        assert_eq!(
            poll(&mut ledger, &all, false),
            [1],
            "the first file matches the event"
        );
        assert_eq!(
            ledger.record_event("t/2", "/bucket/in/b", &failed(""), false),
            EventMatch::AlreadyCounted,
            "the event has no failure code"
        );
        assert_eq!(
            ledger.record_event("t/3", "/bucket/in/c", &DONE, false),
            EventMatch::Counted,
            "the poll is older than the end of the file"
        );
        assert_eq!(
            poll(
                &mut ledger,
                &[all[0].clone(), all[1].clone(), ("in/c", Some(DONE))],
                false
            ),
            NONE
        );
        assert!(ledger.has_all_events());
    }

    #[test]
    fn files_with_equal_paths_are_counted_separately() {
        let mut ledger = FileLedger::default();
        assert_eq!(
            poll(
                &mut ledger,
                &[("/a", Some(DONE)), ("/a", Some(DONE)), ("/a", None)],
                false
            ),
            [0, 1]
        );
        assert_eq!(
            ledger.record_event("t/1", "/a", &DONE, false),
            EventMatch::AlreadyCounted
        );
        assert_eq!(
            ledger.record_event("t/2", "/a", &DONE, false),
            EventMatch::AlreadyCounted
        );
        assert_eq!(
            ledger.record_event("t/3", "/a", &DONE, false),
            EventMatch::Counted
        );
        assert_eq!(
            poll(
                &mut ledger,
                &[("/a", Some(DONE)), ("/a", Some(DONE)), ("/a", Some(DONE))],
                false
            ),
            NONE
        );
    }

    #[test]
    fn events_add_no_file_once_the_transfer_has_settled() {
        let mut ledger = FileLedger::default();
        poll(&mut ledger, &[("/a", Some(DONE))], false);
        assert_eq!(
            ledger.record_event("t/1", "/elsewhere", &failed("X"), true),
            EventMatch::AlreadyCounted
        );
        assert_eq!(
            ledger.record_event("t/2", "/a", &DONE, true),
            EventMatch::Duplicate
        );
    }
}
