//! CloudTrail's event history: which transfers have been started.
//!
//! A look reads pages from the newest event back to where it begins. Events come late and in any order, so each look
//! begins some time before the newest event that the one before has seen. One that fails goes on at the page that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::body::{self, Unknown, Wanted};
use super::outcome::{Outcome, learn};
use super::{Include, Report, Sink};
use crate::config::CloudtrailPlan;
use crate::metrics::self_metrics::{DiscoveryMetrics, SelfMetrics};
use crate::transfer::session::ClientBase;
use crate::transfer::trail::{CloudTrail, TrailApi, TrailEvent};
use crate::transfer::{ErrorKind, Outcome as Attempt, TransferError};
use model::{Account, Clock, Origin};

/// How far a look reaches behind the newest event: CloudTrail is typically some minutes late.
const OVERLAP: Duration = Duration::from_mins(15);
/// One request a second, of the two that CloudTrail takes in an account and Region from all who look there.
const REQUEST_INTERVAL: Duration = Duration::from_secs(1);
/// So many events are remembered. Others are told again, which changes nothing.
const REMEMBERED: usize = 50_000;
/// Tries at one look where there is no later one.
const TRIES: u32 = 5;

/// Looks at the history of the account of `base` at the interval of `plan`. Never ends.
pub async fn run(
    plan: CloudtrailPlan,
    base: ClientBase,
    sink: Arc<dyn Sink>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
) {
    let trail = CloudTrail::new(
        &base,
        plan.endpoint_url.as_deref(),
        Arc::clone(&metrics.api),
        Arc::clone(&clock),
    );
    Looks::new(
        Arc::new(trail),
        &plan,
        base.account,
        sink,
        Arc::clone(&metrics.discovery),
        clock,
    )
    .run()
    .await;
}

/// One look over the whole `lookback`, for a program that ends then. Answers how many transfers it told that were not
/// known.
///
/// # Errors
/// What the last of some tries failed with; what was read before is learned.
pub async fn look_once(
    plan: &CloudtrailPlan,
    base: &ClientBase,
    sink: Arc<dyn Sink>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
) -> Result<usize, TransferError> {
    let trail = CloudTrail::new(
        base,
        plan.endpoint_url.as_deref(),
        Arc::clone(&metrics.api),
        Arc::clone(&clock),
    );
    let mut looks = Looks::new(
        Arc::new(trail),
        plan,
        base.account.clone(),
        sink,
        Arc::clone(&metrics.discovery),
        clock,
    );
    let (mut backoff, mut tries) = (Backoff::default(), 1);
    loop {
        match looks.look().await {
            Ok(transfers) => return Ok(transfers),
            Err(error) if tries == TRIES || error.kind.outcome() == Attempt::Denied => {
                return Err(error);
            }
            Err(error) => debug!(%error, "CloudTrail did not answer"),
        }
        tries += 1;
        tokio::time::sleep(backoff.failed()).await;
    }
}

/// The looks at one account's history.
pub struct Looks {
    trail: Arc<dyn TrailApi>,
    account: Account,
    include: Include,
    lookback: Duration,
    interval: Duration,
    sink: Arc<dyn Sink>,
    metrics: Arc<DiscoveryMetrics>,
    clock: Arc<dyn Clock>,
    report: Report,
    /// The newest event of all whole looks.
    newest: Option<SystemTime>,
    /// A look that has begun and not ended.
    begun: Option<Begun>,
    /// Events that a later look may meet again, and their times.
    seen: BTreeMap<u64, SystemTime>,
    unreadable: BTreeSet<&'static str>,
    last_request: Option<Instant>,
}

struct Begun {
    from: SystemTime,
    token: Option<String>,
    newest: Option<SystemTime>,
    transfers: usize,
}

impl Looks {
    /// Looks at `trail` in the place of the account's own.
    pub fn new(
        trail: Arc<dyn TrailApi>,
        plan: &CloudtrailPlan,
        account: Account,
        sink: Arc<dyn Sink>,
        metrics: Arc<DiscoveryMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let target = account.name.as_str();
        for outcome in Outcome::ALL {
            metrics.count_messages(target, outcome.as_label(), 0);
        }
        Self {
            report: Report::new(Arc::clone(&metrics), "cloudtrail", target),
            trail,
            include: Include::new(&plan.include),
            lookback: plan.lookback,
            interval: plan.refresh_interval,
            account,
            sink,
            metrics,
            clock,
            newest: None,
            begun: None,
            seen: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            last_request: None,
        }
    }

    /// Looks at the interval, and after a failure sooner. Never ends.
    pub async fn run(mut self) {
        let (mut backoff, mut fault) = (Backoff::default(), None);
        loop {
            // A mistake in the reading must not end it.
            let look = AssertUnwindSafe(self.look()).catch_unwind().await;
            let (kind, error) = match look {
                Ok(Ok(_)) => {
                    backoff.reset();
                    if fault.take().is_some() {
                        info!(aws_account = %self.account.name, "CloudTrail is read again");
                    }
                    tokio::time::sleep(self.interval).await;
                    continue;
                }
                Ok(Err(error)) => (error.kind.as_label(), error.to_string()),
                Err(_) => {
                    self.report.failed(Duration::ZERO);
                    self.begun = None;
                    ("panicked", "a mistake in the exporter".to_owned())
                }
            };
            if fault.replace(kind) == Some(kind) {
                debug!(aws_account = %self.account.name, kind, error, "CloudTrail still cannot be read");
            } else {
                warn!(aws_account = %self.account.name, kind, error, "CloudTrail cannot be read");
            }
            tokio::time::sleep(backoff.failed()).await;
        }
    }

    /// One look, or the rest of one that failed. Answers how many transfers it told that were not known.
    ///
    /// # Errors
    /// What a page failed with. What was read before is learned, and the next look goes on there.
    pub async fn look(&mut self) -> Result<usize, TransferError> {
        let start = self.clock.now();
        let looked = self.pages().await;
        let now = self.clock.now();
        match &looked {
            Ok(_) => self.report.succeeded(now, now.since(start.instant), 0),
            Err(_) => self.report.failed(now.since(start.instant)),
        }
        looked
    }

    async fn pages(&mut self) -> Result<usize, TransferError> {
        let mut begun = self.begun.take().unwrap_or_else(|| self.begin());
        loop {
            self.pace().await;
            let page = match self.trail.page(begun.from, begun.token.as_deref()).await {
                Ok(page) => page,
                // The token may be what is invalid: the next look is a whole one.
                Err(error) if error.kind == ErrorKind::InvalidRequest => return Err(error),
                Err(error) => {
                    self.begun = Some(begun);
                    return Err(error);
                }
            };
            for event in &page.events {
                begun.newest = begun.newest.max(event.at);
                begun.transfers += self.told(event);
            }
            match page.next_token {
                None => break,
                repeated if repeated == begun.token => {
                    return Err(TransferError::new(ErrorKind::RepeatedToken, "LookupEvents"));
                }
                token => begun.token = token,
            }
        }
        // A clock that is ahead somewhere must not hide what comes.
        self.newest = self
            .newest
            .max(begun.newest.map(|at| at.min(self.clock.now().wall)));
        let from = self.from();
        self.seen.retain(|_, at| *at >= from);
        Ok(begun.transfers)
    }

    fn begin(&self) -> Begun {
        Begun {
            from: self.from(),
            token: None,
            newest: None,
            transfers: 0,
        }
    }

    /// Where a look begins.
    fn from(&self) -> SystemTime {
        let earliest = before(self.clock.now().wall, self.lookback);
        self.newest
            .map_or(earliest, |newest| before(newest, OVERLAP).max(earliest))
    }

    /// Takes one event in.
    fn told(&mut self, event: &TrailEvent) -> usize {
        let id = (!event.id.is_empty()).then(|| model::stable_hash(&event.id));
        if id.is_some_and(|id| self.seen.contains_key(&id)) {
            return 0;
        }
        let wanted = Wanted {
            account: &self.account,
            include: &self.include,
        };
        let (outcome, transfers) = match body::read_record(&event.record, wanted, event.at) {
            Ok(body) => learn(self.sink.as_ref(), &body, Origin::Cloudtrail),
            Err(unknown) => {
                self.unreadable(event, unknown);
                (Outcome::Unknown, 0)
            }
        };
        let target = self.account.name.as_str();
        self.metrics.count_messages(target, outcome.as_label(), 1);
        self.metrics
            .count_discovered("cloudtrail", target, transfers);
        if let Some((id, at)) = id.zip(event.at)
            && self.seen.len() < REMEMBERED
        {
            self.seen.insert(id, at);
        }
        transfers
    }

    /// One record in the log for each way of being unreadable.
    fn unreadable(&mut self, event: &TrailEvent, unknown: Unknown) {
        if self.unreadable.insert(unknown.as_label()) {
            let (aws_account, event_id) = (&self.account.name, &event.id);
            warn!(%aws_account, event_id, reason = %unknown, "a record of CloudTrail is not understood; others like it are only counted");
        }
    }

    async fn pace(&mut self) {
        if let Some(last) = self.last_request {
            tokio::time::sleep(REQUEST_INTERVAL.saturating_sub(self.clock.now().since(last))).await;
        }
        self.last_request = Some(self.clock.now().instant);
    }
}

fn before(at: SystemTime, by: Duration) -> SystemTime {
    at.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)
}
