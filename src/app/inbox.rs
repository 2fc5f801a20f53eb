//! Reads the inbox of a shard: applies what other processes have put there, in order, and removes it once
//! it is durable. A delivery that is found again is known by then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::routing::ShardSink;
use super::shards::Shards;
use crate::collector::Collector;
use crate::discovery::Sink;
use crate::metrics::self_metrics::LeaseMetrics;
use crate::store::{InboxDelivery, Inboxes};
use model::Shard;

/// Pause after an inbox was empty.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Reads the inbox of `shard` into `collector`. Never returns.
pub(super) async fn run(
    shards: Arc<Shards>,
    inboxes: Arc<dyn Inboxes>,
    shard: Shard,
    collector: Collector,
    metrics: Arc<LeaseMetrics>,
) {
    let reader = InboxReader {
        shards,
        inboxes,
        shard,
        collector,
        metrics,
    };
    let label = shard.index().to_string();
    let (mut removed, mut failures) = (BTreeSet::new(), 0_u32);
    // What is in the inbox was put there after this time.
    let mut empty_at = SystemTime::now();
    loop {
        let begun = SystemTime::now();
        let pause = match reader.read(&mut removed).await {
            Ok(Read { new, oldest }) => {
                reader.metrics.set_inbox(&label, oldest);
                if oldest.is_none() {
                    empty_at = begun;
                }
                if new == 0 { PAUSE } else { Duration::ZERO }
            }
            Err(error) => {
                let oldest = error.oldest.unwrap_or(empty_at);
                reader.metrics.set_inbox(&label, Some(oldest));
                if failures == 0 {
                    warn!(
                        event = "inbox_failed",
                        shard = shard.index(),
                        %error,
                        "failed to read the inbox, trying again"
                    );
                }
                failures += 1;
                tokio::time::sleep((PAUSE * failures).min(LONGEST_PAUSE)).await;
                continue;
            }
        };
        if failures > 0 {
            info!(
                event = "inbox_recovered",
                shard = shard.index(),
                "reading the inbox again"
            );
            failures = 0;
        }
        tokio::time::sleep(pause).await;
    }
}

/// What was read.
struct Read {
    /// The number of deliveries that were applied.
    new: usize,
    /// When the oldest of the others was put there.
    oldest: Option<SystemTime>,
}

/// Why an inbox could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct InboxError {
    reason: String,
    /// When the oldest delivery was put there, if that is known.
    oldest: Option<SystemTime>,
}

struct InboxReader {
    shards: Arc<Shards>,
    inboxes: Arc<dyn Inboxes>,
    shard: Shard,
    collector: Collector,
    metrics: Arc<LeaseMetrics>,
}

impl InboxReader {
    /// Reads, applies and removes once. `removed` are the deliveries that an answer may still contain.
    async fn read(&self, removed: &mut BTreeSet<String>) -> Result<Read, InboxError> {
        let found = self.inboxes.first(self.shard).await;
        let found = found.map_err(|error| InboxError {
            reason: error.to_string(),
            oldest: None,
        })?;
        let deliveries = &found.deliveries;
        removed.retain(|name| deliveries.iter().any(|delivery| delivery.name == *name));
        let is_new = |delivery: &&InboxDelivery| !removed.contains(&delivery.name);
        let new: Vec<_> = deliveries.iter().filter(is_new).collect();
        let times = new.iter().map(|delivery| delivery.at);
        let oldest = times.chain(found.oldest_unreadable).min();
        let failed = |reason: String| InboxError { reason, oldest };
        let hops: BTreeSet<_> = new.iter().map(|delivery| delivery.hops).collect();
        for hops in hops {
            let sink = ShardSink::after(&self.shards, hops + 1);
            let letters = new.iter().filter(|delivery| delivery.hops == hops);
            for letter in letters.flat_map(|delivery| &delivery.letters) {
                sink.apply(self.shard, &self.collector, letter);
            }
            // If the ownership has ended, the next owner finds all of it.
            let applied = self.collector.persist().await;
            applied.map_err(|error| failed(error.to_string()))?;
            let passed_on = sink.persist().await;
            passed_on.map_err(|error| failed(error.to_string()))?;
        }
        let names: Vec<_> = new.iter().map(|delivery| delivery.name.clone()).collect();
        for name in &names {
            let done = self.inboxes.remove(self.shard, name).await;
            done.map_err(|error| failed(error.to_string()))?;
        }
        let new = names.len();
        removed.extend(names);
        Ok(Read {
            new,
            oldest: found.oldest_unreadable,
        })
    }
}

#[cfg(test)]
mod tests;
