//! What has finished on a connector. It only ever grows, also when the transfers are dropped.

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
    /// Has the counters that events move stand at 0, so that `increase()` sees the first of each.
    pub(super) fn expect_events(&mut self) {
        for direction in Direction::ALL {
            self.moved.entry(direction).or_default();
        }
        for operation in RemoteOperation::ALL {
            self.operations
                .entry((operation, Finished::Completed))
                .or_default();
            self.operations
                .entry((operation, Finished::Failed(None)))
                .or_default();
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
        self.note(end, at);
    }

    /// Notes when a file ended that may have been counted before.
    pub(super) fn note(&mut self, end: &Finished, at: SystemTime) {
        let last = match end {
            Finished::Completed => &mut self.last_completed,
            Finished::Failed(_) => &mut self.last_failed,
        };
        *last = Some(last.map_or(at, |last| last.max(at)));
    }

    /// Takes in what an event alone tells of a file.
    pub(super) fn moved(&mut self, file: &FileEnd) {
        let moved = self.moved.entry(file.direction).or_default();
        moved.bytes += file.bytes;
        if let Some(duration) = file.duration {
            moved.durations.observe(duration);
        }
    }

    pub(super) fn operation(&mut self, operation: RemoteOperation, end: Finished) {
        *self.operations.entry((operation, end)).or_default() += 1;
    }

    pub(super) fn fill(&self, record: &mut ConnectorRecord) {
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
        let operation = |((what, end), count): (&(RemoteOperation, Finished), &u64)| {
            (*what as u8, end_record(end), *count)
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
