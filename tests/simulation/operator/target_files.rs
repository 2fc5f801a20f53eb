//! The readers of target files, and the sink that puts their lists in force.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_transfer_exporter::collector::Collector;
use aws_transfer_exporter::config::{AccountPlan, FilesPlan};
use aws_transfer_exporter::discovery::files::Files;
use aws_transfer_exporter::discovery::{Sink, SinkError};
use aws_transfer_exporter::tracker::Ingested;
use model::{AccountName, ConnectorId, Fact, ListedConnectors, Origin, Shard, TransferKey};
use tokio::sync::Notify;

use super::Process;
use crate::oracle::TargetsApplied;
use crate::plan::Ms;
use crate::targets::{SimulatedFileSystem, glob};
use crate::world::{PlanState, World, transfer_number};

/// The readers of the target files of the configured accounts.
#[derive(Clone)]
pub(super) struct TargetReaders {
    pub(super) files: Arc<Files>,
    pub(super) sink: Arc<TargetSink>,
    /// The shard that the process had or gets when the files are read.
    pub(super) shard: Shard,
}

impl Process {
    /// Reads the target files. The readers continue if their accounts are unchanged.
    pub(super) async fn read_targets(&self, plan: &PlanState) -> TargetReaders {
        let names: Vec<_> = plan.names.iter().cloned().enumerate().collect();
        let names: Vec<_> = names
            .into_iter()
            .filter_map(|(account, name)| Some((account, name?)))
            .collect();
        let kept = self.targets.as_ref();
        let kept = kept.filter(|targets| targets.sink.accounts == names);
        let kept = kept.map(|targets| TargetReaders {
            shard: plan.shard,
            ..targets.clone()
        });
        let from = self.world.state().now();
        let targets = kept.unwrap_or_else(|| self.new_targets(names, plan.shard, from));
        self.world.state().oracle.read_of_targets_started(from);
        targets.files.read_all().await;
        let mut state = self.world.state();
        let now = state.now();
        state.oracle.read_of_targets_ended(now);
        targets
    }

    fn new_targets(
        &self,
        accounts: Vec<(usize, String)>,
        shard: Shard,
        since: Ms,
    ) -> TargetReaders {
        let interval = self.world.state().scenario.setup.files_interval;
        let plan = |(account, name): &(usize, String)| FilesPlan {
            account: Some(AccountName::new(name)),
            paths: vec![glob(*account)],
            refresh_interval: Duration::from_millis(interval),
        };
        let plans: Vec<_> = accounts.iter().map(plan).collect();
        let account = |(_, name): &(usize, String)| AccountPlan {
            name: AccountName::new(name),
            ..AccountPlan::default()
        };
        let account_plans: Vec<_> = accounts.iter().map(account).collect();
        let sink = Arc::new(TargetSink {
            world: Arc::clone(&self.world),
            collector: self.collector.clone(),
            dirty: Arc::clone(&self.dirty),
            accounts,
            since,
            held: Mutex::new(Held::Back(None)),
        });
        let files = Files::new(
            &plans,
            &account_plans,
            &BTreeMap::new(),
            Arc::new(SimulatedFileSystem(Arc::clone(&self.world))),
            Arc::clone(&sink) as Arc<dyn Sink>,
            &self.metrics.discovery,
            Arc::clone(&self.clock),
        );
        let files = Arc::new(files);
        TargetReaders { files, sink, shard }
    }
}

/// The sink of the target files: holds a list back until its configuration is active.
pub(super) struct TargetSink {
    world: Arc<World>,
    collector: Collector,
    dirty: Arc<Notify>,
    /// The configured accounts.
    pub(super) accounts: Vec<(usize, String)>,
    /// When its files were first read.
    pub(super) since: Ms,
    held: Mutex<Held>,
}

enum Held {
    /// The latest list, if there is one, until its configuration is active.
    Back(Option<TargetList>),
    Published,
}

/// A list of transfers, and whether it is complete.
type TargetList = (BTreeSet<TransferKey>, bool);

impl TargetSink {
    pub(super) fn publish(&self) {
        let held = std::mem::replace(&mut *self.held.lock().unwrap(), Held::Published);
        if let Held::Back(Some((transfers, complete))) = held {
            self.apply(&transfers, complete);
        }
    }

    fn apply(&self, transfers: &BTreeSet<TransferKey>, complete: bool) {
        self.collector
            .replace_transfers(Origin::Files, transfers, complete);
        let mut listed = BTreeMap::new();
        for (account, name) in &self.accounts {
            let own = transfers.iter().filter(|key| key.account.as_str() == name);
            let own = own.filter_map(|key| transfer_number(key.transfer.as_str()));
            listed.insert((*account, name.clone()), own.collect::<BTreeSet<_>>());
        }
        let mut guard = self.world.state();
        let state = &mut *guard;
        let now = state.now();
        state.note(|| format!("target files list {listed:?}, complete: {complete}"));
        let applied = TargetsApplied {
            files: &state.targets,
            since: self.since,
            listed,
            complete,
        };
        let result = state.oracle.targets_applied(applied, now);
        self.world.check(state, result);
        self.dirty.notify_one();
    }
}

impl Sink for TargetSink {
    fn ingest(&self, _: &[Fact], _: Origin) -> Vec<Ingested> {
        unreachable!("target files report no facts");
    }

    fn replace_transfers(&self, _: Origin, transfers: BTreeSet<TransferKey>, complete: bool) {
        if let Held::Back(latest) = &mut *self.held.lock().unwrap() {
            *latest = Some((transfers, complete));
            return;
        }
        self.apply(&transfers, complete);
    }

    fn set_connectors(&self, _: &AccountName, _: &ListedConnectors, _: bool) {
        unreachable!("target files list no connectors");
    }

    fn exclude_connectors(&self, _: &AccountName, _: &BTreeSet<ConnectorId>) {
        unreachable!("target files exclude no connectors");
    }

    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(async { Ok(()) })
    }
}
