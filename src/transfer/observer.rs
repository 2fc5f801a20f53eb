//! Observers of attempts: metrics for every service, and feedback to the limiter for results.

use std::sync::Arc;

use super::limiter::AccountLimiter;
use super::{Attempt, AttemptObserver, AttemptOutcome, Operation};
use crate::metrics::self_metrics::ApiMetrics;
use model::Account;

/// Counts attempts and their durations.
pub struct AttemptMetrics {
    account: Account,
    metrics: Arc<ApiMetrics>,
}

impl AttemptMetrics {
    /// Creates the series of `operations` at 0, so that `increase()` sees the first of each
    /// outcome.
    pub fn new(account: Account, metrics: Arc<ApiMetrics>, operations: &[Operation]) -> Self {
        for operation in operations {
            for outcome in AttemptOutcome::ALL {
                metrics.count_attempts(&account, operation.as_label(), outcome.as_label(), 0);
            }
        }
        Self { account, metrics }
    }
}

impl AttemptObserver for AttemptMetrics {
    fn attempt_ended(&self, attempt: Attempt) {
        let operation = attempt.operation.as_label();
        self.metrics
            .count_attempts(&self.account, operation, attempt.outcome.as_label(), 1);
        self.metrics.observe_duration(operation, attempt.duration);
    }
}

/// Observes the calls for results of one account: metrics, whether the account is up, and feedback
/// to its limiter.
pub struct AccountObserver {
    attempts: AttemptMetrics,
    limiter: Arc<AccountLimiter>,
}

impl AccountObserver {
    /// Creates the account's series.
    pub fn new(account: Account, metrics: Arc<ApiMetrics>, limiter: Arc<AccountLimiter>) -> Self {
        metrics.add_account(&account);
        metrics.set_rate_limit(&account, limiter.rate());
        let operations = [Operation::ListFileTransferResults];
        Self {
            attempts: AttemptMetrics::new(account, metrics, &operations),
            limiter,
        }
    }
}

impl AttemptObserver for AccountObserver {
    fn attempt_ended(&self, attempt: Attempt) {
        self.limiter.record_attempt(&attempt);
        if let Some(up) = attempt.account_up {
            let AttemptMetrics { account, metrics } = &self.attempts;
            metrics.set_account_up(account, up);
        }
        self.attempts.attempt_ended(attempt);
    }
}
