//! The ports: what the exporter calls in AWS, in domain types. [`super::sdk`] implements them.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use model::{ConnectorDetails, ConnectorId, FileResult, TransferId};

use super::{AttemptOutcome, TransferError};

/// The future that a port's method returns.
pub type ApiFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, TransferError>> + Send + 'a>>;

/// Results of file transfers (Transfer Family).
pub trait TransferApi: Send + Sync + 'static {
    /// Fetches one page of `ListFileTransferResults`, the first if `next_token` is `None`. One call
    /// is one request, retried a bounded number of times.
    fn file_results_page<'a>(
        &'a self,
        connector: &'a ConnectorId,
        transfer: &'a TransferId,
        next_token: Option<&'a str>,
    ) -> ApiFuture<'a, ResultsPage>;
}

/// One page of `ListFileTransferResults`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultsPage {
    /// The files, in the order of the response.
    pub files: Vec<FileResult>,
    /// Token of the next page; `None` on the last one. Never empty.
    pub next_token: Option<String>,
}

/// The connectors of an account and Region (Transfer Family).
pub trait ConnectorsApi: Send + Sync + 'static {
    /// Fetches one page of `ListConnectors`, the first if `token` is `None`.
    fn page<'a>(&'a self, token: Option<&'a str>) -> ApiFuture<'a, ConnectorsPage>;

    /// Calls `DescribeConnector`; `None` for an AS2 connector. `ListConnectors` does not return the
    /// protocol.
    fn describe<'a>(
        &'a self,
        connector: &'a ConnectorId,
    ) -> ApiFuture<'a, Option<ConnectorDetails>>;
}

/// One page of `ListConnectors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorsPage {
    /// Connectors of both protocols, without invalid ids.
    pub ids: Vec<ConnectorId>,
    /// Token of the next page; `None` on the last one. Never empty.
    pub next_token: Option<String>,
}

/// Connections from connectors to the servers of partners (Transfer Family).
pub trait ConnectionApi: Send + Sync + 'static {
    /// Calls `TestConnection`, which opens a session at the partner's server, and, if that returns the
    /// server's host key, `DescribeConnector` for the trusted ones.
    fn test<'a>(&'a self, connector: &'a ConnectorId) -> ApiFuture<'a, ConnectionTest>;
}

/// The result of `TestConnection`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionTest {
    /// Whether the status is `OK`.
    pub is_ok: bool,
    /// The message for people; empty if there is none. It may contain host names.
    pub message: String,
    /// Whether the server's host key is a trusted one of the connector; `None` if either is not known.
    pub is_host_key_trusted: Option<bool>,
}

/// The event history of an account and Region (CloudTrail).
pub trait CloudTrailApi: Send + Sync + 'static {
    /// Fetches one page of `LookupEvents` for `StartFileTransfer` events since `from`, the first if
    /// `token` is `None`.
    fn page<'a>(
        &'a self,
        from: SystemTime,
        token: Option<&'a str>,
    ) -> ApiFuture<'a, CloudTrailPage>;
}

/// One event of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudTrailEvent {
    /// The event's id, the same in every response; empty if the response has none.
    pub id: String,
    /// Time of the recorded call.
    pub at: Option<SystemTime>,
    /// The CloudTrail record, as JSON.
    pub record: String,
}

/// One page of `LookupEvents`, newest event first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudTrailPage {
    /// The events, in the order of the response.
    pub events: Vec<CloudTrailEvent>,
    /// Token of the next page; `None` on the last one. Never empty.
    pub next_token: Option<String>,
}

/// A queue of events (SQS).
pub trait QueueApi: Send + Sync + 'static {
    /// Calls `ReceiveMessage`: returns up to [`QUEUE_BATCH`] messages, none if none arrived within
    /// the long poll.
    fn receive(&self) -> ApiFuture<'_, Vec<QueueMessage>>;

    /// Calls `DeleteMessageBatch` for at most [`QUEUE_BATCH`] receipts and returns the messages
    /// that were not deleted.
    fn delete<'a>(&'a self, receipts: &'a [String]) -> ApiFuture<'a, Vec<UndeletedMessage>>;

    /// Calls `GetQueueAttributes`: returns the depth of the queue.
    fn depth(&self) -> ApiFuture<'_, QueueDepth>;

    /// Calls `GetQueueAttributes` for the queue's dead-letter queue, whose ARN is `arn`: returns the
    /// approximate number of its messages, in flight included.
    fn dead_letters<'a>(&'a self, arn: &'a str) -> ApiFuture<'a, u64>;
}

/// The depth of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Approximate number of messages, in flight included.
    pub messages: u64,
    /// ARN of the dead-letter queue, if the queue has a redrive policy.
    pub dead_letter_queue: Option<String>,
}

/// Messages of one receive, and of one batch of deletions
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>).
pub const QUEUE_BATCH: usize = 10;

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueMessage {
    /// Message id, the same at each receive.
    pub id: String,
    /// Receipt handle of this receive; deletes the message.
    pub receipt: String,
    /// Message body.
    pub body: String,
    /// `SentTimestamp`: when the message was sent to the queue, if the response has it.
    pub sent_at: Option<SystemTime>,
}

/// A message that `DeleteMessageBatch` did not delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndeletedMessage {
    /// Its receipt handle.
    pub receipt: String,
    /// Whether a retry may succeed: the fault is on the side of AWS.
    pub retryable: bool,
    /// Error code.
    pub code: String,
}

/// The AWS account of an account's credentials (STS).
pub trait IdentityApi: Send + Sync + 'static {
    /// Calls `GetCallerIdentity` and returns the AWS account ID.
    fn account_id(&self) -> ApiFuture<'_, String>;
}

/// An operation that is measured; the label `operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Transfer Family `ListFileTransferResults`.
    ListFileTransferResults,
    /// Transfer Family `ListConnectors`.
    ListConnectors,
    /// Transfer Family `DescribeConnector`.
    DescribeConnector,
    /// Transfer Family `TestConnection`.
    TestConnection,
    /// CloudTrail `LookupEvents`.
    LookupEvents,
    /// SQS `ReceiveMessage`.
    ReceiveMessage,
    /// SQS `DeleteMessageBatch`.
    DeleteMessageBatch,
    /// SQS `GetQueueAttributes`.
    GetQueueAttributes,
}

impl Operation {
    /// Every measured operation.
    pub const ALL: [Self; 8] = [
        Self::ListFileTransferResults,
        Self::ListConnectors,
        Self::DescribeConnector,
        Self::TestConnection,
        Self::LookupEvents,
        Self::ReceiveMessage,
        Self::DeleteMessageBatch,
        Self::GetQueueAttributes,
    ];

    /// Returns the label value, which is the operation's name in AWS.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::ListFileTransferResults => "ListFileTransferResults",
            Self::ListConnectors => "ListConnectors",
            Self::DescribeConnector => "DescribeConnector",
            Self::TestConnection => "TestConnection",
            Self::LookupEvents => "LookupEvents",
            Self::ReceiveMessage => "ReceiveMessage",
            Self::DeleteMessageBatch => "DeleteMessageBatch",
            Self::GetQueueAttributes => "GetQueueAttributes",
        }
    }

    /// Returns the operation with this name, if it is measured.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.as_label() == name)
    }
}

/// A finished attempt at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The operation.
    pub operation: Operation,
    /// Whether it is a retry: false for the first attempt of a call.
    pub retry: bool,
    /// The result.
    pub outcome: AttemptOutcome,
    /// Whether AWS answered and accepted the credentials; `None` if the attempt was cancelled.
    pub account_up: Option<bool>,
    /// Time from start to end.
    pub duration: Duration,
    /// The pause that AWS asked for; only of throttled attempts.
    pub retry_after: Option<Duration>,
}

/// Observes every attempt at a request, retries included: what AWS counts.
pub trait AttemptObserver: Send + Sync + 'static {
    /// An attempt has ended, or was cancelled.
    fn attempt_ended(&self, attempt: Attempt);
}
