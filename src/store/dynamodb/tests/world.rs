//! Several processes that share a shard: they are killed, paused and cut off, their requests and answers
//! are lost, and their clocks run at different rates.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, sleep};

use super::*;

const WORLDS: u64 = 100;
const DURATION: Duration = Duration::from_mins(10);
/// By how much the rates of two clocks may differ, in thousandths.
const DRIFT: u64 = 80;

/// Numbers from a seed.
#[derive(Clone)]
struct Draw(Arc<AtomicU64>);

impl Draw {
    fn below(&self, end: u64) -> u64 {
        // https://prng.di.unimi.it/splitmix64.c
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn is(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// A future that does not go on while its process is paused.
struct Pausable<F> {
    inner: Pin<Box<F>>,
    pause: Arc<Pause>,
}

#[derive(Default)]
struct Pause {
    is_paused: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Pause {
    fn set(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }
}

impl<F: Future> Future for Pausable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        *self.pause.waker.lock().unwrap() = Some(context.waker().clone());
        if self.pause.is_paused.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.inner.as_mut().poll(context)
    }
}

type State = BTreeMap<u64, u64>;

/// What is known of the saves: number 0 of a state counts them.
#[derive(Default)]
struct Truth {
    /// The state that each attempt at a save leads to.
    attempts: BTreeMap<u64, Vec<State>>,
    acknowledged: BTreeSet<u64>,
    loads: u64,
    batches: u64,
}

impl Truth {
    fn loaded(&mut self, state: &State) {
        self.loads += 1;
        let count = state.get(&0).copied().unwrap_or_default();
        let newest = self.acknowledged.last().copied().unwrap_or_default();
        assert!(
            count >= newest,
            "save {newest} was acknowledged, {count} is stored"
        );
        if count > 0 {
            let attempts = &self.attempts[&count];
            assert!(attempts.contains(state), "save {count} is stored in part");
        }
    }

    fn attempt(&mut self, count: u64, state: &State, changes: usize) {
        self.batches += u64::from(changes > 99);
        self.attempts.entry(count).or_default().push(state.clone());
    }

    /// An owner that was paused may learn late of its last save.
    fn acknowledged(&mut self, count: u64) {
        assert!(
            self.acknowledged.insert(count),
            "save {count} by two owners"
        );
    }
}

type Process = (Arc<SharedStore>, Arc<Pause>);

struct World {
    draw: Draw,
    table: FakeTable,
    truth: Mutex<Truth>,
    /// Whether requests may fail.
    has_faults: bool,
    /// Names of processes, and which of them believe that they own the shard.
    stores: Mutex<BTreeMap<String, Process>>,
}

impl World {
    fn fate(draw: &Draw, has_faults: bool) -> RequestFate {
        let fault = match draw.below(if has_faults { 40 } else { u64::MAX }) {
            0 => Some(Fault::Busy),
            1 => Some(Fault::LostAnswer),
            2 => Some(Fault::Unreachable),
            _ => None,
        };
        let slow = if has_faults && draw.is(3) { 6_000 } else { 40 };
        RequestFate {
            delay: (draw.millis(1, slow), draw.millis(1, slow)),
            fault,
        }
    }

    fn clock(&self) -> BootClock {
        let start = Instant::now();
        let begin = self.draw.millis(0, 1_000_000);
        let rate = 1_000 - DRIFT / 2 + self.draw.below(DRIFT);
        let rate = f64::from(u32::try_from(rate).unwrap()) / 1_000.0;
        Arc::new(move || begin + start.elapsed().mul_f64(rate))
    }

    /// Starts a process with a new name.
    fn store(&self, name: &str, pause: &Arc<Pause>) -> Arc<SharedStore> {
        let (draw, has_faults) = (self.draw.clone(), self.has_faults);
        let table = self
            .table
            .with_fates(move |_| Self::fate(&draw, has_faults));
        let store = Arc::new(store(&table, name, self.clock()));
        let entry = (Arc::clone(&store), Arc::clone(pause));
        self.stores.lock().unwrap().insert(name.to_owned(), entry);
        store
    }

    /// Runs a process until it is stopped.
    async fn live(&self, store: &SharedStore) {
        loop {
            match store.acquire().await {
                Ok(Acquisition::Acquired { .. }) => {
                    tokio::select! {
                        () = self.own(store) => {}
                        () = renew(store) => {}
                    }
                }
                Ok(Acquisition::HeldBy { .. }) | Err(_) => {}
            }
            sleep(self.draw.millis(500, 3_000)).await;
        }
    }

    async fn own(&self, store: &SharedStore) {
        let Ok(saved) = store.load().await else {
            return;
        };
        let mut state = sorted(&saved);
        if !store.is_held() {
            // It may have been paused before it could note what it had read.
            return;
        }
        self.truth.lock().unwrap().loaded(&state);
        let mut unsaved = BTreeSet::from([0]);
        let mut count = state.get(&0).copied().unwrap_or_default();
        while store.is_held() {
            count += 1;
            let changed = if self.draw.is(10) {
                self.draw.below(400)
            } else {
                self.draw.below(5)
            };
            unsaved.extend((0..changed).map(|_| self.draw.below(500)));
            if self.draw.is(5) {
                // As if the log were long.
                let store = Arc::clone(&store.0);
                tokio::spawn(async move { store.force_compaction().await.ok() });
            }
            let operations: Vec<_> = unsaved
                .iter()
                .map(|number| (*number, Some(count)))
                .collect();
            state.extend(unsaved.iter().map(|number| (*number, count)));
            self.truth
                .lock()
                .unwrap()
                .attempt(count, &state, operations.len());
            let writes = PendingWrites {
                operations,
                ..PendingWrites::default()
            };
            match store.save(Arc::new(writes)).await {
                Ok(()) => {
                    self.truth.lock().unwrap().acknowledged(count);
                    unsaved = BTreeSet::from([0]);
                }
                Err(StoreError::LeaseLost { .. }) => return,
                Err(_) => {}
            }
            sleep(self.draw.millis(100, 2_000)).await;
        }
    }

    /// Checks that one process at most answers as owner.
    fn check_owners(&self) {
        let stores = self.stores.lock().unwrap();
        let is_owner =
            |(store, pause): &&Process| store.is_held() && !pause.is_paused.load(Ordering::Relaxed);
        let owners = stores.values().filter(is_owner).count();
        assert!(owners <= 1, "{owners} owners");
    }
}

async fn renew(store: &SharedStore) {
    while store.is_held() {
        sleep(LIFETIME / 3).await;
        if let Err(StoreError::LeaseLost { .. }) = store.renew().await {
            return;
        }
    }
}

/// Runs a world, and returns its truth and how long each take-over took.
async fn run(seed: u64, has_faults: bool) -> (Truth, Vec<Duration>) {
    let draw = Draw(Arc::new(AtomicU64::new(seed << 32)));
    let world = Arc::new(World {
        table: FakeTable::new().with_pages_of(200),
        truth: Mutex::default(),
        stores: Mutex::default(),
        has_faults,
        draw: draw.clone(),
    });
    let mut take_overs = Vec::new();
    let mut processes = Vec::new();
    let start = |number: u64| {
        let (name, pause) = (format!("process-{number}"), Arc::<Pause>::default());
        let store = world.store(&name, &pause);
        let (world, own) = (Arc::clone(&world), Arc::clone(&store));
        let life = Pausable {
            inner: Box::pin(async move { world.live(&own).await }),
            pause: Arc::clone(&pause),
        };
        (name, store, pause, tokio::spawn(life))
    };
    let number = 2 + draw.below(3);
    processes.extend((0..number).map(start));
    let end = Instant::now() + DURATION;
    let mut started = number;
    while Instant::now() < end {
        for _ in 0..draw.below(60) {
            sleep(draw.millis(100, 1_000)).await;
            world.check_owners();
        }
        let victim = usize::try_from(draw.below(number)).unwrap();
        let was_owner = processes[victim].1.is_held();
        let stopped = Instant::now();
        match draw.below(4) {
            0 => {
                let (name, _, _, task) = &processes[victim];
                task.abort();
                world.stores.lock().unwrap().remove(name);
                processes[victim] = start(started);
                started += 1;
            }
            1 => {
                let (.., pause, _) = &processes[victim];
                pause.set(true);
                let pause = Arc::clone(pause);
                let time = draw.millis(1_000, 60_000);
                tokio::spawn(async move {
                    sleep(time).await;
                    pause.set(false);
                });
                if time < LIFETIME * 2 {
                    sleep(if has_faults { SECOND } else { time }).await;
                    continue;
                }
            }
            2 => {
                let (_, store, ..) = &processes[victim];
                store.release().await;
            }
            _ => continue,
        }
        if has_faults || !was_owner {
            sleep(Duration::from_mins(u64::from(!has_faults))).await;
            continue;
        }
        let is_owned = || {
            let stores = world.stores.lock().unwrap();
            stores
                .values()
                .any(|(store, pause)| store.is_held() && !pause.is_paused.load(Ordering::Relaxed))
        };
        while !is_owned() {
            sleep(Duration::from_millis(50)).await;
        }
        take_overs.push(stopped.elapsed());
        // The next one needs a process that can take over.
        sleep(Duration::from_mins(1)).await;
    }
    for (_, _, pause, task) in processes {
        pause.set(false);
        let failed = task.is_finished().then(async || task.await.unwrap_err());
        if let Some(failed) = failed {
            panic!("seed {seed}: {:?}", failed.await);
        }
    }
    let truth = std::mem::take(&mut *world.truth.lock().unwrap());
    (truth, take_overs)
}

fn in_worlds(has_faults: bool) -> (Truth, Vec<Duration>) {
    let (mut all, mut take_overs) = (Truth::default(), Vec::new());
    for seed in 0..WORLDS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let run = || runtime.block_on(run(seed, has_faults));
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        let Ok((truth, times)) = run else {
            panic!("seed {seed}, with faults: {has_faults}");
        };
        all.loads += truth.loads;
        all.batches += truth.batches;
        let saves = u64::try_from(truth.acknowledged.len()).unwrap();
        all.acknowledged
            .insert(all.acknowledged.last().copied().unwrap_or_default() + saves);
        take_overs.extend(times);
    }
    (all, take_overs)
}

#[test]
#[expect(clippy::print_stdout, reason = "what happened, for people")]
fn owners_follow_each_other_and_lose_nothing_whatever_fails() {
    let (truth, _) = in_worlds(true);
    let saves = *truth.acknowledged.last().unwrap();
    println!(
        "{} owners, {saves} saves, {} in batches",
        truth.loads, truth.batches
    );
    assert!(truth.loads > 5 * WORLDS && saves > 100 * WORLDS && truth.batches > WORLDS);
}

#[test]
#[expect(clippy::print_stdout, reason = "what happened, for people")]
fn another_process_takes_over_within_one_and_a_half_lifetimes() {
    let (_, mut times) = in_worlds(false);
    times.sort_unstable();
    let longest = *times.last().unwrap();
    let median = times[times.len() / 2];
    println!(
        "{} take-overs, median {median:?}, longest {longest:?}",
        times.len()
    );
    assert!(
        times.len() > 200 && longest < LIFETIME * 3 / 2,
        "{longest:?}"
    );
}
