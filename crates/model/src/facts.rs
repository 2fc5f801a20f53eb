//! Facts: what discovery sources report, and the results of a poll.

use std::time::{Duration, SystemTime};

use crate::{ConnectorId, ConnectorKey, FailureCode, FileStatus, Finished, TransferKey};

/// A fact that a discovery source reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A transfer exists.
    Started(TransferStart),
    /// A file of a transfer has ended.
    FileEnded(FileEnd),
    /// A directory listing, a remote move or a remote delete has ended.
    OperationEnded(OperationEnd),
}

impl Fact {
    /// Returns the connector and the id by which the shard of the fact is chosen: that of the transfer,
    /// or of another operation.
    pub fn sharded_by(&self) -> (&ConnectorId, &str) {
        match self {
            Self::Started(start) => (&start.key.connector, start.key.transfer.as_str()),
            Self::FileEnded(file) => (&file.key.connector, file.key.transfer.as_str()),
            Self::OperationEnded(end) => (&end.connector.id, &end.id),
        }
    }
}

/// The start of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferStart {
    /// The transfer.
    pub key: TransferKey,
    /// Time of the start, if the source reports it.
    pub started_at: Option<SystemTime>,
    /// When the report was made: `SentTimestamp` of a message, or the time of a PUT. Stands for the
    /// start if `started_at` is not known.
    pub reported_at: Option<SystemTime>,
    /// Number of files that the call requested, if the source reports it: at most
    /// [`TransferStart::MAX_FILES`] where a user writes it.
    pub files: Option<u32>,
}

impl TransferStart {
    /// Largest number of files that a message or the write API may report.
    pub const MAX_FILES: u32 = 1_000;
}

/// The end of a file, from an event `SFTP Connector File ...`
/// (<https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html>).
#[derive(Clone, Debug, PartialEq)]
pub struct FileEnd {
    /// The file's transfer.
    pub key: TransferKey,
    /// `file-transfer-id`: the same in every copy of the event, and of no other file.
    pub file_transfer_id: String,
    /// `operation`.
    pub direction: Direction,
    /// `file-path`. For a file that was sent, it may differ from the path that the API returns.
    pub path: String,
    /// `status-code` and `failure-code`.
    pub end: Finished,
    /// `failure-message`.
    pub message: Option<String>,
    /// `bytes`; 0 for a failed file.
    pub bytes: u64,
    /// From `start-timestamp` to `end-timestamp`, if the event has both.
    pub duration: Option<Duration>,
    /// `end-timestamp`, else the event's time.
    pub ended_at: SystemTime,
}

/// The end of a directory listing, remote move or remote delete, from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationEnd {
    /// The connector.
    pub connector: ConnectorKey,
    /// The operation.
    pub operation: RemoteOperation,
    /// `listing-id`, `move-id` or `delete-id`: the same in every copy of the event.
    pub id: String,
    /// `status-code` and `failure-code`.
    pub end: Finished,
    /// `failure-message`.
    pub message: Option<String>,
    /// What a completed directory listing has found.
    pub listing: Option<Listing>,
}

/// The result of a directory listing, from its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// `remote-directory-path`.
    pub directory: String,
    /// `item-count`.
    pub items: u64,
    /// `truncated`.
    pub is_truncated: bool,
    /// `end-timestamp`, else the event's time.
    pub at: SystemTime,
}

/// The result of one file, from `ListFileTransferResults`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileResult {
    /// Path that the file was sent to or retrieved from; may not be unique within a transfer.
    pub path: String,
    /// Status at the time of the poll.
    pub status: FileStatus,
    /// Failure code; only for FAILED, and not always.
    pub failure_code: Option<FailureCode>,
    /// Failure message: free text with host names and paths.
    pub failure_message: Option<String>,
}

/// Direction of a file; the label `operation` of bytes and durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the partner.
    Send,
    /// From the partner.
    Retrieve,
}

impl Direction {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Send, Self::Retrieve];

    /// Returns the name in the API, which is also the label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "SEND",
            Self::Retrieve => "RETRIEVE",
        }
    }
}

/// An operation other than a file transfer; the label `operation` of
/// `aws_transfer_connector_operations_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemoteOperation {
    /// `StartDirectoryListing`.
    List,
    /// `StartRemoteMove`.
    Move,
    /// `StartRemoteDelete`.
    Delete,
}

impl RemoteOperation {
    /// Every operation.
    pub const ALL: [Self; 3] = [Self::List, Self::Move, Self::Delete];

    /// Returns the label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "LIST",
            Self::Move => "MOVE",
            Self::Delete => "DELETE",
        }
    }
}

impl Finished {
    /// Parses a status and a failure code; `None` for a status that is not final.
    pub fn from_wire(status: &str, code: Option<&str>) -> Option<Self> {
        match status {
            "COMPLETED" => Some(Self::Completed),
            "FAILED" => Some(Self::Failed(code.and_then(FailureCode::new))),
            _ => None,
        }
    }
}
