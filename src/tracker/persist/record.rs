//! What of the tracker outlives the process, in plain words: the store writes these, and knows nothing else of them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::tracker::file_ledger::{Entry, FileLedger};
use model::{ConnectorKey, Durations, FailureCode, FileCounts, FileStatus, Finished, TransferKey};

/// Milliseconds since the epoch.
pub type Millis = u64;

/// What has changed since the last time it was asked for. `None` stands for what is no longer there.
#[derive(Clone, Debug, Default)]
pub struct PendingWrites {
    /// Transfers.
    pub transfers: Vec<(TransferKey, Option<TransferRecord>)>,
    /// The failed files that are kept of a transfer, all of them; none for one that has none any more.
    pub failures: Vec<(TransferKey, Vec<FailureRecord>)>,
    /// Connectors, with their counters.
    pub connectors: Vec<(ConnectorKey, Option<ConnectorRecord>)>,
    /// Transfers that are no longer tracked, by hash.
    pub retired: Vec<(u64, Option<RetiredRecord>)>,
    /// Operations that have been counted, by hash, and until when that is remembered.
    pub operations: Vec<(u64, Option<Millis>)>,
    /// The rest.
    pub meta: Meta,
}

impl PendingWrites {
    /// True if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty()
            && self.failures.is_empty()
            && self.connectors.is_empty()
            && self.retired.is_empty()
            && self.operations.is_empty()
            && self.meta == Meta::default()
    }
}

/// Everything that was written, as it is read again.
#[derive(Clone, Debug, Default)]
pub struct SavedState {
    /// Transfers.
    pub transfers: Vec<(TransferKey, TransferRecord)>,
    /// Failed files by transfer.
    pub failures: Vec<(TransferKey, Vec<FailureRecord>)>,
    /// Connectors.
    pub connectors: Vec<(ConnectorKey, ConnectorRecord)>,
    /// Transfers that are no longer tracked.
    pub retired: Vec<(u64, RetiredRecord)>,
    /// Operations that have been counted.
    pub operations: Vec<(u64, Millis)>,
    /// The rest.
    pub meta: Meta,
}

/// What there is once. `None`, and 0, are not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Since when transfers are watched: the first start with this store.
    pub watching_since: Option<Millis>,
    /// Files whose unlisted failure code was folded into `OTHER`.
    pub folded: u64,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRecord {
    /// A bit for each [`Origin`](model::Origin).
    pub origins: u8,
    /// Start, where a source told it, else first sight.
    pub since: Millis,
    /// Whether a source told the start.
    pub started: bool,
    /// Number of the [`TransferState`](model::TransferState).
    pub state: u8,
    /// Whether the newest look told its files.
    pub up: Option<bool>,
    /// Its files.
    pub files: Option<Vec<CountRecord>>,
    /// The ends of its files, while any may still count.
    pub ledger: Option<LedgerRecord>,
    /// When it ended.
    pub ended: Option<Millis>,
    /// When an answer last differed from the one before.
    pub changed: Millis,
    /// Since when AWS does not know it.
    pub unknown_since: Option<Millis>,
}

/// A failed file: its path, its code or an empty text, its message, and when.
pub type FailureRecord = (String, String, Option<String>, Millis);

/// Files of one status and code: the names as on the wire; no code is an empty one.
pub type CountRecord = (String, String, u32);

/// The ends of a transfer's files: each a path's hash, its end, whether an answer told it, the hash of the event that told
/// it or 0, and whether it was counted; then the hashes of the paths that had not ended, and whether there was an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRecord {
    entries: Vec<(u64, EndRecord, bool, u64, bool)>,
    open_paths: Vec<u64>,
    answered: bool,
}

/// How a file or an operation ended: `None` completed, else the failure's code, empty where there is none.
pub type EndRecord = Option<String>;

/// A transfer that is no longer tracked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredRecord {
    /// Until when it is remembered.
    pub until: Millis,
    /// The ends of its files, while any may still count.
    pub ledger: Option<LedgerRecord>,
}

/// One connector's counters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorRecord {
    /// Its Region: in another one, the same id is another connector.
    pub region: String,
    /// When it became known.
    pub known_since: Millis,
    /// Whether a source other than the configuration told of it.
    pub discovered: bool,
    /// Files seen to finish: how, how many, and the newest.
    pub finished: Vec<(EndRecord, u64, Option<NewestRecord>)>,
    /// When a file last completed.
    pub last_completed: Option<Millis>,
    /// When a file last failed.
    pub last_failed: Option<Millis>,
    /// Bytes and durations by direction's number.
    pub moved: Vec<(u8, u64, DurationsRecord)>,
    /// Operations by their number and end.
    pub operations: Vec<(u8, EndRecord, u64)>,
}

/// The newest file of an end: its transfer, and when it ended.
pub type NewestRecord = (String, Millis);

/// [`Durations`], written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DurationsRecord {
    classic: Vec<u64>,
    exponential: BTreeMap<i32, u64>,
    zeros: u64,
    sum: f64,
}

pub(in crate::tracker) fn millis(time: SystemTime) -> Millis {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

pub(in crate::tracker) fn time(millis: Millis) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(UNIX_EPOCH)
}

pub(in crate::tracker) fn end_record(end: &Finished) -> EndRecord {
    match end {
        Finished::Completed => None,
        Finished::Failed(code) => Some(code.as_ref().map_or_else(String::new, ToString::to_string)),
    }
}

pub(in crate::tracker) fn end(record: &EndRecord) -> Finished {
    match record {
        None => Finished::Completed,
        Some(code) => Finished::Failed(FailureCode::new(code)),
    }
}

pub(in crate::tracker) fn counts_record(files: &FileCounts) -> Vec<CountRecord> {
    let modelled = [
        files.queued,
        files.in_progress,
        files.completed,
        files.failed_without_code,
    ];
    let modelled = FileStatus::MODELLED
        .iter()
        .zip(modelled)
        .filter(|(_, count)| *count > 0);
    let mut record: Vec<_> = modelled
        .map(|(status, count)| (status.as_str().to_owned(), String::new(), count))
        .collect();
    let failed = FileStatus::Failed.as_str();
    record.extend(
        files
            .failed
            .iter()
            .map(|(code, count)| (failed.to_owned(), code.to_string(), *count)),
    );
    record.extend(
        files
            .other
            .iter()
            .map(|(name, count)| (name.to_string(), String::new(), *count)),
    );
    record
}

pub(in crate::tracker) fn counts(record: &[CountRecord]) -> FileCounts {
    let mut files = FileCounts::default();
    for (status, code, count) in record {
        files.add_files(
            &FileStatus::from_wire(status),
            FailureCode::new(code).as_ref(),
            *count,
        );
    }
    files
}

impl From<&FileLedger> for LedgerRecord {
    fn from(ledger: &FileLedger) -> Self {
        let entry = |entry: &Entry| {
            let told = entry.told.map_or(0, std::num::NonZero::get);
            (
                entry.path,
                end_record(&entry.end),
                entry.answered,
                told,
                entry.counted,
            )
        };
        Self {
            entries: ledger.entries.iter().map(entry).collect(),
            open_paths: ledger.open_paths.clone(),
            answered: ledger.answered,
        }
    }
}

impl From<&LedgerRecord> for FileLedger {
    fn from(record: &LedgerRecord) -> Self {
        let entry =
            |(path, ended, answered, told, counted): &(u64, EndRecord, bool, u64, bool)| Entry {
                path: *path,
                end: end(ended),
                answered: *answered,
                told: std::num::NonZero::new(*told),
                counted: *counted,
            };
        Self {
            entries: record.entries.iter().map(entry).collect(),
            open_paths: record.open_paths.clone(),
            answered: record.answered,
        }
    }
}

impl From<&Durations> for DurationsRecord {
    fn from(durations: &Durations) -> Self {
        Self {
            classic: durations.classic.to_vec(),
            exponential: durations.exponential.clone(),
            zeros: durations.zeros,
            sum: durations.sum,
        }
    }
}

impl From<&DurationsRecord> for Durations {
    fn from(record: &DurationsRecord) -> Self {
        let mut durations = Self {
            exponential: record.exponential.clone(),
            zeros: record.zeros,
            sum: record.sum,
            ..Self::default()
        };
        for (bucket, count) in durations.classic.iter_mut().zip(&record.classic) {
            *bucket = *count;
        }
        durations
    }
}
