//! Statuses, failure codes, states and origins: the values of labels.

use std::sync::Arc;

use crate::ids::name;

/// Source that reported a transfer; the label `origin` of `aws_transfer_exporter_transfers`. Its
/// number is stored and must not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// `transfers` of the configuration.
    Config,
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
    pub const ALL: [Self; 5] = [
        Self::Config,
        Self::Files,
        Self::Events,
        Self::Cloudtrail,
        Self::Api,
    ];

    /// Returns the label value.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Config => "config",
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
    /// Waiting for a session.
    Queued,
    /// Being transferred.
    InProgress,
    /// Transferred.
    Completed,
    /// Not transferred.
    Failed,
    /// A status that the API model does not define, by its name. Such a file is unfinished.
    Other(Arc<str>),
}

impl FileStatus {
    /// The four statuses of the API model, in the order of a file's life.
    pub const MODELLED: [Self; 4] = [
        Self::Queued,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
    ];

    /// Parses the name in the API.
    pub fn from_wire(name: &str) -> Self {
        match name {
            "QUEUED" => Self::Queued,
            "IN_PROGRESS" => Self::InProgress,
            "COMPLETED" => Self::Completed,
            "FAILED" => Self::Failed,
            other => Self::Other(other.into()),
        }
    }

    /// Returns the name in the API, which is also the label value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "QUEUED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Other(name) => name,
        }
    }

    /// Returns whether the status is final: COMPLETED or FAILED.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

name! {
    /// AWS's code for why a file failed; never empty.
    FailureCode
}

impl FailureCode {
    /// Stands for undocumented codes beyond the limit on distinct ones.
    pub const OTHER: &str = "OTHER";

    /// Returns `None` for an empty string: AWS gave no code.
    pub fn new(code: &str) -> Option<Self> {
        (!code.is_empty()).then(|| Self(code.into()))
    }

    /// Returns whether AWS documents the code.
    pub fn is_documented(&self) -> bool {
        DOCUMENTED_FAILURE_CODES.contains(&self.as_str())
    }
}

/// The closed list of `failure-code` in the EventBridge detail reference of Transfer Family's SFTP
/// connectors
/// (<https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html>), in its
/// order.
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

/// State of a transfer; the label `state` of `aws_transfer_connector_transfers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferState {
    /// Not polled successfully yet.
    Pending,
    /// At least one file is neither COMPLETED nor FAILED.
    Running,
    /// Every file is COMPLETED.
    Completed,
    /// Settled, and at least one file is FAILED.
    Failed,
    /// Unknown to AWS.
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

    /// Returns the label value.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }

    /// Returns whether the transfer is still polled.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// Which transfers have their own series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PerTransfer {
    /// All.
    All,
    /// Those of the configuration, and others that are unfinished or have failed files.
    #[default]
    Open,
    /// Those of the configuration.
    Configured,
    /// None.
    None,
}

impl PerTransfer {
    /// All values.
    pub const ALL: [Self; 4] = [Self::All, Self::Open, Self::Configured, Self::None];

    /// Returns the value of the configuration key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Open => "open",
            Self::Configured => "configured",
            Self::None => "none",
        }
    }
}
