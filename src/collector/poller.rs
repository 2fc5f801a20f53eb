//! The pollers of one account: up to `concurrency` tasks, each of which polls one transfer after the
//! other until nothing is left that was due when a scrape last arrived. They start with a scrape, so
//! without scrapes there are no calls. No account waits for another.
//!
//! An account is unreachable after as many consecutive failures as it has pollers, but at least
//! [`MIN_FAILURES`]. Its sweeps then end as incomplete, because each further poll would only wait for
//! its timeout. The next scrape tries again.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::FutureExt;
use tracing::{debug, warn};

use super::round::{Failure, Round};
use super::sweep::Sweep;
use super::{AccountApi, Inner, lock};
use crate::tracker::{PollEffects, PollResult, PollTicket, Tracker};
use crate::transfer::{ErrorKind, TransferApi, all_file_results};
use model::{AccountName, TransferKey};

/// Minimum number of consecutive failures after which an account counts as unreachable.
const MIN_FAILURES: usize = 8;

/// Sweeps of an account above which those that no scrape waits for are dropped.
const MAX_SWEEPS: usize = 512;

/// The pollers of one account. They survive reloads that keep the account.
pub(super) struct AccountPoller {
    name: AccountName,
    state: Mutex<State>,
}

struct State {
    /// `None` once the account has been removed.
    api: Option<AccountApi>,
    /// When the latest scrape arrived that found something due.
    horizon: Instant,
    /// Number of running tasks.
    running: usize,
    consecutive_failures: usize,
    unreachable: bool,
    /// The sweeps that wait for this account.
    sweeps: Vec<Arc<Sweep>>,
    round: Option<Round>,
}

/// A poll that a task is about to make.
struct Poll {
    ticket: PollTicket,
    api: Arc<dyn TransferApi>,
}

impl AccountPoller {
    pub(super) fn new(api: AccountApi, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            name: api.account.name.clone(),
            state: Mutex::new(State {
                api: Some(api),
                horizon: now,
                running: 0,
                consecutive_failures: 0,
                unreachable: false,
                sweeps: Vec::new(),
                round: None,
            }),
        })
    }

    /// Returns the client, or `None` if the account has been removed.
    pub(super) fn api(&self) -> Option<AccountApi> {
        lock(&self.state).api.clone()
    }

    /// Returns whether it polls with the client of `api`, so with the same credentials and endpoint.
    pub(super) fn has_client(&self, api: &AccountApi) -> bool {
        lock(&self.state)
            .api
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(&known.api, &api.api))
    }

    /// Replaces the client, or removes it with the account. Polls in flight continue with the
    /// previous client.
    pub(super) fn replace_api(&self, api: Option<AccountApi>) {
        lock(&self.state).api = api;
    }

    /// Joins a sweep if anything of the account is due, and starts the tasks that it needs.
    /// Returns whether the account takes part.
    pub(super) fn join(self: &Arc<Self>, inner: &Arc<Inner>, sweep: &Arc<Sweep>) -> bool {
        let arrived = sweep.arrived().instant;
        let mut state = lock(&self.state);
        let (oldest, skipped) = self.oldest_due(&inner.tracker());
        if state.api.is_none() || is_polled(oldest, arrived) {
            return false;
        }
        if state.unreachable {
            state.end_round(inner, &self.name, skipped);
        }
        state.horizon = state.horizon.max(arrived);
        state.consecutive_failures = 0;
        state.unreachable = false;
        state.round.get_or_insert_with(|| Round::new(arrived));
        sweep.enter();
        state.sweeps.push(Arc::clone(sweep));
        state.drop_superfluous_sweeps(inner);
        let mut tracker = inner.tracker();
        while let Some(poll) = state.next_poll(inner, &self.name, &mut tracker, 1) {
            state.running += 1;
            let task = Task {
                inner: Arc::clone(inner),
                poller: Arc::clone(self),
                ended: false,
            };
            tokio::spawn(task.run(poll));
        }
        drop(tracker);
        if state.running == 0 {
            state.end(inner, &self.name, 0);
        }
        true
    }

    #[cfg(test)]
    pub(super) fn sweeps(&self) -> usize {
        lock(&self.state).sweeps.len()
    }

    /// Returns the earliest due time, and the number of transfers that wait for a poll.
    fn oldest_due(&self, tracker: &Tracker) -> (Option<Instant>, usize) {
        (tracker.oldest_due(&self.name), tracker.ready(&self.name))
    }

    /// Records how a poll ended, and returns the next one of the same task.
    fn finish(
        &self,
        inner: &Inner,
        ticket: &PollTicket,
        outcome: Result<PollResult, Failure>,
    ) -> Option<Poll> {
        let now = inner.clock.now();
        let (result, failure) = match outcome {
            Ok(result) => (result, None),
            Err(failure) => (PollResult::Failed, Some(failure)),
        };
        let mut state = lock(&self.state);
        state.count_failure(failure.as_ref());
        let mut tracker = inner.tracker();
        let effects = tracker.finish_poll(ticket, &result, now);
        let next = state.next_poll(inner, &self.name, &mut tracker, 0);
        let (oldest, skipped) = self.oldest_due(&tracker);
        drop(tracker);
        if let Some(effects) = &effects {
            log_effects(&ticket.key, effects);
        }
        // A transfer that has left is not waited for.
        if failure.is_some() && effects.is_some() {
            for sweep in &state.sweeps {
                if sweep.arrived().instant >= ticket.due {
                    sweep.fail();
                }
            }
        }
        if let Some(round) = &mut state.round {
            round.record(failure);
            if round.is_report_due(now.instant) {
                round.report(inner, &self.name, now.instant);
            }
        }
        state.end_sweeps(inner, &self.name, oldest, skipped);
        if next.is_none() {
            state.running -= 1;
            if state.running == 0 {
                state.end(inner, &self.name, skipped);
            }
        }
        next
    }
}

impl State {
    /// Takes the next transfer for a task. `new_tasks` is the number of tasks that would be started
    /// for it.
    fn next_poll(
        &self,
        inner: &Inner,
        account: &AccountName,
        tracker: &mut Tracker,
        new_tasks: usize,
    ) -> Option<Poll> {
        let api = self.api.as_ref()?;
        let is_full = self.running + new_tasks > api.concurrency.max(1);
        if is_full || self.unreachable || *inner.stopping.borrow() {
            return None;
        }
        Some(Poll {
            ticket: tracker.take_due(account, self.horizon)?,
            api: Arc::clone(&api.api),
        })
    }

    /// Counts consecutive failures. A panic is no evidence of the account.
    fn count_failure(&mut self, failure: Option<&Failure>) {
        match failure {
            Some(Failure::Panic) => {}
            Some(Failure::Error(error)) if affects_whole_account(error.kind) => {
                self.consecutive_failures += 1;
            }
            Some(Failure::Error(_)) | None => self.consecutive_failures = 0,
        }
        let concurrency = self.api.as_ref().map_or(0, |api| api.concurrency);
        self.unreachable |= self.consecutive_failures >= concurrency.max(MIN_FAILURES);
    }

    /// Ends the sweeps for which everything has been polled, or all if the account is unreachable.
    fn end_sweeps(
        &mut self,
        inner: &Inner,
        account: &AccountName,
        oldest_due: Option<Instant>,
        skipped: usize,
    ) {
        let unreachable = self.unreachable;
        let is_round_over = |round: &Round| is_polled(oldest_due, round.arrived());
        if self.round.as_ref().is_some_and(is_round_over) {
            self.end_round(inner, account, skipped);
        }
        self.sweeps.retain(|sweep| {
            let polled = is_polled(oldest_due, sweep.arrived().instant);
            if polled || unreachable {
                sweep.leave(inner, polled);
            }
            !polled && !unreachable
        });
        // What later scrapes wait for is another round.
        if self.round.is_none() {
            let arrivals = self.sweeps.iter().map(|sweep| sweep.arrived().instant);
            self.round = arrivals.min().map(Round::new);
        }
    }

    /// Bounds the number of sweeps: scrapes with short deadlines may begin any number while one
    /// account is slow. The first and the last stay, because they delimit the rounds.
    fn drop_superfluous_sweeps(&mut self, inner: &Inner) {
        let count = self.sweeps.len();
        if count <= MAX_SWEEPS {
            return;
        }
        let mut at = 0;
        self.sweeps.retain(|sweep| {
            at += 1;
            let is_kept = at == 1 || at == count || !sweep.is_superfluous();
            if !is_kept {
                sweep.leave(inner, false);
            }
            is_kept
        });
    }

    /// Ends everything that still waits for the account, as incomplete.
    fn end(&mut self, inner: &Inner, account: &AccountName, skipped: usize) {
        self.end_round(inner, account, skipped);
        for sweep in self.sweeps.drain(..) {
            sweep.leave(inner, false);
        }
    }

    fn end_round(&mut self, inner: &Inner, account: &AccountName, skipped: usize) {
        if let Some(round) = self.round.take() {
            round.end(inner, account, skipped, self.unreachable);
        }
    }
}

/// Returns whether everything that was due at `arrived` has been polled.
fn is_polled(oldest_due: Option<Instant>, arrived: Instant) -> bool {
    oldest_due.is_none_or(|due| due > arrived)
}

/// A task that polls.
struct Task {
    inner: Arc<Inner>,
    poller: Arc<AccountPoller>,
    ended: bool,
}

impl Task {
    async fn run(mut self, first: Poll) {
        let mut next = Some(first);
        while let Some(Poll { ticket, api }) = next {
            let outcome = poll(api.as_ref(), &ticket.key).await;
            next = self.poller.finish(&self.inner, &ticket, outcome);
        }
        self.ended = true;
    }
}

impl Drop for Task {
    /// Ends the sweeps if the task was cancelled or panicked.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut state = lock(&self.poller.state);
        state.running -= 1;
        if state.running == 0 {
            state.end(&self.inner, &self.poller.name, 0);
        }
    }
}

/// Polls one transfer. A panic is the failure of this poll alone.
async fn poll(api: &dyn TransferApi, key: &TransferKey) -> Result<PollResult, Failure> {
    let files = AssertUnwindSafe(all_file_results(api, &key.connector, &key.transfer));
    match files.catch_unwind().await {
        Ok(Ok(files)) => Ok(PollResult::Files(files)),
        Ok(Err(error)) if error.kind == ErrorKind::NotFound => Ok(PollResult::Unknown),
        Ok(Err(error)) => {
            debug!(
                event = "poll_failed",
                connector_id = %key.connector,
                transfer_id = %key.transfer,
                %error,
                "failed to fetch results"
            );
            Err(Failure::Error(error))
        }
        // The panic hook has reported it.
        Err(_) => Err(Failure::Panic),
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
        | ErrorKind::CredentialsUnusable
        | ErrorKind::NotBuilt
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
        | ErrorKind::TooManyPages
        | ErrorKind::Panicked => false,
    }
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
            "transfer is unknown to AWS, polling it less often"
        );
    }
}
