//! The counters of one connector. They only grow, and they outlive the transfers that they were
//! counted from.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::persist::{ConnectorRecord, end, end_record, millis, time};
use model::{Direction, FileEnd, Finished, FinishedFiles, MovedFiles, RemoteOperation, TransferId};

#[derive(Debug, Default)]
pub(super) struct ConnectorCounters {
    pub(super) finished: BTreeMap<Finished, FinishedFiles>,
    pub(super) moved: BTreeMap<Direction, MovedFiles>,
    pub(super) operations: BTreeMap<(RemoteOperation, Finished), u64>,
    pub(super) last_completed: Option<SystemTime>,
    pub(super) last_failed: Option<SystemTime>,
}

impl ConnectorCounters {
    /// Initializes the counters that events increase with 0, so that `increase()` sees the first
    /// increment.
    pub(super) fn initialize_event_counters(&mut self) {
        for direction in Direction::ALL {
            self.moved.entry(direction).or_default();
        }
        for operation in RemoteOperation::ALL {
            for end in [Finished::Completed, Finished::Failed(None)] {
                self.operations.entry((operation, end)).or_default();
            }
        }
    }

    /// Counts one file of `transfer` that ended at `at`.
    pub(super) fn count(&mut self, end: &Finished, transfer: &TransferId, at: SystemTime) {
        let entry = self.finished.entry(end.clone()).or_insert(FinishedFiles {
            files: 0,
            newest: None,
        });
        entry.files += 1;
        if entry
            .newest
            .as_ref()
            .is_none_or(|(_, newest)| *newest <= at)
        {
            entry.newest = Some((transfer.clone(), at));
        }
        self.record_end_time(end, at);
    }

    /// Cuts times that are in the future to `now`, after the clock was set back. Returns whether there
    /// were any.
    pub(super) fn cut_times(&mut self, now: SystemTime) -> bool {
        let newest = self
            .finished
            .values_mut()
            .filter_map(|seen| seen.newest.as_mut());
        let mut is_changed = false;
        for at in newest
            .map(|(_, at)| at)
            .chain(&mut self.last_completed)
            .chain(&mut self.last_failed)
        {
            is_changed |= *at > now;
            *at = (*at).min(now);
        }
        is_changed
    }

    /// Returns whether nothing has been counted.
    pub(super) fn is_empty(&self) -> bool {
        self.finished.is_empty()
            && self
                .moved
                .values()
                .all(|moved| *moved == MovedFiles::default())
            && self.operations.values().all(|count| *count == 0)
    }

    /// Records when a file ended, without counting it.
    pub(super) fn record_end_time(&mut self, end: &Finished, at: SystemTime) {
        let last = match end {
            Finished::Completed => &mut self.last_completed,
            Finished::Failed(_) => &mut self.last_failed,
        };
        *last = Some(last.map_or(at, |last| last.max(at)));
    }

    /// Adds the bytes and the duration of a file, which only events report.
    pub(super) fn add_transferred(&mut self, file: &FileEnd) {
        let moved = self.moved.entry(file.direction).or_default();
        moved.bytes = moved.bytes.saturating_add(file.bytes);
        if let Some(duration) = file.duration {
            moved.durations.observe(duration);
        }
    }

    /// Counts one remote operation.
    pub(super) fn count_operation(&mut self, operation: RemoteOperation, end: Finished) {
        *self.operations.entry((operation, end)).or_default() += 1;
    }

    /// Writes the counters to `record`.
    pub(super) fn write_to(&self, record: &mut ConnectorRecord) {
        record.finished = self
            .finished
            .iter()
            .map(|(end, seen)| {
                let newest = seen
                    .newest
                    .as_ref()
                    .map(|(transfer, at)| (transfer.to_string(), millis(*at)));
                (end_record(end), seen.files, newest)
            })
            .collect();
        record.last_completed = self.last_completed.map(millis);
        record.last_failed = self.last_failed.map(millis);
        let moved = |(direction, moved): (&Direction, &MovedFiles)| {
            (*direction as u8, moved.bytes, (&moved.durations).into())
        };
        record.moved = self.moved.iter().map(moved).collect();
        let operation = |((operation, end), count): (&(RemoteOperation, Finished), &u64)| {
            (*operation as u8, end_record(end), *count)
        };
        record.operations = self.operations.iter().map(operation).collect();
    }
}

impl From<&ConnectorRecord> for ConnectorCounters {
    fn from(record: &ConnectorRecord) -> Self {
        let finished = record.finished.iter().map(|(ended, files, newest)| {
            let newest = newest
                .as_ref()
                .and_then(|(id, at)| Some((id.parse().ok()?, time(*at))));
            (
                end(ended),
                FinishedFiles {
                    files: *files,
                    newest,
                },
            )
        });
        let moved = record
            .moved
            .iter()
            .filter_map(|(number, bytes, durations)| {
                let direction = Direction::ALL
                    .into_iter()
                    .find(|direction| *direction as u8 == *number)?;
                Some((
                    direction,
                    MovedFiles {
                        bytes: *bytes,
                        durations: durations.into(),
                    },
                ))
            });
        let operations = record
            .operations
            .iter()
            .filter_map(|(number, ended, count)| {
                let operation = RemoteOperation::ALL
                    .into_iter()
                    .find(|operation| *operation as u8 == *number)?;
                Some(((operation, end(ended)), *count))
            });
        Self {
            finished: finished.collect(),
            moved: moved.collect(),
            operations: operations.collect(),
            last_completed: record.last_completed.map(time),
            last_failed: record.last_failed.map(time),
        }
    }
}
