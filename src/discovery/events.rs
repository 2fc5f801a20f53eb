//! A queue of events. Messages are received, ingested, persisted and only then deleted, so that a
//! crash at any moment loses none: a message that was not deleted is received again, and what it
//! reports is known by then.
//!
//! | a message | is |
//! | --- | --- |
//! | understood or a duplicate | deleted once its facts are durable |
//! | of a shard of another process that shares the queue | deleted once its facts are in the shard's inbox |
//! | foreign: of another shard that does not share the queue, of a connector that is not selected, or no event of a connector | deleted, because a queue belongs to one exporter |
//! | foreign: of an AWS account and Region that are not configured | left to the queue's redrive policy; each account and Region is logged once |
//! | unparsable | left to the queue's redrive policy, and logged once |
//!
//! While the storage fails, nothing is received: each receive counts for the redrive policy.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::ingest::{MessageOutcome, ingest};
use super::message::{
    IgnoredFields, MessageRouting, MessageTimes, ParseError, ParsedMessage, Unrouted, parse_message,
};
use super::poller::{self, Poller};
use super::queue_depth;
use super::routes::Routes;
use super::{ConnectorFilter, Sink, SourceMetrics};
use crate::config::EventsPlan;
use crate::metrics::self_metrics::{DiscoveryMetrics, SelfMetrics, SourceLabels};
use crate::transfer::sdk::{SdkQueue, queue_region};
use crate::transfer::session::ClientBase;
use crate::transfer::{QueueApi, QueueMessage, TransferError};
use model::{Account, Clock, Now, Origin};

/// Outcome of a message that was understood and could not be persisted.
const FAILED: &str = "failed";
/// Shortest time between two receives if the first was empty: an endpoint may not support long
/// polling.
const EMPTY_INTERVAL: Duration = Duration::from_secs(1);
/// Attempts at deleting what a batch did not delete.
const DELETE_ATTEMPTS: u32 = 3;
const DELETE_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Messages, accounts or fields that are remembered, so that each is logged once.
const MAX_LOGGED: usize = 1_000;

/// Reads the queue of `plan` with the credentials of `base`, and assigns its messages with
/// `routes`. Never returns; cancelling it at any moment loses no event.
pub async fn run(
    plan: EventsPlan,
    routes: Routes,
    base: ClientBase,
    sink: Arc<dyn Sink>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
) {
    let endpoint_url = plan.endpoint_url.as_deref();
    let queue = SdkQueue::new(
        &base,
        &plan.queue_url,
        endpoint_url,
        Arc::clone(&metrics.api),
        Arc::clone(&clock),
    );
    let discovery = Arc::clone(&metrics.discovery);
    run_with(Arc::new(queue), &plan, routes, sink, discovery, clock).await;
}

/// Reads `queue` instead of the queue that `plan` names.
pub async fn run_with(
    queue: Arc<dyn QueueApi>,
    plan: &EventsPlan,
    routes: Routes,
    sink: Arc<dyn Sink>,
    metrics: Arc<DiscoveryMetrics>,
    clock: Arc<dyn Clock>,
) {
    let labels = labels(plan, routes.queue_account());
    let metrics = SourceMetrics::new(metrics, Arc::clone(&clock), labels);
    for outcome in MessageOutcome::ALL {
        metrics.add_messages(outcome.as_label(), 0);
    }
    metrics.add_messages(FAILED, 0);
    for (field, _) in IgnoredFields::default().by_name() {
        metrics.add_ignored_fields(field, 0);
    }
    let depth = queue_depth::run(Arc::clone(&queue), metrics.clone());
    // Without them, events of other configured accounts could not be assigned.
    routes.resolve_first().await;
    let resolve = routes.clone();
    let reader = QueueReader {
        queue,
        routes,
        filter: ConnectorFilter::new(&plan.include),
        sink,
        clock,
        metrics,
        logged: RecentIds::default(),
    };
    tokio::join!(
        poller::run(reader, Duration::ZERO),
        depth,
        resolve.resolve()
    );
}

/// Returns the labels of a queue of `account`: its name, the last part of its URL, and its Region.
pub fn labels(plan: &EventsPlan, account: &Account) -> SourceLabels {
    let url = plan.queue_url.as_str();
    let name = url.trim_end_matches('/').rsplit('/').next();
    SourceLabels {
        source: "events",
        account: account.name.to_string(),
        region: queue_region(url).unwrap_or(&account.region).to_owned(),
        target: name.unwrap_or(url).to_owned(),
    }
}

struct QueueReader {
    queue: Arc<dyn QueueApi>,
    routes: Routes,
    filter: ConnectorFilter,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    metrics: SourceMetrics,
    /// What was logged and is not logged again.
    logged: RecentIds,
}

impl Poller for QueueReader {
    fn metrics(&self) -> &SourceMetrics {
        &self.metrics
    }

    async fn poll(&mut self) -> Result<(), TransferError> {
        let metrics = self.metrics.clone();
        metrics.observe(self.receive()).await
    }
}

/// Receipts of a batch of messages.
#[derive(Default)]
struct Batch {
    /// To be deleted once everything is durable.
    ingested: Vec<(String, MessageOutcome)>,
    /// To be deleted in any case.
    foreign: Vec<String>,
}

impl QueueReader {
    /// Receives once, and ingests, persists and deletes what arrived.
    async fn receive(&mut self) -> Result<(), TransferError> {
        let start = self.clock.now();
        let messages = self.queue.receive().await?;
        if messages.is_empty() {
            let elapsed = self.clock.now().since(start.instant);
            tokio::time::sleep(EMPTY_INTERVAL.saturating_sub(elapsed)).await;
            return Ok(());
        }
        let Batch { ingested, foreign } = self.ingest(&messages);
        if !ingested.is_empty() {
            self.persist(&ingested, start).await;
        }
        self.metrics
            .add_messages(MessageOutcome::Foreign.as_label(), foreign.len());
        let receipts = ingested
            .into_iter()
            .map(|(receipt, _)| receipt)
            .chain(foreign)
            .collect();
        self.delete(receipts).await
    }

    fn ingest(&mut self, messages: &[QueueMessage]) -> Batch {
        let now = self.clock.now().wall;
        let (queue, others) = self.routes.current();
        let mut batch = Batch::default();
        for message in messages {
            let routing = MessageRouting {
                queue: &queue,
                others: &others,
                connectors: &self.filter,
            };
            let times = MessageTimes {
                now,
                sent_at: message.sent_at,
            };
            let parsed = match parse_message(&message.body, routing, times) {
                Ok(ParsedMessage::Unrouted(unrouted)) => {
                    self.report_unrouted(&unrouted);
                    continue;
                }
                Ok(parsed) => parsed,
                Err(error) => {
                    self.report_unparsable(message, error);
                    continue;
                }
            };
            if let ParsedMessage::Facts(_, ignored) = &parsed {
                self.report_ignored(message, *ignored);
            }
            let (outcome, transfers) = ingest(self.sink.as_ref(), &parsed, Origin::Events);
            self.metrics.add_transfers(transfers);
            let receipt = message.receipt.clone();
            match outcome {
                // It stays in the queue for its redrive policy.
                MessageOutcome::Refused => self.metrics.add_messages(outcome.as_label(), 1),
                MessageOutcome::Foreign => batch.foreign.push(receipt),
                _ => batch.ingested.push((receipt, outcome)),
            }
        }
        batch
    }

    fn report_unparsable(&mut self, message: &QueueMessage, error: ParseError) {
        self.metrics
            .add_messages(MessageOutcome::Unparsable.as_label(), 1);
        if self.logged.insert(&format!("message {}", message.id)) {
            warn!(
                event = "message_unparsable",
                queue = self.metrics.target(),
                message_id = message.id,
                %error,
                "failed to parse message, leaving it to the queue's redrive policy"
            );
        }
    }

    fn report_unrouted(&mut self, unrouted: &Unrouted) {
        self.metrics
            .add_messages(MessageOutcome::Foreign.as_label(), 1);
        if self.logged.insert(&format!("account {unrouted}")) {
            info!(
                event = "message_unrouted",
                queue = self.metrics.target(),
                account_id = unrouted.account_id,
                region = unrouted.region,
                "AWS account and Region of a message are not configured, leaving it to the queue's redrive policy"
            );
        }
    }

    /// Counts optional fields that cannot be used, and logs the first of each name.
    fn report_ignored(&mut self, message: &QueueMessage, ignored: IgnoredFields) {
        for (field, messages) in ignored.by_name() {
            if messages == 0 {
                continue;
            }
            self.metrics.add_ignored_fields(field, messages);
            if self.logged.insert(&format!("field {field}")) {
                warn!(
                    event = "message_field_ignored",
                    queue = self.metrics.target(),
                    message_id = message.id,
                    field,
                    "invalid field of a message, counting others like it without a log record"
                );
            }
        }
    }

    /// Waits until what was ingested is durable, however long that takes. Waits for duplicates too:
    /// they may be known from memory alone.
    async fn persist(&self, ingested: &[(String, MessageOutcome)], start: Now) {
        if self.sink.persist().await.is_ok() {
            for outcome in MessageOutcome::ALL {
                let messages = ingested.iter().filter(|(_, is)| *is == outcome).count();
                self.metrics.add_messages(outcome.as_label(), messages);
            }
            return;
        }
        self.metrics.add_messages(FAILED, ingested.len());
        let queue = self.metrics.target();
        warn!(
            event = "events_persist_failed",
            queue,
            messages = ingested.len(),
            "failed to persist events, pausing receives until storage recovers"
        );
        let mut backoff = Backoff::default();
        loop {
            self.metrics.failed(start);
            tokio::time::sleep(backoff.next_pause()).await;
            if self.sink.persist().await.is_ok() {
                info!(
                    event = "events_persist_recovered",
                    queue, "storage recovered, resuming receives"
                );
                return;
            }
        }
    }

    async fn delete(&self, mut receipts: Vec<String>) -> Result<(), TransferError> {
        for attempt in 1..=DELETE_ATTEMPTS {
            if receipts.is_empty() {
                break;
            }
            let undeleted = self.queue.delete(&receipts).await?;
            if let Some(first) = undeleted.first() {
                debug!(
                    event = "message_delete_failed",
                    queue = self.metrics.target(),
                    messages = undeleted.len(),
                    code = first.code,
                    "failed to delete messages, they will be received again"
                );
            }
            // A request that AWS rejects will be rejected again. Its message is received again and
            // is a duplicate then.
            receipts = undeleted
                .into_iter()
                .filter(|message| message.retryable)
                .map(|message| message.receipt)
                .collect();
            if !receipts.is_empty() && attempt < DELETE_ATTEMPTS {
                tokio::time::sleep(DELETE_RETRY_PAUSE).await;
            }
        }
        Ok(())
    }
}

/// The newest ids, up to [`MAX_LOGGED`].
#[derive(Default)]
struct RecentIds {
    ids: BTreeSet<u64>,
    order: VecDeque<u64>,
}

impl RecentIds {
    /// Returns whether the id is new.
    fn insert(&mut self, id: &str) -> bool {
        let hash = model::stable_hash(id);
        if !self.ids.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > MAX_LOGGED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}
