//! The running sources, and their sink.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_transfer_exporter::collector::Collector;
use aws_transfer_exporter::config::{CloudtrailPlan, EventsPlan};
use aws_transfer_exporter::discovery::cloudtrail::CloudTrailPoller;
use aws_transfer_exporter::discovery::routes::{AccountId, Routes};
use aws_transfer_exporter::discovery::{Sink, SinkError, events};
use aws_transfer_exporter::tracker::Ingested;
use model::{AccountName, ConnectorId, Fact, ListedConnectors, Origin, TransferKey};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::target_files::TargetReaders;
use super::{Process, account_named, persist, sleep};
use crate::aws::{Queue, Trail, account_id};
use crate::plan::{SECOND, SECOND_QUEUE};
use crate::world::{PlanState, REGION, World};

impl Process {
    /// Stops the sources that the plan no longer has, and starts its new ones.
    pub(super) fn switch_sources(&mut self, plan: &PlanState) {
        let mut before = std::mem::take(&mut self.sources);
        if let Some(TargetReaders { files, sink, .. }) = &self.targets {
            let key = format!("files/{:?}/{}", sink.accounts, sink.since);
            let run = || tokio::spawn(Arc::clone(files).run()).abort_handle();
            let task = before.remove(&key).unwrap_or_else(run);
            self.sources.insert(key, task);
        }
        for (account, name) in plan.names.iter().enumerate() {
            let Some(name) = name else { continue };
            if plan.trail {
                let key = format!("cloudtrail/{name}/{}", plan.shard);
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
