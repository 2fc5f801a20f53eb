//! What a source other than the API tells: that a transfer has started, that a file has ended, how an operation ended.

use std::time::{Duration, SystemTime};

use super::{ConnectorKey, FailureCode, Finished, TransferKey};

/// One thing that a source has told.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// There is a transfer.
    Started(StartedTransfer),
    /// A file of a transfer has ended.
    FileEnded(FileEnd),
    /// A directory listing, a remote move or a remote delete has ended.
    OperationEnded(OperationEnd),
}

/// A transfer that has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedTransfer {
    /// Which.
    pub key: TransferKey,
    /// When, where the source tells it.
    pub started_at: Option<SystemTime>,
}

/// A file that has ended, as an event `SFTP Connector File ...` tells it
/// (<https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html>).
#[derive(Clone, Debug, PartialEq)]
pub struct FileEnd {
    /// Its transfer.
    pub key: TransferKey,
    /// `file-transfer-id`: the same in every copy of the event, and of no other file.
    pub file_transfer_id: String,
    /// `operation`.
    pub direction: Direction,
    /// `file-path`. For a file that was sent it may be written in another way than the API writes it.
    pub path: String,
    /// `status-code` and `failure-code`.
    pub end: Finished,
    /// `failure-message`.
    pub message: Option<String>,
    /// `bytes`; 0 for a failed file.
    pub bytes: u64,
    /// From `start-timestamp` to `end-timestamp`, where both are told.
    pub duration: Option<Duration>,
    /// `end-timestamp`, else the event's time.
    pub ended_at: SystemTime,
}

/// A directory listing, remote move or remote delete that has ended, as an event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationEnd {
    /// The connector that did it.
    pub connector: ConnectorKey,
    /// What it was.
    pub operation: RemoteOperation,
    /// `listing-id`, `move-id` or `delete-id`: the same in every copy of the event.
    pub id: String,
    /// `status-code` and `failure-code`.
    pub end: Finished,
    /// `failure-message`.
    pub message: Option<String>,
}

/// Which way a file went; the label `operation` of bytes and durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the partner.
    Send,
    /// From the partner.
    Retrieve,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Send, Self::Retrieve];

    /// The wire's name, which is also the label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "SEND",
            Self::Retrieve => "RETRIEVE",
        }
    }
}

/// What a connector does beside moving files; the label `operation` of `aws_transfer_connector_operations_total`.
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

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "LIST",
            Self::Move => "MOVE",
            Self::Delete => "DELETE",
        }
    }
}

impl Finished {
    /// From the wire's status and code; `None` for a status that is no end.
    pub fn from_wire(status: &str, code: Option<&str>) -> Option<Self> {
        match status {
            "COMPLETED" => Some(Self::Completed),
            "FAILED" => Some(Self::Failed(code.and_then(FailureCode::new))),
            _ => None,
        }
    }
}
