//! Discovery sources of the active plan.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{error, warn};

use super::accounts::AccountClient;
use super::routing::ShardSink;
use super::runtime::Runtime;
use super::shards::{Shards, Task};
use crate::config::{CloudtrailPlan, ConnectorsPlan, EventsPlan, FilesPlan, Plan};
use crate::discovery::files::{Files, LocalFileSystem};
use crate::discovery::routes::Routes;
use crate::discovery::{Sink, SinkError, account_labels, cloudtrail, connectors, events};
use crate::metrics::self_metrics::{SelfMetrics, SourceLabels};
use crate::tracker::Ingested;
use crate::transfer::TransferApi;
use crate::transfer::session::ClientBase;
use model::{
    Account, AccountName, Clock, ConnectorGroups, ConnectorId, Fact, ListedConnectors, Origin,
    TransferKey,
};

/// Everything that sources are built with, except their plan.
#[derive(Clone)]
pub(super) struct SourceContext {
    pub(super) shards: Arc<Shards>,
    pub(super) metrics: Arc<SelfMetrics>,
    pub(super) clock: Arc<dyn Clock>,
    /// How long to wait for the first read of target files; `None` to wait to its end.
    pub(super) first_read: Option<Duration>,
}

/// Target files that were read for a plan which is not active yet.
pub(super) enum TargetFiles {
    /// The plan has no target files.
    None,
    /// The same files as before, already reporting to the collector.
    Kept(Arc<Files>),
    /// The same, and the process owns other transfers than before. What they list is known, even if they
    /// cannot be read now.
    KeptForOthers(Arc<Files>),
    /// Files whose transfers are held back until the plan is active.
    New(Arc<Files>, Arc<StagingSink>),
}

impl TargetFiles {
    pub(super) fn files(&self) -> Option<Arc<Files>> {
        match self {
            Self::None => None,
            Self::Kept(files) | Self::KeptForOthers(files) | Self::New(files, _) => {
                Some(Arc::clone(files))
            }
        }
    }

    /// Passes the listed transfers on. They replace those of the previous files.
    pub(super) fn publish(self, sink: &dyn Sink) {
        match self {
            Self::None => sink.replace_transfers(Origin::Files, BTreeSet::new(), true),
            Self::Kept(_) => {}
            Self::KeptForOthers(files) => files.report_to(|transfers, complete| {
                sink.replace_transfers(Origin::Files, transfers, complete);
            }),
            Self::New(_, sink) => sink.publish(),
        }
    }
}

/// Returns what the meaning and the labels of target files depend on. If it is unchanged, so are the
/// files. The Region of an account may be that of its profile.
fn files_key<'a>(
    plan: &'a Plan,
    accounts: &'a BTreeMap<AccountName, AccountClient>,
) -> (&'a [FilesPlan], Vec<(&'a AccountName, Option<&'a str>)>) {
    let region = |name| {
        let client: &AccountClient = accounts.get(name)?;
        Some(&*client.api.account.region)
    };
    let names = plan.accounts.iter().map(|account| &account.name);
    let accounts = names.map(|name| (name, region(name)));
    (&plan.discovery.files, accounts.collect())
}

/// Tasks of the running sources. They end when this is dropped.
#[derive(Default)]
pub(super) struct RunningSources {
    /// False until the exporter serves.
    started: bool,
    tasks: Vec<(SourceKey, Task)>,
}

pub(super) fn lock(sources: &Mutex<RunningSources>) -> MutexGuard<'_, RunningSources> {
    sources.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunningSources {
    /// Starts the sources of `runtime`, and from now on those of later runtimes.
    pub(super) fn start(&mut self, runtime: &Runtime, context: &SourceContext) {
        self.started = true;
        self.switch(runtime, context);
    }

    /// Stops all sources, until the next [`RunningSources::start`].
    pub(super) fn stop(&mut self, metrics: &SelfMetrics) {
        self.started = false;
        end(std::mem::take(&mut self.tasks), None, metrics);
    }

    /// Starts the sources of `runtime` and stops all others. A source continues if its plan and
    /// its account's client are unchanged. Does nothing before [`RunningSources::start`].
    pub(super) fn switch(&mut self, runtime: &Runtime, context: &SourceContext) {
        if !self.started {
            return;
        }
        let mut before = std::mem::take(&mut self.tasks);
        let mut new = Vec::new();
        for (key, client) in SourceKey::all(runtime, context.shards.reads_for_all()) {
            match before.iter().position(|(known, _)| *known == key) {
                Some(known) => self.tasks.push(before.swap_remove(known)),
                None => new.push((key, client)),
            }
        }
        // A removed source's gauges go before a new source with the same labels sets its own. Files
        // have been read, and have set theirs.
        end(before, runtime.files.as_deref(), &context.metrics);
        for (key, client) in new {
            let task = Task(context.spawn(&key, client, runtime));
            self.tasks.push((key, task));
        }
    }
}

/// Ends sources, and removes their gauges, but for those of `files`.
fn end(tasks: Vec<(SourceKey, Task)>, files: Option<&Files>, metrics: &SelfMetrics) {
    let is_kept = |labels: &SourceLabels| {
        files.is_some_and(|files| files.labels().any(|kept| kept == labels))
    };
    for (key, task) in tasks {
        drop(task);
        for labels in key.labels().into_iter().filter(|labels| !is_kept(labels)) {
            metrics.discovery.remove_source(&labels);
        }
    }
}

/// Identity of a source. An account's client stands for its credentials, endpoint and time-outs.
enum SourceKey {
    Files(Arc<Files>),
    Events(EventsPlan, Arc<dyn TransferApi>, Routes),
    /// The starts of transfers are read again that other shards have owned.
    Cloudtrail(
        CloudtrailPlan,
        Arc<dyn TransferApi>,
        Account,
        Arc<ConnectorGroups>,
    ),
    Connectors(ConnectorsPlan, Arc<dyn TransferApi>, Account),
}

impl PartialEq for SourceKey {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Files(a), Self::Files(b)) => Arc::ptr_eq(a, b),
            (Self::Events(a, a_api, a_routes), Self::Events(b, b_api, b_routes)) => {
                a == b && Arc::ptr_eq(a_api, b_api) && a_routes == b_routes
            }
            (Self::Cloudtrail(a, a_api, _, a_groups), Self::Cloudtrail(b, b_api, _, b_groups)) => {
                a == b && Arc::ptr_eq(a_api, b_api) && a_groups == b_groups
            }
            (Self::Connectors(a, a_api, _), Self::Connectors(b, b_api, _)) => {
                a == b && Arc::ptr_eq(a_api, b_api)
            }
            _ => false,
        }
    }
}

impl SourceKey {
    /// Returns the sources of a runtime, each with the client base of its account. Files have none. Without
    /// those that one process reads for all, unless it `reads_for_all`.
    fn all(runtime: &Runtime, reads_for_all: bool) -> Vec<(Self, Option<ClientBase>)> {
        type MakeKey<'a> = &'a dyn Fn(Arc<dyn TransferApi>, Account) -> SourceKey;
        let with_client = |account: &AccountName, key: MakeKey<'_>| {
            // A plan refers to no account that it does not define.
            let client: &AccountClient = runtime.account(account)?;
            let key = key(Arc::clone(&client.api.api), client.api.account.clone());
            Some((key, Some(client.base.clone())))
        };
        let plan = &runtime.plan.discovery;
        let files = runtime.files.iter();
        let files = files.map(|files| (Self::Files(Arc::clone(files)), None));
        let events = plan.events.iter().filter_map(|source| {
            let routes = routes(runtime, &source.account)?;
            with_client(&source.account, &|api, _| {
                Self::Events(source.clone(), api, routes.clone())
            })
        });
        let cloudtrail = plan.cloudtrail.iter().filter_map(|source| {
            with_client(&source.account, &|api, account| {
                Self::Cloudtrail(source.clone(), api, account, Arc::clone(&runtime.groups))
            })
        });
        let connectors = plan.connectors.iter().filter_map(|source| {
            with_client(&source.account, &|api, account| {
                Self::Connectors(source.clone(), api, account)
            })
        });
        let for_all = cloudtrail.chain(connectors).filter(|_| reads_for_all);
        files.chain(events).chain(for_all).collect()
    }

    /// Returns the labels of its metrics. Files are several sources.
    fn labels(&self) -> Vec<SourceLabels> {
        match self {
            Self::Files(files) => files.labels().cloned().collect(),
            Self::Events(plan, _, routes) => vec![events::labels(plan, routes.queue_account())],
            Self::Cloudtrail(_, _, account, _) => vec![account_labels("cloudtrail", account)],
            Self::Connectors(.., account) => vec![account_labels("connectors", account)],
        }
    }
}

/// Returns the accounts to which messages of a queue of `account` may belong.
fn routes(runtime: &Runtime, account: &AccountName) -> Option<Routes> {
    let route = |client: &AccountClient| {
        let account = client.api.account.clone();
        (account, Arc::clone(&client.account_id))
    };
    let names = runtime.plan.accounts.iter().map(|account| &account.name);
    let others = names.filter(|name| *name != account);
    Some(Routes::new(
        route(runtime.account(account)?),
        others
            .filter_map(|name| runtime.account(name))
            .map(route)
            .collect(),
    ))
}

impl SourceContext {
    /// Reads the target files of `plan`, so that their transfers are known when it becomes active.
    pub(super) async fn read_files(
        &self,
        previous: &Runtime,
        plan: &Plan,
        accounts: &BTreeMap<AccountName, AccountClient>,
        groups: &Arc<ConnectorGroups>,
    ) -> TargetFiles {
        let kept = previous
            .files
            .as_ref()
            .filter(|_| files_key(&previous.plan, &previous.accounts) == files_key(plan, accounts));
        let read = if plan.discovery.files.is_empty() {
            return TargetFiles::None;
        } else if let Some(files) = kept {
            let files = Arc::clone(files);
            if previous.groups == *groups {
                TargetFiles::Kept(files)
            } else {
                TargetFiles::KeptForOthers(files)
            }
        } else {
            let sink = Arc::new(StagingSink::new(self.sink()));
            let region = |(name, client): (&AccountName, &AccountClient)| {
                (name.clone(), client.api.account.region.to_string())
            };
            let files = Arc::new(Files::new(
                &plan.discovery.files,
                &plan.accounts,
                &accounts.iter().map(region).collect(),
                Arc::new(LocalFileSystem),
                Arc::clone(&sink) as Arc<dyn Sink>,
                &self.metrics.discovery,
                Arc::clone(&self.clock),
            ));
            TargetFiles::New(files, sink)
        };
        if let Some(files) = read.files() {
            self.await_first_read(files).await;
        }
        read
    }

    /// Reads all files. Beyond `first_read` the read continues, and its transfers follow.
    pub(super) async fn await_first_read(&self, files: Arc<Files>) {
        let Some(limit) = self.first_read else {
            return files.read_all().await;
        };
        let reading = tokio::spawn(async move { files.read_all().await });
        if tokio::time::timeout(limit, reading).await.is_err() {
            warn!(
                event = "targets_slow",
                seconds = limit.as_secs_f64(),
                "reading the target files takes long, continuing without them for now"
            );
        }
    }

    /// Polls the CloudTrail sources once. Returns whether all polls succeeded.
    pub(super) async fn poll_cloudtrail_once(&self, runtime: &Runtime) -> bool {
        let mut succeeded = true;
        for source in &runtime.plan.discovery.cloudtrail {
            let Some(client) = runtime.account(&source.account) else {
                continue;
            };
            let (base, metrics) = (&client.base, Arc::clone(&self.metrics));
            let clock = Arc::clone(&self.clock);
            let poll = cloudtrail::poll_once(source, base, self.sink(), metrics, clock);
            if let Err(error) = poll.await {
                error!(
                    event = "cloudtrail_poll_failed",
                    aws_account = %source.account,
                    %error,
                    "failed to poll CloudTrail, transfers may be missing"
                );
                succeeded = false;
            }
        }
        succeeded
    }

    fn spawn(
        &self,
        key: &SourceKey,
        base: Option<ClientBase>,
        runtime: &Runtime,
    ) -> tokio::task::AbortHandle {
        let (sink, metrics) = (self.sink(), Arc::clone(&self.metrics));
        let clock = Arc::clone(&self.clock);
        let task = match (key, base) {
            (SourceKey::Files(files), _) => tokio::spawn(Arc::clone(files).run()),
            (SourceKey::Events(plan, _, routes), Some(base)) => {
                let (plan, routes) = (plan.clone(), routes.clone());
                tokio::spawn(events::run(plan, routes, base, sink, metrics, clock))
            }
            (SourceKey::Cloudtrail(plan, ..), Some(base)) => {
                tokio::spawn(cloudtrail::run(plan.clone(), base, sink, metrics, clock))
            }
            (SourceKey::Connectors(plan, ..), Some(base)) => {
                let mut accounts = runtime.plan.accounts.iter();
                let url = accounts
                    .find(|account| account.name == plan.account)
                    .and_then(|account| account.endpoint_url.clone());
                let source = connectors::run(plan.clone(), base, url, sink, metrics, clock);
                tokio::spawn(source)
            }
            // `SourceKey::all` gives each of these a client.
            (
                SourceKey::Events(..) | SourceKey::Cloudtrail(..) | SourceKey::Connectors(..),
                None,
            ) => tokio::spawn(async {}),
        };
        task.abort_handle()
    }

    /// Returns the destination of one source.
    pub(super) fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(ShardSink::new(&self.shards))
    }
}

/// Holds back the transfers of target files until their plan is active, then forwards them.
pub(super) struct StagingSink {
    sink: Arc<dyn Sink>,
    staged: Mutex<Staged>,
}

enum Staged {
    /// With the latest list, if any.
    HeldBack(Option<StagedTransfers>),
    Published,
}

/// A set of transfers that is held back.
struct StagedTransfers {
    origin: Origin,
    transfers: BTreeSet<TransferKey>,
    complete: bool,
}

impl StagingSink {
    fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            staged: Mutex::new(Staged::HeldBack(None)),
        }
    }

    fn publish(&self) {
        let mut staged = self.staged();
        let held_back = std::mem::replace(&mut *staged, Staged::Published);
        if let Staged::HeldBack(Some(latest)) = held_back {
            self.sink
                .replace_transfers(latest.origin, latest.transfers, latest.complete);
        }
    }

    fn staged(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for StagingSink {
    fn ingest(&self, facts: &[Fact], origin: Origin) -> Vec<Ingested> {
        self.sink.ingest(facts, origin)
    }

    fn replace_transfers(&self, origin: Origin, transfers: BTreeSet<TransferKey>, complete: bool) {
        match &mut *self.staged() {
            Staged::HeldBack(latest) => {
                *latest = Some(StagedTransfers {
                    origin,
                    transfers,
                    complete,
                });
            }
            Staged::Published => {
                self.sink.replace_transfers(origin, transfers, complete);
            }
        }
    }

    fn set_connectors(&self, account: &AccountName, listed: &ListedConnectors, complete: bool) {
        self.sink.set_connectors(account, listed, complete);
    }

    fn exclude_connectors(&self, account: &AccountName, ids: &BTreeSet<ConnectorId>) {
        self.sink.exclude_connectors(account, ids);
    }

    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        self.sink.persist()
    }
}
