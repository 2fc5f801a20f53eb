//! The sources of a plan, running.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tracing::error;

use super::Opened;
use crate::collector::Collector;
use crate::config::{CloudtrailPlan, ConnectorsPlan, EventsPlan, FilesPlan, Plan};
use crate::discovery::files::Files;
use crate::discovery::{Sink, SinkError, cloudtrail, connectors, events};
use crate::metrics::self_metrics::SelfMetrics;
use crate::tracker::Ingested;
use crate::transfer::TransferApi;
use crate::transfer::session::ClientBase;
use model::{AccountName, Clock, ConnectorDetails, ConnectorId, Fact, Origin, TransferKey};

impl Sink for Collector {
    fn ingest(&self, facts: &[Fact], origin: Origin) -> Vec<Ingested> {
        Self::ingest(self, facts, origin)
    }

    fn replace_transfers(&self, origin: Origin, transfers: BTreeSet<TransferKey>) {
        Self::replace_transfers(self, origin, &transfers);
    }

    fn set_connectors(
        &self,
        account: &AccountName,
        listed: &BTreeMap<ConnectorId, Arc<ConnectorDetails>>,
    ) {
        self.set_listed_connectors(account, listed);
    }

    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(async { Self::persist(self).await.map_err(|_| SinkError) })
    }
}

/// Sources that run. They end when this is dropped.
#[derive(Default)]
pub(super) struct Sources {
    running: Vec<(Key, Task)>,
}

/// What a source goes by: one that would be made of the same goes on in its place.
enum Key {
    Files(Arc<Files>),
    Events(EventsPlan, Arc<dyn TransferApi>),
    Cloudtrail(CloudtrailPlan, Arc<dyn TransferApi>),
    Connectors(ConnectorsPlan, Arc<dyn TransferApi>),
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Files(one), Self::Files(other)) => Arc::ptr_eq(one, other),
            // An account's client stands for its credentials, its endpoint and its time-outs.
            (Self::Events(one, api), Self::Events(other, of)) => {
                one == other && Arc::ptr_eq(api, of)
            }
            (Self::Cloudtrail(one, api), Self::Cloudtrail(other, of)) => {
                one == other && Arc::ptr_eq(api, of)
            }
            (Self::Connectors(one, api), Self::Connectors(other, of)) => {
                one == other && Arc::ptr_eq(api, of)
            }
            _ => false,
        }
    }
}

impl Key {
    /// Its labels `source` and `target`.
    fn labels(&self) -> (&'static str, Vec<&str>) {
        match self {
            Self::Files(files) => ("files", files.targets().collect()),
            Self::Events(plan, _) => ("events", vec![events::queue_name(&plan.queue_url)]),
            Self::Cloudtrail(plan, _) => ("cloudtrail", vec![plan.account.as_str()]),
            Self::Connectors(plan, _) => ("connectors", vec![plan.account.as_str()]),
        }
    }
}

/// A task that ends when this is dropped.
struct Task(tokio::task::AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What files are read by: sources of files of the same go on.
pub(super) fn files_key(plan: &Plan) -> (&[FilesPlan], Vec<&AccountName>) {
    (
        &plan.discovery.files,
        plan.accounts.iter().map(|account| &account.name).collect(),
    )
}

/// What clients of an account are made from, by its name.
pub(super) type Accounts<'a> = &'a (dyn Fn(&AccountName) -> Option<Opened> + Sync);

/// The same, where nothing but that is wanted.
pub(super) type Bases<'a> = &'a (dyn Fn(&AccountName) -> Option<ClientBase> + Sync);

/// What sources are made with.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) collector: Collector,
    pub(super) metrics: Arc<SelfMetrics>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Surroundings {
    /// The files of a plan, read once: what they list is known before anything else is done.
    pub(super) async fn files(&self, plan: &Plan) -> Option<Arc<Files>> {
        let files = &plan.discovery.files;
        if files.is_empty() {
            self.collector
                .replace_transfers(Origin::Files, &BTreeSet::new());
            return None;
        }
        let sink = Arc::new(self.collector.clone());
        let files = Arc::new(Files::new(
            files,
            &plan.accounts,
            sink,
            &self.metrics.discovery,
            Arc::clone(&self.clock),
        ));
        self.look(&files).await;
        Some(files)
    }

    /// Reads the files now.
    pub(super) async fn look(&self, files: &Arc<Files>) {
        let look = Arc::clone(files);
        // A panic in reading a file is said by the runtime, and must not keep the exporter from its other sources.
        let _: Result<(), _> = tokio::task::spawn_blocking(move || look.read_all()).await;
    }

    /// Has the sources of a plan run, and no others.
    pub(super) fn start(
        &self,
        sources: &mut Sources,
        files: Option<&Arc<Files>>,
        plan: &Plan,
        account: Accounts<'_>,
    ) {
        let mut wanted: Vec<(Key, Option<ClientBase>)> = Vec::new();
        wanted.extend(files.map(|files| (Key::Files(Arc::clone(files)), None)));
        // A plan names no account that it does not have.
        let discovery = &plan.discovery;
        for source in &discovery.events {
            let made = account(&source.account)
                .map(|o| (Key::Events(source.clone(), o.api.api), Some(o.base)));
            wanted.extend(made);
        }
        for source in &discovery.cloudtrail {
            let made = account(&source.account)
                .map(|o| (Key::Cloudtrail(source.clone(), o.api.api), Some(o.base)));
            wanted.extend(made);
        }
        for source in &discovery.connectors {
            let made = account(&source.account)
                .map(|o| (Key::Connectors(source.clone(), o.api.api), Some(o.base)));
            wanted.extend(made);
        }
        let mut before = std::mem::take(&mut sources.running);
        let mut begin = Vec::new();
        for (key, base) in wanted {
            match before.iter().position(|(known, _)| *known == key) {
                Some(known) => sources.running.push(before.swap_remove(known)),
                None => begin.push((key, base)),
            }
        }
        for (key, task) in before {
            drop(task);
            let (source, targets) = key.labels();
            for target in targets {
                self.metrics.discovery.remove_source(source, target);
            }
        }
        for (key, base) in begin {
            let task = Task(self.spawn(&key, base, plan));
            sources.running.push((key, task));
        }
    }

    fn spawn(&self, key: &Key, base: Option<ClientBase>, plan: &Plan) -> tokio::task::AbortHandle {
        let task = match (key, base) {
            (Key::Files(files), _) => tokio::spawn(Arc::clone(files).run()),
            (Key::Events(source, _), Some(base)) => tokio::spawn(events::run(
                source.clone(),
                base,
                self.sink(),
                self.metrics(),
                self.clock(),
            )),
            (Key::Cloudtrail(source, _), Some(base)) => tokio::spawn(cloudtrail::run(
                source.clone(),
                base,
                self.sink(),
                self.metrics(),
                self.clock(),
            )),
            (Key::Connectors(source, _), Some(base)) => {
                let account = plan
                    .accounts
                    .iter()
                    .find(|account| account.name == source.account);
                let url = account.and_then(|account| account.endpoint_url.clone());
                tokio::spawn(connectors::run(
                    source.clone(),
                    base,
                    url,
                    self.sink(),
                    self.metrics(),
                    self.clock(),
                ))
            }
            // Each of these is made with a base.
            (Key::Events(..) | Key::Cloudtrail(..) | Key::Connectors(..), None) => {
                tokio::spawn(async {})
            }
        };
        task.abort_handle()
    }

    /// Looks once at CloudTrail.
    pub(super) async fn look_once(&self, plan: &Plan, base: Bases<'_>) {
        for source in &plan.discovery.cloudtrail {
            let Some(base) = base(&source.account) else {
                continue;
            };
            let look =
                cloudtrail::poll_once(source, &base, self.sink(), self.metrics(), self.clock());
            if let Err(error) = look.await {
                error!(aws_account = %source.account, %error, "CloudTrail could not be read: transfers may be missing");
            }
        }
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(self.collector.clone())
    }

    fn metrics(&self) -> Arc<SelfMetrics> {
        Arc::clone(&self.metrics)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}
