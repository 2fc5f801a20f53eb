//! State for the pages.

use super::App;
use crate::web::Overview;

impl App {
    pub(super) fn build_overview(&self) -> Overview {
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
}
