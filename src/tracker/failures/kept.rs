//! A failed file that is kept, and the filter that selects some.

use std::sync::Arc;
use std::time::SystemTime;

use super::cut;
use model::{ConnectorId, ConnectorKey, ConnectorLabels, FailureCode, TransferId, TransferKey};

/// Whether a failed file is resolved, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing yet.
    #[default]
    Unresolved,
    /// A later transfer completed the same path.
    Completed,
    /// Somebody acknowledged it.
    Acknowledged,
}

impl Resolution {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Unresolved, Self::Completed, Self::Acknowledged];

    /// Returns the name in the JSON API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Completed => "completed",
            Self::Acknowledged => "acknowledged",
        }
    }
}

/// One failed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFailure {
    /// Its connector.
    pub connector: Arc<ConnectorLabels>,
    /// Its transfer.
    pub transfer: TransferId,
    /// Start or first sight of its transfer, in whole milliseconds.
    pub since: SystemTime,
    /// Its path as reported by AWS, cut to [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES). Untrusted text.
    pub path: Box<str>,
    /// The failure code, if AWS reported one, cut as well. Not limited by the label guard.
    pub code: Option<FailureCode>,
    /// The failure message, cut as well. Untrusted text.
    pub message: Option<Box<str>>,
    /// When it failed, in whole milliseconds: the time in the event if an event was the first
    /// report, else the time of the poll.
    pub at: SystemTime,
    /// Whether it is resolved, and how.
    pub resolution: Resolution,
}

impl KeptFailure {
    pub(in crate::tracker) fn key(&self) -> TransferKey {
        let ConnectorKey { account, id } = self.connector_key();
        TransferKey {
            account,
            connector: id,
            transfer: self.transfer.clone(),
        }
    }

    pub(in crate::tracker) fn connector_key(&self) -> ConnectorKey {
        ConnectorKey {
            account: self.connector.account.name.clone(),
            id: self.connector.id.clone(),
        }
    }
}

/// The failed files that an acknowledgement is about: all that match every value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureFilter {
    /// The configured name of the account.
    pub account: Option<String>,
    /// The connector.
    pub connector: Option<ConnectorId>,
    /// The transfer.
    pub transfer: Option<TransferId>,
    /// The whole path.
    pub path: Option<String>,
    /// The failure code; an empty one stands for none.
    pub code: Option<String>,
}

impl FailureFilter {
    /// Returns whether the filter accepts a failed file.
    pub fn admits(&self, failure: &KeptFailure) -> bool {
        let code = failure.code.as_ref().map_or("", FailureCode::as_str);
        let account = failure.connector.account.name.as_str();
        self.account.as_deref().is_none_or(|name| name == account)
            && self
                .connector
                .as_ref()
                .is_none_or(|id| *id == failure.connector.id)
            && self
                .transfer
                .as_ref()
                .is_none_or(|id| *id == failure.transfer)
            && self
                .path
                .as_deref()
                .is_none_or(|path| *path == *failure.path || cut(path) == failure.path)
            && self.code.as_deref().is_none_or(|wanted| wanted == code)
    }
}
