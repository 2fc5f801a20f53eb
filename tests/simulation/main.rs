//! The exporter in a simulated world: the real collector, tracker, sources and persistence, with
//! simulated ports, on Tokio's paused time. A seed draws the world, an oracle knows what is true.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `SIMULATION_SEED` | runs this world alone, and prints what happens in it |
//! | `SIMULATION_WORLDS` | number of worlds; 2,000 by default |
//! | `SIMULATION_FIRST` | seed of the first world |
//! | `SIMULATION_FAILURES`, `SIMULATION_EXAMPLES` | failures after which a run ends, and how many of a kind are shrunk |
//! | `SIMULATION_THREADS` | number of threads; one per core by default |
//! | `SIMULATION_SOAK` | runs until it is stopped, and reports every 10 s |

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "traces are for people")]

mod aws;
mod logs;
mod operator;
mod oracle;
mod peers;
mod plan;
mod run;
mod shrink;
mod store;
mod targets;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plan::{HOUR, scenario};
use run::run;
use world::Violation;

/// Worlds that `cargo test` runs.
const WORLDS: u64 = 2_000;
/// Failures after which a run of many worlds ends.
const MAX_FAILURES: usize = 3;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|value| value.parse().unwrap())
}

/// Runs worlds from `first` until there are `worlds`, or for ever. Returns the failures by seed.
fn explore(first: u64, worlds: u64, max_failures: usize, soak: bool) -> BTreeMap<u64, Violation> {
    let threads = number("SIMULATION_THREADS")
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, |cores| cores.get() as u64));
    let [next, simulated, least, most, windows] = [const { AtomicU64::new(0) }; 5];
    let failures = Mutex::new(BTreeMap::new());
    let ended = AtomicBool::new(false);
    let started = Instant::now();
    let report = || {
        let failures: &BTreeMap<_, _> = &failures.lock().unwrap();
        println!(
            "{} worlds, {} simulated hours, {} to {} counted files, {} windows of flows, {} failures in {:.1} s",
            next.load(Ordering::Relaxed).min(worlds),
            simulated.load(Ordering::Relaxed) / HOUR,
            least.load(Ordering::Relaxed),
            most.load(Ordering::Relaxed),
            windows.load(Ordering::Relaxed),
            failures.len(),
            started.elapsed().as_secs_f64(),
        );
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= worlds {
                            break;
                        }
                        let seed = first + number;
                        let outcome = run(&scenario(seed), false);
                        simulated.fetch_add(outcome.simulated, Ordering::Relaxed);
                        least.fetch_add(outcome.files.0, Ordering::Relaxed);
                        most.fetch_add(outcome.files.1, Ordering::Relaxed);
                        windows.fetch_add(outcome.windows, Ordering::Relaxed);
                        if let Some(violation) = outcome.violation {
                            if soak {
                                println!("{}", explain(seed));
                            }
                            let mut failures = failures.lock().unwrap();
                            failures.insert(seed, violation);
                            ended.store(failures.len() >= max_failures, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        while soak && !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_secs(10));
            report();
        }
    });
    report();
    failures.into_inner().unwrap()
}

/// Shrinks the failing world of a seed, and returns what happens in it.
fn explain(seed: u64) -> String {
    let whole = scenario(seed);
    let Some(violation) = run(&whole, false).violation else {
        return format!("world {seed} keeps every promise");
    };
    let (small, violation) = shrink::shrink(&whole, violation);
    let trace = run(&small, true).trace;
    let mut text = format!("world {seed}, shrunk:\n{small}\n");
    for line in trace {
        let _ = writeln!(text, "{line}");
    }
    let _ = write!(
        text,
        "\n{}: {}\nrepeat with: SIMULATION_SEED={seed} cargo test --test simulation -- --nocapture",
        violation.kind, violation.detail
    );
    text
}

#[test]
fn every_file_is_counted_as_the_truth_has_it_in_every_sequence() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let outcome = run(&scenario(seed), true);
        println!("{}", scenario(seed));
        println!("{}", outcome.trace.join("\n"));
        if outcome.violation.is_some() {
            println!("{}", explain(seed));
        }
        assert!(outcome.violation.is_none(), "world {seed} breaks a promise");
        return;
    }
    let soak = std::env::var_os("SIMULATION_SOAK").is_some();
    let first = number("SIMULATION_FIRST").unwrap_or(0);
    let worlds = number("SIMULATION_WORLDS").unwrap_or(if soak { u64::MAX } else { WORLDS });
    let max_failures =
        number("SIMULATION_FAILURES").map_or(MAX_FAILURES, |most| usize::try_from(most).unwrap());
    let failures = explore(
        first,
        worlds,
        if soak { usize::MAX } else { max_failures },
        soak,
    );
    let mut kinds: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (seed, violation) in &failures {
        kinds.entry(violation.kind).or_default().push(*seed);
    }
    for (kind, seeds) in &kinds {
        println!(
            "{kind}: {} worlds, for example {:?}",
            seeds.len(),
            &seeds[..seeds.len().min(8)]
        );
    }
    let examples = number("SIMULATION_EXAMPLES").map_or(1, |most| usize::try_from(most).unwrap());
    for seed in kinds.values().flat_map(|seeds| seeds.iter().take(examples)) {
        println!("\n{}", explain(*seed));
    }
    assert!(
        failures.is_empty(),
        "{} worlds break a promise",
        failures.len()
    );
}

#[test]
fn a_seed_draws_the_same_world_and_the_same_run_every_time() {
    for seed in 0..20 {
        let (a, b) = (run(&scenario(seed), true), run(&scenario(seed), true));
        assert_eq!(a.trace, b.trace, "world {seed}");
    }
}
