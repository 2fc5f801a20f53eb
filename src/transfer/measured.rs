//! Counts every attempt, retries included, and tells the rate limit of throttling.

use std::sync::Arc;

use super::limited::Limits;
use super::{Attempt, AttemptObserver, Operation, Outcome};
use crate::metrics::self_metrics::ApiMetrics;
use model::Account;

/// The observer of one account's attempts.
pub struct Measured {
    account: Account,
    metrics: Arc<ApiMetrics>,
    limits: Arc<Limits>,
}

impl Measured {
    /// Counts for `account` into `own`. Every outcome's series stands at 0 from here on, so that `increase()` sees the
    /// first of each.
    pub fn new(account: Account, metrics: Arc<ApiMetrics>, limits: Arc<Limits>) -> Self {
        for operation in Operation::ALL {
            for outcome in Outcome::ALL {
                metrics.count_attempts(&account, operation.as_label(), outcome.as_label(), 0);
            }
        }
        metrics.add_account(&account);
        metrics.set_rate_limit(&account, limits.rate());
        Self {
            account,
            metrics,
            limits,
        }
    }
}

impl AttemptObserver for Measured {
    fn attempt_started(&self, _: Operation, retry: bool) {
        if retry {
            self.limits.charge_retry();
        }
    }

    fn attempt_ended(&self, attempt: Attempt) {
        let Attempt {
            operation,
            outcome,
            account_up,
            duration,
            ..
        } = attempt;
        if outcome == Outcome::Throttled {
            self.limits.throttled(&attempt);
        }
        self.metrics
            .count_attempts(&self.account, operation.as_label(), outcome.as_label(), 1);
        if let Some(up) = account_up {
            self.metrics.set_account_up(&self.account, up);
        }
        self.metrics
            .observe_duration(operation.as_label(), duration);
    }
}
