//! Reads the inbox of a shard: applies what other processes have put there, in order, and removes it once
//! it is durable. A delivery that is found again is known by then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::routing::ShardSink;
use super::shards::Shards;
use crate::collector::Collector;
use crate::discovery::Sink;
use crate::metrics::self_metrics::LeaseMetrics;
use crate::store::{Delivery, Inboxes, StoreError};
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
    let (mut removed, mut failures) = (BTreeSet::new(), 0_u32);
    loop {
        let pause = match reader.read(&mut removed).await {
            Ok(0) => PAUSE,
            Ok(_) => Duration::ZERO,
            Err(error) => {
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

/// Why an inbox could not be read.
#[derive(Debug, thiserror::Error)]
enum InboxError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what was read could not be stored")]
    NotStored,
}

struct InboxReader {
    shards: Arc<Shards>,
    inboxes: Arc<dyn Inboxes>,
    shard: Shard,
    collector: Collector,
    metrics: Arc<LeaseMetrics>,
}

impl InboxReader {
    /// Reads, applies and removes once. `removed` are the deliveries that an answer may still contain. Returns
    /// the number of new ones.
    async fn read(&self, removed: &mut BTreeSet<String>) -> Result<usize, InboxError> {
        let shard = self.shard.index().to_string();
        let found = self.inboxes.first(self.shard).await?;
        removed.retain(|name| found.iter().any(|delivery| delivery.name == *name));
        let is_new = |delivery: &&Delivery| !removed.contains(&delivery.name);
        let new: Vec<_> = found.iter().filter(is_new).collect();
        self.metrics
            .set_inbox(&shard, new.iter().map(|delivery| delivery.at).min());
        if new.is_empty() {
            return Ok(0);
        }
        for hops in new
            .iter()
            .map(|delivery| delivery.hops)
            .collect::<BTreeSet<_>>()
        {
            let sink = ShardSink::after(&self.shards, hops + 1);
            let letters = new.iter().filter(|delivery| delivery.hops == hops);
            for letter in letters.flat_map(|delivery| &delivery.letters) {
                sink.apply(self.shard, &self.collector, letter);
            }
            // If the ownership has ended, the next owner finds all of it.
            let applied = self.collector.persist().await;
            applied.map_err(|_| InboxError::NotStored)?;
            sink.persist().await.map_err(|_| InboxError::NotStored)?;
        }
        let names: Vec<_> = new.iter().map(|delivery| delivery.name.clone()).collect();
        for name in &names {
            self.inboxes.remove(self.shard, name).await?;
        }
        removed.extend(names.iter().cloned());
        self.metrics.set_inbox(&shard, None);
        Ok(names.len())
    }
}
