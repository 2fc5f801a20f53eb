//! What pages are made of, out of the collector and the exporter's own instruments.

use super::App;
use crate::web::Overview;
use model::AccountName;

impl App {
    pub(super) fn at_a_glance(&self) -> Overview {
        let collected = self.collector.overview();
        Overview {
            now: collected.now.wall,
            started: self.started,
            connectors: collected.connectors,
            recent: collected.recent,
            accounts: collected.rates,
            last_sweep: collected.last_sweep,
            sources: self.metrics.discovery.health(),
            storage_up: self.options.storage.is_none() || self.metrics.storage.is_up(),
        }
    }

    /// The account that a request names, or the only one.
    pub(super) fn account_named(&self, named: Option<&str>) -> Option<AccountName> {
        let plan = self.plan.load();
        let configured = || plan.accounts.iter().map(|account| &account.name);
        match named {
            None if plan.accounts.len() == 1 => configured().next().cloned(),
            None => None,
            Some(named) => configured().find(|name| name.as_str() == named).cloned(),
        }
    }
}
