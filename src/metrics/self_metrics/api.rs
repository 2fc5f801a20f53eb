//! AWS API attempts, by account.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{CounterVec, GaugeVec, HistogramVec};

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;
use model::Account;

/// Instruments of AWS API attempts.
pub struct ApiMetrics {
    requests: CounterVec,
    durations: HistogramVec,
    rate_limit: GaugeVec,
    account_up: GaugeVec,
    /// The configured accounts. An attempt or a scrape may end after its account was removed, and
    /// must not bring the account's series back.
    accounts: Mutex<BTreeSet<Account>>,
}

impl ApiMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        Ok(Self {
            requests: registrar.create(&families::API_REQUESTS)?,
            durations: registrar.create(&families::API_REQUEST_DURATION)?,
            rate_limit: registrar.create(&families::API_RATE_LIMIT)?,
            account_up: registrar.create(&families::ACCOUNT_UP)?,
            accounts: Mutex::default(),
        })
    }

    /// Counts attempts. 0 creates the series.
    pub fn count_attempts(&self, account: &Account, operation: &str, outcome: &str, attempts: u32) {
        let labels = [account.name.as_str(), &account.region, operation, outcome];
        self.requests
            .with_label_values(&labels)
            .inc_by(f64::from(attempts));
    }

    /// Records the duration of an attempt.
    pub fn observe_duration(&self, operation: &str, duration: Duration) {
        self.durations
            .with_label_values(&[operation])
            .observe(duration.as_secs_f64());
    }

    /// Sets the current rate limit, in requests per second. Ignored unless the account is
    /// configured.
    pub fn set_rate_limit(&self, account: &Account, rate: f64) {
        self.set_of_configured(&self.rate_limit, account, rate);
    }

    /// Adds a configured account.
    pub fn add_account(&self, account: &Account) {
        self.accounts().insert(account.clone());
    }

    /// Sets whether AWS accepted the credentials of the account's last attempt. Ignored unless the
    /// account is configured.
    pub fn set_account_up(&self, account: &Account, up: bool) {
        self.set_of_configured(&self.account_up, account, f64::from(u8::from(up)));
    }

    fn set_of_configured(&self, gauge: &GaugeVec, account: &Account, value: f64) {
        // Locked until it is set, so that the account is not removed meanwhile.
        let accounts = self.accounts();
        if accounts.contains(account) {
            gauge.with_label_values(&labels(account)).set(value);
        }
    }

    /// Removes an account and its gauges. Its counters stay.
    pub fn remove_account(&self, account: &Account) {
        let mut accounts = self.accounts();
        accounts.remove(account);
        for gauge in [&self.rate_limit, &self.account_up] {
            // Fails if there is no such series.
            let _ = gauge.remove_label_values(&labels(account));
        }
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeSet<Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn labels(account: &Account) -> [&str; 2] {
    [account.name.as_str(), &account.region]
}
