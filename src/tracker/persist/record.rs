//! The persistent form of the tracker's state. The store encodes these records and does not
//! interpret them.
//!
//! The encoding contains no field names: a changed record needs a new format number in the store.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use model::{ConnectorKey, Durations, FailureCode, FileCounts, FileStatus, Finished, TransferKey};

/// Milliseconds since the epoch.
pub type Millis = u64;

/// Changes to write. `None` stands for a removal.
#[derive(Clone, Debug, Default)]
pub struct PendingWrites {
    /// Transfers.
    pub transfers: Vec<(TransferKey, Option<TransferRecord>)>,
    /// All failed files of a transfer; an empty list if it has none any more.
    pub failures: Vec<(TransferKey, Vec<FailureRecord>)>,
    /// Connectors with their counters.
    pub connectors: Vec<(ConnectorKey, Option<ConnectorRecord>)>,
    /// Fates of transfers that have left, by hash.
    pub fates: Vec<(u64, Option<FateRecord>)>,
    /// Counted operations by hash, with their expiry time.
    pub operations: Vec<(u64, Option<Millis>)>,
    /// Values that exist once.
    pub meta: Meta,
}

impl PendingWrites {
    /// Returns whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty()
            && self.failures.is_empty()
            && self.connectors.is_empty()
            && self.fates.is_empty()
            && self.operations.is_empty()
            && self.meta == Meta::default()
    }
}

/// The saved state, as loaded from the store.
#[derive(Clone, Debug, Default)]
pub struct SavedState {
    /// Transfers.
    pub transfers: Vec<(TransferKey, TransferRecord)>,
    /// Failed files by transfer.
    pub failures: Vec<(TransferKey, Vec<FailureRecord>)>,
    /// Connectors.
    pub connectors: Vec<(ConnectorKey, ConnectorRecord)>,
    /// Fates of transfers that have left, by hash.
    pub fates: Vec<(u64, FateRecord)>,
    /// Counted operations by hash, with their expiry time.
    pub operations: Vec<(u64, Millis)>,
    /// Values that exist once.
    pub meta: Meta,
}

/// Values that exist once. The default is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Time of the first start with this store.
    pub watching_since: Option<Millis>,
    /// Accounts by name, with the time of their first configuration.
    pub accounts: Vec<(String, Millis)>,
    /// Sources by account and number of the [`Origin`](model::Origin), with the time of their first
    /// configuration.
    pub sources: Vec<(String, u8, Millis)>,
    /// Shards that the process has been: index, total, time since when.
    pub shards: Vec<(u32, u32, Millis)>,
    /// Number of files whose failure code was replaced by `OTHER`.
    pub folded: u64,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRecord {
    /// A bit for each [`Origin`](model::Origin) that reports it.
    pub origins: u8,
    /// A bit for each origin that has ever reported it.
    pub seen: u8,
    /// Its start if a source reported it, else the time at which it was first seen.
    pub since: Millis,
    /// What is known of its start: 0 nothing, 1 when it was reported, 2 the time of the call.
    pub start: u8,
    /// Whether it started while it was watched.
    pub watched: bool,
    /// Whether a poll was answered while it was watched.
    pub polled: bool,
    /// Number of files that its start requested; 0 if that is not known.
    pub expected: u16,
    /// Number of the [`TransferState`](model::TransferState).
    pub state: u8,
    /// Whether the last poll returned its files.
    pub up: Option<bool>,
    /// Its files.
    pub files: Option<Vec<CountRecord>>,
    /// The ends of its files, packed.
    pub ledger: Vec<u8>,
    /// When it settled or went, in seconds since the epoch; 0 if neither.
    pub ended: u32,
    /// When its files last changed; `None` if it is no longer polled.
    pub changed: Option<Millis>,
    /// Time of the first of the equal answers in which all files have ended.
    pub stable_since: Option<Millis>,
    /// Time since which AWS has not known it.
    pub unknown_since: Option<Millis>,
    /// Time since which no poll has returned files.
    pub failing_since: Option<Millis>,
}

/// A failed file: path, code (empty if there is none), message, time.
pub type FailureRecord = (String, String, Option<String>, Millis);

/// A number of files: status, code (empty if there is none), count. Names as returned by AWS.
pub type CountRecord = (String, String, u32);

/// The end of a file or an operation: `None` if it completed, else the failure code (empty if there
/// is none).
pub type EndRecord = Option<String>;

/// The packed fate of a transfer that has left: when it left, its start, its origins, and which of its
/// files are counted.
pub type FateRecord = Vec<u8>;

/// The counters of one connector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorRecord {
    /// Its Region. The same id in another Region is another connector.
    pub region: String,
    /// When it was first seen.
    pub known_since: Millis,
    /// Whether a source other than the configuration has reported it.
    pub discovered: bool,
    /// When it was removed; its counters continue if it comes back.
    pub left: Option<Millis>,
    /// Finished files: end, count, newest file.
    pub finished: Vec<(EndRecord, u64, Option<NewestRecord>)>,
    /// When a file last completed.
    pub last_completed: Option<Millis>,
    /// When a file last failed.
    pub last_failed: Option<Millis>,
    /// Bytes and durations, by the number of the direction.
    pub moved: Vec<(u8, u64, DurationsRecord)>,
    /// Remote operations, by number and end.
    pub operations: Vec<(u8, EndRecord, u64)>,
}

/// The newest file with a given end: its transfer and when it ended.
pub type NewestRecord = (String, Millis);

/// The persistent form of [`Durations`].
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

/// Returns the seconds since the epoch, at least 1.
pub(in crate::tracker) fn seconds(at: SystemTime) -> u32 {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
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
