//! Floor 1: from what is known to bytes. [`families`] is the one table of descriptors; [`state`] turns a snapshot into
//! series of it, [`own`] holds the exporter's own instruments, [`text`] writes the format, [`negotiate`] reads what the
//! client takes, [`mod@reference`] writes METRICS.md.

pub mod families;
pub mod negotiate;
pub mod own;
pub mod reference;
pub mod state;
pub mod text;

use crate::model::Snapshot;
use own::OwnMetrics;
use text::Exposition;

/// The Content-Type of the text format, exactly
/// (<https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md>).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What one scrape tells.
pub struct Scrape<'a> {
    /// What is known of AWS.
    pub snapshot: &'a Snapshot,
    /// Whether all that was due had been fetched.
    pub complete: bool,
    /// The exporter's own instruments.
    pub own: &'a OwnMetrics,
    /// False leaves `process_*` out: in node_exporter's textfile collector they would clash with its own.
    pub process: bool,
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
        families::ALL.iter().any(|family| family.source == families::Source::Sweep && self.admits(family.name))
    }
}

/// The exposition of one scrape.
pub fn exposition(scrape: &Scrape<'_>, filter: &NameFilter) -> Vec<u8> {
    let mut out = Exposition::new(filter);
    state::write(&mut out, scrape);
    scrape.own.write(&mut out, scrape.process);
    out.into_bytes()
}
