//! The tracker at size: CPU of each of its operations, and the bytes that a settled transfer takes. All in this process
//! and on one thread. Linux only: it reads `/proc`.
//!
//! `cargo bench --bench tracker` prints the tables.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]
#![expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]

use std::alloc::System;
use std::hint::black_box;
use std::time::{Duration, Instant, UNIX_EPOCH};

use aws_transfer_exporter::tracker::{PollResult, Tracker, TrackerSettings};
use model::{
    Account, AccountName, ConnectorId, Fact, FailureCode, FileResult, FileStatus, Now, Origin,
    Shard, TransferKey, TransferStart,
};
use simulator::SplitMix64;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TRANSFERS_OF_CONNECTOR: usize = 1_000;
/// A settled transfer takes no more, apart from what is rendered of it.
const MOST_BYTES: f64 = 400.0;
const RUNS: usize = 5;

fn main() {
    println!("µs a transfer, least of {RUNS}");
    println!("transfers   learn     due  settle  expire  not news");
    [1_000, 10_000, 100_000].into_iter().for_each(operations);
    println!(
        "\na snapshot, ms, least of {RUNS}: by how many transfers have changed since the one before"
    );
    println!("transfers   first       0     1 %     all   1 % of an all-running one");
    [1_000, 10_000, 100_000].into_iter().for_each(snapshots);
    println!("\nbytes allocated for a settled transfer, its row of the snapshot included");
    println!("transfers  configured  discovered");
    for transfers in [1_000, 10_000, 100_000] {
        let [configured, discovered] =
            [Origin::Config, Origin::Files].map(|origin| bytes(transfers, origin));
        println!("{transfers:>9} {configured:>11.1} {discovered:>11.1}");
        assert!(
            transfers < 10_000 || configured.max(discovered) <= MOST_BYTES,
            "more than {MOST_BYTES}"
        );
    }
}

/// Learning, telling what is due, settling, dropping; and an answer that says nothing new.
fn operations(transfers: usize) {
    let mut least = [f64::INFINITY; 5];
    for _ in 0..RUNS {
        let world = World::new(transfers);
        let mut tracker = world.tracker();
        let learn = cpu_ms(|| world.learn(&mut tracker, Origin::Files));
        let due = cpu_ms(|| assert_eq!(tracker.due(world.at(1)).len(), transfers));
        world.answer_all(&mut tracker, false, 2);
        let again = cpu_ms(|| world.answer_all(&mut tracker, false, 60));
        let settle = cpu_ms(|| world.answer_all(&mut tracker, true, 120));
        let expire = cpu_ms(|| tracker.expire(world.at(10_000)));
        assert!(
            tracker
                .snapshot(world.at(10_001))
                .transfers()
                .next()
                .is_none()
        );
        for (least, ms) in least.iter_mut().zip([learn, due, settle, expire, again]) {
            *least = least.min(ms * 1_000.0 / transfers as f64);
        }
    }
    let [learn, due, settle, expire, again] = least;
    println!("{transfers:>9} {learn:>7.3} {due:>7.3} {settle:>7.3} {expire:>7.3}   {again:>7.3}");
}

fn snapshots(transfers: usize) {
    let mut least = [f64::INFINITY; 5];
    for _ in 0..RUNS {
        let world = World::new(transfers);
        let mut tracker = world.tracker();
        world.learn(&mut tracker, Origin::Config);
        let snapshot =
            |tracker: &mut Tracker| cpu_ms(|| drop(black_box(tracker.snapshot(world.at(1)))));
        // One in a hundred runs, the others have ended.
        for (n, key) in world.keys.iter().enumerate() {
            tracker.record_poll(key, &world.answer(n, n % 100 != 0), world.at(2));
        }
        let first = snapshot(&mut tracker);
        let none = snapshot(&mut tracker);
        for (n, key) in world.keys.iter().enumerate().step_by(100) {
            tracker.record_poll(key, &world.more(n), world.at(60));
        }
        let few = snapshot(&mut tracker);

        let mut running = world.tracker();
        world.learn(&mut running, Origin::Config);
        world.answer_all(&mut running, false, 2);
        snapshot(&mut running);
        for (n, key) in world.keys.iter().enumerate().step_by(100) {
            running.record_poll(key, &world.more(n), world.at(60));
        }
        let spread = snapshot(&mut running);
        world.answer_all(&mut running, true, 120);
        let all = snapshot(&mut running);
        for (least, ms) in least.iter_mut().zip([first, none, few, all, spread]) {
            *least = least.min(ms);
        }
    }
    let [first, none, few, all, spread] = least;
    println!("{transfers:>9} {first:>7.3} {none:>7.3} {few:>7.3} {all:>7.3}   {spread:>7.3}");
}

/// What is still allocated once all have settled and a snapshot was taken. The keys are not counted: the ids are copied,
/// as they are when each comes out of a message of its own.
fn bytes(transfers: usize, origin: Origin) -> f64 {
    let world = World::new(transfers);
    let mut tracker = world.tracker();
    let region = Region::new(ALLOCATOR);
    world.learn(&mut tracker, origin);
    world.answer_all(&mut tracker, true, 2);
    drop(tracker.snapshot(world.at(3)));
    let change = region.change();
    let kept = change.bytes_allocated - change.bytes_deallocated;
    assert_eq!(tracker.snapshot(world.at(4)).transfers().count(), transfers);
    kept as f64 / transfers as f64
}

struct World {
    keys: Vec<TransferKey>,
    start: Now,
}

impl World {
    fn new(transfers: usize) -> Self {
        let mut random = SplitMix64::new(7);
        let account = AccountName::new("bench");
        let key = |n: usize| {
            let connector: ConnectorId = format!("c-{:017x}", n / TRANSFERS_OF_CONNECTOR)
                .parse()
                .unwrap();
            TransferKey {
                account: account.clone(),
                connector,
                transfer: random.uuid().parse().unwrap(),
            }
        };
        let start = Now {
            instant: Instant::now(),
            wall: UNIX_EPOCH + Duration::from_secs(1_790_000_000),
        };
        Self {
            keys: (0..transfers).map(key).collect(),
            start,
        }
    }

    fn at(&self, seconds: u64) -> Now {
        let later = Duration::from_secs(seconds);
        Now {
            instant: self.start.instant + later,
            wall: self.start.wall + later,
        }
    }

    fn tracker(&self) -> Tracker {
        let settings = TrackerSettings {
            min_refresh_interval: Duration::from_secs(10),
            max_refresh_interval: Duration::from_secs(10),
            gone_after: Duration::from_mins(15),
            keep_settled: Duration::from_mins(1),
            max_transfers: 1_000_000,
            shard: Shard::ONLY,
            events: false,
        };
        let mut tracker = Tracker::new(settings, self.start.wall);
        let account = Account {
            name: AccountName::new("bench"),
            region: "eu-central-1".into(),
        };
        tracker.configure(settings, [account]);
        tracker
    }

    fn learn(&self, tracker: &mut Tracker, origin: Origin) {
        for key in &self.keys {
            let transfer = key.transfer.as_str().parse().unwrap();
            let start = TransferStart {
                key: TransferKey {
                    transfer,
                    ..key.clone()
                },
                started_at: None,
            };
            tracker.ingest(&Fact::Started(start), origin, self.at(0));
        }
    }

    fn answer_all(&self, tracker: &mut Tracker, settled: bool, at: u64) {
        for (n, key) in self.keys.iter().enumerate() {
            tracker.record_poll(key, &self.answer(n, settled), self.at(at));
        }
    }

    /// Two files; if it is settled, one of ten has a third that failed, else all have one that runs.
    #[expect(clippy::unused_self, reason = "beside the others")]
    fn answer(&self, n: usize, settled: bool) -> PollResult {
        let file = |path: &str, status| FileResult {
            path: path.to_owned(),
            status,
            failure_code: None,
            failure_message: None,
        };
        let mut files = vec![
            file("/file-0", FileStatus::Completed),
            file("/file-1", FileStatus::Completed),
        ];
        if !settled {
            files.push(file("/file-2", FileStatus::InProgress));
        } else if n.is_multiple_of(10) {
            let code = ["CONNECTION_ERROR", "TIMEOUT_ERROR", "FILE_NOT_FOUND"][n / 10 % 3];
            files.push(FileResult {
                failure_code: FailureCode::new(code),
                ..file("/file-2", FileStatus::Failed)
            });
        }
        PollResult::Files(files)
    }

    /// Runs still, and has a file more.
    fn more(&self, n: usize) -> PollResult {
        let PollResult::Files(mut files) = self.answer(n, false) else {
            unreachable!()
        };
        files.push(FileResult {
            path: "/file-3".to_owned(),
            ..files[0].clone()
        });
        PollResult::Files(files)
    }
}

/// What this thread has spent on a CPU: others use this machine too.
fn cpu_ms(run: impl FnOnce()) -> f64 {
    let cpu = || {
        // schedstat is brought up to date when the thread is scheduled; clock ticks would be too coarse.
        std::thread::yield_now();
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
    };
    let start = cpu();
    run();
    cpu() - start
}
