//! Floor 1: from what is known to bytes. [`families`] is the one table of descriptors; [`negotiate`] reads what the
//! client takes, a [`format`](mod@format) and an encoding of it; `state` tells what each row of a snapshot says, [`self_metrics`]
//! holds the exporter's own instruments; `encoder` writes samples with the pieces of `text` and `protobuf`;
//! [`exposition`](mod@exposition) puts the families in their order, and streams them or joins compressed pieces, which
//! [`cache`] keeps for as long as their page stays; [`probe`] tells one transfer; [`mod@reference`] writes METRICS.md.

pub mod cache;
mod compress;
mod encoder;
pub mod exposition;
pub mod families;
pub mod format;
pub mod negotiate;
pub mod probe;
mod protobuf;
pub mod reference;
pub mod self_metrics;
mod state;
mod text;

use std::sync::Arc;
use std::time::SystemTime;

use format::{Encoding, Format};
use model::Snapshot;
use self_metrics::SelfMetrics;

/// What one scrape tells.
pub struct Scrape<'a> {
    /// What is known of AWS.
    pub snapshot: Arc<Snapshot>,
    /// Whether all that was due had been fetched.
    pub complete: bool,
    /// The exporter's own instruments.
    pub metrics: &'a SelfMetrics,
    /// The moment from which the exporter's own counters count.
    pub started: SystemTime,
    /// False leaves `process_*` out: in node_exporter's textfile collector they would clash with its own.
    pub process: bool,
}

/// What a client wants of an exposition, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeRequest {
    /// The families.
    pub filter: NameFilter,
    /// The format.
    pub format: Format,
    /// The encoding of its bytes.
    pub encoding: Encoding,
}

impl ScrapeRequest {
    /// Every family as plain text 0.0.4.
    pub fn everything() -> Self {
        Self {
            filter: NameFilter::default(),
            format: Format::TEXT,
            encoding: Encoding::Identity,
        }
    }
}

/// Families by exact name, as client_golang's `?name[]=`: no name selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFilter(Vec<String>);

impl NameFilter {
    /// Reads the `name[]` parameters of a query string.
    pub fn from_query(query: &str) -> Self {
        let names = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "name[]");
        Self(names.map(|(_, name)| name.into_owned()).collect())
    }

    /// True if a family of this name is wanted.
    pub fn admits(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| wanted == name)
    }

    /// True if a family is wanted whose values come from AWS.
    pub fn admits_state(&self) -> bool {
        families::ALL
            .iter()
            .any(|family| family.source == families::Source::Sweep && self.admits(family.name))
    }
}
