//! `/probe` of a transfer: fetches the results of one transfer for each request, whether it is tracked or not.
//! Concurrent probes of the same transfer share one fetch. A fetch is cancelled when no request
//! waits for it any more.
//!
//! A client can invent ids, and each costs an API call. Probes therefore use at most a quarter of
//! the account's concurrency, a bounded number of them waits, and the rest get 429. The account's
//! limiter applies to them as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tracing::debug;

use super::App;
use super::accounts::AccountClient;
use crate::metrics::ScrapeRequest;
use crate::metrics::exposition::Exposition;
use crate::metrics::probe::{self, ProbeResult};
use crate::transfer::all_file_results;
use crate::web::{ProbeError, ProbeModule, ProbeRequest, WorkQueue};
use model::{ConnectorLabels, FileCounts, FileResult, TransferId, TransferKey};

/// Files of a transfer. `None` if the fetch failed or found none.
type FetchResult = Option<Arc<Vec<FileResult>>>;

/// Result of a running fetch. `None` until it ends.
type FetchSender = watch::Sender<Option<FetchResult>>;

/// Probes get this fraction of an account's concurrency.
const CONCURRENCY_DIVISOR: usize = 4;
/// Waiting probes of an account. A fetch takes about 0.1 s, and a scrape waits for 10 s.
const MAX_WAITING: usize = 64;

/// Creates the queue of an account's probes.
pub(super) fn queue(concurrency: usize) -> WorkQueue {
    WorkQueue::new((concurrency / CONCURRENCY_DIVISOR).max(1), MAX_WAITING)
}

/// Fetches in progress, by transfer.
#[derive(Default)]
pub(super) struct RunningProbes(Mutex<HashMap<TransferKey, FetchSender>>);

impl RunningProbes {
    /// Joins the running fetch of a transfer, or starts one.
    fn start_or_join(
        self: &Arc<Self>,
        key: &TransferKey,
        client: &AccountClient,
    ) -> watch::Receiver<Option<FetchResult>> {
        let mut running = self.lock();
        if let Some(fetch) = running.get(key) {
            return fetch.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        running.insert(key.clone(), sender.clone());
        // Dropped if the fetch panics as well, so that the next probe starts a new one.
        let mut entry = RunningEntry {
            probes: Arc::clone(self),
            key: Some(key.clone()),
        };
        let (key, probes) = (key.clone(), Arc::clone(self));
        let (api, queue) = (Arc::clone(&client.api.api), client.probe_queue.clone());
        tokio::spawn(async move {
            let fetch = async {
                let _permit = queue.permit().await;
                all_file_results(api.as_ref(), &key.connector, &key.transfer).await
            };
            tokio::pin!(fetch);
            let files = loop {
                tokio::select! {
                    files = &mut fetch => break files,
                    () = sender.closed() => {
                        let mut running = probes.lock();
                        // A probe may have joined before the lock was taken.
                        if sender.receiver_count() == 0 {
                            running.remove(&key);
                            entry.disarm();
                            return;
                        }
                    }
                }
            };
            let files = files.inspect_err(|error| {
                debug!(
                    event = "probe_failed",
                    connector_id = %key.connector,
                    transfer_id = %key.transfer,
                    %error,
                    "failed to probe a transfer"
                );
            });
            let files = files.ok().filter(|files| !files.is_empty()).map(Arc::new);
            drop(entry);
            sender.send_replace(Some(files));
        });
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TransferKey, FetchSender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the entry of a fetch when it is dropped.
struct RunningEntry {
    probes: Arc<RunningProbes>,
    /// `None` once the entry was removed: another fetch may have taken its place.
    key: Option<TransferKey>,
}

impl RunningEntry {
    fn disarm(&mut self) {
        self.key = None;
    }
}

impl Drop for RunningEntry {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.probes.lock().remove(key);
        }
    }
}

impl App {
    pub(super) async fn run_probe(
        self: Arc<Self>,
        probe: ProbeRequest,
        request: &ScrapeRequest,
        budget: Duration,
    ) -> Result<Exposition, ProbeError> {
        let runtime = self.runtime.load_full();
        let client = runtime
            .requested_account(probe.account.as_deref())
            .ok_or(ProbeError::UnknownAccount)?;
        let connector = Arc::new(ConnectorLabels {
            account: Arc::new(client.api.account.clone()),
            id: probe.connector,
        });
        match probe.module {
            ProbeModule::Transfer(transfer) => {
                let probed = self
                    .probe_transfer(connector, transfer, client, budget)
                    .await?;
                probe::render(&probed, request)
            }
            ProbeModule::Connection => {
                let interval = runtime.plan.probe.connection;
                let interval = interval.ok_or(ProbeError::Disabled)?;
                let collectors = self.shards.collectors();
                let is_known = collectors
                    .iter()
                    .any(|collector| collector.knows_connector(&connector.key()));
                let is_named = runtime.plan.connectors.contains_key(&connector.id);
                if !is_known && !is_named {
                    return Err(ProbeError::UnknownConnector);
                }
                let probed = self
                    .connections
                    .probe(connector, client, &collectors, interval, budget)
                    .await;
                probe::render_connection(&probed, request)
            }
        }
        .map_err(|_| ProbeError::Render)
    }

    /// Counts the files of a transfer that is not tracked, with the limits on the values of labels.
    fn count_files(&self, files: &[FileResult]) -> FileCounts {
        let mut states = self.shards.all().iter();
        let state = states.next();
        state.map_or_else(FileCounts::default, |state| {
            state.collector().count_files(files)
        })
    }

    async fn probe_transfer(
        &self,
        connector: Arc<ConnectorLabels>,
        transfer: TransferId,
        client: &AccountClient,
        budget: Duration,
    ) -> Result<ProbeResult, ProbeError> {
        let start = tokio::time::Instant::now();
        let key = TransferKey {
            account: connector.account.name.clone(),
            connector: connector.id.clone(),
            transfer,
        };
        let _slot = client.probe_queue.try_enter().ok_or(ProbeError::Busy)?;
        let mut fetch = self.probes.start_or_join(&key, client);
        let result = tokio::time::timeout(budget, fetch.wait_for(Option::is_some)).await;
        let files = match result {
            Ok(Ok(files)) => files.clone().flatten(),
            // The budget is used up, or the fetch panicked.
            Ok(Err(_)) | Err(_) => None,
        };
        Ok(ProbeResult {
            connector,
            transfer: key.transfer,
            files: files.map(|files| self.count_files(&files)),
            duration: start.elapsed(),
        })
    }
}
