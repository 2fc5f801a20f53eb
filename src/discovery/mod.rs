//! Floor 3: where transfers are learned from. One file a source; each feeds a [`Sink`] with facts, and tells in a
//! [`Report`] whether it can.
//!
//! | source | sees | how |
//! | --- | --- | --- |
//! | [`files`] | whatever the files list | read again at an interval, taken up when their content changes |
//! | [`events`] | ends of files and operations, and what callers or CloudTrail tell of starts | a queue of SQS, emptied |
//! | [`cloudtrail`] | starts | the event history, looked up at an interval |

mod backoff;
pub mod body;
pub mod cloudtrail;
pub mod connectors;
pub mod events;
pub mod files;
mod outcome;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::metrics::self_metrics::DiscoveryMetrics;
use crate::tracker::Ingested;
use model::{AccountName, ConnectorDetails, ConnectorId, Fact, Now, Origin, TransferKey};

/// What was learned is in memory alone: the store does not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store does not take it")]
pub struct NotDurable;

/// Where facts go.
pub trait Sink: Send + Sync + 'static {
    /// Takes facts in. What comes back is what became of each.
    fn learn(&self, facts: &[Fact], origin: Origin) -> Vec<Ingested>;

    /// Has a source's transfers be these and no others: those that it told before and that are not among them lose this
    /// origin.
    fn replace(&self, origin: Origin, transfers: BTreeSet<TransferKey>);

    /// Takes in which connectors an account has now, and what AWS tells of them.
    fn connectors(
        &self,
        account: &AccountName,
        listed: &BTreeMap<ConnectorId, Arc<ConnectorDetails>>,
    );

    /// Ends when all that was learned before is durable. At once where there is no store.
    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), NotDurable>> + Send + '_>>;
}

/// Tells how one source does, in the exporter's own families.
#[derive(Clone)]
pub struct Report {
    metrics: Arc<DiscoveryMetrics>,
    source: &'static str,
    target: Arc<str>,
}

impl Report {
    /// Of the source `source`, which is one of `files`, `events`, `cloudtrail` and `connectors`; `target` tells it from
    /// others of its kind. Its counter stands at 0 from here on.
    pub fn new(metrics: Arc<DiscoveryMetrics>, source: &'static str, target: &str) -> Self {
        metrics.count_discovered(source, target, 0);
        Self {
            metrics,
            source,
            target: target.into(),
        }
    }

    /// A look has ended well, and has told so many transfers that were not known.
    pub fn succeeded(&self, now: Now, duration: Duration, transfers: usize) {
        self.metrics
            .record_poll(self.source, &self.target, Some(now), duration);
        self.metrics
            .count_discovered(self.source, &self.target, transfers);
    }

    /// A look has failed.
    pub fn failed(&self, duration: Duration) {
        self.metrics
            .record_poll(self.source, &self.target, None, duration);
    }
}

/// Whether a connector's id is wanted: any if there are no globs.
#[derive(Clone, Debug, Default)]
pub struct Include(Vec<glob::Pattern>);

impl Include {
    /// The globs of a plan, which are sound.
    pub fn new(globs: &[String]) -> Self {
        Self(
            globs
                .iter()
                .filter_map(|glob| glob::Pattern::new(glob).ok())
                .collect(),
        )
    }

    /// True if a glob takes the id, or there is none.
    pub fn takes(&self, connector: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|glob| glob.matches(connector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_globs_every_connector_is_taken() {
        let include = |globs: &[&str]| {
            Include::new(&globs.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert!(include(&[]).takes("c-0123456789abcdef0"));
        assert!(include(&["c-9*", "c-0*"]).takes("c-0123456789abcdef0"));
        assert!(include(&["c-0123456789abcdef[0-9]"]).takes("c-0123456789abcdef0"));
        assert!(!include(&["c-9*"]).takes("c-0123456789abcdef0"));
    }
}
