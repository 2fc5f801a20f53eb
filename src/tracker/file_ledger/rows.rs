//! The rows of a poll: which of them are news. No step compares each row with each entry, because
//! an answer may have any number of rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::end_index::EndIndex;
use super::{
    FileLedger, FilePath, LedgerEntry, NewRow, OpenRow, OpenStatus, PollTime, Watched, comparable,
    is_same_end,
};
use model::{FileResult, Finished};

/// Rows by the hash of their path: index and end.
type EndedRows = BTreeMap<u32, Vec<(usize, Finished)>>;

impl FileLedger {
    /// Records the rows of a poll and returns those that are news. `ends` holds the end of each row.
    pub(in crate::tracker) fn record_rows(
        &mut self,
        rows: &[FileResult],
        ends: &[Option<Finished>],
        watched: Watched,
        time: PollTime,
    ) -> Vec<NewRow> {
        let paths: Vec<_> = rows.iter().map(|row| FilePath::new(&row.path)).collect();
        let mut ended = EndedRows::new();
        let mut before = KnownOpenRows::new(std::mem::take(&mut self.open_rows));
        for (at, (path, end)) in paths.iter().zip(ends).enumerate() {
            if let Some(end) = end {
                let of_path = ended.entry(path.hash).or_default();
                of_path.push((at, comparable(end)));
            } else {
                let status = OpenStatus::new(&rows[at].status);
                self.open_rows.push(before.row(*path, status, time));
            }
        }
        let (mut unmatched, mut new) = self.match_by_path(&ended, &paths);
        new.extend(self.move_to_own_rows(&mut unmatched, &paths, &ended, watched));
        new.extend(self.match_by_end(&mut unmatched, &paths, watched));
        new.extend(self.add_rows(unmatched, &paths, &ended, watched));
        if self.open_rows.is_empty() {
            self.merge_baseline();
        }
        new.sort_unstable_by_key(|row| row.at);
        new
    }

    /// Matches rows with the entries of their path. Returns the new rows that have none, and failures
    /// that were not logged with their event.
    fn match_by_path(
        &mut self,
        ended: &EndedRows,
        paths: &[FilePath],
    ) -> (Vec<(usize, Finished)>, Vec<NewRow>) {
        let mut polled: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let mut unpolled: BTreeMap<u32, EndIndex> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let path = entry.path.hash;
            if entry.polled {
                polled.entry(path).or_default().push(at);
            } else {
                let index = unpolled.entry(path).or_default();
                index.insert(at, &entry.end);
            }
        }
        let (mut unmatched, mut new) = (Vec::new(), Vec::new());
        for (path, ends) in ended {
            let known = polled.remove(path).unwrap_or_default();
            let mut of_events = unpolled.remove(path).unwrap_or_default();
            for (at, end) in self.new_ends(&known, ends) {
                let Some(found) = of_events.find(&end) else {
                    unmatched.push((at, end));
                    continue;
                };
                let entry = &mut self.entries[found];
                of_events.remove(found, &entry.end);
                entry.mark_polled(paths[at], &end);
                if std::mem::take(&mut entry.unlogged) {
                    new.push(NewRow::uncounted(at));
                }
            }
        }
        (unmatched, new)
    }

    /// Moves events that were matched with other rows to the new rows of their path, then to those of
    /// their file name. Keeps the other rows in `unmatched`, and returns the rows that are news.
    fn move_to_own_rows(
        &mut self,
        unmatched: &mut Vec<(usize, Finished)>,
        paths: &[FilePath],
        ended: &EndedRows,
        watched: Watched,
    ) -> Vec<NewRow> {
        if unmatched.is_empty() || self.entries.iter().all(|it| it.event_path.is_none()) {
            return Vec::new();
        }
        let mut by_path: BTreeMap<u32, EndIndex> = BTreeMap::new();
        let mut by_name: BTreeMap<u16, EndIndex> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            if let Some(path) = entry.event_path {
                let index = by_path.entry(path.hash).or_default();
                index.insert(at, &entry.end);
                if entry.is_misnamed() {
                    let index = by_name.entry(path.name).or_default();
                    index.insert(at, &entry.end);
                }
            }
        }
        let mut new = Vec::new();
        for is_by_path in [true, false] {
            unmatched.retain(|(at, end)| {
                let path = paths[*at];
                let index = if is_by_path {
                    by_path.get_mut(&path.hash)
                } else {
                    by_name.get_mut(&path.name)
                };
                let Some(from) = index.and_then(|index| index.find(end)) else {
                    return true;
                };
                let entry = &self.entries[from];
                if let Some(path) = entry.event_path {
                    let indexes = [by_path.get_mut(&path.hash), by_name.get_mut(&path.name)];
                    for index in indexes.into_iter().flatten() {
                        index.remove(from, &entry.end);
                    }
                }
                let row = (*at, path, end.clone());
                new.extend(self.move_to_own_row(from, row, ended, watched));
                false
            });
        }
        new
    }

    /// Moves an event to the row of its path or file name. Returns the row that is news: that of the
    /// event, or the one that the event was matched with, if that was reported as the event.
    fn move_to_own_row(
        &mut self,
        from: usize,
        (at, path, end): (usize, FilePath, Finished),
        ended: &EndedRows,
        watched: Watched,
    ) -> Option<NewRow> {
        let before = &mut self.entries[from];
        let counted = !before.baseline || watched == Watched::Whole;
        before.counted = counted;
        before.baseline = false;
        before.lent = false;
        let is_unlogged = std::mem::take(&mut before.unlogged);
        let is_row_unlogged = std::mem::take(&mut before.row_unlogged);
        let event = before.event.take();
        let event_path = before.event_path.take().filter(|of| of.hash != path.hash);
        let is_reported = match before.end {
            Finished::Completed => is_row_unlogged,
            Finished::Failed(_) => !is_unlogged,
        };
        let other = row_of(before, ended).filter(|_| is_reported);
        let is_ambiguous = self.has_open_row_of_name(path);
        let baseline = event_path.is_some() && watched == Watched::No;
        self.entries.push(LedgerEntry {
            path,
            end,
            polled: true,
            event,
            event_path,
            baseline,
            lent: baseline && is_ambiguous,
            // Of the event and its row one is logged, so the other is still to be.
            unlogged: event_path.is_some() && is_unlogged,
            row_unlogged: event_path.is_some() && is_reported,
            counted: true,
        });
        let row = NewRow {
            at: other.unwrap_or(at),
            counted,
            logged: is_unlogged || (is_row_unlogged && other.is_some()),
        };
        (row.counted || row.logged).then_some(row)
    }

    /// Returns the ended rows of a path that no earlier poll reported. `known` are the entries of its
    /// earlier rows. A file whose end changed between polls is not new: the number of new ends is at
    /// most the number by which the rows of this path that have ended have increased.
    fn new_ends(&mut self, known: &[usize], ends: &[(usize, Finished)]) -> Vec<(usize, Finished)> {
        if known.is_empty() {
            return ends.to_vec();
        }
        let increase = ends.len().saturating_sub(known.len());
        if let ([known], [(_, end)]) = (known, ends) {
            // Nearly every path has one row, which needs no index.
            let entry = &mut self.entries[*known];
            if is_same_end(&entry.end, end) {
                entry.add_code(end);
            }
            return Vec::new();
        }
        let mut before = EndIndex::default();
        for at in known {
            before.insert(*at, &self.entries[*at].end);
        }
        let mut new = Vec::new();
        for (at, end) in ends {
            let Some(found) = before.find(end) else {
                new.push((*at, end.clone()));
                continue;
            };
            let entry = &mut self.entries[found];
            before.remove(found, &entry.end);
            entry.add_code(end);
        }
        new.truncate(increase);
        new
    }

    /// Matches rows with events whose path no row has: all rows by name before any by its end alone.
    /// Keeps the others in `unmatched`, and returns failures that were not logged with their event.
    fn match_by_end(
        &mut self,
        unmatched: &mut Vec<(usize, Finished)>,
        paths: &[FilePath],
        watched: Watched,
    ) -> Vec<NewRow> {
        if unmatched.is_empty() || self.entries.iter().all(|it| it.polled) {
            return Vec::new();
        }
        let open_names: BTreeSet<_> = self.open_rows.iter().map(|open| open.path.name).collect();
        let of_rows: BTreeSet<_> = paths.iter().map(|path| path.hash).collect();
        let mut elsewhere = EndIndex::default();
        let mut by_name: BTreeMap<u16, EndIndex> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            if !entry.polled && !of_rows.contains(&entry.path.hash) {
                elsewhere.insert(at, &entry.end);
                let of_name = by_name.entry(entry.path.name).or_default();
                of_name.insert(at, &entry.end);
            }
        }
        let mut new = Vec::new();
        for is_by_name in [true, false] {
            unmatched.retain(|(at, end)| {
                let path = paths[*at];
                let found = if is_by_name {
                    by_name.get(&path.name).and_then(|index| index.find(end))
                } else {
                    elsewhere.find(end)
                };
                let Some(found) = found else {
                    return true;
                };
                let entry = &mut self.entries[found];
                elsewhere.remove(found, &entry.end);
                if let Some(of_name) = by_name.get_mut(&entry.path.name) {
                    of_name.remove(found, &entry.end);
                }
                entry.event_path = Some(entry.path);
                entry.mark_polled(path, end);
                // Without the event the row would be of the baseline.
                entry.baseline = watched == Watched::No;
                let is_ambiguous = open_names.contains(&path.name);
                entry.lent = entry.baseline && (entry.is_misnamed() || is_ambiguous);
                // If the event was not logged the row is, so one of them is still to be.
                entry.row_unlogged = !entry.unlogged;
                if entry.unlogged {
                    new.push(NewRow::uncounted(*at));
                }
                false
            });
        }
        new
    }

    /// Adds entries of rows without one. Returns those that are news.
    fn add_rows(
        &mut self,
        rows: Vec<(usize, Finished)>,
        paths: &[FilePath],
        ended: &EndedRows,
        watched: Watched,
    ) -> Vec<NewRow> {
        if rows.is_empty() {
            return Vec::new();
        }
        // A row whose event has its file name gives it only to a row of the same name; another one
        // prefers a row with the name of its event.
        let mut lenders = EndIndex::default();
        let mut by_name: BTreeMap<u16, EndIndex> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            // Rows of one answer are all of the baseline: none has appeared later.
            let Some(path) = entry.event_path.filter(|_| entry.lent) else {
                continue;
            };
            if watched != Watched::No {
                let of_name = by_name.entry(path.name).or_default();
                of_name.insert(at, &entry.end);
                if entry.is_misnamed() {
                    lenders.insert(at, &entry.end);
                }
            }
        }
        let mut new = Vec::new();
        for (at, end) in rows {
            let of_name = by_name.get(&paths[at].name);
            let lender = of_name.and_then(|index| index.find(&end));
            if let Some(lender) = lender.or_else(|| lenders.find(&end)) {
                let entry = &mut self.entries[lender];
                lenders.remove(lender, &entry.end);
                let of_name = entry.event_path.and_then(|it| by_name.get_mut(&it.name));
                if let Some(of_name) = of_name {
                    of_name.remove(lender, &entry.end);
                }
                let is_whole = watched == Watched::Whole;
                if std::mem::take(&mut entry.row_unlogged) {
                    new.extend(row_of(entry, ended).map(NewRow::uncounted));
                }
                let logged = self.move_event(lender, paths[at], end, is_whole);
                let row = NewRow {
                    at,
                    counted: is_whole,
                    logged,
                };
                new.extend((row.counted || row.logged).then_some(row));
                continue;
            }
            let counted = watched != Watched::No;
            self.entries.push(LedgerEntry {
                path: paths[at],
                end,
                polled: true,
                event: None,
                event_path: None,
                baseline: false,
                lent: false,
                unlogged: false,
                row_unlogged: false,
                counted,
            });
            new.push(NewRow {
                at,
                counted,
                logged: true,
            });
        }
        new
    }

    /// Moves the event of a row of the baseline to a row that has appeared since. The row of the
    /// baseline stays counted if `is_counted` is true. Returns whether the failure of the event is
    /// still to be logged.
    fn move_event(&mut self, from: usize, path: FilePath, end: Finished, is_counted: bool) -> bool {
        let lender = &mut self.entries[from];
        lender.lent = false;
        lender.baseline = false;
        lender.counted = is_counted;
        let event_path = lender.event_path.take();
        let is_unlogged = std::mem::take(&mut lender.unlogged);
        let event = lender.event.take();
        self.entries.push(LedgerEntry {
            path,
            end,
            polled: true,
            event,
            event_path,
            baseline: false,
            lent: false,
            // The row is logged if the event was not, so one of them is still to be.
            unlogged: is_unlogged,
            row_unlogged: !is_unlogged,
            counted: true,
        });
        is_unlogged
    }

    /// Matches events that stand alone with rows of the baseline, once no row is open. An event whose
    /// path a row has is of another file of that path.
    fn merge_baseline(&mut self) {
        if self.entries.iter().all(|it| it.polled) {
            return;
        }
        let mut rows = EndIndex::default();
        let mut by_name: BTreeMap<u16, EndIndex> = BTreeMap::new();
        let polled = self.entries.iter().filter(|entry| entry.polled);
        let of_rows: BTreeSet<_> = polled.map(|entry| entry.path.hash).collect();
        for (at, entry) in self.entries.iter().enumerate() {
            if entry.polled && entry.event.is_none() && !entry.counted {
                rows.insert(at, &entry.end);
                let of_name = by_name.entry(entry.path.name).or_default();
                of_name.insert(at, &entry.end);
            }
        }
        let mut merged = BTreeSet::new();
        for at in 0..self.entries.len() {
            let event = &self.entries[at];
            if event.polled || of_rows.contains(&event.path.hash) {
                continue;
            }
            let (id, path, is_unlogged) = (event.event, event.path, event.unlogged);
            let name = path.name;
            let of_name = by_name.get(&name);
            let found = of_name.and_then(|index| index.find(&event.end));
            let Some(found) = found.or_else(|| rows.find(&event.end)) else {
                continue;
            };
            let row = &mut self.entries[found];
            rows.remove(found, &row.end);
            if let Some(of_name) = by_name.get_mut(&row.path.name) {
                of_name.remove(found, &row.end);
            }
            row.event = id;
            row.event_path = Some(path);
            row.baseline = true;
            row.lent = row.is_misnamed();
            // The row is logged.
            row.unlogged = is_unlogged;
            row.counted = true;
            merged.insert(at);
        }
        let mut at = 0;
        self.entries.retain(|_| {
            at += 1;
            !merged.contains(&(at - 1))
        });
    }
}

/// Returns the index of the row of an entry.
fn row_of(entry: &LedgerEntry, ended: &EndedRows) -> Option<usize> {
    let mut rows = ended.get(&entry.path.hash)?.iter();
    rows.find(|(_, end)| is_same_end(end, &entry.end))
        .map(|(at, _)| *at)
}

/// The rows of the last poll that had not ended.
struct KnownOpenRows(BTreeMap<(u32, u16, OpenStatus), VecDeque<u32>>);

impl KnownOpenRows {
    fn new(rows: Vec<OpenRow>) -> Self {
        let mut known = BTreeMap::<_, VecDeque<_>>::new();
        for row in rows {
            let of_path = known.entry((row.path.hash, row.path.name, row.status));
            of_path.or_default().push_back(row.since);
        }
        Self(known)
    }

    /// Returns a row, which has its status since an earlier poll if it had the same one there. A file
    /// is queued since the start of its transfer.
    fn row(&mut self, path: FilePath, status: OpenStatus, time: PollTime) -> OpenRow {
        let known = self.0.get_mut(&(path.hash, path.name, status));
        let since = match known.and_then(VecDeque::pop_front) {
            Some(since) => since,
            None if status == OpenStatus::Queued => time.start,
            None => time.now,
        };
        OpenRow {
            path,
            status,
            since,
        }
    }
}
