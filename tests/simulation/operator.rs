//! The process under test: the real collector and sources with simulated ports, wired as
//! `aws_transfer_exporter::app` does it, and what operators do to it.

mod target_files;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_transfer_exporter::collector::{AccountApi, Collector, Targets};
use aws_transfer_exporter::config::{CloudtrailPlan, EventsPlan};
use aws_transfer_exporter::discovery::cloudtrail::CloudTrailPoller;
use aws_transfer_exporter::discovery::routes::{AccountId, Routes};
use aws_transfer_exporter::discovery::{Sink, SinkError, events};
use aws_transfer_exporter::flows::schedule::{DayOfWeek, Schedule};
use aws_transfer_exporter::flows::{Expect, FlowConfig};
use aws_transfer_exporter::metrics::self_metrics::{DiscoveryMetrics, SelfMetrics};
use aws_transfer_exporter::store::Store;
use aws_transfer_exporter::tracker::{Ingested, TrackerLimits, TrackerSettings};
use aws_transfer_exporter::transfer::limiter::{AccountLimiter, RateLimited};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use model::{
    Account, AccountName, Clock, ConnectorId, Fact, FlowTitle, ListedConnectors, Origin,
    TransferKey, TransferStart,
};
use target_files::TargetReaders;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::aws::{Queue, Results, Trail, account_id};
use crate::plan::{Change, DAY, FlowScript, MINUTE, Ms, SECOND, SECOND_QUEUE};
use crate::store::SimulatedStore;
use crate::world::{
    PlanState, REGION, Violation, World, connector_id, process_clock, system_time, transfer_id,
};

/// Requests per second of an account, if there is no bound that matters.
const UNLIMITED: f64 = 1e9;

/// Interval of the housekeeping of the collector.
const HOUSEKEEPING: Ms = SECOND;

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
                Arc::new(store),
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
        self.collector.configure(Targets {
            flows: flows(&self.world),
            accounts,
            transfers,
            connectors: connectors.into_iter().map(|key| (key, None)).collect(),
            settings: settings(&self.world, &plan),
            listed: BTreeSet::new(),
            sources: sources(&plan),
        });
        {
            let mut state = self.world.state();
            let (now, wall) = (state.now(), state.wall());
            state.oracle.configured(&plan, now, wall);
        }
        targets.sink.publish();
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

    /// Stops the sources that the plan no longer has, and starts its new ones.
    fn switch_sources(&mut self, plan: &PlanState) {
        let mut before = std::mem::take(&mut self.sources);
        if let Some(TargetReaders { files, sink }) = &self.targets {
            let key = format!("files/{:?}/{}", sink.accounts, sink.since);
            let run = || tokio::spawn(Arc::clone(files).run()).abort_handle();
            let task = before.remove(&key).unwrap_or_else(run);
            self.sources.insert(key, task);
        }
        for (account, name) in plan.names.iter().enumerate() {
            let Some(name) = name else { continue };
            if plan.trail {
                let key = format!("cloudtrail/{name}");
                let task = before
                    .remove(&key)
                    .unwrap_or_else(|| self.poll_trail(account, name));
                self.sources.insert(key, task);
            }
            for queue in queues_of(plan, account) {
                let key = format!("queue-{queue}/{:?}", plan.names);
                let routes = || routes(plan, account, name);
                let task = before
                    .remove(&key)
                    .unwrap_or_else(|| self.read_queue(queue, name, routes()));
                self.sources.insert(key, task);
            }
        }
        for task in before.into_values() {
            task.abort();
        }
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(SimulatedSink {
            world: Arc::clone(&self.world),
            collector: self.collector.clone(),
            dirty: Arc::clone(&self.dirty),
        })
    }

    fn poll_trail(&self, account: usize, name: &str) -> AbortHandle {
        let interval = self.world.state().scenario.setup.trail_interval;
        let plan = CloudtrailPlan {
            account: AccountName::new(name),
            lookback: Duration::from_hours(7 * 24),
            refresh_interval: Duration::from_millis(interval),
            endpoint_url: None,
            include: Vec::new(),
        };
        let api = Trail {
            world: Arc::clone(&self.world),
            life: self.life,
            account,
            name: name.to_owned(),
            returned: Mutex::default(),
        };
        let discovery = Arc::clone(&self.metrics.discovery);
        let clock = Arc::clone(&self.clock);
        let mut poller = CloudTrailPoller::new(
            Arc::new(api),
            &plan,
            account_named(name),
            self.sink(),
            discovery,
            clock,
        );
        // The real loop draws its pauses after failures from the process's own randomness.
        let task = tokio::spawn(async move {
            loop {
                let pause = if poller.poll().await.is_ok() {
                    interval
                } else {
                    5 * SECOND
                };
                sleep(pause).await;
            }
        });
        task.abort_handle()
    }

    fn read_queue(&self, queue: usize, name: &str, routes: Routes) -> AbortHandle {
        let plan = EventsPlan {
            account: AccountName::new(name),
            queue_url: queue_url(queue),
            endpoint_url: None,
            include: Vec::new(),
        };
        let api = Queue {
            world: Arc::clone(&self.world),
            life: self.life,
            number: queue,
        };
        let (sink, discovery) = (self.sink(), Arc::clone(&self.metrics.discovery));
        let clock = Arc::clone(&self.clock);
        let task = tokio::spawn(async move {
            events::run_with(Arc::new(api), &plan, routes, sink, discovery, clock).await;
        });
        task.abort_handle()
    }

    /// A scrape arrives, and is answered in a task of its own. `rest` checks that everything is exact.
    pub(crate) fn scrape(&self, budget: Ms, patience: Option<Ms>, rest: bool) {
        let arrival = {
            let mut state = self.world.state();
            let now = state.now();
            state.note(|| "scrape".into());
            let result = state.oracle.check_targets(&state.targets, now);
            self.world.check(&mut state, result);
            state.oracle.scrape_arrived(budget, rest, now)
        };
        let (world, collector) = (Arc::clone(&self.world), self.collector.clone());
        let (life, dirty) = (self.life, Arc::clone(&self.dirty));
        let discovery = Arc::clone(&self.metrics.discovery);
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
                let result = check_sources(&state.plan, &discovery);
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
                Change::AddTrail => plan.trail = true,
                Change::RemoveTrail => plan.trail = false,
                Change::Same => {}
            }
        }
        self.configure().await;
    }

    /// Expires and writes once more, as the real process does every second, so that it notices each step
    /// of its wall clock. Doing so in every second of simulated days would make runs slow.
    pub(crate) fn keep_house(&self) {
        let collector = self.collector.clone();
        tokio::spawn(async move {
            let once = Duration::from_millis(HOUSEKEEPING + 1);
            // Housekeeping never ends.
            let _ = tokio::time::timeout(once, collector.run_housekeeping()).await;
        });
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

/// The sink of the sources.
struct SimulatedSink {
    world: Arc<World>,
    collector: Collector,
    dirty: Arc<Notify>,
}

impl Sink for SimulatedSink {
    fn ingest(&self, facts: &[Fact], origin: Origin) -> Vec<Ingested> {
        self.dirty.notify_one();
        Collector::ingest(&self.collector, facts, origin)
    }

    fn replace_transfers(&self, _: Origin, _: BTreeSet<TransferKey>, _: bool) {
        unreachable!("only target files list transfers");
    }

    fn set_connectors(&self, account: &AccountName, listed: &ListedConnectors, complete: bool) {
        let collector = &self.collector;
        collector.set_listed_connectors(account, listed, complete);
    }

    fn exclude_connectors(&self, account: &AccountName, ids: &BTreeSet<ConnectorId>) {
        self.collector.exclude_connectors(account, ids);
    }

    /// Never fails twice in a row: the pauses of the real source are random then.
    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(async {
            while !persist(&self.world, &self.collector).await {
                sleep(SECOND).await;
            }
            Ok(())
        })
    }
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

/// Checks that each running source has series of its own, and is up.
fn check_sources(plan: &PlanState, discovery: &DiscoveryMetrics) -> Result<(), Violation> {
    let polls = discovery.last_polls();
    for (account, name) in plan.names.iter().enumerate() {
        let Some(name) = name else { continue };
        let is_up = |source: &str, target: Option<String>| {
            let mut of_source = polls.iter().filter(|(labels, _)| {
                let is_target = target.as_ref().is_none_or(|it| *it == labels.target);
                labels.source == source && labels.account == *name && is_target
            });
            of_source.any(|(_, is_up)| *is_up)
        };
        let mut queues = queues_of(plan, account).map(queue_name);
        let missing = queues.find(|queue| !is_up("events", Some(queue.clone())));
        let trail = (plan.trail && !is_up("cloudtrail", None)).then(|| "CloudTrail".to_owned());
        if let Some(source) = missing.or(trail) {
            return Err(Violation {
                kind: "a source without series of its own",
                detail: format!("{source} of {name}, of {polls:?}"),
            });
        }
    }
    Ok(())
}

/// Returns what reports transfers of which account, as the runtime of the app does.
fn sources(plan: &PlanState) -> BTreeSet<(AccountName, Origin)> {
    let names = plan.names.iter().enumerate();
    let names =
        names.filter_map(|(account, name)| Some((account, AccountName::new(name.as_ref()?))));
    names
        .flat_map(|(account, name)| {
            let reads_queues = queues_of(plan, account).next().is_some();
            let origins = [
                (Origin::Files, true),
                (Origin::Events, reads_queues),
                (Origin::Cloudtrail, plan.trail),
            ];
            let origins = origins.into_iter().filter(|(_, configured)| *configured);
            origins.map(move |(origin, _)| (name.clone(), origin))
        })
        .collect()
}

/// Returns the flows as they are configured.
fn flows(world: &World) -> Vec<FlowConfig> {
    let scenario = Arc::clone(&world.state().scenario);
    let time = |at: Ms| {
        let minutes = i16::try_from(at / MINUTE).unwrap();
        let (hour, minute) = (minutes / 60, minutes % 60);
        Time::constant(hour.try_into().unwrap(), minute.try_into().unwrap(), 0, 0)
    };
    let connectors = |flow: &FlowScript| {
        let ids = flow.connector_ids();
        ids.iter().map(ToString::to_string).collect()
    };
    let flow = |(number, flow): (usize, &FlowScript)| FlowConfig {
        title: Arc::new(FlowTitle {
            name: format!("flow-{number}").into(),
            connectors: connectors(flow),
            paths: (0..flow.paths).map(|path| format!("/**/{path}")).collect(),
            required_files: flow.files,
            ..FlowTitle::default()
        }),
        ignore_codes: BTreeSet::new(),
        expect: Some(Expect {
            schedule: Schedule {
                by: (0..DAY / flow.every)
                    .map(|n| time(flow.phase + n * flow.every))
                    .collect(),
                zone: TimeZone::UTC,
                days: DayOfWeek::ALL.into(),
                except: BTreeSet::new(),
                from: flow.from.map(time),
                grace: Duration::from_millis(flow.grace),
            },
            files: flow.files,
            min_bytes: flow.min_bytes,
        }),
    };
    scenario.flows.iter().enumerate().map(flow).collect()
}

/// Returns the queues of an account that are sources.
pub(crate) fn queues_of(plan: &PlanState, account: usize) -> impl Iterator<Item = usize> {
    let queues = plan.queues.iter().copied();
    queues.filter(move |queue| usize::from(*queue == SECOND_QUEUE) == account)
}

/// Returns the name of a queue, which one of another account may have as well.
pub(crate) fn queue_name(queue: usize) -> String {
    format!("queue-{}", queue % SECOND_QUEUE)
}

fn queue_url(queue: usize) -> String {
    let account = account_id(usize::from(queue == SECOND_QUEUE));
    let name = queue_name(queue);
    format!("https://sqs.{REGION}.amazonaws.com/{account}/{name}")
}

/// Returns the routes of a queue that an account reads.
fn routes(plan: &PlanState, account: usize, name: &str) -> Routes {
    let route = |account: usize, name: &str| {
        (
            account_named(name),
            Arc::new(AccountId::known(&account_id(account))),
        )
    };
    let others = plan.names.iter().enumerate();
    let others = others.filter(|(other, _)| *other != account);
    let others = others.filter_map(|(account, name)| Some(route(account, name.as_ref()?)));
    Routes::new(route(account, name), others.collect())
}

fn settings(world: &World, plan: &PlanState) -> TrackerSettings {
    let setup = &world.state().scenario.setup.clone();
    TrackerSettings {
        min_refresh_interval: Duration::from_millis(setup.min_refresh),
        max_refresh_interval: Duration::from_millis(setup.max_refresh.max(setup.min_refresh)),
        gone_after: Duration::from_millis(setup.gone_after),
        keep_settled: Duration::from_millis(setup.keep_settled),
        keep_unresolved: Duration::from_hours(168),
        limits: TrackerLimits::NONE,
        per_transfer: model::PerTransfer::All,
        max_transfers: 1_000,
        shard: plan.shard,
        events: !plan.queues.is_empty(),
    }
}
