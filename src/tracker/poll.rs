//! What a look at a transfer came back with, and what it changed.

use super::FailedFile;
use model::FileResult;

/// What one look at a transfer came back with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollResult {
    /// All its files. An empty list is the same as [`PollResult::Unknown`]: which of the two AWS answers for an unknown or
    /// expired transfer has no documented source.
    Files(Vec<FileResult>),
    /// AWS does not know it.
    Unknown,
    /// The look failed; nothing was learned.
    Failed,
}

/// What an answer changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollEffects {
    /// Files seen FAILED for the first time, in the answer's order.
    pub failed: Vec<FailedFile>,
    /// The answer settled the transfer.
    pub settled: bool,
    /// The answer was the last that the transfer was given: AWS no longer knows it.
    pub gone: bool,
}
