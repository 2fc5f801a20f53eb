//! One look at everything that is due. A sweep goes on behind the scrape that started it, and ends early, as incomplete,
//! in two cases; what it has not looked at is due at the next one, and comes first there:
//!
//! - nobody waits for it, and no scrape has started or joined it for [`ABANDONED`]: without scrapes there are no calls;
//! - an account answers nothing: after as many failures in a row as it has calls in flight, at least [`BROKEN`], the
//!   rest of that account is left. Otherwise its time-outs would hold up the next sweep of all accounts.

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

/// A sweep that no scrape wanted for this long takes no new look: twice the default scrape interval of Prometheus, one
/// minute, so one scrape that is lost does not end it.
pub(super) const ABANDONED: Duration = Duration::from_mins(2);

/// The least failures in a row after which an account counts as broken.
pub(super) const BROKEN: usize = 8;

/// How a sweep ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SweepEnd {
    failed: usize,
    /// Not looked at.
    left: usize,
}

impl SweepEnd {
    /// True if everything that was due has been fetched.
    pub(super) fn is_complete(self) -> bool {
        self.failed == 0 && self.left == 0
    }
}

/// `None` while the sweep runs. The sender is dropped with its task.
pub(super) type Sweep = watch::Receiver<Option<SweepEnd>>;

/// At most one sweep at a time.
#[derive(Default)]
pub(super) struct Sweeps(Mutex<Current>);

#[derive(Default)]
struct Current {
    sweep: Option<Sweep>,
    /// When a scrape last started or joined one.
    wanted: Option<Instant>,
}

impl Sweeps {
    /// The running sweep, or a new one.
    pub(super) fn start_or_join(&self, inner: &Arc<Inner>) -> Sweep {
        let mut current = lock(&self.0);
        let now = inner.clock.now();
        current.wanted = Some(now.instant);
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

    /// True if someone waits for the running sweep, or has come for it lately.
    fn is_wanted(&self, sender: &watch::Sender<Option<SweepEnd>>, now: Instant) -> bool {
        // One receiver is the one that is kept here.
        sender.receiver_count() > 1
            || lock(&self.0)
                .wanted
                .is_some_and(|at| now.saturating_duration_since(at) < ABANDONED)
    }
}

/// Fetches everything in `due`, in its order within each account, the accounts side by side.
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
    let mut looks = JoinSet::new();
    let mut queues = Vec::new();
    for (name, keys) in by_account {
        let Some(api) = accounts.get(&name) else {
            continue;
        };
        let workers = api.concurrency.clamp(1, keys.len());
        let queue = Arc::new(Queue::new(keys, api.concurrency));
        for _ in 0..workers {
            looks.spawn(work(
                Arc::clone(inner),
                api.clone(),
                Arc::clone(&queue),
                Arc::clone(sender),
            ));
        }
        queues.push((name, queue));
    }
    let mut failures: Failures = BTreeMap::new();
    let mut end = SweepEnd::default();
    while let Some(worker) = looks.join_next().await {
        match worker {
            Ok(of_worker) => {
                for ((account, kind), (count, example)) in of_worker {
                    end.failed += count;
                    failures.entry((account, kind)).or_insert((0, example)).0 += count;
                }
            }
            Err(panic) => {
                end.failed += 1;
                warn!(error = %panic, "a look at a transfer ended early");
            }
        }
    }
    let looked_at: Vec<_> = queues.iter().map(|(account, _)| account).collect();
    let told = failures
        .iter()
        .map(|((account, _), (_, example))| (account, example.kind));
    let refused = lock(&inner.credential_failures).note(&looked_at, told);
    for account in &refused.healed {
        info!(aws_account = %account, "the account's credentials are good again");
    }
    for ((account, kind), (count, example)) in failures {
        if refused.known.contains(&(account.clone(), kind)) {
            debug!(aws_account = %account, kind, transfers = count, "results still cannot be read");
            continue;
        }
        warn!(aws_account = %account, kind, transfers = count, example = %example, "results could not be read");
    }
    for (account, queue) in queues {
        let left = queue.left();
        end.left += left;
        if left > 0 && queue.is_broken() && refused.known.iter().any(|(known, _)| *known == account)
        {
            debug!(aws_account = %account, transfers = left, "the account still answers nothing");
        } else if left > 0 && queue.is_broken() {
            warn!(aws_account = %account, transfers = left, "the account answers nothing: the rest waits for the next sweep");
        } else if left > 0 {
            warn!(aws_account = %account, transfers = left, "no scrape wants the sweep any more: the rest waits for the next");
        }
    }
    let now = inner.clock.now();
    let duration = now.since(start.instant);
    *lock(&inner.last_sweep) = Some(LastSweep {
        ended: now.wall,
        duration,
        complete: end.is_complete(),
    });
    inner.metrics.set_sweep_duration(duration);
    debug!(
        seconds = duration.as_secs_f64(),
        failed = end.failed,
        left = end.left,
        "sweep ended"
    );
    end
}

/// What is still to be looked at in one account.
struct Queue(Mutex<Waiting>);

struct Waiting {
    keys: vec::IntoIter<TransferKey>,
    failed_in_a_row: usize,
    broken_at: usize,
}

impl Queue {
    fn new(keys: Vec<TransferKey>, concurrency: usize) -> Self {
        let keys = keys.into_iter();
        Self(Mutex::new(Waiting {
            keys,
            failed_in_a_row: 0,
            broken_at: concurrency.max(BROKEN),
        }))
    }

    /// The next one; `None` at the end, or where the account is broken.
    fn next(&self) -> Option<TransferKey> {
        let mut waiting = lock(&self.0);
        if waiting.is_broken() {
            None
        } else {
            waiting.keys.next()
        }
    }

    fn note(&self, failed: Option<ErrorKind>) {
        let mut waiting = lock(&self.0);
        // What has answered once more is not broken; one that has broken stays so until the sweep ends.
        if failed.is_some_and(is_of_the_whole_account) {
            waiting.failed_in_a_row += 1;
        } else if !waiting.is_broken() {
            waiting.failed_in_a_row = 0;
        }
    }

    fn left(&self) -> usize {
        lock(&self.0).keys.len()
    }

    fn is_broken(&self) -> bool {
        lock(&self.0).is_broken()
    }
}

impl Waiting {
    fn is_broken(&self) -> bool {
        self.failed_in_a_row >= self.broken_at
    }
}

/// Failures that the next transfer will meet as well. Not [`ErrorKind::AccessDenied`], which may be of one connector
/// and comes at once; not [`ErrorKind::Throttled`], which the rate limit answers.
fn is_of_the_whole_account(kind: ErrorKind) -> bool {
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

/// Failed looks by account and kind, with the first error of each: one record a sweep, not one a transfer.
type Failures = BTreeMap<(AccountName, &'static str), (usize, TransferError)>;

async fn work(
    inner: Arc<Inner>,
    api: AccountApi,
    queue: Arc<Queue>,
    sender: Arc<watch::Sender<Option<SweepEnd>>>,
) -> Failures {
    let mut failures = Failures::new();
    while inner.sweeps.is_wanted(&sender, inner.clock.now().instant) {
        let Some(key) = queue.next() else { break };
        if !inner.tracker().is_unfinished(&key) {
            continue;
        }
        let result = all_file_results(api.api.as_ref(), &key.connector, &key.transfer).await;
        queue.note(result.as_ref().err().map(|error| error.kind));
        let answer = match result {
            Ok(files) => PollResult::Files(files),
            Err(error) if error.kind == ErrorKind::NotFound => PollResult::Unknown,
            Err(error) => {
                debug!(connector_id = %key.connector, transfer_id = %key.transfer, %error, "results could not be read");
                let kind = error.kind.as_label();
                failures
                    .entry((key.account.clone(), kind))
                    .or_insert((0, error))
                    .0 += 1;
                PollResult::Failed
            }
        };
        let now = inner.clock.now();
        let applied = inner.tracker().record_poll(&key, &answer, now);
        report(&key, &applied);
    }
    failures
}

/// One record for each file that fails, once.
fn report(key: &TransferKey, applied: &PollEffects) {
    for file in &applied.failed {
        file.log(key);
    }
    if applied.gone {
        warn!(
            aws_account = %key.account,
            connector_id = %key.connector,
            transfer_id = %key.transfer,
            "AWS no longer knows the transfer: it is not asked for again"
        );
    }
}
