//! State for the pages.

use super::App;
use crate::collector::{Collector, CollectorOverview};
use crate::web::{Health, Overview, SourceHealth};

impl App {
    pub(super) fn build_overview(&self) -> Overview {
        let collected = self.collected_overview();
        Overview {
            write_api: self.options.write_api,
            now: collected.now.wall,
            started: self.started,
            connectors: collected.connectors,
            recent: collected.recent,
            accounts: collected.rates,
            health: Health {
                last_sweep: collected.last_sweep,
                sources: self.source_health(),
                is_standby: !self.shards.is_any_owned(),
                storage_up: self
                    .shards
                    .collectors()
                    .iter()
                    .all(Collector::is_storage_up),
            },
        }
    }

    /// Returns the state of all shards together.
    pub(super) fn collected_overview(&self) -> CollectorOverview {
        let collectors = self.shards.collectors();
        let overviews = collectors.iter().map(Collector::overview);
        let merged = overviews.reduce(|all, more| all.merge(&more));
        merged.unwrap_or_else(|| CollectorOverview::empty(self.clock.now()))
    }

    fn source_health(&self) -> Vec<SourceHealth> {
        let polls = self.metrics.discovery.last_polls();
        let health = polls.into_iter().map(|(labels, up)| SourceHealth {
            source: labels.source.to_owned(),
            target: if labels.account.is_empty() || labels.account == labels.target {
                labels.target
            } else {
                format!("{} ({})", labels.target, labels.account)
            },
            up,
        });
        health.collect()
    }
}
