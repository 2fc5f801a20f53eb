//! Counts each file of a transfer once, whichever source reports its end first.
//!
//! Two sources report that a file has ended: a poll returns a row for every file of a transfer, an
//! event reports one file. Either may come first, and events may arrive twice, late or never. AWS
//! documents neither that a path is unique within a transfer nor that both sources format it in the
//! same way. Each end is therefore an entry that either source may have reported. Two reports are
//! the same file only by these rules, the first that applies:
//!
//! | | an event matches | a row that has ended matches |
//! | --- | --- | --- |
//! | 1 | the entry with its `file-transfer-id` | an entry of a row with this path; at most as many rows of a path are new as its rows have increased |
//! | 2 | a row with the same path and the same end | an entry that only an event reported, with the same path and the same end |
//! | 3 | if no row has its path: a row with the same end, of the same file name if there is one | the same with another path that no row has |
//! | 4 | no entry: it is a new file, and counts | no entry: it is a new file |
//!
//! A failure without a code has the same end as one with a code: one source may omit it. Ends of
//! different kinds or codes never match. While a row that has not ended may be the file of an event,
//! rule 3 takes rows that are counted already or have the file name. A match by rule 3 is provisional:
//! an event with the path of the row takes its place, and so does one with its file name if the other
//! has not; the event moves to a row with its path that appears later, and from a row of the baseline
//! to any row with the same end.

mod end_index;
mod rows;

use std::num::NonZeroU32;

use model::{FailureCode, FileStatus, Finished, stable_hash};

/// Longest failure code in bytes that is compared; the rest is cut.
pub(super) const MAX_CODE_BYTES: usize = 128;

/// The ended files of one transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileLedger {
    pub(super) entries: Vec<LedgerEntry>,
    /// Rows of the last poll that have not ended.
    pub(super) open_rows: Vec<OpenRow>,
}

/// A row that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenRow {
    pub(super) path: FilePath,
    pub(super) status: OpenStatus,
    /// Since when it has had this status, in seconds since the epoch.
    pub(super) since: u32,
}

/// The status of a file that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OpenStatus {
    /// QUEUED.
    Queued,
    /// `IN_PROGRESS`.
    InProgress,
    /// A status that is not documented.
    Other,
}

impl OpenStatus {
    pub(super) const ALL: [Self; 3] = [Self::Queued, Self::InProgress, Self::Other];

    fn new(status: &FileStatus) -> Self {
        match status {
            FileStatus::Queued => Self::Queued,
            FileStatus::InProgress => Self::InProgress,
            _ => Self::Other,
        }
    }
}

/// When a poll was answered, and when the transfer started, in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollTime {
    pub(super) now: u32,
    pub(super) start: u32,
}

/// The end of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
pub(super) struct LedgerEntry {
    pub(super) path: FilePath,
    pub(super) end: Finished,
    /// Whether a poll has reported it.
    pub(super) polled: bool,
    /// Hash of the id of the event that reported it.
    pub(super) event: Option<NonZeroU32>,
    /// The path that the event has reported, if it is not that of the row: the match is provisional.
    pub(super) event_path: Option<FilePath>,
    /// Whether it belonged to the baseline when a provisional event made it count.
    pub(super) baseline: bool,
    /// The same, and the event may be of any row with the same end that appears later.
    pub(super) lent: bool,
    /// Whether the failure of its provisional event is still to be logged, when its row appears.
    pub(super) unlogged: bool,
    /// Whether the row was not news, because the event was: it is still to be logged if it has failed,
    /// when its own event arrives, or if the event moves to another row.
    pub(super) row_unlogged: bool,
    /// Whether it is counted. False for files of the baseline, which may have ended before the
    /// transfer was watched.
    pub(super) counted: bool,
}

/// A path, as hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FilePath {
    pub(super) hash: u32,
    /// Of the last component, which both sources format in the same way.
    pub(super) name: u16,
}

impl FilePath {
    fn new(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        let [n0, n1, ..] = stable_hash(name).to_le_bytes();
        Self {
            hash: short_hash(path),
            name: u16::from_le_bytes([n0, n1]),
        }
    }
}

/// Returns the hash of the id of an event.
pub(super) fn event_id(file_transfer_id: &str) -> NonZeroU32 {
    NonZeroU32::new(short_hash(file_transfer_id)).unwrap_or(NonZeroU32::MIN)
}

/// Returns 32 bits of a hash, which distinguish the files of one transfer.
fn short_hash(text: &str) -> u32 {
    let [h0, h1, h2, h3, ..] = stable_hash(text).to_le_bytes();
    u32::from_le_bytes([h0, h1, h2, h3])
}

/// How long a transfer has been watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// Not before now: its rows are the baseline.
    No,
    /// Since an earlier poll: rows that have ended since are counted.
    SincePoll,
    /// Since its start: all rows are counted.
    Whole,
}

/// A row that is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewRow {
    /// Its index.
    pub(super) at: usize,
    /// Whether it is counted now.
    pub(super) counted: bool,
    /// Whether it is logged now, if it has failed.
    pub(super) logged: bool,
}

impl NewRow {
    /// Returns the row of a failure that was not logged when its event arrived and was counted.
    fn uncounted(at: usize) -> Self {
        Self {
            at,
            counted: false,
            logged: true,
        }
    }
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
    /// A poll had reported the file, which was counted for another event. The file of that event is
    /// counted now.
    CountedOther,
    /// The same, and the file of that event was counted when a poll reported it. The file of this event
    /// is not logged yet.
    Unlogged,
}

impl EventMatch {
    /// Returns whether the event adds one to the counter of its end.
    pub(super) fn counts(&self) -> bool {
        !matches!(
            self,
            Self::Duplicate | Self::AlreadyCounted | Self::Unlogged
        )
    }

    /// Returns whether the file is logged now, if it has failed: a poll that reported it before has
    /// logged it.
    pub(super) fn is_logged(&self) -> bool {
        matches!(self, Self::Counted | Self::Unlogged)
    }

    /// Returns whether no poll has reported the file of this event, or that of another one.
    pub(super) fn has_no_row(&self) -> bool {
        matches!(self, Self::Counted | Self::CountedOther)
    }
}

impl FileLedger {
    /// Records an event.
    pub(super) fn record_event(
        &mut self,
        file_transfer_id: &str,
        path: &str,
        end: &Finished,
    ) -> EventMatch {
        let id = event_id(file_transfer_id);
        if self.entries.iter().any(|entry| entry.event == Some(id)) {
            return EventMatch::Duplicate;
        }
        let (path, end) = (FilePath::new(path), comparable(end));
        if let Some(row) = self.match_name(path, &end) {
            let is_ambiguous = self.has_open_row_of_name(path);
            return self.entries[row].add_event(id, path, is_ambiguous);
        }
        if let Some(row) = self.taken_row(path, &end) {
            return self.replace_event(row, id, path);
        }
        if let Some(row) = self.match_any(path, &end) {
            return self.entries[row].add_event(id, path, false);
        }
        self.entries.push(LedgerEntry::of_event(id, path, end));
        EventMatch::Counted
    }

    /// Gives a row to an event that has its path, or its file name. The event that was matched with it
    /// is matched again.
    fn replace_event(&mut self, row: usize, id: NonZeroU32, path: FilePath) -> EventMatch {
        let row = &mut self.entries[row];
        let end = row.end.clone();
        row.lent = false;
        row.baseline = false;
        let is_unlogged = std::mem::take(&mut row.unlogged);
        let is_row_unlogged = std::mem::take(&mut row.row_unlogged);
        let event = row.event.replace(id).zip(row.event_path.take());
        row.event_path = (row.path.hash != path.hash).then_some(path);
        let Some((other, other_path)) = event else {
            return EventMatch::AlreadyCounted;
        };
        let by_name = self.match_name(other_path, &end);
        if let Some(found) = by_name.or_else(|| self.match_any(other_path, &end)) {
            let is_ambiguous = self.has_open_row_of_name(other_path);
            let found = &mut self.entries[found];
            let event_match = found.add_event(other, other_path, is_ambiguous);
            // What is still to be logged goes along with the event.
            found.unlogged = is_unlogged && found.event_path.is_some();
            return match event_match {
                EventMatch::AlreadyCounted if is_row_unlogged => EventMatch::Unlogged,
                EventMatch::CountedLate if is_row_unlogged => EventMatch::Counted,
                event_match => event_match,
            };
        }
        self.entries.push(LedgerEntry {
            unlogged: is_unlogged,
            ..LedgerEntry::of_event(other, other_path, end)
        });
        if is_row_unlogged {
            EventMatch::Counted
        } else {
            EventMatch::CountedOther
        }
    }

    /// Returns the row of the path or else of the file name that an event with a new id reports again.
    fn match_name(&self, path: FilePath, end: &Finished) -> Option<usize> {
        let same_path = |entry: &LedgerEntry| entry.is_free() && entry.path.hash == path.hash;
        let same_name = |entry: &LedgerEntry| entry.is_free() && entry.path.name == path.name;
        let found = self
            .find(end, |entry| same_path(entry) && entry.counted)
            .or_else(|| self.find(end, same_path));
        if found.is_some() || self.has_row_of_path(path) {
            return found;
        }
        self.find(end, |entry| same_name(entry) && entry.counted)
            .or_else(|| self.find(end, same_name))
    }

    /// Returns the row that another event was matched with although this one has its path, or else its
    /// file name.
    fn taken_row(&self, path: FilePath, end: &Finished) -> Option<usize> {
        let same_path =
            |entry: &LedgerEntry| entry.event_path.is_some() && entry.path.hash == path.hash;
        let same_name = |entry: &LedgerEntry| entry.is_misnamed() && entry.path.name == path.name;
        let found = self.find(end, same_path);
        if found.is_some() || self.has_row_of_path(path) {
            return found;
        }
        self.find(end, same_name)
    }

    /// Returns a row without an event for an event that no row has the name of.
    fn match_any(&self, path: FilePath, end: &Finished) -> Option<usize> {
        if self.has_row_of_path(path) || self.has_open_row_of_name(path) {
            return None;
        }
        self.find(end, |entry| entry.is_free() && entry.counted)
            .or_else(|| {
                self.open_rows
                    .is_empty()
                    .then(|| self.find(end, LedgerEntry::is_free))
                    .flatten()
            })
    }

    fn has_row_of_path(&self, path: FilePath) -> bool {
        let mut open = self.open_rows.iter();
        let mut ended = self.entries.iter().filter(|entry| entry.polled);
        open.any(|open| open.path.hash == path.hash)
            || ended.any(|entry| entry.path.hash == path.hash)
    }

    fn has_open_row_of_name(&self, path: FilePath) -> bool {
        self.open_rows
            .iter()
            .any(|open| open.path.name == path.name)
    }

    /// Counts every file of the baseline, and returns their ends.
    pub(super) fn count_baseline(&mut self) -> Vec<Finished> {
        self.entries
            .iter_mut()
            .filter(|entry| !entry.counted)
            .map(|entry| {
                entry.counted = true;
                entry.end.clone()
            })
            .collect()
    }

    /// Returns since when a row has had this status for the longest time, in seconds since the epoch.
    pub(super) fn oldest_open(&self, status: OpenStatus) -> Option<u32> {
        let rows = self.open_rows.iter().filter(|row| row.status == status);
        rows.map(|row| row.since).min()
    }

    /// Returns the number of files that have ended, by any report.
    pub(super) fn files(&self) -> usize {
        self.entries.len()
    }

    /// Returns the index of an accepted entry with the same end, preferring one whose code is the
    /// same.
    fn find(&self, end: &Finished, accept: impl Fn(&LedgerEntry) -> bool) -> Option<usize> {
        let accepted = |same: &dyn Fn(&Finished) -> bool| {
            self.entries
                .iter()
                .inspect(|_| end_index::count())
                .position(|entry| same(&entry.end) && accept(entry))
        };
        accepted(&|known| known == end).or_else(|| accepted(&|known| is_same_end(known, end)))
    }
}

impl LedgerEntry {
    /// Returns the entry of a file that only an event has reported.
    fn of_event(id: NonZeroU32, path: FilePath, end: Finished) -> Self {
        Self {
            path,
            end,
            polled: false,
            event: Some(id),
            event_path: None,
            baseline: false,
            lent: false,
            unlogged: false,
            row_unlogged: false,
            counted: true,
        }
    }

    /// Adds the event of a row. `is_ambiguous` is true if it may as well be of another row.
    fn add_event(&mut self, id: NonZeroU32, path: FilePath, is_ambiguous: bool) -> EventMatch {
        self.event = Some(id);
        self.event_path = (self.path.hash != path.hash).then_some(path);
        // The failure of the row is logged; that of the event is not, if it is another file.
        self.unlogged = self.event_path.is_some() && self.end != Finished::Completed;
        if std::mem::replace(&mut self.counted, true) {
            return EventMatch::AlreadyCounted;
        }
        self.baseline = self.event_path.is_some();
        self.lent = self.baseline && (self.is_misnamed() || is_ambiguous);
        EventMatch::CountedLate
    }

    /// Returns whether its event has another file name than its row.
    fn is_misnamed(&self) -> bool {
        self.event_path
            .is_some_and(|path| path.name != self.path.name)
    }

    /// Returns whether it is a row that no event has reported.
    fn is_free(&self) -> bool {
        self.polled && self.event.is_none()
    }

    fn mark_polled(&mut self, path: FilePath, end: &Finished) {
        self.polled = true;
        self.path = path;
        self.add_code(end);
    }

    /// Adds a code that the first report did not have.
    fn add_code(&mut self, end: &Finished) {
        if self.end == Finished::Failed(None) {
            self.end = end.clone();
        }
    }
}

/// Returns whether two reports may be of the same end: the same kind and code, or one source has
/// omitted the code.
fn is_same_end(a: &Finished, b: &Finished) -> bool {
    match (a, b) {
        (Finished::Failed(None), Finished::Failed(_))
        | (Finished::Failed(_), Finished::Failed(None)) => true,
        _ => a == b,
    }
}

/// Returns the end with a code of at most [`MAX_CODE_BYTES`].
fn comparable(end: &Finished) -> Finished {
    match end {
        Finished::Failed(Some(code)) if code.as_str().len() > MAX_CODE_BYTES => {
            let code = code.as_str();
            Finished::Failed(FailureCode::new(
                &code[..code.floor_char_boundary(MAX_CODE_BYTES)],
            ))
        }
        end => end.clone(),
    }
}

#[cfg(test)]
mod tests;
