//! CloudTrail's event history: starts of transfers.
//!
//! A poll reads pages from the newest event back to a start time. Events arrive late and in any
//! order, so each poll starts some time before the newest event seen so far: see `Reach`. A poll
//! that failed resumes at the page that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, warn};

use super::backoff::Backoff;
use super::ingest::{MessageOutcome, ingest};
use super::message::{EventFilter, ParseError, parse_record};
use super::poller::{self, Poller};
use super::{ConnectorFilter, Sink, SourceMetrics, account_labels};
use crate::config::CloudtrailPlan;
use crate::metrics::self_metrics::{DiscoveryMetrics, SelfMetrics};
use crate::transfer::sdk::SdkCloudTrail;
use crate::transfer::session::ClientBase;
use crate::transfer::{AttemptOutcome, CloudTrailApi, CloudTrailEvent, ErrorKind, TransferError};
use model::{Account, Clock, Origin};

/// How far a poll reaches behind the newest event: CloudTrail is typically some minutes late, and
/// hours at times.
const OVERLAP: Duration = Duration::from_hours(4);
/// The same, while longer polls would take too much of the request rate.
const SHORT_OVERLAP: Duration = Duration::from_mins(15);
/// A poll of the whole [`OVERLAP`] follows the last one after this time for each page beyond the
/// first: all callers in the account and Region share the request rate.
const OVERLAP_PAUSE: Duration = Duration::from_secs(10);
/// Interval between polls of the whole `lookback`.
const FULL_INTERVAL: Duration = Duration::from_hours(24);
/// One request a second, half of what CloudTrail allows an account and Region for all callers.
const REQUEST_INTERVAL: Duration = Duration::from_secs(1);
/// Event ids that are remembered: those of the [`OVERLAP`] at 14 starts a second. Other events are
/// ingested again, which changes nothing.
const MAX_SEEN: usize = 200_000;
/// Attempts of [`poll_once`].
const ONCE_ATTEMPTS: u32 = 5;

/// Polls the history of the account of `base` at the interval of `plan`. Never returns.
pub async fn run(
    plan: CloudtrailPlan,
    base: ClientBase,
    sink: Arc<dyn Sink>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
) {
    CloudTrailPoller::connect(&plan, &base, sink, &metrics, clock)
        .run()
        .await;
}

/// Polls the whole `lookback` once, for commands that end then. Returns the number of transfers that
/// were not known.
///
/// # Errors
/// The error of the last attempt. What was read before is ingested.
pub async fn poll_once(
    plan: &CloudtrailPlan,
    base: &ClientBase,
    sink: Arc<dyn Sink>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
) -> Result<usize, TransferError> {
    let mut poller = CloudTrailPoller::connect(plan, base, sink, &metrics, clock);
    let mut backoff = Backoff::default();
    for _ in 1..ONCE_ATTEMPTS {
        match poller.poll().await {
            Err(error) if may_pass(error.kind) => {
                debug!(event = "cloudtrail_poll_retried", %error, "failed to poll CloudTrail");
            }
            result => return result,
        }
        tokio::time::sleep(backoff.next_pause()).await;
    }
    poller.poll().await
}

/// Returns whether another attempt may succeed at once.
fn may_pass(kind: ErrorKind) -> bool {
    !matches!(
        kind.outcome(),
        AttemptOutcome::Denied | AttemptOutcome::NotSent
    )
}

/// Polls the event history of one account.
pub struct CloudTrailPoller {
    api: Arc<dyn CloudTrailApi>,
    account: Account,
    filter: ConnectorFilter,
    lookback: Duration,
    interval: Duration,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    metrics: SourceMetrics,
    /// The newest event of all complete polls.
    newest: Option<SystemTime>,
    /// The poll that failed, to be resumed.
    unfinished: Option<Progress>,
    /// Events that a later poll may return again, and their times.
    seen: BTreeMap<u64, SystemTime>,
    /// Parse errors that were logged.
    logged: BTreeSet<&'static str>,
    last_request: Option<Instant>,
    /// End of the last poll of the whole `lookback`.
    last_full: Option<Instant>,
    /// When the next poll of the whole [`OVERLAP`] may begin.
    next_overlap: Option<Instant>,
}

/// How far a poll reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The whole `lookback`: at first, and once a day for events that were very late.
    Full,
    /// [`OVERLAP`] behind the newest event.
    Overlap,
    /// [`SHORT_OVERLAP`] behind the newest event: before [`OVERLAP_PAUSE`] has passed.
    Short,
}

/// Progress of a poll.
struct Progress {
    reach: Reach,
    pages: u32,
    from: SystemTime,
    token: Option<String>,
    newest: Option<SystemTime>,
    transfers: usize,
}

impl CloudTrailPoller {
    fn connect(
        plan: &CloudtrailPlan,
        base: &ClientBase,
        sink: Arc<dyn Sink>,
        metrics: &SelfMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let api = SdkCloudTrail::new(
            base,
            plan.endpoint_url.as_deref(),
            Arc::clone(&metrics.api),
            Arc::clone(&clock),
        );
        let discovery = Arc::clone(&metrics.discovery);
        Self::new(
            Arc::new(api),
            plan,
            base.account.clone(),
            sink,
            discovery,
            clock,
        )
    }

    /// Creates a poller that uses `api`.
    pub fn new(
        api: Arc<dyn CloudTrailApi>,
        plan: &CloudtrailPlan,
        account: Account,
        sink: Arc<dyn Sink>,
        metrics: Arc<DiscoveryMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let labels = account_labels("cloudtrail", &account);
        let metrics = SourceMetrics::new(metrics, Arc::clone(&clock), labels);
        for outcome in MessageOutcome::ALL {
            metrics.add_messages(outcome.as_label(), 0);
        }
        Self {
            api,
            account,
            filter: ConnectorFilter::new(&plan.include),
            lookback: plan.lookback,
            interval: plan.refresh_interval,
            sink,
            clock,
            metrics,
            newest: None,
            unfinished: None,
            seen: BTreeMap::new(),
            logged: BTreeSet::new(),
            last_request: None,
            last_full: None,
            next_overlap: None,
        }
    }

    /// Polls at the interval of the plan. Never returns.
    pub async fn run(self) {
        let interval = self.interval;
        poller::run(self, interval).await;
    }

    /// Polls once, or resumes a poll that failed. Returns the number of transfers that were not
    /// known.
    ///
    /// # Errors
    /// The error of a page. What was read before is ingested, and the next poll resumes there.
    pub async fn poll(&mut self) -> Result<usize, TransferError> {
        let metrics = self.metrics.clone();
        metrics.observe(self.read_pages()).await
    }

    async fn read_pages(&mut self) -> Result<usize, TransferError> {
        let mut progress = self.unfinished.take().unwrap_or_else(|| self.begin());
        loop {
            self.pace().await;
            let token = progress.token.as_deref();
            let page = match self.api.page(progress.from, token).await {
                Ok(page) => page,
                // The token may be what is invalid: the next poll starts over.
                Err(error) if error.kind == ErrorKind::InvalidRequest => return Err(error),
                Err(error) => {
                    self.unfinished = Some(progress);
                    return Err(error);
                }
            };
            progress.pages += 1;
            for event in &page.events {
                progress.newest = progress.newest.max(event.at);
                progress.transfers += self.ingest(event);
            }
            // What fails is kept, and passed on with the next page.
            let _ = self.sink.forward().await;
            match page.next_token {
                None => break,
                repeated if repeated == progress.token => {
                    return Err(TransferError::new(ErrorKind::RepeatedToken, "LookupEvents"));
                }
                token => progress.token = token,
            }
        }
        let now = self.clock.now();
        // Capped, so that a clock that is ahead somewhere hides no later event.
        self.newest = self.newest.max(progress.newest.map(|at| at.min(now.wall)));
        if progress.reach == Reach::Full {
            self.last_full = Some(now.instant);
        }
        if progress.reach == Reach::Overlap {
            let pause = OVERLAP_PAUSE.saturating_mul(progress.pages - 1);
            self.next_overlap = now.instant.checked_add(pause);
        }
        let from = self.start_time(Reach::Overlap);
        self.seen.retain(|_, at| *at >= from);
        Ok(progress.transfers)
    }

    fn begin(&self) -> Progress {
        let now = self.clock.now();
        let is_full_due = self
            .last_full
            .is_none_or(|last| now.since(last) >= FULL_INTERVAL);
        let reach = if is_full_due {
            Reach::Full
        } else if self.next_overlap.is_none_or(|next| next <= now.instant) {
            Reach::Overlap
        } else {
            Reach::Short
        };
        Progress {
            reach,
            pages: 0,
            from: self.start_time(reach),
            token: None,
            newest: None,
            transfers: 0,
        }
    }

    /// Returns where a poll of this reach starts.
    fn start_time(&self, reach: Reach) -> SystemTime {
        let earliest = before(self.clock.now().wall, self.lookback);
        let overlap = match reach {
            Reach::Full => return earliest,
            Reach::Overlap => OVERLAP,
            Reach::Short => SHORT_OVERLAP,
        };
        self.newest
            .map_or(earliest, |newest| before(newest, overlap).max(earliest))
    }

    /// Ingests one event and returns the number of transfers that were not known.
    fn ingest(&mut self, event: &CloudTrailEvent) -> usize {
        let id = (!event.id.is_empty()).then(|| model::stable_hash(&event.id));
        if id.is_some_and(|id| self.seen.contains_key(&id)) {
            return 0;
        }
        let filter = EventFilter {
            account: &self.account,
            connectors: &self.filter,
        };
        let (outcome, transfers) = match parse_record(&event.record, filter, event.at) {
            Ok(parsed) => ingest(self.sink.as_ref(), &parsed, Origin::Cloudtrail),
            Err(error) => {
                self.log_unparsable(event, error);
                (MessageOutcome::Unparsable, 0)
            }
        };
        self.metrics.add_messages(outcome.as_label(), 1);
        self.metrics.add_transfers(transfers);
        // What a limit refused is tried again at the next lookup that covers it.
        if let Some((id, at)) = id.zip(event.at)
            && outcome != MessageOutcome::Refused
            && self.seen.len() < MAX_SEEN
        {
            self.seen.insert(id, at);
        }
        transfers
    }

    /// Logs the first record of each parse error.
    fn log_unparsable(&mut self, event: &CloudTrailEvent, error: ParseError) {
        if self.logged.insert(error.as_label()) {
            warn!(
                event = "record_unparsable",
                aws_account = %self.account.name,
                event_id = event.id,
                %error,
                "failed to parse CloudTrail record, counting others like it without a log record"
            );
        }
    }

    async fn pace(&mut self) {
        if let Some(last) = self.last_request {
            tokio::time::sleep(REQUEST_INTERVAL.saturating_sub(self.clock.now().since(last))).await;
        }
        self.last_request = Some(self.clock.now().instant);
    }
}

impl Poller for CloudTrailPoller {
    fn metrics(&self) -> &SourceMetrics {
        &self.metrics
    }

    async fn poll(&mut self) -> Result<(), TransferError> {
        Self::poll(self).await.map(drop)
    }

    fn reset(&mut self) {
        self.unfinished = None;
    }
}

fn before(at: SystemTime, by: Duration) -> SystemTime {
    at.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)
}
