//! The sources of a plan, running.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::error;

use crate::collector::Collector;
use crate::config::Plan;
use crate::discovery::files::Files;
use crate::discovery::{NotDurable, Sink, cloudtrail, connectors, events};
use crate::metrics::own::OwnMetrics;
use crate::model::{AccountName, Clock, ConnectorDetails, ConnectorId, Fact, Origin, TransferKey};
use crate::tracker::Learned;
use crate::transfer::session::ClientBase;

impl Sink for Collector {
    fn learn(&self, facts: &[Fact], origin: Origin) -> Vec<Learned> {
        Self::learn(self, facts, origin)
    }

    fn replace(&self, origin: Origin, transfers: BTreeSet<TransferKey>) {
        Self::replace(self, origin, &transfers);
    }

    fn connectors(&self, account: &AccountName, listed: &BTreeMap<ConnectorId, Arc<ConnectorDetails>>) {
        self.know_connectors(account, listed);
    }

    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), NotDurable>> + Send + '_>> {
        Box::pin(async { Self::persist(self).await.map_err(|_| NotDurable) })
    }
}

/// The sources of one plan. They end when this is dropped.
pub(super) struct Sources {
    _tasks: JoinSet<()>,
}

/// What clients of an account are made from, by its name.
pub(super) type Bases<'a> = &'a (dyn Fn(&AccountName) -> Option<ClientBase> + Sync);

/// What sources are made with.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) collector: Collector,
    pub(super) own: Arc<OwnMetrics>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Surroundings {
    /// The files of a plan, read once: what they list is known before anything else is done.
    pub(super) async fn files(&self, plan: &Plan) -> Option<Arc<Files>> {
        let files = &plan.discovery.files;
        if files.is_empty() {
            self.collector.replace(Origin::Files, &BTreeSet::new());
            return None;
        }
        let sink = Arc::new(self.collector.clone());
        let files = Arc::new(Files::new(files, &plan.accounts, sink, &self.own, Arc::clone(&self.clock)));
        let look = Arc::clone(&files);
        // A panic in reading a file is said by the runtime, and must not keep the exporter from its other sources.
        let _: Result<(), _> = tokio::task::spawn_blocking(move || look.look()).await;
        Some(files)
    }

    /// Starts the sources of a plan.
    pub(super) fn start(&self, files: Option<Arc<Files>>, plan: &Plan, base: Bases<'_>) -> Sources {
        let mut tasks = JoinSet::new();
        if let Some(files) = files {
            tasks.spawn(files.run());
        }
        // A plan names no account that it does not have.
        for source in &plan.discovery.events {
            if let Some(base) = base(&source.account) {
                tasks.spawn(events::run(source.clone(), base, self.sink(), self.own(), self.clock()));
            }
        }
        for source in &plan.discovery.cloudtrail {
            if let Some(base) = base(&source.account) {
                tasks.spawn(cloudtrail::run(source.clone(), base, self.sink(), self.own(), self.clock()));
            }
        }
        for source in &plan.discovery.connectors {
            let account = plan.accounts.iter().find(|account| account.name == source.account);
            if let Some((base, account)) = base(&source.account).zip(account) {
                let (url, sink) = (account.endpoint_url.clone(), self.sink());
                tasks.spawn(connectors::run(source.clone(), base, url, sink, self.own(), self.clock()));
            }
        }
        Sources { _tasks: tasks }
    }

    /// Looks once at CloudTrail.
    pub(super) async fn look_once(&self, plan: &Plan, base: Bases<'_>) {
        for source in &plan.discovery.cloudtrail {
            let Some(base) = base(&source.account) else { continue };
            let look = cloudtrail::look_once(source, &base, self.sink(), self.own(), self.clock());
            if let Err(error) = look.await {
                error!(aws_account = %source.account, %error, "CloudTrail could not be read: transfers may be missing");
            }
        }
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(self.collector.clone())
    }

    fn own(&self) -> Arc<OwnMetrics> {
        Arc::clone(&self.own)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}
