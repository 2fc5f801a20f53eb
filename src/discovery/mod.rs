//! Floor 3: sources of transfers. Each feeds a [`Sink`] with facts and reports its health in
//! [`SourceMetrics`].
//!
//! | source | reports | how |
//! | --- | --- | --- |
//! | [`files`] | the transfers that files list | read at an interval, applied when the content changes |
//! | [`events`] | ends of files and operations; starts, if callers or CloudTrail send them | an SQS queue, received and emptied |
//! | [`cloudtrail`] | starts | the event history, polled at an interval |
//! | [`connectors`] | connectors and their details, no transfers | `ListConnectors`, polled at an interval |

mod backoff;
pub mod cloudtrail;
pub mod connectors;
pub mod events;
pub mod files;
mod ingest;
pub mod message;
mod poller;
mod queue_depth;
pub mod routes;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use crate::config::ConnectorFilter;
use crate::metrics::self_metrics::{DiscoveryMetrics, SourceLabels};
use crate::tracker::Ingested;
pub use ingest::log_failures;
use model::{
    Account, AccountName, Clock, ConnectorId, Fact, ListedConnectors, Now, Origin, TransferKey,
};

/// The storage did not accept what was ingested: it is in memory only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to persist ingested facts")]
pub struct SinkError;

/// Destination of facts.
pub trait Sink: Send + Sync + 'static {
    /// Ingests facts and returns the result for each.
    fn ingest(&self, facts: &[Fact], origin: Origin) -> Vec<Ingested>;

    /// Replaces the set of transfers attributed to `origin`. If the set is not `complete`, adds its
    /// transfers and removes none.
    fn replace_transfers(&self, origin: Origin, transfers: BTreeSet<TransferKey>, complete: bool);

    /// Records the details of listed connectors of an account. If the list is `complete`, the others
    /// are no longer listed.
    fn set_connectors(&self, account: &AccountName, listed: &ListedConnectors, complete: bool);

    /// Replaces the connectors of an account that have no results to poll: AS2 connectors.
    fn exclude_connectors(&self, account: &AccountName, ids: &BTreeSet<ConnectorId>);

    /// Completes once everything ingested before is durable; at once without storage.
    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>>;

    /// Completes once everything that belongs to other processes has been passed on to them, and what may
    /// yet belong to them is durable. Sources that do not wait for [`Sink::persist`] call it.
    fn forward(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Health of one source, in the exporter's metrics families.
#[derive(Clone)]
pub struct SourceMetrics {
    metrics: Arc<DiscoveryMetrics>,
    clock: Arc<dyn Clock>,
    labels: Arc<SourceLabels>,
}

impl SourceMetrics {
    /// Creates the counter of discovered transfers at 0.
    pub fn new(
        metrics: Arc<DiscoveryMetrics>,
        clock: Arc<dyn Clock>,
        labels: SourceLabels,
    ) -> Self {
        metrics.count_discovered(&labels, 0);
        Self {
            metrics,
            clock,
            labels: Arc::new(labels),
        }
    }

    /// Runs a poll and records its duration and whether it succeeded.
    async fn observe<T, E>(&self, poll: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let start = self.clock.now();
        let result = poll.await;
        match &result {
            Ok(_) => self.succeeded(start),
            Err(_) => self.failed(start),
        }
        result
    }

    /// Records that a poll that began at `start` has succeeded.
    fn succeeded(&self, start: Now) {
        let now = self.clock.now();
        let duration = now.since(start.instant);
        self.metrics.record_poll(&self.labels, Some(now), duration);
    }

    /// Records that a poll that began at `start` has failed.
    fn failed(&self, start: Now) {
        let duration = self.clock.now().since(start.instant);
        self.metrics.record_poll(&self.labels, None, duration);
    }

    /// Records a poll that ended in a panic.
    fn panicked(&self) {
        self.metrics.record_poll(&self.labels, None, Duration::ZERO);
    }

    /// Counts transfers that were not known before.
    fn add_transfers(&self, transfers: usize) {
        self.metrics.count_discovered(&self.labels, transfers);
    }

    /// Counts messages of a queue, or records of CloudTrail; 0 creates the series.
    fn add_messages(&self, outcome: &'static str, messages: usize) {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.metrics.count_messages(&self.labels, outcome, messages);
    }

    /// Counts optional fields of messages that cannot be used; 0 creates the series.
    fn add_ignored_fields(&self, field: &'static str, fields: usize) {
        let fields = u32::try_from(fields).unwrap_or(u32::MAX);
        self.metrics
            .count_ignored_fields(&self.labels, field, fields);
    }

    /// Sets the number of messages in the queue, if it is known.
    fn set_queue_depth(&self, messages: Option<u64>) {
        self.metrics.set_queue_messages(&self.labels, messages);
    }

    /// Sets the number of messages in the dead-letter queue, if it is known.
    fn set_dead_letters(&self, messages: Option<u64>) {
        self.metrics.set_dead_letters(&self.labels, messages);
    }

    fn source(&self) -> &'static str {
        self.labels.source
    }

    fn target(&self) -> &str {
        &self.labels.target
    }
}

/// Returns the labels of a source that reads an account as a whole.
pub fn account_labels(source: &'static str, account: &Account) -> SourceLabels {
    SourceLabels {
        source,
        account: account.name.to_string(),
        region: account.region.to_string(),
        target: account.name.to_string(),
    }
}
