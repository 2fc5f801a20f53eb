//! The process under test: the real collector and sources with simulated ports, wired as
//! `aws_transfer_exporter::app` does it, and what operators do to it.

mod settings;
mod sources;
mod target_files;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_transfer_exporter::collector::{AccountApi, Collector, Targets};
use aws_transfer_exporter::discovery::Sink;
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::store::{BlockingStore, OnThreads};
use aws_transfer_exporter::transfer::limiter::{AccountLimiter, RateLimited};
use model::{Account, AccountName, Clock, Fact, Origin, Shard, TransferKey, TransferStart};
use settings::{flows, settings, sources};
pub(crate) use sources::{queue_name, queues_of};
use target_files::TargetReaders;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::aws::Results;
use crate::plan::{Change, Ms, SECOND};
use crate::store::SimulatedStore;
use crate::world::{
    PlanState, REGION, State, World, connector_id, process_clock, system_time, transfer_id,
};

/// Requests per second of an account, if there is no bound that matters.
const UNLIMITED: f64 = 1e9;

/// How long a fault may delay polls after its end: as long as a call may hang.
const FAULT_ECHO: Ms = 35 * SECOND;

pub(crate) struct Process {
    world: Arc<World>,
    life: u64,
    pub(crate) collector: Collector,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
    /// The clients of the accounts; a reload keeps those that are unchanged.
    clients: BTreeMap<String, AccountApi>,
    /// The running sources by what they depend on.
    sources: BTreeMap<String, AbortHandle>,
    /// The readers of target files.
    targets: Option<TargetReaders>,
    /// Notified when there may be something to write.
    dirty: Arc<Notify>,
}

impl Process {
    /// Starts a process with the configuration of the world.
    pub(crate) async fn start(world: &Arc<World>) -> Self {
        let clock = process_clock(world);
        let metrics = Arc::new(SelfMetrics::new().unwrap());
        let (life, has_store, plan) = {
            let state = world.state();
            (state.life, state.scenario.setup.store, state.plan.clone())
        };
        let settings = settings(world, &plan);
        let collector = if has_store {
            let store = SimulatedStore {
                world: Arc::clone(world),
                life,
            };
            let saved = store.load().unwrap();
            Collector::with_store(
                &metrics,
                Arc::clone(&clock),
                settings,
                Arc::new(OnThreads(Arc::new(store))),
                saved,
            )
        } else {
            Collector::new(&metrics, Arc::clone(&clock), settings)
        };
        let mut process = Self {
            world: Arc::clone(world),
            life,
            collector,
            metrics,
            clock,
            clients: BTreeMap::new(),
            sources: BTreeMap::new(),
            targets: None,
            dirty: Arc::default(),
        };
        process.configure().await;
        tokio::spawn(process.flush());
        process
    }

    /// Writes changes a second after they were made, as a periodic write would: one that runs every
    /// second of simulated days would make runs slow.
    fn flush(&self) -> impl Future<Output = ()> + Send + 'static {
        let (world, collector, dirty) = (
            Arc::clone(&self.world),
            self.collector.clone(),
            Arc::clone(&self.dirty),
        );
        async move {
            loop {
                dirty.notified().await;
                loop {
                    sleep(SECOND).await;
                    if persist(&world, &collector).await {
                        break;
                    }
                }
            }
        }
    }

    /// Marks that there may be something to write.
    pub(crate) fn touch(&self) {
        self.dirty.notify_one();
    }

    /// Activates the configuration of the world, once its target files have been read.
    async fn configure(&mut self) {
        let plan = self.world.state().plan.clone();
        let targets = self.read_targets(&plan).await;
        if self.world.has_ended(self.life) {
            return;
        }
        let accounts: Vec<_> = plan
            .names
            .iter()
            .enumerate()
            .filter_map(|(account, name)| Some(self.account_api(account, name.as_ref()?)))
            .collect();
        let transfers: Vec<_> = plan
            .configured
            .iter()
            .filter_map(|id| self.key(&plan, *id))
            .collect();
        self.clients = accounts
            .iter()
            .map(|api| (api.account.name.to_string(), api.clone()))
            .collect();
        let connectors: BTreeSet<_> = transfers.iter().map(TransferKey::connector_key).collect();
        let (settings, flows) = (settings(&self.world, &plan), flows(&self.world));
        let (restarts, clock) = (self.targets.is_none(), self.clock.now());
        self.collector.configure(Targets {
            flows: flows.clone(),
            accounts,
            transfers,
            connectors: connectors.into_iter().map(|key| (key, None)).collect(),
            settings,
            listed: BTreeSet::new(),
            sources: sources(&plan),
        });
        {
            let mut state = self.world.state();
            let (now, wall) = (state.now(), state.wall());
            state.oracle.configured(&plan, now, wall);
            state.peers.configure(&settings, &flows, restarts, clock);
        }
        targets.sink.publish();
        let kept = self.targets.as_ref();
        let kept = kept.filter(|before| Arc::ptr_eq(&before.files, &targets.files));
        if kept.is_some_and(|before| before.shard != targets.shard) {
            targets.files.report_to(|transfers, complete| {
                targets
                    .sink
                    .replace_transfers(Origin::Files, transfers, complete);
            });
        }
        self.targets = Some(targets);
        self.switch_sources(&plan);
        self.touch();
    }

    fn account_api(&self, account: usize, name: &str) -> AccountApi {
        if let Some(known) = self.clients.get(name) {
            return known.clone();
        }
        let setup = &self.world.state().scenario.setup.clone();
        let rate = setup.rate.map_or(UNLIMITED, f64::from);
        let limits = AccountLimiter::new(setup.concurrency, rate, Arc::clone(&self.clock));
        let results = Results {
            last_call: Mutex::default(),
            world: Arc::clone(&self.world),
            life: self.life,
            account,
            name: name.to_owned(),
        };
        AccountApi {
            account: account_named(name),
            api: Arc::new(RateLimited::new(results, Arc::clone(&limits))),
            limits,
            concurrency: setup.concurrency,
        }
    }

    /// Returns the key of a transfer whose account is configured.
    fn key(&self, plan: &PlanState, transfer: usize) -> Option<TransferKey> {
        let scenario = Arc::clone(&self.world.state().scenario);
        let script = scenario.transfer(transfer)?;
        let name = plan.names.get(script.account)?.as_ref()?;
        Some(TransferKey {
            account: AccountName::new(name),
            connector: connector_id(script.account, script.connector),
            transfer: transfer_id(transfer),
        })
    }

    /// A scrape arrives, and is answered in a task of its own. `rest` checks that everything is exact.
    pub(crate) fn scrape(&self, budget: Ms, patience: Option<Ms>, rest: bool) {
        let clock = self.clock.now();
        let arrival = {
            let mut state = self.world.state();
            state.peers.scrape(clock);
            let now = state.now();
            state.note(|| "scrape".into());
            let result = state.oracle.check_targets(&state.targets, now);
            self.world.check(&mut state, result);
            state.oracle.scrape_arrived(budget, rest, now)
        };
        let (world, collector) = (Arc::clone(&self.world), self.collector.clone());
        let (life, dirty) = (self.life, Arc::clone(&self.dirty));
        let metrics = Arc::clone(&self.metrics);
        tokio::spawn(async move {
            let collect = collector.collect(Duration::from_millis(budget));
            let patience = Duration::from_millis(patience.unwrap_or(Ms::MAX / 2));
            let Ok(collected) = tokio::time::timeout(patience, collect).await else {
                dirty.notify_one();
                world
                    .state()
                    .note(|| "the client of a scrape has left".into());
                return;
            };
            dirty.notify_one();
            let mut state = world.state();
            if state.life != life {
                return;
            }
            let now = state.now();
            state.note(|| {
                let views = collected.snapshot.connectors();
                let finished: Vec<_> = views
                    .filter(|view| !view.finished.is_empty())
                    .map(|view| {
                        let files = view.finished.iter().filter(|(_, files)| files.files > 0);
                        let files: Vec<_> = files
                            .map(|(end, files)| format!("{end:?}: {}", files.files))
                            .collect();
                        format!(
                            "{}/{}: {}",
                            view.labels.account.name,
                            view.labels.id,
                            files.join(", ")
                        )
                    })
                    .collect();
                format!(
                    "answer, complete: {}; counted: {finished:?}",
                    collected.complete
                )
            });
            let durable = collector.is_storage_up();
            let faulty = state.faulty_since(arrival.at.saturating_sub(FAULT_ECHO));
            let result = state
                .oracle
                .scrape_ended(&arrival, &collected, durable, &faulty, now);
            world.check(&mut state, result);
            if rest {
                let (records, fate) = (state.stored.records(), state.stored.oldest_fate());
                let age = fate.map(|left| state.wall() - left);
                let result = state.oracle.check_rest(&collected, records, age, now);
                world.check(&mut state, result);
                let polls = metrics.discovery.last_polls();
                let result = state.oracle.check_queues(&polls, now);
                world.check(&mut state, result);
                let State {
                    oracle,
                    stored,
                    peers,
                    ..
                } = &mut *state;
                let result = oracle.check_windows_of_all(&collected, stored, peers, now);
                world.check(&mut state, result);
            }
        });
    }

    /// Reloads the configuration.
    pub(crate) async fn reload(&mut self, change: Change) {
        {
            let mut state = self.world.state();
            let plan = &mut state.plan;
            let name =
                |names: &[Option<String>], account: usize| names.get(account).cloned().flatten();
            match change {
                Change::Add(account) => {
                    if let Some(name @ None) = plan.names.get_mut(account) {
                        *name = Some(crate::world::first_name(account));
                    }
                }
                Change::Remove(account) => {
                    if plan.names.iter().flatten().count() > 1
                        && name(&plan.names, account).is_some()
                    {
                        plan.names[account] = None;
                    }
                }
                Change::Rename(account) => {
                    if let Some(name) = name(&plan.names, account) {
                        plan.names[account] = Some(format!("{name}-renamed"));
                    }
                }
                Change::Track(transfer) => {
                    plan.configured.insert(transfer);
                }
                Change::Untrack(transfer) => {
                    plan.configured.remove(&transfer);
                }
                Change::AddQueue(queue) => {
                    plan.queues.insert(queue);
                }
                Change::RemoveQueue(queue) => {
                    plan.queues.remove(&queue);
                }
                Change::Shard(index, total) => plan.shard = Shard::new(index, total).unwrap(),
                Change::AddTrail => plan.trail = true,
                Change::RemoveTrail => plan.trail = false,
                Change::Same => {}
            }
        }
        self.configure().await;
    }

    /// Answers `PUT` as the write API does.
    pub(crate) fn put(&self, transfer: usize, started_at: bool, files: bool) {
        let (plan, scenario, now, wall) = {
            let state = self.world.state();
            (
                state.plan.clone(),
                Arc::clone(&state.scenario),
                state.now(),
                state.wall(),
            )
        };
        let (Some(key), Some(script)) = (self.key(&plan, transfer), scenario.transfer(transfer))
        else {
            return;
        };
        let started = started_at.then_some(script.start);
        let count = files.then_some(script.files.len());
        let start = TransferStart {
            key: key.clone(),
            started_at: started.map(|start| system_time(start.cast_signed())),
            reported_at: Some(system_time(wall)),
            files: count.and_then(|count| u32::try_from(count).ok()),
        };
        self.collector.ingest(&[Fact::Started(start)], Origin::Api);
        self.world
            .state()
            .oracle
            .put(key.account.as_str(), transfer, started, count, now, wall);
        self.touch();
    }

    /// Answers `DELETE` as the write API does.
    pub(crate) fn delete(&self, transfer: usize) {
        let plan = self.world.state().plan.clone();
        let Some(key) = self.key(&plan, transfer) else {
            return;
        };
        self.collector.untrack(&key, Origin::Api);
        let mut state = self.world.state();
        let now = state.now();
        state.oracle.deleted(key.account.as_str(), transfer, now);
        drop(state);
        self.touch();
    }

    /// Stops as `SIGTERM` does.
    pub(crate) async fn stop(&self) {
        {
            let mut state = self.world.state();
            let now = state.now();
            state.oracle.stopping(now);
        }
        self.collector.stop();
        persist(&self.world, &self.collector).await;
    }
}

/// Persists everything so far. Returns whether it is durable.
async fn persist(world: &Arc<World>, collector: &Collector) -> bool {
    let (life, start) = {
        let state = world.state();
        (state.life, state.now())
    };
    let is_durable = collector.persist().await.is_ok();
    let mut state = world.state();
    if is_durable && state.life == life {
        state.oracle.persisted(start);
    }
    is_durable
}

fn sleep(ms: Ms) -> tokio::time::Sleep {
    tokio::time::sleep(Duration::from_millis(ms))
}

fn account_named(name: &str) -> Account {
    Account {
        name: AccountName::new(name),
        region: REGION.into(),
    }
}
