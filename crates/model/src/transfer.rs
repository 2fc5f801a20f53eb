//! Transfers, their files and the counts of them.

use std::sync::Arc;

use thin_vec::ThinVec;

use super::ids::name;
use super::{AccountName, ConnectorId, ConnectorKey, TransferId};

/// One transfer: what `StartFileTransfer` answered for one connector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferKey {
    /// The account whose credentials see it.
    pub account: AccountName,
    /// The connector that moves the files.
    pub connector: ConnectorId,
    /// The id that `StartFileTransfer` answered.
    pub transfer: TransferId,
}

impl TransferKey {
    /// The connector that this transfer belongs to.
    pub fn connector_key(&self) -> ConnectorKey {
        ConnectorKey {
            account: self.account.clone(),
            id: self.connector.clone(),
        }
    }
}

/// Where a transfer was learned from, by a number that stays, for it is stored; the label `origin` of `aws_transfer_exporter_transfers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// `transfers` of the configuration.
    Config,
    /// The built-in simulator of the `demo` command.
    Demo,
    /// `discovery.files`.
    Files,
    /// `discovery.events`.
    Events,
    /// `discovery.cloudtrail`.
    Cloudtrail,
    /// The write API.
    Api,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Self; 6] = [
        Self::Config,
        Self::Demo,
        Self::Files,
        Self::Events,
        Self::Cloudtrail,
        Self::Api,
    ];

    /// The label value.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Demo => "demo",
            Self::Files => "files",
            Self::Events => "events",
            Self::Cloudtrail => "cloudtrail",
            Self::Api => "api",
        }
    }
}

/// `StatusCode` of one file (`TransferTableStatus` of the Transfer API).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileStatus {
    /// Waits for a session.
    Queued,
    /// Is being moved.
    InProgress,
    /// Has arrived.
    Completed,
    /// Will not arrive.
    Failed,
    /// A status that the API's model does not have, by its own name. Such a file is unfinished.
    Other(Arc<str>),
}

impl FileStatus {
    /// The four statuses of the API's model, in the order of a file's life.
    pub const MODELLED: [Self; 4] = [
        Self::Queued,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
    ];

    /// Reads the wire's name.
    pub fn from_wire(name: &str) -> Self {
        match name {
            "QUEUED" => Self::Queued,
            "IN_PROGRESS" => Self::InProgress,
            "COMPLETED" => Self::Completed,
            "FAILED" => Self::Failed,
            other => Self::Other(other.into()),
        }
    }

    /// The wire's name, which is also the label value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "QUEUED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Other(name) => name,
        }
    }

    /// True for COMPLETED and FAILED: nothing more will happen to the file.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

name! {
    /// Why a file failed, as AWS names it: never empty.
    FailureCode
}

impl FailureCode {
    /// What codes past the bound of unlisted ones are folded into.
    pub const OTHER: &str = "OTHER";

    /// `None` for an empty text, which means that AWS gave no code.
    pub fn new(code: &str) -> Option<Self> {
        (!code.is_empty()).then(|| Self(code.into()))
    }

    /// True for the codes that AWS documents.
    pub fn is_documented(&self) -> bool {
        DOCUMENTED_FAILURE_CODES.contains(&self.as_str())
    }
}

/// The closed list of `failure-code` in the EventBridge detail reference of Transfer Family's SFTP connectors
/// (<https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html>), in its order.
pub const DOCUMENTED_FAILURE_CODES: [&str; 16] = [
    "ASSUME_ROLE_ERROR",
    "UNSUPPORTED_OPERATION_ERROR",
    "CONNECTION_ERROR",
    "READ_FILE_ERROR",
    "WRITE_FILE_ERROR",
    "TIMEOUT_ERROR",
    "LIST_DIRECTORY_ERROR",
    "SEND_FILE_NOT_FOUND",
    "RETRIEVE_FILE_NOT_FOUND",
    "DIRECTORY_NOT_FOUND",
    "FILE_NOT_FOUND",
    "PATH_NOT_FOUND",
    "RENAME_ERROR",
    "DELETE_ERROR",
    "INTERNAL_ERROR",
    "UNKNOWN_ERROR",
];

/// One file of one transfer, as `ListFileTransferResults` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileResult {
    /// Where the file was sent to or retrieved from; not known to be unique within a transfer.
    pub path: String,
    /// What became of it so far.
    pub status: FileStatus,
    /// Why it failed; told for FAILED alone, and not always then.
    pub failure_code: Option<FailureCode>,
    /// The same for people: free text with host names and paths.
    pub failure_message: Option<String>,
}

/// Files by status, and the failed ones by code. 32 bytes, for there is one for each of a hundred thousand transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileCounts {
    /// QUEUED.
    pub queued: u32,
    /// IN_PROGRESS.
    pub in_progress: u32,
    /// COMPLETED.
    pub completed: u32,
    /// FAILED without a code.
    pub failed_without_code: u32,
    /// FAILED by code, sorted by code.
    pub failed: ThinVec<(FailureCode, u32)>,
    /// Statuses that the model does not have, sorted by name.
    pub other: ThinVec<(Arc<str>, u32)>,
}

impl FileCounts {
    /// Counts one file.
    pub fn add_file(&mut self, status: &FileStatus, code: Option<&FailureCode>) {
        self.add_files(status, code, 1);
    }

    /// Counts files of one status and code.
    pub fn add_files(&mut self, status: &FileStatus, code: Option<&FailureCode>, files: u32) {
        match (status, code) {
            (FileStatus::Queued, _) => self.queued += files,
            (FileStatus::InProgress, _) => self.in_progress += files,
            (FileStatus::Completed, _) => self.completed += files,
            (FileStatus::Failed, None) => self.failed_without_code += files,
            (FileStatus::Failed, Some(code)) => add_sorted(&mut self.failed, code, files),
            (FileStatus::Other(name), _) => add_sorted(&mut self.other, name, files),
        }
    }

    /// Gives back the room for further codes and statuses.
    pub fn shrink(&mut self) {
        self.failed.shrink_to_fit();
        self.other.shrink_to_fit();
    }

    /// Adds another transfer's counts.
    pub fn add(&mut self, more: &Self) {
        self.queued += more.queued;
        self.in_progress += more.in_progress;
        self.completed += more.completed;
        self.failed_without_code += more.failed_without_code;
        for (code, files) in &more.failed {
            add_sorted(&mut self.failed, code, *files);
        }
        for (name, files) in &more.other {
            add_sorted(&mut self.other, name, *files);
        }
    }

    /// Takes off what was added before.
    pub fn subtract(&mut self, less: &Self) {
        self.queued -= less.queued;
        self.in_progress -= less.in_progress;
        self.completed -= less.completed;
        self.failed_without_code -= less.failed_without_code;
        for (code, files) in &less.failed {
            subtract_sorted(&mut self.failed, code, *files);
        }
        for (name, files) in &less.other {
            subtract_sorted(&mut self.other, name, *files);
        }
    }

    /// All FAILED files, with a code or without.
    pub fn failed_files(&self) -> u32 {
        self.failed_without_code + self.failed.iter().map(|(_, files)| files).sum::<u32>()
    }

    /// Files that are neither COMPLETED nor FAILED.
    pub fn unfinished_files(&self) -> u32 {
        self.queued + self.in_progress + self.other.iter().map(|(_, files)| files).sum::<u32>()
    }

    /// All files.
    pub fn total(&self) -> u32 {
        self.unfinished_files() + self.completed + self.failed_files()
    }
}

fn add_sorted<K: Ord + Clone>(counts: &mut ThinVec<(K, u32)>, key: &K, files: u32) {
    match counts.binary_search_by(|(known, _)| known.cmp(key)) {
        Ok(at) => counts[at].1 += files,
        Err(at) => counts.insert(at, (key.clone(), files)),
    }
}

/// A count that comes to 0 goes: a sum tells the codes of the files that are tracked now.
fn subtract_sorted<K: Ord>(counts: &mut ThinVec<(K, u32)>, key: &K, files: u32) {
    if let Ok(at) = counts.binary_search_by(|(known, _)| known.cmp(key)) {
        counts[at].1 = counts[at].1.saturating_sub(files);
        if counts[at].1 == 0 {
            counts.remove(at);
        }
    }
}

/// What is known of a transfer as a whole; the label `state` of `aws_transfer_connector_transfers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferState {
    /// No result has been read yet.
    Pending,
    /// At least one file is neither COMPLETED nor FAILED.
    Running,
    /// Every file is COMPLETED.
    Completed,
    /// Settled, and at least one file is FAILED.
    Failed,
    /// AWS no longer knows it.
    Gone,
}

impl TransferState {
    /// Every state, in the order of a transfer's life.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Gone,
    ];

    /// The label value.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }

    /// True while there is something left to learn: such a transfer is asked for again.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}
