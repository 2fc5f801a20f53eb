//! Filters of a query.

use super::{Cursor, KeptFailure};
use model::{ConnectorId, ConnectorLabels, FailureCode, TransferState};

/// A filter on the state of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFilter {
    /// One state.
    Is(TransferState),
    /// Pending or running.
    Unfinished,
    /// Unfinished, and unchanged for longer than [`STUCK_AFTER`](super::STUCK_AFTER).
    Stuck,
}

impl StateFilter {
    /// Every filter.
    pub const ALL: [Self; 7] = [
        Self::Unfinished,
        Self::Stuck,
        Self::Is(TransferState::Pending),
        Self::Is(TransferState::Running),
        Self::Is(TransferState::Completed),
        Self::Is(TransferState::Failed),
        Self::Is(TransferState::Gone),
    ];

    /// Returns its name as a query parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is(state) => state.as_label(),
            Self::Unfinished => "unfinished",
            Self::Stuck => "stuck",
        }
    }
}

/// A query for transfers. Filters that are `None` accept everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The configured account.
    pub account: Option<String>,
    /// The connector.
    pub connector: Option<ConnectorId>,
    /// The state.
    pub state: Option<StateFilter>,
    /// A part of the transfer's id, of its connector's id or name, or of a failed file's path, code
    /// or message. ASCII letters match in either case.
    pub search: Option<String>,
    /// Only transfers after this position.
    pub after: Option<Cursor>,
    /// Maximum number of transfers to return.
    pub limit: usize,
}

impl Query {
    /// Returns whether the account and connector filters accept the connector.
    pub fn admits(&self, connector: &ConnectorLabels) -> bool {
        self.account
            .as_deref()
            .is_none_or(|account| account == connector.account.name.as_str())
            && self.connector.as_ref().is_none_or(|id| *id == connector.id)
    }

    /// Returns whether the search text is part of the connector's id or name, or whether there is
    /// none.
    pub fn finds_connector(&self, id: &ConnectorId, name: Option<&str>) -> bool {
        self.search.as_deref().is_none_or(|part| {
            contains(id.as_str(), part) || name.is_some_and(|name| contains(name, part))
        })
    }

    /// Returns whether the filters accept a failed file, by itself or through its transfer or
    /// connector.
    pub fn finds_failure(&self, failure: &KeptFailure, name: Option<&str>) -> bool {
        self.admits(&failure.connector)
            && (self.finds_connector(&failure.connector.id, name)
                || self.search.as_deref().is_some_and(|part| {
                    contains(failure.transfer.as_str(), part) || failure_contains(failure, part)
                }))
    }
}

/// Returns whether the path, code or message of a failed file contains `part`.
pub(super) fn failure_contains(failure: &KeptFailure, part: &str) -> bool {
    let code = failure.code.as_ref().map(FailureCode::as_str);
    contains(&failure.path, part)
        || code.is_some_and(|code| contains(code, part))
        || failure
            .message
            .as_deref()
            .is_some_and(|message| contains(message, part))
}

/// Returns whether `text` contains `part`, ignoring the case of ASCII letters.
pub(super) fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty()
        || text
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part))
}
