//! Measures the CPU time of the tracker's operations, and the memory per settled transfer, in this
//! process and on one thread. Linux only, because it reads `/proc`.
//!
//! Run with `cargo bench --bench tracker`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]
#![expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]

use std::alloc::System;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_transfer_exporter::flows::schedule::{DayOfWeek, Schedule};
use aws_transfer_exporter::flows::{Expect, FlowConfig};
use aws_transfer_exporter::metrics::cache::SegmentCache;
use aws_transfer_exporter::metrics::exposition::render;
use aws_transfer_exporter::metrics::format::Encoding;
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::metrics::{Scrape, ScrapeRequest};
use aws_transfer_exporter::tracker::{PollResult, Tracker, TrackerLimits, TrackerSettings};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use model::{
    Account, AccountName, ConnectorId, Fact, FailureCode, FileResult, FileStatus, FlowTitle, Now,
    Origin, Shard, TransferKey, TransferStart,
};
use simulator::SplitMix64;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TRANSFERS_PER_CONNECTOR: usize = 1_000;
/// Maximum memory per settled transfer, without rendered text.
const MAX_BYTES: f64 = 400.0;
/// Maximum memory per transfer that has left.
const MAX_FATE_BYTES: f64 = 64.0;
/// Of how many settled transfers one has a failed file.
const TENTH_FAILS: usize = 10;
const NONE_FAILS: usize = usize::MAX;
const RUNS: usize = 5;
const FLOWS: usize = 1_000;
/// How many scrapes of each kind the least cost is of, in each run.
const SCRAPES: u64 = 20;

fn main() {
    println!("µs per transfer, best of {RUNS} runs");
    println!("transfers  ingest     due  settle  expire  unchanged");
    [1_000, 10_000, 100_000].into_iter().for_each(operations);
    println!(
        "\nms per snapshot, best of {RUNS} runs, by the share of transfers that changed since the last one"
    );
    println!("transfers   first       0     1 %     all   1 %, all running");
    [1_000, 10_000, 100_000].into_iter().for_each(snapshots);
    println!(
        "\nms per reload without changes, best of {RUNS} runs: of settled and of unfinished transfers"
    );
    [10_000, 100_000].into_iter().for_each(reloads);
    println!("\nµs per transfer with {FLOWS} flows, best of {RUNS} runs, and relative to none");
    println!(
        "transfers  matched  ratio  settle  ratio  scrape ms  ratio  unchanged  ratio  bytes per flow, before and after the files"
    );
    [10_000, 100_000].into_iter().for_each(with_flows);
    println!("\nbytes allocated per settled transfer, including its row in the snapshot");
    println!("transfers  configured  discovered  after it left  and per failed file");
    for transfers in [1_000, 10_000, 100_000] {
        let [(configured, _), (discovered, left)] =
            [Origin::Config, Origin::Files].map(|origin| bytes(transfers, origin, NONE_FAILS));
        let (with_failures, _) = bytes(transfers, Origin::Files, TENTH_FAILS);
        let failed = (with_failures - discovered) * TENTH_FAILS as f64;
        println!(
            "{transfers:>9} {configured:>11.1} {discovered:>11.1} {left:>14.1} {failed:>20.1}"
        );
        assert!(
            transfers < 10_000 || configured.max(discovered) <= MAX_BYTES,
            "more than {MAX_BYTES}"
        );
        assert!(
            transfers < 10_000 || left <= MAX_FATE_BYTES,
            "more than {MAX_FATE_BYTES}"
        );
    }
}

/// Measures ingesting, finding due transfers, settling, expiring, and polls without changes.
fn operations(transfers: usize) {
    let mut least = [f64::INFINITY; 5];
    for _ in 0..RUNS {
        let world = World::new(transfers);
        let mut tracker = world.tracker();
        let ingest = cpu_ms(|| world.ingest(&mut tracker, Origin::Files));
        let (account, horizon) = (&world.keys[0].account, world.at(1).instant);
        let take_due = || tracker.take_due(account, horizon);
        let mut tickets = Vec::with_capacity(transfers);
        let due = cpu_ms(|| tickets.extend(std::iter::from_fn(take_due)));
        assert_eq!(tickets.len(), transfers);
        for ticket in &tickets {
            tracker.finish_poll(ticket, &PollResult::Failed, world.at(1));
        }
        world.poll_all(&mut tracker, false, 2);
        let unchanged = cpu_ms(|| world.poll_all(&mut tracker, false, 60));
        let settle = cpu_ms(|| world.poll_all(&mut tracker, true, 120));
        world.poll_all(&mut tracker, true, 180);
        let expire = cpu_ms(|| tracker.expire(world.at(10_000)));
        assert!(
            tracker
                .snapshot(world.at(10_001))
                .transfers()
                .next()
                .is_none()
        );
        for (least, ms) in least
            .iter_mut()
            .zip([ingest, due, settle, expire, unchanged])
        {
            *least = least.min(ms * 1_000.0 / transfers as f64);
        }
    }
    let [ingest, due, settle, expire, unchanged] = least;
    println!(
        "{transfers:>9} {ingest:>7.3} {due:>7.3} {settle:>7.3} {expire:>7.3}    {unchanged:>7.3}"
    );
}

/// Measures a reload that changes nothing.
fn reloads(transfers: usize) {
    let mut least = [f64::INFINITY; 2];
    for _ in 0..RUNS {
        for (least, settled) in least.iter_mut().zip([true, false]) {
            let world = World::new(transfers);
            let mut tracker = world.tracker();
            world.ingest(&mut tracker, Origin::Files);
            world.poll_all(&mut tracker, settled, 120);
            world.poll_all(&mut tracker, settled, 180);
            let reload = cpu_ms(|| world.configure(&mut tracker, 190));
            *least = least.min(reload);
        }
    }
    let [settled, unfinished] = least;
    println!("{transfers:>9} {settled:>8.3} {unfinished:>10.3}");
}

/// Measures settling with flows that own no file, which is the cost of matching, and settling and a snapshot
/// with flows, one in ten of which owns files.
fn with_flows(transfers: usize) {
    let flow = |n: usize, owns: bool| {
        let name = format!("flow-{n}");
        let paths = if owns && n.is_multiple_of(10) {
            vec![format!("/file-{}", n / 10 % 3)]
        } else {
            vec![format!("/feeds/{name}/**/*.csv")]
        };
        FlowConfig {
            title: Arc::new(FlowTitle {
                name: name.into(),
                connectors: vec![format!("c-{:017x}", n / 10)],
                paths,
                required_files: 1,
                ..FlowTitle::default()
            }),
            ignore_codes: BTreeSet::new(),
            expect: Some(Expect {
                schedule: Schedule {
                    by: vec![Time::midnight()],
                    zone: TimeZone::UTC,
                    days: DayOfWeek::ALL.into(),
                    except: BTreeSet::new(),
                    from: None,
                    grace: Duration::ZERO,
                },
                files: 1,
                min_bytes: 0,
            }),
        }
    };
    let of = |owns: bool| (0..FLOWS).map(|n| flow(n, owns)).collect::<Vec<_>>();
    let (flows, others) = (of(true), of(false));
    let metrics = SelfMetrics::new().unwrap();
    let mut least = [[f64::INFINITY; 3]; 3];
    let mut allocated = [[0.0; 2]; 3];
    for _ in 0..RUNS {
        let measured = least.iter_mut().zip(&mut allocated);
        for ((least, allocated), flows) in measured.zip([&flows[..0], &flows, &others]) {
            let world = World::new(transfers);
            let mut tracker = world.tracker();
            let region = Region::new(ALLOCATOR);
            tracker.configure_flows(flows, world.at(0));
            allocated[0] = live_bytes(&region.change());
            world.ingest_started(&mut tracker, Origin::Files);
            let region = Region::new(ALLOCATOR);
            let settle = cpu_ms(|| {
                world.poll_all(&mut tracker, true, 120);
                world.poll_all(&mut tracker, true, 180);
            });
            allocated[1] = live_bytes(&region.change());
            let cache = Mutex::default();
            scrape(&mut tracker, &metrics, &cache, world.at(181));
            least[0] = least[0].min(settle * 1_000.0 / transfers as f64);
            for round in 0..SCRAPES {
                let at = 200 + round * 30;
                // One transfer in a hundred has one more file.
                for (n, key) in world.keys.iter().enumerate().step_by(100) {
                    let result = world.result_with_more_files(n, round + 1);
                    tracker.record_poll(key, &result, world.at(at - 10));
                }
                let scraped = cpu_ms(|| scrape(&mut tracker, &metrics, &cache, world.at(at)));
                least[1] = least[1].min(scraped);
                let unchanged =
                    cpu_ms(|| scrape(&mut tracker, &metrics, &cache, world.at(at + 15)));
                least[2] = least[2].min(unchanged);
            }
        }
    }
    let [
        [settle, scraped, unchanged],
        [with_flows, scraped_with, unchanged_with],
        [matched, ..],
    ] = least;
    let per_flow = |at: usize| (allocated[1][at] - allocated[0][at]) / FLOWS as f64;
    println!(
        "{transfers:>9} {matched:>8.3} {:>6.3} {with_flows:>7.3} {:>6.3} {scraped_with:>10.3} {:>6.3} {unchanged_with:>10.3} {:>6.3} {:>16.0} {:>16.0}",
        matched / settle,
        with_flows / settle,
        scraped_with / scraped,
        unchanged_with / unchanged,
        per_flow(0),
        per_flow(0) + per_flow(1),
    );
}

/// Answers a scrape in gzip.
fn scrape(tracker: &mut Tracker, metrics: &SelfMetrics, cache: &Mutex<SegmentCache>, now: Now) {
    tracker.note_scrape(true, now);
    let scrape = Scrape {
        snapshots: vec![Arc::new(tracker.snapshot(now))],
        complete: true,
        metrics,
        started: UNIX_EPOCH,
        server: true,
    };
    let request = ScrapeRequest {
        encoding: Encoding::Gzip,
        ..ScrapeRequest::everything()
    };
    let body = render(&scrape, &request, cache).unwrap();
    black_box(body.into_parts().map(|part| part.len()).sum::<usize>());
}

fn live_bytes(stats: &Stats) -> f64 {
    stats.bytes_allocated as f64 - stats.bytes_deallocated as f64
}

fn snapshots(transfers: usize) {
    let mut least = [f64::INFINITY; 5];
    for _ in 0..RUNS {
        let world = World::new(transfers);
        let mut tracker = world.tracker();
        world.ingest(&mut tracker, Origin::Config);
        let snapshot =
            |tracker: &mut Tracker| cpu_ms(|| drop(black_box(tracker.snapshot(world.at(180)))));
        // One in a hundred is running, the others have ended.
        for at in [2, 33] {
            for (n, key) in world.keys.iter().enumerate() {
                tracker.record_poll(key, &world.result(n, n % 100 != 0), world.at(at));
            }
        }
        let first = snapshot(&mut tracker);
        let none = snapshot(&mut tracker);
        for (n, key) in world.keys.iter().enumerate().step_by(100) {
            tracker.record_poll(key, &world.result_with_more_files(n, 1), world.at(60));
        }
        let few = snapshot(&mut tracker);

        let mut running = world.tracker();
        world.ingest(&mut running, Origin::Config);
        world.poll_all(&mut running, false, 2);
        snapshot(&mut running);
        for (n, key) in world.keys.iter().enumerate().step_by(100) {
            running.record_poll(key, &world.result_with_more_files(n, 1), world.at(60));
        }
        let spread = snapshot(&mut running);
        world.poll_all(&mut running, true, 120);
        let all = snapshot(&mut running);
        for (least, ms) in least.iter_mut().zip([first, none, few, all, spread]) {
            *least = least.min(ms);
        }
    }
    let [first, none, few, all, spread] = least;
    println!("{transfers:>9} {first:>7.3} {none:>7.3} {few:>7.3} {all:>7.3}   {spread:>7.3}");
}

/// Returns the bytes that are allocated per transfer once all have settled and a snapshot was
/// taken, and those that are left when the transfers are no longer tracked. The ids are copied, as
/// if each came from its own message, and the keys are not included.
fn bytes(transfers: usize, origin: Origin, failing: usize) -> (f64, f64) {
    let world = World {
        failing,
        ..World::new(transfers)
    };
    let mut tracker = world.tracker();
    let region = Region::new(ALLOCATOR);
    world.ingest(&mut tracker, origin);
    world.poll_all(&mut tracker, true, 2);
    world.poll_all(&mut tracker, true, 60);
    drop(tracker.snapshot(world.at(61)));
    let kept = |change: Stats| live_bytes(&change);
    let settled = kept(region.change());
    assert_eq!(
        tracker.snapshot(world.at(62)).transfers().count(),
        transfers
    );
    tracker.retain_origin(origin, &|_| false, world.at(63));
    drop(tracker.snapshot(world.at(64)));
    let left = kept(region.change());
    assert_eq!(tracker.snapshot(world.at(65)).transfers().count(), 0);
    (settled / transfers as f64, left / transfers as f64)
}

struct World {
    keys: Vec<TransferKey>,
    start: Now,
    failing: usize,
}

impl World {
    fn new(transfers: usize) -> Self {
        let mut random = SplitMix64::new(7);
        let account = AccountName::new("bench");
        let key = |n: usize| {
            let connector: ConnectorId = format!("c-{:017x}", n / TRANSFERS_PER_CONNECTOR)
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
            failing: TENTH_FAILS,
        }
    }

    fn at(&self, seconds: u64) -> Now {
        let later = Duration::from_secs(seconds);
        Now {
            instant: self.start.instant + later,
            wall: self.start.wall + later,
        }
    }

    fn settings() -> TrackerSettings {
        TrackerSettings {
            min_refresh_interval: Duration::from_secs(10),
            max_refresh_interval: Duration::from_secs(10),
            gone_after: Duration::from_mins(15),
            keep_settled: Duration::from_mins(1),
            keep_unresolved: Duration::from_hours(168),
            limits: TrackerLimits::NONE,
            per_transfer: model::PerTransfer::All,
            max_transfers: 1_000_000,
            shard: Shard::ONLY,
            events: false,
        }
    }

    fn tracker(&self) -> Tracker {
        let mut tracker = Tracker::new(Self::settings(), self.start.wall);
        self.configure(&mut tracker, 0);
        tracker
    }

    fn configure(&self, tracker: &mut Tracker, at: u64) {
        let account = Account {
            name: AccountName::new("bench"),
            region: "eu-central-1".into(),
        };
        tracker.configure(Self::settings(), [account], self.at(at));
    }

    fn ingest(&self, tracker: &mut Tracker, origin: Origin) {
        self.ingest_starts(tracker, origin, None);
    }

    /// Ingests starts whose time is known.
    fn ingest_started(&self, tracker: &mut Tracker, origin: Origin) {
        self.ingest_starts(tracker, origin, Some(self.start.wall));
    }

    fn ingest_starts(&self, tracker: &mut Tracker, origin: Origin, started_at: Option<SystemTime>) {
        for key in &self.keys {
            let transfer = key.transfer.as_str().parse().unwrap();
            let start = TransferStart {
                key: TransferKey {
                    transfer,
                    ..key.clone()
                },
                started_at,
                reported_at: None,
                files: None,
            };
            tracker.ingest(&Fact::Started(start), origin, self.at(0));
        }
    }

    fn poll_all(&self, tracker: &mut Tracker, settled: bool, at: u64) {
        for (n, key) in self.keys.iter().enumerate() {
            tracker.record_poll(key, &self.result(n, settled), self.at(at));
        }
    }

    /// Returns two completed files and, if not settled, a running one. Some settled transfers have a
    /// failed one.
    fn result(&self, n: usize, settled: bool) -> PollResult {
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
        } else if n % self.failing == self.failing - 1 {
            let code = ["CONNECTION_ERROR", "TIMEOUT_ERROR", "FILE_NOT_FOUND"][n / 10 % 3];
            files.push(FileResult {
                failure_code: FailureCode::new(code),
                ..file("/file-2", FileStatus::Failed)
            });
        }
        PollResult::Files(files)
    }

    /// Returns the files of a running transfer and `more` completed ones.
    fn result_with_more_files(&self, n: usize, more: u64) -> PollResult {
        let PollResult::Files(mut files) = self.result(n, false) else {
            unreachable!()
        };
        let completed = files[0].clone();
        files.extend((0..more).map(|file| FileResult {
            path: format!("/file-{}", 3 + file),
            ..completed.clone()
        }));
        PollResult::Files(files)
    }
}

/// Returns the CPU time of this thread, which other processes on the machine do not affect.
fn cpu_ms(run: impl FnOnce()) -> f64 {
    let cpu = || {
        // schedstat is updated when the thread is scheduled; clock ticks would be too coarse.
        std::thread::yield_now();
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
    };
    let start = cpu();
    run();
    cpu() - start
}
