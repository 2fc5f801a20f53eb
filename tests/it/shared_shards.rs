//! Several running programs share five shards, one queue and CloudTrail by a DynamoDB that is not ours.
//! They are killed, paused for longer than a lease, stopped and started again. Whatever process has a shard,
//! its counters are exact and never fall.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use simulator::{ApiOperation, Faults, Settings, Simulator, SplitMix64};

use crate::crashes::{
    CLOUDTRAIL_DELAY, Ends, VISIBILITY_TIMEOUT, configuration, end_of, label, start,
};
use crate::program::{Running, config, signing_program};
use crate::rig::{Exposition, simulator};
use crate::storage::{FINISHED, scrape};
use crate::takeovers::{Course, Dynamo, lease};

const PROCESSES: usize = 3;
const SHARDS: usize = 5;
const PATIENCE: Duration = Duration::from_mins(3);

/// Processes that share the shards.
struct Fleet {
    config: PathBuf,
    url: String,
    running: Vec<Running>,
    /// Those that are paused, and until when.
    paused: Vec<(usize, Instant)>,
    /// The finished files of each shard, as last seen: by series.
    seen: BTreeMap<String, f64>,
    /// When each shard was last seen with an owner.
    last_owned: BTreeMap<String, Instant>,
    /// How long shards had no owner.
    gaps: Vec<Duration>,
    /// The most shards of each process, as last seen.
    owned: Vec<usize>,
}

impl Fleet {
    fn start(config: &Path, url: &str, processes: usize) -> Self {
        let mut fleet = Self {
            config: config.to_owned(),
            url: url.to_owned(),
            running: Vec::new(),
            paused: Vec::new(),
            seen: BTreeMap::new(),
            last_owned: BTreeMap::new(),
            gaps: Vec::new(),
            owned: Vec::new(),
        };
        for _ in 0..processes {
            let member = fleet.member();
            fleet.running.push(member);
        }
        fleet
    }

    fn member(&self) -> Running {
        Running::start(signing_program().args([
            format!("--config.file={}", self.config.display()),
            "--web.listen-address=127.0.0.1:0".into(),
            format!("--storage.url={}", self.url),
            format!("--storage.lease-duration={}s", lease().as_secs()),
            "--shard.index=auto".into(),
            format!("--shard.total={SHARDS}"),
        ]))
    }

    /// Scrapes every process. Returns the number of shards that have an owner.
    async fn scrape(&mut self) -> usize {
        self.resume();
        let is_paused = |at: usize| self.paused.iter().any(|(paused, _)| *paused == at);
        let scrapes = self.running.iter().enumerate().map(|(at, member)| {
            // One that is paused answers nothing.
            let patience = if is_paused(at) {
                Duration::ZERO
            } else {
                lease()
            };
            let answer = tokio::time::timeout(patience, scrape(member.address));
            async { answer.await.ok().flatten() }
        });
        let answers = join_all(scrapes).await;
        let now = Instant::now();
        self.owned = answers
            .iter()
            .map(|answer| answer.iter().map(|answer| owned(answer).len()).sum())
            .collect();
        let mut found = 0;
        for answer in answers.iter().flatten() {
            for shard in owned(answer) {
                found += 1;
                let last = self.last_owned.insert(shard, now);
                let gap = last.map_or(Duration::ZERO, |last| now - last);
                if gap > Duration::from_millis(1_500) {
                    self.gaps.push(gap);
                }
            }
            for (series, files) in answer.family(FINISHED) {
                let before = self.seen.insert(series.to_owned(), files).unwrap_or(0.0);
                assert!(files >= before, "{series} fell from {before} to {files}");
            }
        }
        found
    }

    /// Returns the finished files of all shards.
    fn counted(&self) -> Ends {
        let mut ends = Ends::new();
        for (series, files) in self.seen.iter().filter(|(_, files)| **files > 0.0) {
            *ends.entry(end_of(series)).or_default() += files;
        }
        ends
    }

    #[track_caller]
    fn assert_at_most(&self, truth: &Ends, what: &str) {
        for (end, files) in &self.counted() {
            let most = truth.get(end).copied().unwrap_or(0.0);
            assert!(*files <= most, "{what}: {end:?} is {files} of {most}");
        }
    }

    /// Continues what has been paused for long enough.
    fn resume(&mut self) {
        let running = &self.running;
        self.paused.retain(|(at, until)| {
            let is_over = Instant::now() >= *until;
            if is_over {
                running[*at].signal("CONT");
            }
            !is_over
        });
    }

    fn replace(&mut self, at: usize, signal: &str) {
        self.running[at].signal(signal);
        // One that is paused ends when it goes on.
        self.running[at].signal("CONT");
        self.running[at].wait();
        self.paused.retain(|(paused, _)| *paused != at);
        self.running[at] = self.member();
    }

    fn pause(&mut self, at: usize) {
        self.running[at].signal("STOP");
        self.paused.push((at, Instant::now() + lease() * 2));
    }

    /// Scrapes until every shard has an owner, and each process its part.
    async fn wait_until_even(&mut self) -> Duration {
        let begun = Instant::now();
        loop {
            let found = self.scrape().await;
            let (least, most) = (self.owned.iter().min(), self.owned.iter().max());
            if found == SHARDS && most.unwrap() - least.unwrap() <= 1 && self.paused.is_empty() {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.owned);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Returns the shards that a process owns.
fn owned(seen: &Exposition) -> Vec<String> {
    let leader = seen.family("aws_transfer_exporter_leader").into_iter();
    let owned = leader.filter(|(_, is_leader)| *is_leader == 1.0);
    owned.map(|(series, _)| label(series, "shard")).collect()
}

#[expect(clippy::print_stdout, reason = "what happened, for people")]
async fn counters_are_exact_while_shards_move(dynamo: &Dynamo, number: u64) {
    let course = Course::new();
    let settings = Settings {
        cloudtrail_delay: CLOUDTRAIL_DELAY,
        ..Settings::default()
    };
    let (aws, url) = simulator(settings).await;
    aws.set_faults(Faults {
        seed: number,
        event_duplicate_rate: 0.3,
        event_delay: Duration::from_secs(2),
        ..Faults::default()
    });
    let (_folder, file) = config(&configuration(&url, &[(&aws, &url)]));
    let mut fleet = Fleet::start(&file, &dynamo.url, PROCESSES);
    let mut random = SplitMix64::new(number);
    let mut truth = Ends::new();
    let even = fleet.wait_until_even().await;
    // CloudTrail has whole seconds: what starts in the second of a shard's first term may be the base.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let began = Instant::now();
    let mut started = 0;
    let events = course.kills + course.pauses;
    for event in 0..events {
        let until = course.transfers * (event + 1) / events;
        while started < until {
            start(&aws, &aws, &mut random, &mut truth);
            started += 1;
            if random.chance(0.2) {
                fleet.scrape().await;
                fleet.assert_at_most(&truth, "between take-overs");
            }
        }
        let at = random.below(PROCESSES);
        if event * course.pauses / events < (event + 1) * course.pauses / events {
            fleet.pause(at);
        } else if random.chance(0.25) {
            fleet.replace(at, "TERM");
        } else {
            fleet.replace(at, "KILL");
        }
        for _ in 0..random.below(20) {
            fleet.scrape().await;
            fleet.assert_at_most(&truth, "after a take-over");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let settled = Instant::now() + VISIBILITY_TIMEOUT + CLOUDTRAIL_DELAY;
    let (mut counted, mut last_news) = (fleet.counted(), Instant::now());
    while counted != truth || Instant::now() < settled {
        // However slow the table is, something arrives.
        assert!(
            last_news.elapsed() < PATIENCE || Instant::now() < settled,
            "{counted:?}, but {truth:?}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
        fleet.scrape().await;
        fleet.assert_at_most(&truth, "at rest");
        let before = std::mem::replace(&mut counted, fleet.counted());
        if counted != before {
            last_news = Instant::now();
        }
    }
    let even_again = fleet.wait_until_even().await;
    for at in 0..PROCESSES {
        fleet.replace(at, "KILL");
    }
    fleet.seen.clear();
    fleet.wait_until_even().await;
    assert_eq!(fleet.counted(), truth, "after all were killed");
    fleet.gaps.sort_unstable();
    let files: f64 = truth.values().sum();
    let lease = lease();
    println!(
        "{files} files of {started} transfers, {} kills or stops, {} pauses in {:.0?}; shards were \
         spread evenly after {even:.1?} and {even_again:.1?}; {} times a shard had no owner, median {:.1?}, \
         longest {:.1?}, with a lease of {lease:?}",
        course.kills,
        course.pauses,
        began.elapsed(),
        fleet.gaps.len(),
        fleet.gaps[fleet.gaps.len() / 2],
        fleet.gaps.last().unwrap(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; tests/run provides it"]
async fn counters_are_exact_while_shards_move_with_moto() {
    counters_are_exact_while_shards_move(&Dynamo::moto(), 21).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs dynalite; tests/run provides it"]
async fn counters_are_exact_while_shards_move_with_dynalite() {
    counters_are_exact_while_shards_move(&Dynamo::dynalite(), 22).await;
}

/// Returns the calls for results and to CloudTrail of processes that follow transfers to their end.
async fn calls_of(processes: usize, dynamo: &Dynamo, prefix: &str) -> [u64; 2] {
    let (aws, url) = simulator(Settings::default()).await;
    let text = configuration(&url, &[(&aws, &url)]);
    // Polls are as frequent as scrapes, however many there are.
    let text = text.replace("min_refresh_interval: 200ms", "min_refresh_interval: 2s");
    let (_folder, file) = config(&text);
    let mut fleet = Fleet::start(&file, &format!("{}&prefix={prefix}", dynamo.url), processes);
    fleet.wait_until_even().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let of = |simulator: &Simulator| {
        [
            ApiOperation::ListFileTransferResults,
            ApiOperation::LookupEvents,
        ]
        .map(|operation| simulator.calls().of(operation))
    };
    let before = of(&aws);
    let mut random = SplitMix64::new(7);
    let mut truth = Ends::new();
    let begun = Instant::now();
    for round in 0..20_u32 {
        for _ in 0..20 {
            start(&aws, &aws, &mut random, &mut truth);
        }
        fleet.scrape().await;
        let next = begun + Duration::from_secs(1) * (round + 1);
        tokio::time::sleep(next.saturating_duration_since(Instant::now())).await;
    }
    for _ in 0..10 {
        fleet.scrape().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(fleet.counted(), truth);
    let after = of(&aws);
    [after[0] - before[0], after[1] - before[1]]
}

/// Three processes with five shards call AWS as often as one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs dynalite; tests/run provides it"]
#[expect(clippy::print_stdout, reason = "what happened, for people")]
async fn processes_that_share_shards_call_as_often_as_one_with_dynalite() {
    let dynamo = Dynamo::dynalite();
    let one = calls_of(1, &dynamo, "one").await;
    let three = calls_of(PROCESSES, &dynamo, "three").await;
    println!("calls for results and to CloudTrail: one process {one:?}, three {three:?}");
    let [results, lookups] = [0, 1].map(|of| three[of] as f64 / one[of] as f64);
    assert!((0.9..=1.1).contains(&results), "{results}");
    assert!((0.5..=1.5).contains(&lookups), "{lookups}");
}

/// What `plan` estimates for a table is what processes without transfers use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs dynalite; tests/run provides it"]
#[expect(clippy::print_stdout, reason = "what happened, for people")]
async fn idle_processes_use_the_units_that_were_planned_with_dynalite() {
    const SECONDS: f64 = 20.0;
    let dynamo = Dynamo::dynalite();
    let (aws, url) = simulator(Settings::default()).await;
    let (_folder, file) = config(&configuration(&url, &[(&aws, &url)]));
    let mut fleet = Fleet::start(&file, &dynamo.url, PROCESSES);
    fleet.wait_until_even().await;
    let mut units = Vec::new();
    for _ in 0..2 {
        let mut sums = [0.0; 2];
        for member in &fleet.running {
            let seen = scrape(member.address).await.unwrap();
            for (sum, operation) in sums.iter_mut().zip(["write", "read"]) {
                let of = format!("operation=\"{operation}\"");
                *sum += seen.sum("aws_transfer_exporter_storage_capacity_units_total", &[&of]);
            }
        }
        units.push(sums);
        if units.len() == 1 {
            tokio::time::sleep(Duration::from_secs_f64(SECONDS)).await;
        }
    }
    let planned = signing_program()
        .args(["plan", "--output=json", "--shard.index=auto"])
        .args([
            format!("--config.file={}", file.display()),
            format!("--storage.url={}", dynamo.url),
            format!("--storage.lease-duration={}s", lease().as_secs()),
            format!("--shard.total={SHARDS}"),
            format!("--exporters={PROCESSES}"),
        ])
        .output()
        .unwrap();
    let planned: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
    for (at, name) in ["write", "read"].into_iter().enumerate() {
        let used = (units[1][at] - units[0][at]) / SECONDS * 86_400.0;
        let planned = &planned["storage"][format!("{name}_units_day")];
        let planned = planned.as_f64().unwrap();
        println!("{name} units a day: {used:.0}, planned {planned:.0}");
        assert!(
            (0.75..=1.25).contains(&(used / planned)),
            "{name}: {used} of {planned}"
        );
    }
}
