//! Floor 2: AWS behind a trait. [`TransferApi`] speaks domain types; [`sdk`] is the adapter, the only place that names
//! `aws_*` with its neighbours [`queue`], [`trail`] and [`inventory`], which tell of transfers and connectors; [`limited`] and [`measured`] are
//! decorators around it; [`all_file_results`] reads all pages.
//!
//! **Retries** are the SDK's, with three attempts a call, and its quota of retries bounds them; [`session`] says how.

mod bounded;
mod classify;
mod counted;
mod error;
pub mod identity;
pub mod inventory;
pub mod limited;
pub mod live;
pub mod measured;
pub mod queue;
pub mod rate;
mod results;
mod retry_after;
pub mod sdk;
pub mod session;
#[cfg(test)]
mod settling_tests;
mod steady;
pub mod trail;

use std::pin::Pin;
use std::time::Duration;

use model::{ConnectorId, FileResult, TransferId};

pub use error::{ErrorKind, Outcome, TransferError};
pub use results::{MAX_PAGES, all_file_results};

/// A future that a port's method answers.
pub type ApiFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, TransferError>> + Send + 'a>>;

/// The operations of Transfer Family that the exporter calls.
pub trait TransferApi: Send + Sync + 'static {
    /// One page of `ListFileTransferResults`; the first where `next_token` is `None`. One call is one request that is
    /// retried a bounded number of times.
    fn file_results_page<'a>(
        &'a self,
        connector: &'a ConnectorId,
        transfer: &'a TransferId,
        next_token: Option<&'a str>,
    ) -> ApiFuture<'a, ResultsPage>;
}

/// One page of results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultsPage {
    /// The files, in the order of the answer.
    pub files: Vec<FileResult>,
    /// Where the next page starts; `None` on the last one. Never empty.
    pub next_token: Option<String>,
}

/// An operation of the API; the label `operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `ListFileTransferResults`.
    ListFileTransferResults,
}

impl Operation {
    /// Every operation that the exporter calls.
    pub const ALL: [Self; 1] = [Self::ListFileTransferResults];

    /// The label value.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::ListFileTransferResults => "ListFileTransferResults",
        }
    }

    /// The operation of this name, if the exporter calls it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.as_label() == name)
    }
}

/// An attempt that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What was called.
    pub operation: Operation,
    /// False for the first of a call.
    pub retry: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether AWS answered and took the credentials; `None` of an attempt that was given up before it told.
    pub account_up: Option<bool>,
    /// How long it took.
    pub duration: Duration,
    /// How long AWS wants no further request; of throttled attempts alone.
    pub retry_after: Option<Duration>,
}

/// Told of every attempt at a request, retries included: what AWS counts.
pub trait AttemptObserver: Send + Sync + 'static {
    /// An attempt begins; `retry` is true for all but the first of a call.
    fn attempt_started(&self, operation: Operation, retry: bool);

    /// An attempt has ended.
    fn attempt_ended(&self, attempt: Attempt);
}
