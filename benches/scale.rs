//! Measures the exporter as a process, against a simulator as a process. Linux only, because it
//! reads `/proc`.
//!
//! | command | measures |
//! | --- | --- |
//! | `cargo bench --bench scale` | sizes, shares and retirement |
//! | `-- sizes 1000 10000` | a scrape of settled transfers, by their number |
//! | `-- shares` | a scrape, by the share of running transfers |
//! | `-- retire` | memory after 100,000 transfers have been removed |
//! | `-- soak 300` | 300 s of scrapes by Prometheus (`$PROMETHEUS`, else `prometheus`) |
//! | `-- faults 600` | 600 s with faults |
//! | `-- load 30` | 30 s of scrapes by `wrk` on 64 connections |

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]
#![expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]

#[path = "scale/faults.rs"]
mod faults;
#[path = "shared/listening.rs"]
mod listening;
#[path = "shared/parsed.rs"]
mod parsed;
#[path = "shared/precise_timer.rs"]
mod precise_timer;
#[path = "scale/process.rs"]
mod process;
#[path = "scale/text_encoder.rs"]
mod text_encoder;
#[path = "scale/watch.rs"]
mod watch;

use std::fs;
use std::time::{Duration, Instant};

use process::{CONCURRENCY, CONFIRMATION, LATENCY, Process, configuration, get, simulate};

const FORMATS: [(&str, &str); 3] = [
    ("text 0.0.4", "text/plain;version=0.0.4"),
    (
        "OpenMetrics 1.0.0",
        "application/openmetrics-text;version=1.0.0",
    ),
    (
        "protobuf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ),
];

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let number =
        |at: usize, default: usize| args.get(at).map_or(default, |arg| arg.parse().unwrap());
    match args.first().map(String::as_str) {
        Some("simulator") => simulate(number(1, 0), number(2, 0)),
        Some("sizes") => args[1..]
            .iter()
            .for_each(|size| sizes(size.parse().unwrap())),
        Some("shares") => shares(),
        Some("retire") => retire(),
        Some("soak") => watch::soak(number(1, 300)),
        Some("faults") => faults::faults(number(1, 600)),
        Some("load") => watch::load(number(1, 30)),
        Some(other) => panic!("`{other}` is not one of sizes, shares, retire, soak, faults, load"),
        None => {
            [1_000, 10_000, 100_000, 220_000]
                .into_iter()
                .for_each(sizes);
            shares();
            retire();
        }
    }
}

/// A simulator and an exporter with the same transfers, which have not been polled yet.
struct Pair {
    exporter: Process,
    simulator: Process,
    folder: tempfile::TempDir,
}

impl Pair {
    fn start(transfers: usize, running_each: usize) -> Self {
        let simulator = Process::simulator(transfers, running_each);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("exporter.yml");
        fs::write(&file, configuration(simulator.port, transfers)).unwrap();
        Self {
            exporter: Process::exporter(&file),
            simulator,
            folder,
        }
    }
}

/// Measures a scrape of settled transfers in each format and encoding.
fn sizes(transfers: usize) {
    let pair = Pair::start(transfers, 0);
    let exporter = &pair.exporter;
    println!("\n{transfers} settled transfers");
    let (now, peak) = exporter.resident();
    println!("resident memory, configuration read   {now:>7.1} MB, peak {peak:.1} MB");
    let (cpu, start) = (exporter.cpu(), Instant::now());
    exporter.poll_all();
    let (wall, cpu) = (start.elapsed().as_secs_f64(), exporter.cpu().since(cpu));
    let calls = exporter.calls();
    let ideal = LATENCY.as_secs_f64() * transfers as f64 / CONCURRENCY as f64;
    println!(
        "first sweep                           {:.3} calls per transfer, {wall:.2} s ({:.3} of the ideal {ideal:.2} s), \
         CPU {:.3} ms per call",
        calls / transfers as f64,
        wall / ideal,
        cpu.total() / calls
    );
    std::thread::sleep(CONFIRMATION);
    exporter.poll_all();
    let confirming = exporter.calls() - calls;
    println!(
        "confirming calls                      {:.3} per transfer",
        confirming / transfers as f64
    );
    assert!(confirming < 1.001 * transfers as f64);
    let calls = exporter.calls();
    let (now, peak) = exporter.resident();
    println!("resident memory, plain scrapes alone  {now:>7.1} MB, peak {peak:.1} MB");

    let text = exporter.text("/metrics");
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let (encode, compress) = text_encoder::cost(&text);
    drop(text);
    let together = encode + compress;
    println!(
        "{series} series; prometheus::TextEncoder {encode:.2} ms, flate2 level 1 {compress:.2} ms: {together:.2} ms"
    );
    println!(
        "format             encoding      wall ms   user ms    sys ms    CPU ms       bytes   together / CPU"
    );
    for (name, accept) in FORMATS {
        for encoding in ["identity", "gzip", "zstd"] {
            let headers = format!("Accept: {accept}\r\nAccept-Encoding: {encoding}\r\n");
            let scrape = || get(exporter.port, "/metrics", &headers).len();
            let bytes = scrape();
            let runs = (2_000_000_000 / (bytes * 10 + 1_000_000)).clamp(10, 400);
            // Batches, because the clock counts hundredths of a second. The best of three, because
            // other processes use the machine.
            let batches = (0..3).map(|_| {
                let cpu = exporter.cpu();
                let mut walls: Vec<f64> = (0..runs)
                    .map(|_| {
                        let start = Instant::now();
                        scrape();
                        start.elapsed().as_secs_f64() * 1e3
                    })
                    .collect();
                (exporter.cpu().since(cpu).per(runs), median(&mut walls))
            });
            let (cpu, wall) = batches
                .min_by(|a, b| a.0.total().total_cmp(&b.0.total()))
                .unwrap();
            println!(
                "{name:<18} {encoding:<9} {wall:>11.2} {:>9.2} {:>9.2} {:>9.2} {bytes:>11}   {:>14.1}",
                cpu.user,
                cpu.system,
                cpu.total(),
                together / cpu.total()
            );
        }
        let (now, peak) = exporter.resident();
        println!("resident memory, {name:<20} {now:>7.1} MB, peak {peak:.1} MB");
    }
    let repeated = exporter.calls() - calls;
    println!("{repeated} AWS calls since the first sweep");
    assert!(repeated < 0.5);
    drop(pair);
}

/// Measures a scrape by the share of running transfers, which are all due at each scrape.
fn shares() {
    const TRANSFERS: usize = 10_000;
    println!("\n{TRANSFERS} transfers, gzip; all running ones are due at each scrape");
    println!("running    calls   CPU ms   beyond a scrape with nothing due");
    let mut least = 0.0;
    let mut beyond = Vec::new();
    for (running, each, runs) in [(0, 0, 200), (100, 100, 40), (TRANSFERS, 1, 3)] {
        let pair = Pair::start(TRANSFERS, each);
        let exporter = &pair.exporter;
        exporter.settle_all();
        let scrape = || get(exporter.port, "/metrics", "Accept-Encoding: gzip\r\n");
        scrape();
        let batches = (0..3).map(|_| {
            let (calls, cpu) = (exporter.calls(), exporter.cpu());
            for _ in 0..runs {
                scrape();
                // Longer than the refresh interval, so that the running transfers are due again.
                std::thread::sleep(Duration::from_millis(3));
            }
            let cpu = exporter.cpu().since(cpu).per(runs).total();
            (cpu, (exporter.calls() - calls) / runs as f64)
        });
        let (cpu, calls) = batches.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        if running == 0 {
            least = cpu;
        }
        println!("{running:>7} {calls:>8.1} {cpu:>8.2} {:>12.2}", cpu - least);
        beyond.push(cpu - least);
    }
    println!(
        "1 % running costs {:.2} % of all running",
        beyond[1] / beyond[2] * 100.0
    );
}

/// Measures resident memory after 100,000 settled transfers have been removed.
fn retire() {
    const TRANSFERS: usize = 100_000;
    let pair = Pair::start(TRANSFERS, 0);
    let exporter = &pair.exporter;
    println!("\n{TRANSFERS} settled transfers are removed: resident memory");
    exporter.settle_all();
    get(exporter.port, "/metrics", "Accept-Encoding: gzip\r\n");
    let (now, peak) = exporter.resident();
    println!("all tracked          {now:>7.1} MB, peak {peak:.1} MB");
    fs::write(
        pair.folder.path().join("exporter.yml"),
        configuration(pair.simulator.port, 1),
    )
    .unwrap();
    exporter.reload();
    let deadline = Instant::now() + Duration::from_mins(1);
    while exporter
        .text("/metrics")
        .matches("\naws_transfer_results_up{")
        .count()
        > 1
    {
        assert!(
            Instant::now() < deadline,
            "the configuration was not reloaded"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    get(exporter.port, "/metrics", "Accept-Encoding: gzip\r\n");
    println!("one remaining        {:>7.1} MB", exporter.resident().0);
    std::thread::sleep(Duration::from_secs(15));
    println!("15 s later           {:>7.1} MB", exporter.resident().0);
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
