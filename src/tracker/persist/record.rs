//! The persistent form of the tracker's state. The store encodes these records and does not
//! interpret them.
//!
//! The encoding contains no field names: a changed record needs a new format number in the store.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::details::DetailsRecord;
use super::fate_records::FateRecords;
use crate::flows::record::{EndRecord, FlowRecord};
use model::{
    ConnectionFailure, ConnectorKey, FailureCode, FileCounts, FileStatus, Histogram,
    LastConnectionTest, Millis, TestedConnection, TransferKey, millis, time,
};

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
    /// Flows by name.
    pub flows: Vec<(String, Option<FlowRecord>)>,
    /// Files of flows that may count later, by the hash of their transfer.
    pub uncounted: Vec<(u64, Option<UncountedRecord>)>,
    /// The last tests of connections.
    pub connection_tests: Vec<(ConnectorKey, Option<ConnectionTestRecord>)>,
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
            && self.flows.is_empty()
            && self.uncounted.is_empty()
            && self.connection_tests.is_empty()
            && self.meta == Meta::default()
    }
}

impl From<SavedState> for PendingWrites {
    /// Writes all of a state.
    fn from(saved: SavedState) -> Self {
        fn all<K, V>(records: Vec<(K, V)>) -> Vec<(K, Option<V>)> {
            let records = records.into_iter();
            records.map(|(key, record)| (key, Some(record))).collect()
        }
        let mut fates = Vec::with_capacity(saved.fates.len());
        saved
            .fates
            .drain(|hash, fate| fates.push((hash, Some(fate.to_vec()))));
        Self {
            transfers: all(saved.transfers),
            failures: saved.failures,
            connectors: all(saved.connectors),
            fates,
            operations: all(saved.operations),
            flows: all(saved.flows),
            uncounted: all(saved.uncounted),
            connection_tests: all(saved.connection_tests),
            meta: saved.meta,
        }
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
    pub fates: FateRecords,
    /// Counted operations by hash, with their expiry time.
    pub operations: Vec<(u64, Millis)>,
    /// Flows by name.
    pub flows: Vec<(String, FlowRecord)>,
    /// Files of flows that may count later, by the hash of their transfer.
    pub uncounted: Vec<(u64, UncountedRecord)>,
    /// The last tests of connections.
    pub connection_tests: Vec<(ConnectorKey, ConnectionTestRecord)>,
    /// Values that exist once.
    pub meta: Meta,
}

/// Values that exist once. The default is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Time of the first start with this store.
    pub watching_since: Option<Millis>,
    /// Milliseconds by which the moments of this record were moved, because the clock was set.
    pub shift: i64,
    /// Accounts by name, with the time of their first configuration.
    pub accounts: Vec<(String, Millis)>,
    /// Sources by account and number of the [`Origin`](model::Origin), with the time of their first
    /// configuration.
    pub sources: Vec<(String, u8, Millis)>,
    /// Shards that the process has been, one after the other.
    pub shards: Vec<ShardRecord>,
    /// Number of files whose failure code was replaced by `OTHER`.
    pub folded: u64,
}

/// A shard that the process has been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// Its index, from 0.
    pub index: u32,
    /// The number of shards.
    pub total: u32,
    /// Since when.
    pub since: Millis,
    /// The connectors that are not divided, each with the least one of its group.
    pub groups: Vec<(String, String)>,
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
    /// Whether its start has been counted.
    pub started: bool,
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

/// A failed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// Its path.
    pub path: String,
    /// The failure code, empty if there is none.
    pub code: String,
    /// The failure message.
    pub message: Option<String>,
    /// When it failed.
    pub at: Millis,
    /// Start or first sight of its transfer.
    pub since: Millis,
    /// Number of the [`Resolution`](crate::tracker::Resolution).
    pub resolution: u8,
}

/// A number of files: status, code (empty if there is none), count. Names as returned by AWS.
pub type CountRecord = (String, String, u32);

/// The files of a transfer that flows have not counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UncountedRecord {
    /// Until when their transfer's start may be reported.
    pub until: Millis,
    /// The files.
    pub files: Vec<UncountedFile>,
}

/// A file that a flow has not counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UncountedFile {
    /// The name of the flow.
    pub flow: String,
    /// Hash of its path.
    pub path: u64,
    /// How it ended, as it is counted.
    pub end: EndRecord,
}

/// The last test of a connector's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTestRecord {
    /// When it was asked for.
    pub asked: Millis,
    /// When a test last succeeded.
    pub last_success: Option<Millis>,
    /// What it found.
    pub tested: Option<TestedRecord>,
}

/// What a test of a connection found: the reason of its failure, whether the host key is trusted, and
/// its duration in milliseconds.
pub type TestedRecord = (Option<String>, Option<bool>, u64);

impl From<&LastConnectionTest> for ConnectionTestRecord {
    fn from(test: &LastConnectionTest) -> Self {
        let tested = test.tested.as_ref().map(|tested| {
            let failure = tested.failure.map(|failure| failure.as_str().to_owned());
            let duration = u64::try_from(tested.duration.as_millis()).unwrap_or(u64::MAX);
            (failure, tested.is_host_key_trusted, duration)
        });
        Self {
            asked: millis(test.asked),
            last_success: test.last_success.map(millis),
            tested,
        }
    }
}

impl From<&ConnectionTestRecord> for LastConnectionTest {
    fn from(record: &ConnectionTestRecord) -> Self {
        let tested = record.tested.as_ref();
        Self {
            asked: time(record.asked),
            last_success: record.last_success.map(time),
            tested: tested.map(
                |(failure, is_host_key_trusted, duration)| TestedConnection {
                    failure: failure.as_deref().map(ConnectionFailure::named),
                    is_host_key_trusted: *is_host_key_trusted,
                    duration: Duration::from_millis(*duration),
                },
            ),
        }
    }
}

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
    /// Whether AWS has returned files of a transfer, or the administrator has named it.
    pub confirmed: bool,
    /// Whether a transfer that AWS knows has left after it had settled.
    pub kept: bool,
    /// When it was removed; its counters continue if it comes back.
    pub left: Option<Millis>,
    /// Finished files: end, count, newest file.
    pub finished: Vec<(EndRecord, u64, Option<NewestRecord>)>,
    /// Transfers whose start has been counted.
    pub started: u64,
    /// The newest known start of a transfer.
    pub last_started: Option<Millis>,
    /// Files that have failed since one last completed.
    pub consecutive_failures: u64,
    /// When a file last completed.
    pub last_completed: Option<Millis>,
    /// When a file last failed.
    pub last_failed: Option<Millis>,
    /// Bytes, durations, waiting times and sizes, by the number of the direction.
    pub moved: Vec<MovedRecord>,
    /// Remote operations, by number and end.
    pub operations: Vec<(u8, EndRecord, u64)>,
    /// Its details, if its account's connectors are listed.
    pub details: Option<DetailsRecord>,
}

/// The newest file with a given end: its transfer and when it ended.
pub type NewestRecord = (String, Millis);

/// The persistent form of [`MovedFiles`](model::MovedFiles): number of the direction, bytes,
/// durations, waiting times, sizes.
pub type MovedRecord = (u8, u64, HistogramRecord, HistogramRecord, HistogramRecord);

/// The persistent form of [`Histogram`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistogramRecord {
    classic: Vec<u64>,
    exponential: BTreeMap<i32, u64>,
    zeros: u64,
    sum: f64,
}

/// Returns the seconds since the epoch, at least 1.
pub(in crate::tracker) fn seconds(at: SystemTime) -> u32 {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
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

impl From<&Histogram> for HistogramRecord {
    fn from(histogram: &Histogram) -> Self {
        Self {
            classic: histogram.classic.clone(),
            exponential: histogram.exponential.clone(),
            zeros: histogram.zeros,
            sum: histogram.sum,
        }
    }
}

impl HistogramRecord {
    /// Sets a histogram without observations.
    pub(in crate::tracker) fn restore(&self, histogram: &mut Histogram) {
        for (bucket, count) in histogram.classic.iter_mut().zip(&self.classic) {
            *bucket = *count;
        }
        histogram.exponential.clone_from(&self.exponential);
        histogram.zeros = self.zeros;
        histogram.sum = self.sum;
    }
}
