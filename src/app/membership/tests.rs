//! Several processes share shards, a queue and a simulated table. They are killed, stopped and cut off,
//! requests and answers are lost, and clocks run at different rates.

mod fakes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use crate::app::shards::{ShardState, Shards, Task};
use crate::app::{App, Membership, Options, Sharding, membership};
use crate::collector::Collector;
use crate::config::{AccountPlan, Plan};
use crate::metrics::self_metrics::SelfMetrics;
use crate::store::Members;
use crate::store::dynamodb::fake::{FakeTable, store};
use crate::transfer::session::StaticCredentials;
use fakes::{Draw, FakeRest, Network, Queue, Rest};
use model::{
    AccountName, Clock, ConnectorId, Direction, Fact, FileEnd, Finished, Now, Origin, TransferKey,
};

const SHARDS: u32 = 5;
const PROCESSES: usize = 3;
const LIFETIME: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);
const DURATION: Duration = Duration::from_mins(8);
const WORLDS: u64 = 12;

struct Process {
    app: Arc<App>,
    network: Network,
    tasks: Vec<Task>,
}

impl Process {
    fn is_cut_off(&self) -> bool {
        self.network.is_cut_off.load(Ordering::Relaxed)
    }

    fn cut_off(&self, is_cut_off: bool) {
        self.network.is_cut_off.store(is_cut_off, Ordering::Relaxed);
    }

    /// Ends it at once: what it has sent is on its way.
    fn kill(mut self) {
        self.tasks.clear();
        if let Some(membership) = &self.app.membership {
            membership.terms().clear();
        }
        self.app.stop_working();
    }

    async fn stop(mut self) {
        self.tasks.clear();
        if let Some(membership) = &self.app.membership {
            membership.leave(self.app.shards.all()).await;
        }
        self.app.stop_working();
    }
}

struct World {
    draw: Draw,
    has_faults: Arc<AtomicBool>,
    tables: Vec<FakeTable>,
    rest: Arc<Mutex<Rest>>,
    queue: Arc<Mutex<Queue>>,
    started: usize,
    /// Files that have ended, by connector.
    truth: BTreeMap<ConnectorId, u64>,
    /// The counts of each shard, as last seen.
    seen: BTreeMap<(u32, ConnectorId), u64>,
    /// Since when each shard has had no owner.
    vacant_since: Vec<Instant>,
    longest_vacancy: Duration,
    owners: usize,
}

fn wall_clock() -> Arc<dyn Clock> {
    let (start, wall) = (Instant::now(), SystemTime::now());
    Arc::new(move || Now {
        instant: Instant::now().into_std(),
        wall: wall + start.elapsed(),
    })
}

fn plan() -> Plan {
    Plan {
        accounts: vec![AccountPlan {
            name: AccountName::new("prod"),
            region: Some("eu-central-1".into()),
            ..AccountPlan::default()
        }],
        ..Plan::default()
    }
}

fn connector(number: usize) -> ConnectorId {
    format!("c-{number:017x}").parse().unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            draw: Draw::new(seed),
            has_faults: Arc::default(),
            tables: (0..SHARDS).map(|_| FakeTable::new()).collect(),
            rest: Arc::default(),
            queue: Arc::default(),
            started: 0,
            truth: BTreeMap::new(),
            seen: BTreeMap::new(),
            vacant_since: vec![Instant::now(); SHARDS as usize],
            longest_vacancy: Duration::ZERO,
            owners: 0,
        }
    }

    async fn start(&mut self, clock: &Arc<dyn Clock>) -> Process {
        self.started += 1;
        let name = format!("{:08x}-{}", self.draw.below(1 << 30), self.started);
        let network = Network::new(&self.draw, &self.has_faults);
        let begun = Instant::now();
        let permille = u32::try_from(970 + self.draw.below(60)).unwrap();
        let rate = f64::from(permille) / 1_000.0;
        let boot_clock = Arc::new(move || SECOND + begun.elapsed().mul_f64(rate));
        let metrics = Arc::new(SelfMetrics::new().unwrap());
        let plan = plan();
        let sharding = Sharding::Automatic { total: SHARDS };
        let states = sharding.shards().into_iter().zip(&self.tables);
        let states = states.map(|(shard, table)| {
            let fates = network.clone();
            let table = table.with_fates(move |_| fates.fate());
            let lease = store(&table, &name, Arc::clone(&boot_clock) as _, LIFETIME);
            let settings = crate::app::runtime::tracker_settings(&plan, shard);
            let collector = Collector::new(&metrics, Arc::clone(clock), settings);
            Arc::new(ShardState::new(shard, collector, Some(Arc::new(lease))))
        });
        let states: Vec<_> = states.collect();
        let rest = Arc::new(FakeRest::new(&self.rest, &network, name));
        let members = Some(Arc::clone(&rest) as Arc<dyn Members>);
        let membership = Membership::new(&states, members, &metrics.lease, LIFETIME);
        let options = Options {
            sharding,
            credentials: Some(StaticCredentials {
                access_key_id: "AKIDEXAMPLE",
                secret_access_key: "none",
            }),
            ..Options::default()
        };
        let shards = (Shards::new(states, Some(rest)), Some(membership));
        let app = App::with_shards(plan, options, Arc::clone(clock), metrics, shards);
        let app = Box::pin(app).await.unwrap();
        let member = app.membership.clone().unwrap();
        let running = tokio::spawn(membership::run(Arc::clone(&app), member));
        let reading = tokio::spawn(read_queue(Arc::clone(&app), Arc::clone(&self.queue)));
        let tasks = [running.abort_handle(), reading.abort_handle()].map(Task);
        Process {
            app,
            network,
            tasks: tasks.into(),
        }
    }

    /// A file ends, and its event is sent once or twice.
    fn end_file(&mut self, now: SystemTime) {
        let connector = connector(self.draw.below(4));
        let number: u64 = self.truth.values().sum();
        let fact = Fact::FileEnded(FileEnd {
            key: TransferKey {
                account: AccountName::new("prod"),
                connector: connector.clone(),
                transfer: format!("t-{}", number / 3).parse().unwrap(),
            },
            file_transfer_id: format!("f-{number}"),
            direction: Direction::Send,
            path: format!("/out/{number}"),
            end: Finished::Completed,
            message: None,
            bytes: 1,
            duration: None,
            ended_at: now,
        });
        let mut queue = self.queue.lock().unwrap();
        queue.send(fact.clone());
        if self.draw.is(30) {
            queue.send(fact);
        }
        *self.truth.entry(connector).or_default() += 1;
    }

    /// Looks at all processes as scrapes do.
    async fn look(&mut self, processes: &[Process]) {
        let mut owned = BTreeSet::new();
        for shard in processes
            .iter()
            .flat_map(|process| process.app.shards.owned_shards())
        {
            assert!(
                owned.insert(shard.index()),
                "two processes own shard {shard}"
            );
        }
        self.owners = owned.len();
        for shard in owned {
            let since = &mut self.vacant_since[shard as usize];
            self.longest_vacancy = self.longest_vacancy.max(since.elapsed());
            *since = Instant::now();
        }
        for process in processes {
            for (state, collector) in process.app.shards.owned() {
                let collected = collector.known().await;
                if !state.owned().is_some_and(|now| now.is_same(&collector)) {
                    continue;
                }
                let shard = state.shard.index();
                for view in collected.snapshot.connectors() {
                    let files = view.finished.get(&Finished::Completed);
                    let files = files.map_or(0, |seen| seen.files);
                    let key = (shard, view.labels.id.clone());
                    let before = self.seen.insert(key, files).unwrap_or_default();
                    assert!(
                        files >= before,
                        "shard {shard} fell from {before} to {files}"
                    );
                }
            }
        }
        for (connector, files) in self.counted() {
            let most = self.truth.get(&connector).copied().unwrap_or_default();
            assert!(files <= most, "{files} of {most} files of {connector}");
        }
    }

    fn counted(&self) -> BTreeMap<ConnectorId, u64> {
        let mut counted = BTreeMap::new();
        for ((_, connector), files) in &self.seen {
            *counted.entry(connector.clone()).or_default() += files;
        }
        counted
    }
}

/// Reads the queue as the source of events does.
async fn read_queue(app: Arc<App>, queue: Arc<Mutex<Queue>>) {
    loop {
        sleep(SECOND / 2).await;
        if !app.shards.is_any_owned() {
            continue;
        }
        let received = queue.lock().unwrap().receive();
        if received.is_empty() {
            continue;
        }
        let sink = app.source_context().sink();
        for (_, fact) in &received {
            sink.ingest(std::slice::from_ref(fact), Origin::Events);
        }
        while sink.persist().await.is_err() {
            sleep(SECOND).await;
        }
        let mut queue = queue.lock().unwrap();
        queue
            .messages
            .retain(|(id, ..)| received.iter().all(|(known, _)| known != id));
    }
}

async fn run(seed: u64) -> (Duration, usize) {
    let clock = wall_clock();
    let mut world = World::new(seed);
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let process = world.start(&clock).await;
        processes.push(process);
    }
    while world.owners < SHARDS as usize {
        sleep(SECOND).await;
        world.look(&processes).await;
    }
    world.has_faults.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    while begun.elapsed() < DURATION {
        if world.draw.is(60) {
            world.end_file(clock.now().wall);
        }
        let at = world.draw.below(processes.len());
        match world.draw.below(60) {
            0 => {
                processes.swap_remove(at).kill();
                let process = world.start(&clock).await;
                processes.push(process);
            }
            1 => {
                processes.swap_remove(at).stop().await;
                let process = world.start(&clock).await;
                processes.push(process);
            }
            // Most can always reach the table.
            2 if !processes.iter().any(Process::is_cut_off) => {
                processes[at].cut_off(true);
            }
            3..8 => processes[at].cut_off(false),
            _ => {}
        }
        sleep(world.draw.millis(1_500)).await;
        world.look(&processes).await;
    }
    world.has_faults.store(false, Ordering::Relaxed);
    for process in &processes {
        process.cut_off(false);
    }
    let rested = Instant::now();
    loop {
        sleep(SECOND).await;
        world.look(&processes).await;
        let of_each = |process: &Process| process.app.shards.owned_shards().len();
        let mut owned: Vec<_> = processes.iter().map(of_each).collect();
        owned.sort_unstable();
        if world.counted() == world.truth && owned == [1, 2, 2] {
            break;
        }
        assert!(
            rested.elapsed() < Duration::from_mins(3),
            "{:?} of {:?}, {owned:?}",
            world.counted(),
            world.truth
        );
    }
    let forwarded = world.rest.lock().unwrap().forwarded;
    for process in processes {
        process.kill();
    }
    (world.longest_vacancy, forwarded)
}

/// Whatever happens, each file is counted once by the shard that it belongs to, no counter falls, no two
/// processes own a shard, and in the end the shards are spread evenly.
#[tokio::test(start_paused = true)]
async fn counters_are_exact_while_shards_move_between_processes() {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = number("MEMBERSHIP_SEED", 0);
    let mut forwarded = 0;
    for seed in first..first + number("MEMBERSHIP_WORLDS", WORLDS) {
        let (longest, letters) = run(seed).await;
        forwarded += letters;
        // A process may be cut off from the moment in which it takes a shard, and again the next one.
        assert!(longest < LIFETIME * 4, "seed {seed}: {longest:?}");
    }
    assert!(forwarded > 1_000, "{forwarded} letters");
}
