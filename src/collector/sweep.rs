//! A sweep polls everything that is due. It continues after the scrape that started it has been
//! answered, and it ends early (as incomplete) in two cases. Transfers that it has not polled are
//! due in the next sweep, where they come first.
//!
//! - No scrape waits for it, and none has started or joined it for [`ABANDON_AFTER`]: without
//!   scrapes there are no calls.
//! - An account is unreachable. After as many consecutive failures as it has concurrent calls, but
//!   at least [`MIN_FAILURES`], its remaining transfers are skipped. Their timeouts would otherwise
//!   delay the next sweep of all accounts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::vec;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::{AccountApi, Inner, lock};
use crate::tracker::{PollEffects, PollResult};
use crate::transfer::{ErrorKind, TransferError, all_file_results};
use model::{AccountName, LastSweep, TransferKey};

/// A sweep is abandoned if no scrape has asked for it for this long: twice the default scrape
/// interval of Prometheus (one minute), so that a single lost scrape does not end it.
pub(super) const ABANDON_AFTER: Duration = Duration::from_mins(2);

/// Minimum number of consecutive failures after which an account counts as unreachable.
pub(super) const MIN_FAILURES: usize = 8;

/// How a sweep ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SweepEnd {
    /// Number of failed polls.
    failed: usize,
    /// Number of transfers that were not polled.
    skipped: usize,
}

impl SweepEnd {
    /// Returns whether everything that was due has been fetched.
    pub(super) fn is_complete(self) -> bool {
        self.failed == 0 && self.skipped == 0
    }
}

/// `None` while the sweep runs. The sender is dropped with the sweep's task.
pub(super) type Sweep = watch::Receiver<Option<SweepEnd>>;

/// Ensures that at most one sweep runs.
#[derive(Default)]
pub(super) struct Sweeps(Mutex<Current>);

#[derive(Default)]
struct Current {
    sweep: Option<Sweep>,
    /// When a scrape last started or joined a sweep.
    last_requested: Option<Instant>,
}

impl Sweeps {
    /// Returns the running sweep, or starts a new one.
    pub(super) fn start_or_join(&self, inner: &Arc<Inner>) -> Sweep {
        let mut current = lock(&self.0);
        let now = inner.clock.now();
        current.last_requested = Some(now.instant);
        let is_running = |sweep: &&Sweep| sweep.borrow().is_none() && sweep.has_changed().is_ok();
        if let Some(running) = current.sweep.as_ref().filter(is_running) {
            return running.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let due = {
            let mut tracker = inner.tracker();
            tracker.expire(now);
            tracker.due(now)
        };
        if due.is_empty() {
            sender.send_replace(Some(SweepEnd::default()));
            return receiver;
        }
        current.sweep = Some(receiver.clone());
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            let sender = Arc::new(sender);
            let end = run(&inner, due, &sender).await;
            sender.send_replace(Some(end));
        });
        receiver
    }

    /// Returns whether a scrape waits for the running sweep, or has recently asked for it.
    fn is_requested(&self, sender: &watch::Sender<Option<SweepEnd>>, now: Instant) -> bool {
        // `Current` holds one of the receivers.
        sender.receiver_count() > 1
            || lock(&self.0)
                .last_requested
                .is_some_and(|at| now.saturating_duration_since(at) < ABANDON_AFTER)
    }
}

/// Polls everything in `due`: in order within each account, all accounts concurrently.
async fn run(
    inner: &Arc<Inner>,
    due: Vec<TransferKey>,
    sender: &Arc<watch::Sender<Option<SweepEnd>>>,
) -> SweepEnd {
    let start = inner.clock.now();
    let accounts = inner.accounts();
    let mut by_account: BTreeMap<AccountName, Vec<TransferKey>> = BTreeMap::new();
    for key in due {
        by_account.entry(key.account.clone()).or_default().push(key);
    }
    let mut workers = JoinSet::new();
    let mut queues = Vec::new();
    for (name, keys) in by_account {
        let Some(api) = accounts.get(&name) else {
            continue;
        };
        let concurrency = api.concurrency.clamp(1, keys.len());
        let queue = Arc::new(PollQueue::new(keys, api.concurrency));
        for _ in 0..concurrency {
            workers.spawn(poll_queue(
                Arc::clone(inner),
                api.clone(),
                Arc::clone(&queue),
                Arc::clone(sender),
            ));
        }
        queues.push((name, queue));
    }
    let mut failures: PollFailures = BTreeMap::new();
    let mut end = SweepEnd::default();
    while let Some(worker) = workers.join_next().await {
        match worker {
            Ok(of_worker) => {
                for ((account, kind), (count, example)) in of_worker {
                    end.failed += count;
                    failures.entry((account, kind)).or_insert((0, example)).0 += count;
                }
            }
            Err(panic) => {
                end.failed += 1;
                warn!(event = "poll_worker_failed", error = %panic, "poll worker ended early");
            }
        }
    }
    end.skipped = log_failures(inner, failures, &queues);
    let now = inner.clock.now();
    let duration = now.since(start.instant);
    *lock(&inner.last_sweep) = Some(LastSweep {
        ended: now.wall,
        duration,
        complete: end.is_complete(),
    });
    inner.metrics.set_sweep_duration(duration);
    debug!(
        event = "sweep_ended",
        seconds = duration.as_secs_f64(),
        failed = end.failed,
        skipped = end.skipped,
        "sweep ended"
    );
    end
}

/// Logs what failed, once per account and kind. Returns the number of transfers that were skipped.
fn log_failures(
    inner: &Inner,
    failures: PollFailures,
    queues: &[(AccountName, Arc<PollQueue>)],
) -> usize {
    let polled: Vec<_> = queues.iter().map(|(account, _)| account).collect();
    let kinds = failures
        .iter()
        .map(|((account, _), (_, example))| (account, example.kind));
    let credentials = lock(&inner.credential_failures).record(&polled, kinds);
    for account in &credentials.recovered {
        info!(event = "credentials_recovered", aws_account = %account, "credentials are valid again");
    }
    for ((account, kind), (count, example)) in failures {
        if credentials.known.contains(&(account.clone(), kind)) {
            debug!(event = "polls_still_failing", aws_account = %account, kind, transfers = count, "still failing to fetch results");
            continue;
        }
        warn!(event = "polls_failed", aws_account = %account, kind, transfers = count, example = %example, "failed to fetch results");
    }
    let mut all_skipped = 0;
    for (account, queue) in queues {
        let skipped = queue.remaining();
        all_skipped += skipped;
        if skipped == 0 {
            continue;
        }
        let was_logged = || credentials.known.iter().any(|(known, _)| known == account);
        if !queue.is_unreachable() {
            warn!(event = "sweep_abandoned", aws_account = %account, transfers = skipped, "sweep abandoned: no scrape for 2m");
        } else if was_logged() {
            debug!(event = "account_still_unreachable", aws_account = %account, transfers = skipped, "account still unreachable");
        } else {
            warn!(event = "account_unreachable", aws_account = %account, transfers = skipped, "account unreachable, skipping its remaining transfers");
        }
    }
    all_skipped
}

/// The due transfers of one account.
struct PollQueue(Mutex<QueueState>);

struct QueueState {
    keys: vec::IntoIter<TransferKey>,
    consecutive_failures: usize,
    max_failures: usize,
}

impl PollQueue {
    fn new(keys: Vec<TransferKey>, concurrency: usize) -> Self {
        Self(Mutex::new(QueueState {
            keys: keys.into_iter(),
            consecutive_failures: 0,
            max_failures: concurrency.max(MIN_FAILURES),
        }))
    }

    /// Returns the next transfer, or `None` at the end or if the account is unreachable.
    fn next(&self) -> Option<TransferKey> {
        let mut state = lock(&self.0);
        if state.is_unreachable() {
            None
        } else {
            state.keys.next()
        }
    }

    /// Records how a poll ended. Once an account is unreachable, it stays so until the sweep ends.
    fn record(&self, error: Option<ErrorKind>) {
        let mut state = lock(&self.0);
        if error.is_some_and(affects_whole_account) {
            state.consecutive_failures += 1;
        } else if !state.is_unreachable() {
            state.consecutive_failures = 0;
        }
    }

    fn remaining(&self) -> usize {
        lock(&self.0).keys.len()
    }

    fn is_unreachable(&self) -> bool {
        lock(&self.0).is_unreachable()
    }
}

impl QueueState {
    fn is_unreachable(&self) -> bool {
        self.consecutive_failures >= self.max_failures
    }
}

/// Returns whether the next transfer of the account will probably fail in the same way. Not true
/// for [`ErrorKind::AccessDenied`], which may affect a single connector and is returned at once,
/// nor for [`ErrorKind::Throttled`], which the rate limit handles.
fn affects_whole_account(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::InternalServiceError
        | ErrorKind::ServiceUnavailable
        | ErrorKind::CredentialsExpired
        | ErrorKind::CredentialsRejected
        | ErrorKind::CredentialsMissing
        | ErrorKind::CredentialsUnavailable
        | ErrorKind::ConnectTimeout
        | ErrorKind::Timeout
        | ErrorKind::Network
        | ErrorKind::HtmlPage => true,
        ErrorKind::NotFound
        | ErrorKind::InvalidRequest
        | ErrorKind::Throttled
        | ErrorKind::AccessDenied
        | ErrorKind::Truncated
        | ErrorKind::Oversized
        | ErrorKind::Mistyped
        | ErrorKind::RepeatedToken
        | ErrorKind::TooManyPages => false,
    }
}

/// Failed polls by account and kind: their number and the first error. One log record per sweep,
/// not one per transfer.
type PollFailures = BTreeMap<(AccountName, &'static str), (usize, TransferError)>;

/// Polls the transfers of a queue one after the other, until it is empty or the sweep ends early.
async fn poll_queue(
    inner: Arc<Inner>,
    api: AccountApi,
    queue: Arc<PollQueue>,
    sender: Arc<watch::Sender<Option<SweepEnd>>>,
) -> PollFailures {
    let mut failures = PollFailures::new();
    while inner
        .sweeps
        .is_requested(&sender, inner.clock.now().instant)
    {
        let Some(key) = queue.next() else { break };
        if !inner.tracker().is_unfinished(&key) {
            continue;
        }
        let files = all_file_results(api.api.as_ref(), &key.connector, &key.transfer).await;
        queue.record(files.as_ref().err().map(|error| error.kind));
        let result = match files {
            Ok(files) => PollResult::Files(files),
            Err(error) if error.kind == ErrorKind::NotFound => PollResult::Unknown,
            Err(error) => {
                debug!(event = "poll_failed", connector_id = %key.connector, transfer_id = %key.transfer, %error, "failed to fetch results");
                let kind = error.kind.as_label();
                failures
                    .entry((key.account.clone(), kind))
                    .or_insert((0, error))
                    .0 += 1;
                PollResult::Failed
            }
        };
        let now = inner.clock.now();
        let effects = inner.tracker().record_poll(&key, &result, now);
        log_effects(&key, &effects);
    }
    failures
}

fn log_effects(key: &TransferKey, effects: &PollEffects) {
    for file in &effects.failed {
        file.log(key);
    }
    if effects.gone {
        warn!(
            event = "transfer_gone",
            aws_account = %key.account,
            connector_id = %key.connector,
            transfer_id = %key.transfer,
            "transfer is unknown to AWS, polling stopped"
        );
    }
}
