//! The rows of a poll: which of them are news. No step compares each row with each entry, because
//! an answer may have any number of rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::end_index::EndIndex;
use super::{
    FileLedger, FilePath, LedgerEntry, NewRow, OpenRow, OpenStatus, PollTime, Watched, comparable,
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
        let mut unmatched = self.match_by_path(&ended, &paths);
        let mut new = self.match_by_end(&mut unmatched, &paths, watched);
        new.extend(self.add_rows(unmatched, &paths, &ended, watched));
        if self.open_rows.is_empty() {
            self.merge_baseline();
        }
        new.sort_unstable_by_key(|row| row.at);
        new
    }

    /// Matches rows with the entries of their path. Returns the new rows that have none.
    fn match_by_path(&mut self, ended: &EndedRows, paths: &[FilePath]) -> Vec<(usize, Finished)> {
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
        let mut unmatched = Vec::new();
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
            }
        }
        unmatched
    }

    /// Returns the ended rows of a path that no earlier poll reported. `known` are the entries of its
    /// earlier rows. A file whose end changed between polls is not new: the number of new ends is at
    /// most the number by which the rows of this path that have ended have increased.
    fn new_ends(&mut self, known: &[usize], ends: &[(usize, Finished)]) -> Vec<(usize, Finished)> {
        let increase = ends.len().saturating_sub(known.len());
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
                entry.misnamed = entry.path.name != path.name;
                // Without the event the row would be of the baseline.
                let is_ambiguous = open_names.contains(&path.name);
                entry.lent = watched == Watched::No && (entry.misnamed || is_ambiguous);
                entry.mark_polled(path, end);
                entry.provisional = true;
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
        // A row whose event has its file name gives it only to a row of the same name.
        let mut lenders = EndIndex::default();
        let mut by_name: BTreeMap<u16, EndIndex> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            // Rows of one answer are all of the baseline: none has appeared later.
            if entry.lent && watched != Watched::No {
                let index = if entry.misnamed {
                    &mut lenders
                } else {
                    by_name.entry(entry.path.name).or_default()
                };
                index.insert(at, &entry.end);
            }
        }
        let mut new = Vec::new();
        for (at, end) in rows {
            let of_name = by_name.get(&paths[at].name);
            let lender = of_name.and_then(|index| index.find(&end));
            if let Some(lender) = lender.or_else(|| lenders.find(&end)) {
                lenders.remove(lender, &self.entries[lender].end);
                if let Some(of_name) = by_name.get_mut(&paths[at].name) {
                    of_name.remove(lender, &self.entries[lender].end);
                }
                let is_whole = watched == Watched::Whole;
                if std::mem::take(&mut self.entries[lender].row_unlogged) {
                    let own = ended.get(&self.entries[lender].path.hash);
                    let own = own.and_then(|rows| rows.iter().find(|(_, of)| *of == end));
                    new.extend(own.map(|(own, _)| NewRow::uncounted(*own)));
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
                provisional: false,
                misnamed: false,
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
        lender.provisional = false;
        lender.counted = is_counted;
        let is_misnamed = std::mem::take(&mut lender.misnamed) || lender.path.name != path.name;
        let is_unlogged = std::mem::take(&mut lender.unlogged);
        let event = lender.event.take();
        self.entries.push(LedgerEntry {
            path,
            end,
            polled: true,
            event,
            provisional: true,
            misnamed: is_misnamed,
            lent: false,
            // The row is logged if the event was not, so one of them is still to be.
            unlogged: is_unlogged,
            row_unlogged: !is_unlogged,
            counted: true,
        });
        is_unlogged
    }

    /// Matches events that stand alone with rows of the baseline, once no row is open.
    fn merge_baseline(&mut self) {
        let mut rows = EndIndex::default();
        let mut by_name: BTreeMap<u16, EndIndex> = BTreeMap::new();
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
            if event.polled {
                continue;
            }
            let (id, name) = (event.event, event.path.name);
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
            row.provisional = true;
            row.misnamed = row.path.name != name;
            row.lent = row.misnamed;
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
