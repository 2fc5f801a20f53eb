//! A queue of events. Messages are received, learned, made durable and only then deleted, so that an end at any moment
//! loses none: what is not deleted comes again, and what was told before is known.
//!
//! | a message | becomes |
//! | --- | --- |
//! | understood, a duplicate | deleted once what it told is durable |
//! | foreign: another account's, Region's, shard's or unwanted connector's, or no event of a connector | deleted, for a queue belongs to one exporter |
//! | unknown: nobody understands it | left to the queue's redrive policy, and logged once |
//!
//! While the store takes nothing, nothing is received either: each receive counts for the redrive policy.

use std::collections::{BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::body::{self, Wanted};
use super::outcome::{Outcome, learn};
use super::{Include, Report, Sink};
use crate::config::EventsPlan;
use crate::metrics::self_metrics::{DiscoveryMetrics, SelfMetrics};
use crate::transfer::queue::{Message, QueueApi, SqsQueue};
use crate::transfer::session::ClientBase;
use crate::transfer::{ErrorKind, TransferError};
use model::{Account, Clock, Now, Origin};

/// A message that is understood, and not durable.
const FAILED: &str = "failed";
/// How often the queue is asked how many messages it holds.
const DEPTH_INTERVAL: Duration = Duration::from_mins(1);
/// Receives are this far apart at least where nothing came, should an endpoint not wait for messages.
const EMPTY_INTERVAL: Duration = Duration::from_secs(1);
/// Tries at deleting what a batch did not delete.
const DELETE_TRIES: u32 = 3;
/// So many messages that nobody understands are remembered, so that each is logged once.
const UNKNOWN_REMEMBERED: usize = 1_000;

/// Reads the queue of `plan` with the credentials of `base`. Never ends; dropped at any moment it loses nothing.
pub async fn run(
    plan: EventsPlan,
    base: ClientBase,
    sink: Arc<dyn Sink>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
) {
    let endpoint_url = plan.endpoint_url.as_deref();
    let queue = SqsQueue::new(
        &base,
        &plan.queue_url,
        endpoint_url,
        Arc::clone(&metrics.api),
        Arc::clone(&clock),
    );
    run_with(
        Arc::new(queue),
        &plan,
        base.account,
        sink,
        Arc::clone(&metrics.discovery),
        clock,
    )
    .await;
}

/// Reads `queue` in the place of the one that `plan` names.
pub async fn run_with(
    queue: Arc<dyn QueueApi>,
    plan: &EventsPlan,
    account: Account,
    sink: Arc<dyn Sink>,
    metrics: Arc<DiscoveryMetrics>,
    clock: Arc<dyn Clock>,
) {
    let target: Arc<str> = queue_name(&plan.queue_url).into();
    for outcome in Outcome::ALL {
        metrics.count_messages(&target, outcome.as_label(), 0);
    }
    metrics.count_messages(&target, FAILED, 0);
    let report = Report::new(Arc::clone(&metrics), "events", &target);
    let depth = tell_depth(
        Arc::clone(&queue),
        Arc::clone(&target),
        Arc::clone(&metrics),
    );
    let include = Include::new(&plan.include);
    let mut reader = Reader {
        queue,
        target,
        account,
        include,
        sink,
        metrics,
        clock,
        report,
        backoff: Backoff::default(),
        fault: None,
        unknown: Remembered::default(),
    };
    let read = async {
        loop {
            // A mistake in the reading must not end it.
            let round = AssertUnwindSafe(reader.round()).catch_unwind().await;
            let ended = round.unwrap_or(Err(Fault::Panicked));
            reader.note(ended).await;
        }
    };
    tokio::join!(read, depth);
}

/// The queue's name: the last part of its URL. The label `target`.
pub fn queue_name(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().unwrap_or(url)
}

struct Reader {
    queue: Arc<dyn QueueApi>,
    target: Arc<str>,
    account: Account,
    include: Include,
    sink: Arc<dyn Sink>,
    metrics: Arc<DiscoveryMetrics>,
    clock: Arc<dyn Clock>,
    report: Report,
    backoff: Backoff,
    /// What was logged last, and has not gone since.
    fault: Option<&'static str>,
    unknown: Remembered,
}

/// Why a round failed.
enum Fault {
    Aws(TransferError),
    Panicked,
}

/// What a batch of messages came to.
#[derive(Default)]
struct Judged {
    /// To be deleted as soon as everything is durable.
    told: Vec<(String, Outcome)>,
    /// To be deleted in any case.
    foreign: Vec<String>,
}

impl Reader {
    /// One receive, and what follows from it.
    async fn round(&mut self) -> Result<(), Fault> {
        let start = self.clock.now();
        let round = self.received(start).await;
        let now = self.clock.now();
        match &round {
            Ok(()) => self.report.succeeded(now, now.since(start.instant), 0),
            Err(_) => self.report.failed(now.since(start.instant)),
        }
        round.map_err(Fault::Aws)
    }

    async fn received(&mut self, start: Now) -> Result<(), TransferError> {
        let messages = self.queue.receive().await?;
        if messages.is_empty() {
            let left = EMPTY_INTERVAL.saturating_sub(self.clock.now().since(start.instant));
            tokio::time::sleep(left).await;
            return Ok(());
        }
        let Judged { told, foreign } = self.judge(&messages);
        if !told.is_empty() {
            self.made_durable(&told, start).await;
        }
        self.count(Outcome::Foreign.as_label(), foreign.len());
        let receipts = told
            .into_iter()
            .map(|(receipt, _)| receipt)
            .chain(foreign)
            .collect();
        self.delete(receipts).await
    }

    fn judge(&mut self, messages: &[Message]) -> Judged {
        let now = self.clock.now().wall;
        let mut judged = Judged::default();
        for message in messages {
            let wanted = Wanted {
                account: &self.account,
                include: &self.include,
            };
            match body::read(&message.body, wanted, now) {
                Ok(body) => {
                    let (outcome, transfers) = learn(self.sink.as_ref(), &body, Origin::Events);
                    self.metrics
                        .count_discovered("events", &self.target, transfers);
                    let receipt = message.receipt.clone();
                    if outcome == Outcome::Foreign {
                        judged.foreign.push(receipt);
                    } else {
                        judged.told.push((receipt, outcome));
                    }
                }
                Err(unknown) => {
                    self.count(Outcome::Unknown.as_label(), 1);
                    if self.unknown.insert(&message.id) {
                        let (queue, message_id) = (&self.target, &message.id);
                        warn!(%queue, message_id, reason = %unknown, "a message is not understood: it is left to the queue's redrive policy");
                    }
                }
            }
        }
        judged
    }

    /// Waits until what was learned is durable, however long that takes. A duplicate may be known from memory alone, so
    /// it waits as well.
    async fn made_durable(&self, told: &[(String, Outcome)], start: Now) {
        if self.sink.persist().await.is_ok() {
            for outcome in Outcome::ALL {
                self.count(
                    outcome.as_label(),
                    told.iter().filter(|(_, is)| *is == outcome).count(),
                );
            }
            return;
        }
        self.count(FAILED, told.len());
        warn!(queue = %self.target, messages = told.len(), "the store does not take what the queue tells: nothing is received until it does");
        let mut backoff = Backoff::default();
        loop {
            self.report.failed(self.clock.now().since(start.instant));
            tokio::time::sleep(backoff.failed()).await;
            if self.sink.persist().await.is_ok() {
                break info!(queue = %self.target, "the store takes it again");
            }
        }
    }

    async fn delete(&self, mut receipts: Vec<String>) -> Result<(), TransferError> {
        for tries in 1..=DELETE_TRIES {
            if receipts.is_empty() {
                break;
            }
            let undeleted = self.queue.delete(&receipts).await?;
            if let Some(first) = undeleted.first() {
                debug!(queue = %self.target, messages = undeleted.len(), code = first.code, "messages could not be deleted: they come again");
            }
            // What AWS faults in the request is no better the next time; it comes again and is a duplicate.
            receipts = undeleted
                .into_iter()
                .filter(|message| message.again)
                .map(|message| message.receipt)
                .collect();
            if !receipts.is_empty() && tries < DELETE_TRIES {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Ok(())
    }

    /// Logs a fault when it comes and when it goes, and waits after each.
    async fn note(&mut self, round: Result<(), Fault>) {
        let Err(fault) = round else {
            self.backoff.reset();
            if self.fault.take().is_some() {
                info!(queue = %self.target, "the queue is read again");
            }
            return;
        };
        let (kind, text) = match &fault {
            Fault::Aws(error) => (error.kind.as_label(), error.to_string()),
            Fault::Panicked => ("panicked", "a mistake in the exporter".to_owned()),
        };
        if matches!(fault, Fault::Panicked) {
            self.report.failed(Duration::ZERO);
        }
        if self.fault.replace(kind) == Some(kind) {
            debug!(queue = %self.target, kind, error = text, "the queue still cannot be read");
        } else {
            warn!(queue = %self.target, kind, error = text, "the queue cannot be read");
        }
        tokio::time::sleep(self.backoff.failed()).await;
    }

    fn count(&self, outcome: &str, messages: usize) {
        self.metrics.count_messages(
            &self.target,
            outcome,
            u32::try_from(messages).unwrap_or(u32::MAX),
        );
    }
}

/// Tells how many messages the queue holds. Nothing else depends on it, so what fails is logged once and no outage.
async fn tell_depth(queue: Arc<dyn QueueApi>, target: Arc<str>, metrics: Arc<DiscoveryMetrics>) {
    let mut logged: Option<ErrorKind> = None;
    loop {
        match queue.depth().await {
            Ok(messages) => metrics.set_queue_messages(&target, Some(messages)),
            Err(error) => {
                metrics.set_queue_messages(&target, None);
                if logged.replace(error.kind) != Some(error.kind) {
                    info!(queue = %target, %error, "the queue does not tell how many messages it holds");
                }
            }
        }
        tokio::time::sleep(DEPTH_INTERVAL).await;
    }
}

/// Ids of messages, the newest so many.
#[derive(Default)]
struct Remembered {
    ids: BTreeSet<u64>,
    order: VecDeque<u64>,
}

impl Remembered {
    /// True if the id is new.
    fn insert(&mut self, id: &str) -> bool {
        let hash = model::stable_hash(id);
        if !self.ids.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > UNKNOWN_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}
