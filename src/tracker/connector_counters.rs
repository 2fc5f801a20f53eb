//! The counters of one connector. They only grow, and they outlive the transfers that they were
//! counted from.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::persist::{ConnectorRecord, end, end_record};
use model::{
    Direction, FileEnd, Finished, FinishedFiles, MovedFiles, RemoteOperation, TransferId, millis,
    time,
};

#[derive(Debug, Default)]
pub(super) struct ConnectorCounters {
    pub(super) finished: BTreeMap<Finished, FinishedFiles>,
    pub(super) moved: BTreeMap<Direction, MovedFiles>,
    pub(super) operations: BTreeMap<(RemoteOperation, Finished), u64>,
    /// Transfers whose start has been counted.
    pub(super) started: u64,
    /// The newest known start of a transfer.
    pub(super) last_started: Option<SystemTime>,
    /// Files that have failed since one last completed.
    pub(super) consecutive_failures: u64,
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
        self.consecutive_failures = match end {
            Finished::Completed => 0,
            Finished::Failed(_) => self.consecutive_failures + 1,
        };
        if entry
            .newest
            .as_ref()
            .is_none_or(|(_, newest)| *newest <= at)
        {
            entry.newest = Some((transfer.clone(), at));
        }
        self.record_end_time(end, at);
    }

    /// Records the start of a transfer, and counts it if `counted` is true. Returns whether anything
    /// has changed.
    pub(super) fn record_start(&mut self, at: SystemTime, counted: bool) -> bool {
        self.started += u64::from(counted);
        let is_newest = self.last_started.is_none_or(|last| last < at);
        if is_newest {
            self.last_started = Some(at);
        }
        counted || is_newest
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
            .chain(&mut self.last_started)
            .chain(&mut self.last_completed)
            .chain(&mut self.last_failed)
        {
            is_changed |= *at > now;
            *at = (*at).min(now);
        }
        is_changed
    }

    /// Returns whether a file or an operation has been counted.
    pub(super) fn has_ends(&self) -> bool {
        let is_moved = |moved: &MovedFiles| *moved != MovedFiles::default();
        !self.finished.is_empty()
            || self.moved.values().any(is_moved)
            || self.operations.values().any(|count| *count > 0)
    }

    /// Returns whether they continue when the connector comes back after it was removed. Starts of a
    /// connector that may not exist do not.
    pub(super) fn continue_later(&self, is_confirmed: bool) -> bool {
        self.has_ends() || (is_confirmed && self.last_started.is_some())
    }

    /// Records when a file ended, without counting it.
    pub(super) fn record_end_time(&mut self, end: &Finished, at: SystemTime) {
        let last = match end {
            Finished::Completed => &mut self.last_completed,
            Finished::Failed(_) => &mut self.last_failed,
        };
        *last = Some(last.map_or(at, |last| last.max(at)));
    }

    /// Adds the bytes and times of a file, which only events report. `transfer_start` is the start of
    /// its transfer, if a source has reported it.
    pub(super) fn add_transferred(&mut self, file: &FileEnd, transfer_start: Option<SystemTime>) {
        let moved = self.moved.entry(file.direction).or_default();
        moved.bytes = moved.bytes.saturating_add(file.bytes);
        #[expect(
            clippy::cast_precision_loss,
            reason = "sizes are below 2^53, and a histogram does not need each byte"
        )]
        moved.sizes.observe(file.bytes as f64);
        let Some(duration) = file.duration else {
            return;
        };
        moved.durations.observe(duration.as_secs_f64());
        let started = file.ended_at.checked_sub(duration);
        let waited = transfer_start.and_then(|start| started?.duration_since(start).ok());
        if let Some(waited) = waited {
            moved.queue_waits.observe(waited.as_secs_f64());
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
        record.started = self.started;
        record.last_started = self.last_started.map(millis);
        record.consecutive_failures = self.consecutive_failures;
        record.last_completed = self.last_completed.map(millis);
        record.last_failed = self.last_failed.map(millis);
        let moved = |(direction, moved): (&Direction, &MovedFiles)| {
            (
                *direction as u8,
                moved.bytes,
                (&moved.durations).into(),
                (&moved.queue_waits).into(),
                (&moved.sizes).into(),
            )
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
        let moved =
            record
                .moved
                .iter()
                .filter_map(|(number, bytes, durations, queue_waits, sizes)| {
                    let direction = Direction::ALL
                        .into_iter()
                        .find(|direction| *direction as u8 == *number)?;
                    let mut moved = MovedFiles {
                        bytes: *bytes,
                        ..MovedFiles::default()
                    };
                    durations.restore(&mut moved.durations);
                    queue_waits.restore(&mut moved.queue_waits);
                    sizes.restore(&mut moved.sizes);
                    Some((direction, moved))
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
            started: record.started,
            last_started: record.last_started.map(time),
            consecutive_failures: record.consecutive_failures,
            last_completed: record.last_completed.map(time),
            last_failed: record.last_failed.map(time),
        }
    }
}
