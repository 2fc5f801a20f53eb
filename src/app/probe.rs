//! `/probe`: one look at one transfer, now. It goes by the account's rate and concurrency as all looks do, and the
//! transfer is not tracked by it. Two probes of the same at once share a look. A look is made each time, however young the
//! last one is: who probes asks for now, and paces it by the scrape interval. A look that nobody waits for any more ends.
//!
//! Anybody may make up ids, and each costs a call. So probes have a quarter of the account's concurrency at most, which
//! leaves the sweeps the rest of it and of the rate; some more wait, within their time, and others are refused at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tracing::debug;

use super::App;
use crate::collector::AccountApi;
use crate::collector::budget::ScrapeBudget;
use crate::metrics::probe::{self, ProbeResult};
use crate::metrics::{ScrapeRequest, exposition::Exposition};
use crate::transfer::all_file_results;
use crate::web::{ProbeError, ProbeRequest, WorkQueue};
use model::{AccountName, ConnectorLabels, FileResult, TransferKey};

/// What a look told: the files, or nothing.
type Told = Option<Arc<Vec<FileResult>>>;

/// `None` while it runs.
type Look = watch::Sender<Option<Told>>;

/// One part in so many of an account's concurrency.
const PART: usize = 4;
/// Probes of an account that wait beside those whose looks run: a look takes a tenth of a second, a scrape waits for ten.
const WAITING: usize = 64;

/// The looks that are under way.
#[derive(Default)]
pub(super) struct Probes {
    running: Mutex<HashMap<TransferKey, Look>>,
    /// By account, with the looks at once.
    turns: Mutex<HashMap<AccountName, (usize, WorkQueue)>>,
}

impl Probes {
    /// The running look at a transfer, or a new one.
    fn start_or_join(
        self: &Arc<Self>,
        key: &TransferKey,
        api: AccountApi,
        turns: WorkQueue,
    ) -> watch::Receiver<Option<Told>> {
        let mut running = self.running();
        if let Some(look) = running.get(key) {
            return look.subscribe();
        }
        let (look, told) = watch::channel(None);
        running.insert(key.clone(), look.clone());
        // Dropped where the look panics as well: the next probe starts anew.
        let mut place = Place {
            probes: Arc::clone(self),
            key: Some(key.clone()),
        };
        let (key, probes) = (key.clone(), Arc::clone(self));
        tokio::spawn(async move {
            let all = async {
                let _turn = turns.permit().await;
                all_file_results(api.api.as_ref(), &key.connector, &key.transfer).await
            };
            tokio::pin!(all);
            let files = loop {
                tokio::select! {
                    files = &mut all => break files,
                    () = look.closed() => {
                        let mut running = probes.running();
                        if look.receiver_count() == 0 {
                            running.remove(&key);
                            place.has_left();
                            return;
                        }
                    }
                }
            };
            let files = files.inspect_err(|error| {
                debug!(connector_id = %key.connector, transfer_id = %key.transfer, %error, "the probe failed");
            });
            let told = files.ok().filter(|files| !files.is_empty()).map(Arc::new);
            drop(place);
            look.send_replace(Some(told));
        });
        told
    }

    fn running(&self) -> MutexGuard<'_, HashMap<TransferKey, Look>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account's turns, by its concurrency as it is now.
    fn turns(&self, api: &AccountApi) -> WorkQueue {
        let at_once = (api.concurrency / PART).max(1);
        let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = all
            .entry(api.account.name.clone())
            .or_insert_with(|| (at_once, WorkQueue::new(at_once, WAITING)));
        if turns.0 != at_once {
            *turns = (at_once, WorkQueue::new(at_once, WAITING));
        }
        turns.1.clone()
    }
}

struct Place {
    probes: Arc<Probes>,
    /// `None` once it has left: another look may stand there.
    key: Option<TransferKey>,
}

impl Place {
    fn has_left(&mut self) {
        self.key = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.probes.running().remove(key);
        }
    }
}

impl App {
    pub(super) async fn probe_one(
        &self,
        probe: ProbeRequest,
        wanted: &ScrapeRequest,
        timeout_header: Option<&str>,
    ) -> Result<Exposition, ProbeError> {
        let start = tokio::time::Instant::now();
        let account = self
            .account_named(probe.account.as_deref())
            .ok_or(ProbeError::UnknownAccount)?;
        let api = self.account(&account).ok_or(ProbeError::UnknownAccount)?;
        let connector = Arc::new(ConnectorLabels {
            account: Arc::new(api.account.clone()),
            id: probe.connector.clone(),
        });
        let key = TransferKey {
            account,
            connector: probe.connector,
            transfer: probe.transfer,
        };
        let turns = self.probes.turns(&api);
        let _place = turns.try_enter().ok_or(ProbeError::Busy)?;
        let told = self
            .wait_for(&key, api, turns, self.probe_budget(timeout_header))
            .await;
        let files = told.map(|files| self.collector.count_files(&files));
        let probed = ProbeResult {
            connector,
            transfer: key.transfer,
            files,
            duration: start.elapsed(),
        };
        probe::render(&probed, wanted).map_err(|_| ProbeError::Render)
    }

    fn probe_budget(&self, timeout_header: Option<&str>) -> Duration {
        let plan = self.plan.load();
        ScrapeBudget {
            timeout: plan.collector.timeout,
            offset: plan.collector.timeout_offset,
        }
        .for_header(timeout_header)
    }

    async fn wait_for(
        &self,
        key: &TransferKey,
        api: AccountApi,
        turns: WorkQueue,
        budget: Duration,
    ) -> Told {
        let mut look = self.probes.start_or_join(key, api, turns);
        let told = tokio::time::timeout(budget, look.wait_for(Option::is_some)).await;
        told.ok()?.ok()?.clone().flatten()
    }
}
