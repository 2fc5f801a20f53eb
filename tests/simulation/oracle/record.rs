//! What was observed of a transfer.

use std::collections::BTreeMap;
use std::fmt;

use model::{FileCounts, FileResult, Origin};

use crate::plan::Ms;

/// Number of log records by the path of the file.
pub(super) type Logged = BTreeMap<String, u64>;

/// What the exporter has observed of a transfer under one account name.
#[derive(Default)]
pub(super) struct Record {
    pub(super) polls: Vec<Poll>,
    pub(super) starts: Vec<Start>,
    pub(super) events: Vec<Event>,
    /// When something happened that may make the transfer due, or polled again.
    pub(super) evidence: Vec<Ms>,
    /// Tracked by the write API.
    pub(super) api: bool,
    /// When it last left.
    pub(super) left_at: Ms,
    /// Log records of failed files: since the store is empty, and of this process.
    pub(super) logged: Logged,
    pub(super) logged_in_life: Logged,
}

pub(super) struct Poll {
    pub(super) life: u64,
    pub(super) start: Ms,
    /// When AWS answered, and what.
    pub(super) answer: Option<(Ms, Answer)>,
    pub(super) sure: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Failed,
    Unknown,
    /// Files whose rows have ended or not, as bits.
    Rows {
        ended: u64,
        open: u64,
        counts: FileCounts,
    },
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
pub(super) struct Start {
    pub(super) at: Ms,
    /// The reported time of the start, or of the report, cut to the wall clock.
    pub(super) time: i64,
    pub(super) exact: bool,
    pub(super) files: Option<usize>,
    pub(super) origin: Origin,
    /// Nothing was observed of the transfer before.
    pub(super) first: bool,
    /// It was in the configuration.
    pub(super) configured: bool,
    /// By how much the moments had been moved.
    pub(super) moved: i64,
    pub(super) sure: bool,
}

pub(super) struct Event {
    pub(super) at: Ms,
    pub(super) file: usize,
    pub(super) sure: bool,
}

impl Answer {
    /// Returns the answer with these rows; no rows are no answer.
    pub(crate) fn of(rows: &[(usize, FileResult)]) -> Self {
        if rows.is_empty() {
            return Self::Unknown;
        }
        let (mut ended, mut open, mut counts) = (0, 0, FileCounts::default());
        for (id, file) in rows {
            if file.status.is_finished() {
                ended |= 1 << id;
            } else {
                open |= 1 << id;
            }
            counts.add_file(&file.status, file.failure_code.as_ref());
        }
        Self::Rows {
            ended,
            open,
            counts,
        }
    }

    pub(super) fn has_ended(&self, file: usize) -> bool {
        matches!(self, Self::Rows { ended, .. } if ended & (1 << file) != 0)
    }

    /// Returns the number of rows, if every file has ended.
    pub(super) fn all_ended(&self) -> Option<usize> {
        match self {
            Self::Rows { ended, open: 0, .. } => Some(ended.count_ones() as usize),
            _ => None,
        }
    }

    pub(super) fn counts(&self) -> Option<&FileCounts> {
        match self {
            Self::Rows { counts, .. } => Some(counts),
            _ => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = |bits: u64| (0..64).filter(|n| bits & (1 << n) != 0).collect::<Vec<_>>();
        match self {
            Self::Failed => f.write_str("failed"),
            Self::Unknown => f.write_str("no rows"),
            Self::Rows { ended, open, .. } => {
                write!(
                    f,
                    "ended {:?}, unfinished {:?}",
                    files(*ended),
                    files(*open)
                )
            }
        }
    }
}
