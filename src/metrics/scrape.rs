//! What a scrape requests, and what it is rendered from.

use std::sync::Arc;
use std::time::SystemTime;

use super::families::{self, Group};
use super::format::{Encoding, Format};
use super::self_metrics::SelfMetrics;
use model::Snapshot;

/// Everything needed to render one scrape.
pub struct Scrape<'a> {
    /// The state of transfers and connectors, of each shard of the process.
    pub snapshots: Vec<Arc<Snapshot>>,
    /// True if everything that was due had been fetched.
    pub complete: bool,
    /// The exporter's own instruments.
    pub metrics: &'a SelfMetrics,
    /// The creation time of the exporter's own counters.
    pub started: SystemTime,
    /// False omits what describes a running server, and `process_*`, which would clash with those of
    /// node_exporter's textfile collector.
    pub server: bool,
}

/// A negotiated scrape request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeRequest {
    /// The requested families.
    pub filter: NameFilter,
    /// The format of the exposition.
    pub format: Format,
    /// The encoding of the body.
    pub encoding: Encoding,
}

impl ScrapeRequest {
    /// Requests every family in the text format 0.0.4, uncompressed.
    pub fn everything() -> Self {
        Self {
            filter: NameFilter::default(),
            format: Format::TEXT,
            encoding: Encoding::Identity,
        }
    }
}

/// Selects families by exact name, like `?name[]=` of client_golang. Selects all if empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFilter(Vec<String>);

impl NameFilter {
    /// Parses the `name[]` parameters of a query string.
    pub fn from_query(query: &str) -> Self {
        let names = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "name[]");
        Self(names.map(|(_, name)| name.into_owned()).collect())
    }

    /// Returns whether the family `name` is selected.
    pub fn admits(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|selected| selected == name)
    }

    /// Returns whether a family that needs a sweep is selected.
    pub fn admits_sweep(&self) -> bool {
        families::ALL
            .iter()
            .any(|family| family.group == Group::Sweep && self.admits(family.name))
    }
}
