//! Rounds of an account, and their log records.
//!
//! A round begins with the first scrape that finds something due and ends when all of it has been
//! polled. Its failures are logged once for each kind, not once for each transfer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::{Inner, lock};
use crate::transfer::TransferError;
use model::AccountName;

/// A round that takes longer is logged in parts.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// Why a poll failed.
pub(super) enum Failure {
    Error(TransferError),
    /// A bug.
    Panic,
}

/// The polls of an account since its last report.
pub(super) struct Round {
    arrived: Instant,
    reported: Instant,
    polls: usize,
    panics: usize,
    /// Failed polls by kind: their number and the first error.
    failures: BTreeMap<&'static str, (usize, TransferError)>,
}

impl Round {
    /// Begins a round for what was due at `arrived`.
    pub(super) fn new(arrived: Instant) -> Self {
        Self {
            arrived,
            reported: arrived,
            polls: 0,
            panics: 0,
            failures: BTreeMap::new(),
        }
    }

    pub(super) fn arrived(&self) -> Instant {
        self.arrived
    }

    /// Records a poll.
    pub(super) fn record(&mut self, failure: Option<Failure>) {
        self.polls += 1;
        match failure {
            None => {}
            Some(Failure::Panic) => self.panics += 1,
            Some(Failure::Error(error)) => {
                let kind = error.kind.as_label();
                self.failures.entry(kind).or_insert((0, error)).0 += 1;
            }
        }
    }

    /// Returns whether failures have not been logged for too long.
    pub(super) fn is_report_due(&self, now: Instant) -> bool {
        let is_empty = self.failures.is_empty() && self.panics == 0;
        !is_empty && now.saturating_duration_since(self.reported) >= REPORT_EVERY
    }

    /// Logs the failures so far.
    pub(super) fn report(&mut self, inner: &Inner, account: &AccountName, now: Instant) {
        let logged = std::mem::replace(self, Self::new(self.arrived));
        self.reported = now;
        logged.end(inner, account, 0, false);
    }

    /// Logs the failures, and the number of transfers that were skipped because the account is
    /// unreachable.
    pub(super) fn end(
        self,
        inner: &Inner,
        account: &AccountName,
        skipped: usize,
        unreachable: bool,
    ) {
        if self.polls == 0 {
            return;
        }
        let kinds = self
            .failures
            .values()
            .map(|(_, error)| (account, error.kind));
        let credentials = lock(&inner.credential_failures).record(&[account], kinds);
        for account in &credentials.recovered {
            info!(
                event = "credentials_recovered",
                aws_account = %account,
                "credentials are valid again"
            );
        }
        for (kind, (transfers, example)) in self.failures {
            if credentials.known.contains(&(account.clone(), kind)) {
                debug!(
                    event = "polls_still_failing",
                    aws_account = %account,
                    kind,
                    transfers,
                    "still failing to fetch results"
                );
            } else {
                warn!(
                    event = "polls_failed",
                    aws_account = %account,
                    kind,
                    transfers,
                    %example,
                    "failed to fetch results"
                );
            }
        }
        if self.panics > 0 {
            warn!(
                event = "polls_panicked",
                aws_account = %account,
                transfers = self.panics,
                "polls ended with a panic, which is a bug"
            );
        }
        if !unreachable || skipped == 0 {
            return;
        }
        if credentials.known.is_empty() {
            warn!(
                event = "account_unreachable",
                aws_account = %account,
                transfers = skipped,
                "account unreachable, skipping its remaining transfers"
            );
        } else {
            debug!(
                event = "account_still_unreachable",
                aws_account = %account,
                transfers = skipped,
                "account still unreachable"
            );
        }
    }
}
