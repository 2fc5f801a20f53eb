//! Four ways to control the rate against the same services: the schedule, AIMD, CUBIC as in the
//! adaptive retry mode of the SDKs, and a gradient of the throttled share. A pure simulation: time is
//! a number. ADR 36 has the table.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "small numbers, and the figures are for the reader"
)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::transfer::limiter::schedule::SendSchedule;

/// A rate that follows from responses.
trait RateControl {
    fn rate(&mut self, now: Instant) -> f64;
    /// Records the response at `now` to a request sent at `sent`.
    fn record(&mut self, now: Instant, sent: Instant, throttled: bool);
}

impl RateControl for SendSchedule {
    fn rate(&mut self, now: Instant) -> f64 {
        SendSchedule::rate(self, now)
    }

    fn record(&mut self, now: Instant, sent: Instant, throttled: bool) {
        self.record_response(now, sent, throttled, None);
    }
}

/// Additive increase, to the ceiling within a minute; halved by throttling, at most once a second.
struct Aimd {
    ceiling: f64,
    rate: f64,
    changed: Instant,
    reduced: Instant,
}

impl RateControl for Aimd {
    fn rate(&mut self, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(self.changed).as_secs_f64();
        self.changed = self.changed.max(now);
        self.rate = (self.rate + seconds * self.ceiling / 60.0).min(self.ceiling);
        self.rate
    }

    fn record(&mut self, now: Instant, sent: Instant, throttled: bool) {
        let is_counted = now.saturating_duration_since(self.reduced) < Duration::from_secs(1);
        if throttled && sent >= self.reduced && !is_counted {
            self.rate = (self.rate(now) / 2.0).max(0.5);
            self.reduced = now;
        }
    }
}

/// The adaptive retry mode of the SDKs, from its specification: CUBIC with a scale of 0.4 and a
/// factor of 0.7, at most twice the measured rate. The ceiling is ours.
struct Cubic {
    ceiling: f64,
    start: Instant,
    rate: f64,
    last_max: f64,
    last_throttled: f64,
    measured: f64,
    bucket: f64,
    requests: f64,
}

impl Cubic {
    const SCALE: f64 = 0.4;
    const BETA: f64 = 0.7;

    fn seconds(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.start).as_secs_f64()
    }
}

impl RateControl for Cubic {
    fn rate(&mut self, _: Instant) -> f64 {
        self.rate
    }

    fn record(&mut self, now: Instant, _: Instant, throttled: bool) {
        let now = self.seconds(now);
        let bucket = (now * 2.0).floor() / 2.0;
        self.requests += 1.0;
        if bucket > self.bucket {
            let current = self.requests / (bucket - self.bucket);
            self.measured = 0.8 * current + 0.2 * self.measured;
            (self.requests, self.bucket) = (0.0, bucket);
        }
        let calculated = if throttled {
            self.last_max = self.rate.min(self.measured.max(0.5));
            self.last_throttled = now;
            self.last_max * Self::BETA
        } else {
            let window = (self.last_max * (1.0 - Self::BETA) / Self::SCALE).cbrt();
            Self::SCALE * (now - self.last_throttled - window).powi(3) + self.last_max
        };
        let bound = (2.0 * self.measured).max(0.5);
        self.rate = calculated.min(bound).clamp(0.5, self.ceiling);
    }
}

/// Each second, the rate moves against the difference between the throttled share and a target of
/// 1 %.
struct Gradient {
    ceiling: f64,
    rate: f64,
    since: Instant,
    requests: f64,
    throttled: f64,
}

impl RateControl for Gradient {
    fn rate(&mut self, _: Instant) -> f64 {
        self.rate
    }

    fn record(&mut self, now: Instant, sent: Instant, throttled: bool) {
        if sent < self.since {
            return;
        }
        self.requests += 1.0;
        self.throttled += f64::from(u8::from(throttled));
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            let difference = 0.01 - self.throttled / self.requests;
            let factor = (1.0 + 2.0 * difference).clamp(0.5, 1.1);
            self.rate = (factor * self.rate).clamp(0.5, self.ceiling);
            (self.requests, self.throttled, self.since) = (0.0, 0.0, now);
        }
    }
}

/// How the service enforces its limit.
#[derive(Clone, Copy, Debug)]
enum Enforcement {
    Bucket(f64),
    Window,
    Sliding,
}

/// A service: a limit, which may change, and a share of requests that it throttles at any rate.
#[derive(Clone, Copy)]
struct Service {
    name: &'static str,
    enforcement: Enforcement,
    ceiling: f64,
    /// In requests per second, until [`CHANGE`] and afterwards.
    limit: (f64, f64),
    stray: f64,
    /// Least share of the possible goodput, and greatest share of throttled requests.
    bounds: (f64, f64),
}

/// Time of the change of a limit, and how long afterwards the rate has to have settled.
const CHANGE: f64 = 120.0;
const SETTLE: f64 = 60.0;
const END: f64 = 600.0;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }
}

struct Quota {
    service: Service,
    tokens: f64,
    refilled: f64,
    passed: VecDeque<f64>,
}

impl Quota {
    /// Forgets requests before a time.
    fn forget(&mut self, time: f64) {
        while self.passed.front().is_some_and(|at| *at < time) {
            self.passed.pop_front();
        }
    }

    fn passes(&mut self, now: f64) -> bool {
        let (before, after) = self.service.limit;
        let limit = if now < CHANGE { before } else { after };
        match self.service.enforcement {
            Enforcement::Bucket(burst) => {
                self.tokens = (self.tokens + (now - self.refilled) * limit).min(burst);
                self.refilled = now;
                let passes = self.tokens >= 1.0;
                self.tokens -= f64::from(u8::from(passes));
                return passes;
            }
            Enforcement::Window => self.forget(now.floor()),
            Enforcement::Sliding => self.forget(now - 1.0),
        }
        let passes = (self.passed.len() as f64) < limit;
        if passes {
            self.passed.push_back(now);
        }
        passes
    }
}

/// Figures from a minute after the change of the limit: passed requests in relation to the limit or
/// the ceiling, and the share of throttled ones.
#[derive(Clone, Copy)]
struct Figures {
    goodput: f64,
    throttled: f64,
}

fn simulate(service: Service, control: &mut dyn RateControl, start: Instant, seed: u64) -> Figures {
    let mut quota = Quota {
        service,
        tokens: 0.0,
        refilled: 0.0,
        passed: VecDeque::new(),
    };
    let mut random = Random(seed);
    let time = |seconds: f64| start + Duration::from_secs_f64(seconds);
    // In microseconds: when, when sent, and whether the request has arrived, and was throttled.
    let mut events = BinaryHeap::new();
    let micros = |seconds: f64| (seconds * 1e6) as u64;
    let seconds = |micros: u64| micros as f64 / 1e6;
    let (mut next, mut passed, mut throttled) = (0.0, 0.0, 0.0);
    while next < END {
        while let Some(&Reverse((at, sent, arrived, refused))) = events.peek() {
            if seconds(at) > next {
                break;
            }
            events.pop();
            if arrived {
                control.record(time(seconds(at)), time(seconds(sent)), refused);
                continue;
            }
            let refused = random.next() < service.stray || !quota.passes(seconds(at));
            if seconds(at) > CHANGE + SETTLE {
                *(if refused { &mut throttled } else { &mut passed }) += 1.0;
            }
            let latency = micros(0.02 + 0.06 * random.next());
            events.push(Reverse((at + latency, sent, true, refused)));
        }
        let latency = micros(0.02 + 0.06 * random.next());
        events.push(Reverse((
            micros(next) + latency,
            micros(next),
            false,
            false,
        )));
        next += 1.0 / control.rate(time(next));
    }
    let possible = service.ceiling.min(service.limit.1) * (END - CHANGE - SETTLE);
    Figures {
        goodput: passed / possible,
        throttled: throttled / (passed + throttled),
    }
}

/// The controls, by name.
fn controls(service: Service, start: Instant) -> [(&'static str, Box<dyn RateControl>); 4] {
    let ceiling = service.ceiling;
    [
        ("schedule", Box::new(SendSchedule::new(ceiling))),
        (
            "AIMD",
            Box::new(Aimd {
                ceiling,
                rate: ceiling,
                changed: start,
                reduced: start,
            }),
        ),
        (
            "CUBIC",
            Box::new(Cubic {
                ceiling,
                start,
                rate: 0.5,
                last_max: 0.0,
                last_throttled: 0.0,
                measured: 0.0,
                bucket: 0.0,
                requests: 0.0,
            }),
        ),
        (
            "gradient",
            Box::new(Gradient {
                ceiling,
                rate: ceiling,
                since: start,
                requests: 0.0,
                throttled: 0.0,
            }),
        ),
    ]
}

#[rustfmt::skip]
fn services() -> Vec<Service> {
    use Enforcement::{Bucket, Sliding, Window};
    const NONE: f64 = f64::INFINITY;
    let service = |name, enforcement, ceiling, limit, stray, bounds| Service {
        name,
        enforcement,
        ceiling,
        limit,
        stray,
        bounds,
    };
    vec![
        service("no limit, 0.3 % stray", Window, 200.0, (NONE, NONE), 0.003, (0.85, 0.01)),
        service("no limit, 1 % stray", Window, 200.0, (NONE, NONE), 0.01, (0.9, 0.02)),
        service("no limit, 2 % stray", Window, 200.0, (NONE, NONE), 0.02, (0.85, 0.03)),
        service("no limit, 5 % stray", Window, 200.0, (NONE, NONE), 0.05, (0.75, 0.06)),
        service("ceiling 10, 1 % stray", Window, 10.0, (NONE, NONE), 0.01, (0.78, 0.02)),
        service("ceiling 10, 5 % stray", Window, 10.0, (NONE, NONE), 0.05, (0.85, 0.06)),
        service("bucket of 100/s", Bucket(100.0), 200.0, (100.0, 100.0), 0.0, (0.9, 0.02)),
        service("bucket of 100/s, burst 5", Bucket(5.0), 200.0, (100.0, 100.0), 0.0, (0.82, 0.02)),
        service("window of 100/s", Window, 200.0, (100.0, 100.0), 0.0, (0.9, 0.02)),
        service("sliding window of 100/s", Sliding, 200.0, (100.0, 100.0), 0.0, (0.9, 0.02)),
        service("window of 5/s, ceiling 10", Window, 10.0, (5.0, 5.0), 0.0, (0.8, 0.02)),
        service("window of 20/s, ceiling 2,000", Window, 2_000.0, (20.0, 20.0), 0.0, (0.85, 0.02)),
        service("window of 100/s, 1 % stray", Window, 200.0, (100.0, 100.0), 0.01, (0.85, 0.035)),
        service("window of 100/s, 5 % stray", Window, 200.0, (100.0, 100.0), 0.05, (0.75, 0.09)),
        service("150/s, then 50/s", Window, 200.0, (150.0, 50.0), 0.0, (0.9, 0.02)),
        service("50/s, then 150/s", Window, 200.0, (50.0, 150.0), 0.0, (0.9, 0.02)),
        service("50/s, then no limit", Window, 200.0, (50.0, NONE), 0.0, (0.95, 0.001)),
        service("no limit, then 50/s", Window, 200.0, (NONE, 50.0), 0.0, (0.9, 0.02)),
        service("150/s, then 50/s, 1 % stray", Window, 200.0, (150.0, 50.0), 0.01, (0.85, 0.035)),
        service("20/s, then 100/s, ceiling 2,000", Window, 2_000.0, (20.0, 100.0), 0.0, (0.85, 0.02)),
    ]
}

/// Seeds of the schedule by default. `LIMITER_SEEDS` sets another number.
const SEEDS: u64 = 20;

/// Figures of many seeds, each kind from good to bad.
struct Distribution {
    goodput: Vec<f64>,
    throttled: Vec<f64>,
}

impl Distribution {
    fn of(figures: &[Figures]) -> Self {
        let percent = |figure: fn(&Figures) -> f64| {
            let mut sorted: Vec<_> = figures.iter().map(|it| figure(it) * 100.0).collect();
            sorted.sort_by(f64::total_cmp);
            sorted
        };
        let mut goodput = percent(|it| it.goodput);
        goodput.reverse();
        let throttled = percent(|it| it.throttled);
        Self { goodput, throttled }
    }

    /// Returns the median, the figure that one in a hundred seeds does not reach, and the worst.
    fn of_sorted(sorted: &[f64]) -> [f64; 3] {
        let last = sorted.len() - 1;
        [last / 2, last - sorted.len() / 100, last].map(|at| sorted[at])
    }
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [median, most, worst] = Self::of_sorted(&self.goodput);
        write!(f, "{median:.1} %, {most:.1} %, {worst:.1} %")?;
        let [median, most, worst] = Self::of_sorted(&self.throttled);
        write!(f, " | {median:.2} %, {most:.2} %, {worst:.2} %")
    }
}

/// Simulates the schedule with many seeds, on a thread for each core.
fn simulate_seeds(service: Service, seeds: u64) -> Vec<Figures> {
    let threads = std::thread::available_parallelism().map_or(1, |number| number.get() as u64);
    let simulate = |first: u64| {
        let start = Instant::now();
        let seeds = (first..=seeds).step_by(threads as usize);
        seeds
            .map(|seed| {
                simulate(
                    service,
                    &mut SendSchedule::new(service.ceiling),
                    start,
                    seed,
                )
            })
            .collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (1..=threads)
            .map(|first| scope.spawn(move || simulate(first)))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

#[test]
fn stray_throttling_keeps_the_rate_and_limits_are_kept() {
    let seeds = std::env::var("LIMITER_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let mut table = String::from(
        "| service | goodput: median, 1 in 100, worst | throttled: median, 1 in 100, worst |\n\
         | --- | --- | --- |\n",
    );
    let mut misses = Vec::new();
    for service in services() {
        let seen = Distribution::of(&simulate_seeds(service, seeds));
        let line = format!("| {} | {seen} |", service.name);
        let [_, goodput, _] = Distribution::of_sorted(&seen.goodput);
        let [_, throttled, _] = Distribution::of_sorted(&seen.throttled);
        let (least, greatest) = service.bounds;
        if goodput < least * 100.0 || throttled > greatest * 100.0 {
            misses.push(line.clone());
        }
        table.push_str(&line);
        table.push('\n');
    }
    println!("{seeds} seeds\n{table}");
    assert!(misses.is_empty(), "{misses:#?}");
}

#[test]
fn other_controls_lose_most_of_the_rate_to_strays_or_exceed_limits() {
    let start = Instant::now();
    let mut table = String::from("service");
    for (name, _) in controls(services()[0], start) {
        let _ = write!(table, " | {name}: goodput, throttled");
    }
    table.push('\n');
    for service in services() {
        table.push_str(service.name);
        for (index, (_, mut control)) in controls(service, start).into_iter().enumerate() {
            let figures = simulate(service, control.as_mut(), start, 1);
            let (goodput, throttled) = (figures.goodput * 100.0, figures.throttled * 100.0);
            let _ = write!(table, " | {goodput:.1} %, {throttled:.2} %");
            let is_kept = figures.goodput >= 0.9 && figures.throttled <= 0.02;
            if service.name == "no limit, 1 % stray" {
                assert_eq!(is_kept, index == 0, "{table}");
            }
        }
        table.push('\n');
    }
    println!("{table}");
}
