//! Implementation of the ports of the HTTP server.

use std::cmp::Reverse;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tracing::error;

use super::App;
use super::routing::ShardSink;
use crate::collector::budget::ScrapeBudget;
use crate::collector::{Collected, Collector};
use crate::discovery::Sink;
use crate::metrics::exposition::{self, Exposition};
use crate::metrics::self_metrics::RuntimeStats;
use crate::metrics::{Scrape, ScrapeRequest};
use crate::telemetry;
use crate::tracker::Ingested;
use crate::tracker::query::{FailureFilter, KeptFailure, Query, Selection, SelectionBuilder};
use crate::web::{
    self, Overview, ProbeError, ProbeRequest, Readiness, ReloadError, ScrapeMode, WriteApiError,
    WriteRequest, Written,
};
use model::{Chunk, Fact, FlowView, Origin, TransferKey, TransferStart};

impl web::Exporter for App {
    fn scrape(
        self: Arc<Self>,
        request: ScrapeRequest,
        timeout_header: Option<String>,
        mode: ScrapeMode,
    ) -> Pin<Box<dyn Future<Output = Option<Exposition>> + Send>> {
        Box::pin(async move {
            let budget = self.scrape_budget(timeout_header.as_deref());
            let owned = self.shards.owned();
            let collecting = owned.iter().map(|(state, collector)| async move {
                let collected = match mode {
                    ScrapeMode::Current => collector.current(),
                    ScrapeMode::Known => collector.known().await,
                    ScrapeMode::Polled => collector.collect(budget).await,
                };
                // If the ownership has ended, another process may have gone on from what is stored.
                let is_owned = |now: &Collector| now.is_same(collector);
                state.owned().filter(is_owned).map(|_| collected)
            });
            let collected = join_all(collecting).await;
            let collected: Vec<_> = collected.into_iter().flatten().collect();
            if let Some(membership) = &self.membership {
                membership.record_roles(self.shards.all());
            }
            let app = Arc::clone(&self);
            let permit = Arc::clone(&self.render_permits).acquire_owned().await;
            // Compression takes milliseconds, which the runtime's threads need for other requests.
            let body = tokio::task::spawn_blocking(move || {
                // Held to the end, because a client that disconnects does not stop this thread.
                let _permit = permit;
                app.exposition(&collected, &request, true)
            })
            .await;
            body.map_err(Into::into)
                .flatten()
                .inspect_err(|error| {
                    error!(event = "exposition_failed", %error, "failed to render the exposition");
                })
                .ok()
        })
    }

    fn write(
        self: Arc<Self>,
        write: WriteRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Written, WriteApiError>> + Send>> {
        Box::pin(async move {
            if !self.options.write_api {
                return Err(WriteApiError::Disabled);
            }
            if !self.shards.is_any_owned() {
                return Err(WriteApiError::Standby);
            }
            let runtime = self.runtime.load_full();
            let account = runtime
                .requested_account(write.account.as_deref())
                .ok_or(WriteApiError::UnknownAccount)?;
            let key = TransferKey {
                account: account.api.account.name.clone(),
                connector: write.connector,
                transfer: write.transfer,
            };
            let sink = ShardSink::new(&self.shards);
            let written = if write.track {
                let start = Fact::Started(TransferStart {
                    key,
                    started_at: write.started_at,
                    reported_at: Some(self.clock.now().wall),
                    files: write.files,
                });
                match sink.ingest(&[start], Origin::Api).first() {
                    Some(Ingested::New { .. }) => Written::Changed,
                    Some(Ingested::Duplicate) => Written::Unchanged,
                    Some(Ingested::Forwarded) => Written::Forwarded,
                    Some(Ingested::LimitExceeded(limit) | Ingested::Untracked { limit, .. }) => {
                        return Err(WriteApiError::LimitExceeded(limit.as_label()));
                    }
                    Some(Ingested::Foreign) | None => {
                        return Err(self.other_shard());
                    }
                }
            } else {
                match sink.untrack(&key, Origin::Api) {
                    Some(true) => Written::Changed,
                    Some(false) => Written::Unchanged,
                    None => Written::Forwarded,
                }
            };
            let persisted = sink.persist().await;
            persisted.map_err(|_| WriteApiError::NotPersisted)?;
            Ok(written)
        })
    }

    fn acknowledge(
        self: Arc<Self>,
        filter: FailureFilter,
    ) -> Pin<Box<dyn Future<Output = Result<usize, WriteApiError>> + Send>> {
        Box::pin(async move {
            if !self.options.write_api {
                return Err(WriteApiError::Disabled);
            }
            if !self.shards.is_any_owned() {
                return Err(WriteApiError::Standby);
            }
            let sink = ShardSink::new(&self.shards);
            let acknowledged = sink.acknowledge(&filter);
            let persisted = sink.persist().await;
            persisted.map_err(|_| WriteApiError::NotPersisted)?;
            Ok(acknowledged)
        })
    }

    fn overview(&self) -> Overview {
        self.build_overview()
    }

    fn select(&self, query: &Query) -> Selection {
        let mut selecting = SelectionBuilder::new(query);
        for collector in self.shards.collectors() {
            collector.select_into(&mut selecting);
        }
        selecting.finish()
    }

    fn flows(&self) -> Vec<Chunk<FlowView>> {
        let runtime = self.runtime.load();
        let place = |flow: &FlowView| {
            let mut configured = runtime.plan.flows.iter();
            configured.position(|config| config.title.name == flow.title.name)
        };
        let collectors = self.shards.collectors();
        let mut flows: Vec<_> = collectors.iter().flat_map(Collector::flows).collect();
        // Each flow belongs to one shard.
        flows.sort_by_key(|chunk| chunk.first().and_then(place));
        flows
    }

    fn failures(&self) -> Vec<Arc<KeptFailure>> {
        let collectors = self.shards.collectors();
        let mut failures: Vec<_> = collectors.iter().flat_map(Collector::failures).collect();
        if collectors.len() > 1 {
            failures.sort_by_key(|failure| Reverse(failure.at));
        }
        failures
    }

    fn probe(
        self: Arc<Self>,
        probe: ProbeRequest,
        request: ScrapeRequest,
        timeout_header: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Result<Exposition, ProbeError>> + Send>> {
        Box::pin(async move {
            let budget = self.scrape_budget(timeout_header.as_deref());
            self.run_probe(probe, &request, budget).await
        })
    }

    fn reload(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<(), ReloadError>> + Send>> {
        Box::pin(async move {
            if !self.options.lifecycle {
                return Err(ReloadError::Disabled);
            }
            let handle = self.reload.get().ok_or(ReloadError::NoFile)?;
            handle.reload().await.map_err(ReloadError::Failed)
        })
    }

    fn readiness(&self) -> Readiness {
        if !self.ready.load(Ordering::Relaxed) {
            Readiness::Stopping
        } else if self.shards.is_any_owned() {
            Readiness::Ready
        } else {
            Readiness::Standby
        }
    }
}

impl App {
    fn other_shard(&self) -> WriteApiError {
        let shards = self.options.sharding.shards();
        WriteApiError::OtherShard(shards.first().copied().unwrap_or_default())
    }

    /// Renders what was collected, of each shard. Without `server`, `process_*` and what describes
    /// a running server are omitted.
    ///
    /// # Errors
    /// Compression failed to allocate memory.
    pub fn exposition(
        &self,
        collected: &[Collected],
        request: &ScrapeRequest,
        server: bool,
    ) -> std::io::Result<Exposition> {
        self.record_runtime_stats();
        let dropped = telemetry::dropped_records();
        self.metrics
            .log
            .record_dropped(dropped.queue_full, dropped.rate_limited);
        let scrape = Scrape {
            snapshots: collected
                .iter()
                .map(|of_shard| Arc::clone(&of_shard.snapshot))
                .collect(),
            complete: collected.iter().all(|of_shard| of_shard.complete),
            metrics: &self.metrics,
            started: self.started,
            server,
        };
        exposition::render(&scrape, request, &self.cache)
    }

    fn scrape_budget(&self, timeout_header: Option<&str>) -> std::time::Duration {
        let runtime = self.runtime.load();
        let plan = &runtime.plan.collector;
        let budget = ScrapeBudget {
            timeout: plan.timeout,
            offset: plan.timeout_offset,
            max_timeout: plan.max_scrape_timeout,
        };
        budget.for_header(timeout_header)
    }

    /// Records Tokio's statistics, if this thread belongs to a Tokio runtime.
    fn record_runtime_stats(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let stats = runtime.metrics();
        let workers = stats.num_workers();
        self.metrics.runtime.record(RuntimeStats {
            workers,
            alive_tasks: stats.num_alive_tasks(),
            global_queue_depth: stats.global_queue_depth(),
            busy: (0..workers)
                .map(|worker| stats.worker_total_busy_duration(worker))
                .sum(),
        });
    }
}
