//! Implementation of the ports of the HTTP server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::Handle;
use tracing::error;

use super::App;
use crate::collector::Collected;
use crate::collector::budget::ScrapeBudget;
use crate::metrics::exposition::{self, Exposition};
use crate::metrics::self_metrics::RuntimeStats;
use crate::metrics::{Scrape, ScrapeRequest};
use crate::telemetry;
use crate::tracker::Ingested;
use crate::tracker::query::{FailureFilter, KeptFailure, Query, Selection};
use crate::web::{
    self, Overview, ProbeError, ProbeRequest, Readiness, ReloadError, ScrapeMode, WriteApiError,
    WriteRequest,
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
            let collector = self.collector.load_full();
            let mut collected = match mode {
                _ if !self.is_owner() => Collected::of_standby(),
                ScrapeMode::Current => collector.current(),
                ScrapeMode::Known => collector.known().await,
                ScrapeMode::Polled => {
                    let budget = self.scrape_budget(timeout_header.as_deref());
                    collector.collect(budget).await
                }
            };
            let is_same_term = Arc::ptr_eq(&collector, &self.collector.load_full());
            if !is_same_term || !self.is_owner() {
                // Another process may have gone on from what is stored.
                collected = Collected::of_standby();
            }
            if let Some(membership) = &self.membership {
                membership.record_role();
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
    ) -> Pin<Box<dyn Future<Output = Result<bool, WriteApiError>> + Send>> {
        Box::pin(async move {
            if !self.options.write_api {
                return Err(WriteApiError::Disabled);
            }
            if !self.is_owner() {
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
            let changed = if write.track {
                let start = Fact::Started(TransferStart {
                    key,
                    started_at: write.started_at,
                    reported_at: Some(self.clock.now().wall),
                    files: write.files,
                });
                match self.collector().ingest(&[start], Origin::Api).first() {
                    Some(Ingested::New { .. }) => true,
                    Some(Ingested::Duplicate) => false,
                    Some(Ingested::LimitExceeded(limit) | Ingested::Untracked { limit, .. }) => {
                        return Err(WriteApiError::LimitExceeded(limit.as_label()));
                    }
                    Some(Ingested::Foreign) | None => {
                        return Err(WriteApiError::OtherShard(self.options.shard));
                    }
                }
            } else {
                self.collector().untrack(&key, Origin::Api)
            };
            self.collector()
                .persist()
                .await
                .map_err(|_| WriteApiError::NotPersisted)?;
            Ok(changed)
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
            if !self.is_owner() {
                return Err(WriteApiError::Standby);
            }
            let acknowledged = self.collector().acknowledge(&filter);
            self.collector()
                .persist()
                .await
                .map_err(|_| WriteApiError::NotPersisted)?;
            Ok(acknowledged)
        })
    }

    fn overview(&self) -> Overview {
        self.build_overview()
    }

    fn select(&self, query: &Query) -> Selection {
        self.collector().select(query)
    }

    fn flows(&self) -> Vec<Chunk<FlowView>> {
        self.collector().flows()
    }

    fn failures(&self) -> Vec<Arc<KeptFailure>> {
        self.collector().failures()
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
        } else if self.is_owner() {
            Readiness::Ready
        } else {
            Readiness::Standby
        }
    }
}

impl App {
    /// Renders what was collected. `process` includes the `process_*` metrics.
    ///
    /// # Errors
    /// Compression failed to allocate memory.
    pub fn exposition(
        &self,
        collected: &Collected,
        request: &ScrapeRequest,
        server: bool,
    ) -> std::io::Result<Exposition> {
        self.record_runtime_stats();
        let dropped = telemetry::dropped_records();
        self.metrics
            .log
            .record_dropped(dropped.queue_full, dropped.rate_limited);
        let scrape = Scrape {
            snapshot: Arc::clone(&collected.snapshot),
            complete: collected.complete,
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
