//! Measures CPU time and size of the exposition in each format and encoding: cold (empty cache) and
//! warm (all chunks cached), compared with `prometheus::TextEncoder` and flate2 for the same
//! series. In this process and on one thread, without the network. Linux only, because it reads
//! `/proc`.
//!
//! Run with `cargo bench --bench exposition`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

#[path = "shared/parsed.rs"]
mod parsed;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_transfer_exporter::metrics::cache::SegmentCache;
use aws_transfer_exporter::metrics::exposition::render;
use aws_transfer_exporter::metrics::format::{Encoding, Format, FormatKind};
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::metrics::{NameFilter, Scrape, ScrapeRequest};
use flate2::Compression;
use flate2::write::GzEncoder;
use model::{
    Account, AccountName, ConnectorId, ConnectorLabels, ConnectorView, FailureCode, FileCounts,
    Finished, FinishedFiles, Snapshot, StateCounts, TransferState, TransferView,
};
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, TextEncoder};

const TRANSFERS_PER_CONNECTOR: usize = 1_000;
const FORMATS: [(&str, FormatKind); 3] = [
    ("text 0.0.4", FormatKind::Text0_0_4),
    ("OpenMetrics 1.0.0", FormatKind::OpenMetrics1_0_0),
    ("protobuf", FormatKind::Protobuf),
];
const ENCODINGS: [(&str, Encoding); 3] = [
    ("identity", Encoding::Identity),
    ("gzip", Encoding::Gzip),
    ("zstd", Encoding::Zstd),
];

fn main() {
    for transfers in [1_000, 10_000, 100_000] {
        table(transfers);
    }
    // About a million series.
    table(220_000);
}

fn table(transfers: usize) {
    let snapshot = Arc::new(snapshot(transfers));
    let metrics = SelfMetrics::new().unwrap();
    let families = families(&snapshot);
    let series: usize = families
        .iter()
        .map(|family| family.get_metric().len())
        .sum();
    let runs = if transfers > 150_000 { 1 } else { 3 };
    let (encoder_ms, text) = best(runs, || {
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text).unwrap();
        text
    });
    let (gzip_ms, gzip) = best(runs, || {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).unwrap();
        gzip.finish().unwrap()
    });
    let whole = encoder_ms + gzip_ms;
    let (text_len, gzip_len) = (text.len(), gzip.len());
    drop((families, text, gzip));
    println!("\n{transfers} settled transfers, {series} series");
    println!("prometheus::TextEncoder    {encoder_ms:>9.2} ms {text_len:>11} bytes");
    println!(
        "flate2, level 1, after it  {gzip_ms:>9.2} ms {gzip_len:>11} bytes   together {whole:.2} ms"
    );
    println!(
        "format             encoding    cold ms   warm ms       bytes   together / cold   together / warm"
    );
    let scrape = Scrape {
        snapshots: vec![Arc::clone(&snapshot)],
        complete: true,
        metrics: &metrics,
        started: UNIX_EPOCH,
        server: true,
    };
    for (format_name, kind) in FORMATS {
        for (encoding_name, encoding) in ENCODINGS {
            let request = ScrapeRequest {
                filter: NameFilter::default(),
                format: Format {
                    kind,
                    escaping: None,
                },
                encoding,
            };
            let expose = |cache: &Mutex<SegmentCache>| {
                let body = render(&scrape, &request, cache).unwrap();
                body.into_parts()
                    .map(|piece| black_box(piece).len())
                    .sum::<usize>()
            };
            let (cold, _) = best(runs, || expose(&Mutex::default()));
            let cache = Mutex::default();
            expose(&cache);
            let (warm, bytes) = best(10, || expose(&cache));
            println!(
                "{format_name:<18} {encoding_name:<9} {cold:>9.3} {warm:>9.3} {bytes:>11}   {:>15.1}   {:>15.1}",
                whole / cold,
                whole / warm
            );
            if encoding != Encoding::Identity {
                let kept = cache.lock().unwrap().bytes();
                assert!(
                    kept > 0 && kept < bytes,
                    "{kept} of {bytes} bytes are cached"
                );
            }
        }
    }
    alternatives(&scrape);
}

/// Measures two alternatives for plain bodies: keeping the text, and decompressing the cached zstd
/// segments.
fn alternatives(scrape: &Scrape<'_>) {
    let expose = |encoding, cache: &Mutex<SegmentCache>| {
        let request = ScrapeRequest {
            encoding,
            ..ScrapeRequest::everything()
        };
        render(scrape, &request, cache)
            .unwrap()
            .into_parts()
            .collect::<Vec<_>>()
    };
    let cache = Mutex::default();
    let plain = expose(Encoding::Identity, &cache).concat();
    let held = expose(Encoding::Zstd, &cache);
    let (unzstd, length) = best(3, || {
        let mut buffer = vec![0; 64 * 1024];
        let mut length = 0;
        for piece in &held {
            let mut reader = zstd::stream::read::Decoder::with_buffer(piece.as_ref()).unwrap();
            loop {
                let read = reader.read(&mut buffer).unwrap();
                if read == 0 {
                    break;
                }
                length += read;
            }
        }
        length
    });
    // The texts were rendered at different times, which may have another number of digits.
    assert!(
        length.abs_diff(plain.len()) < 100,
        "{length}, {}",
        plain.len()
    );
    let (copied, _) = best(3, || {
        plain
            .chunks(64 * 1024)
            .map(|piece| black_box(piece.to_vec()).len())
            .sum::<usize>()
    });
    if plain.len() < 10_000_000 {
        levels(&plain);
    }
    println!(
        "plain from cached zstd {unzstd:.2} ms, copied from cached text {copied:.2} ms ({} bytes cached)",
        plain.len()
    );
}

/// Measures compression levels with segments of the size of a chunk.
fn levels(plain: &[u8]) {
    for level in [1, 2, 3, 4, 6, 9] {
        let (ms, bytes) = best(3, || {
            let mut bytes = 0;
            for piece in plain.chunks(400_000) {
                let mut deflate =
                    flate2::write::DeflateEncoder::new(Vec::new(), Compression::new(level));
                deflate.write_all(piece).unwrap();
                bytes += deflate.finish().unwrap().len();
            }
            bytes
        });
        println!("deflate level {level} {ms:>9.2} ms {bytes:>9} bytes");
    }
    for level in [-1, 1, 2, 3, 5, 7] {
        let (ms, bytes) = best(3, || {
            let mut zstd = zstd::bulk::Compressor::new(level).unwrap();
            plain
                .chunks(400_000)
                .map(|piece| zstd.compress(piece).unwrap().len())
                .sum::<usize>()
        });
        println!("zstd level {level} {ms:>9.2} ms {bytes:>9} bytes");
    }
}

/// Returns the lowest CPU time of several runs in ms, and the last result.
fn best<T>(runs: u32, mut run: impl FnMut() -> T) -> (f64, T) {
    let mut least = f64::INFINITY;
    let mut result = None;
    for _ in 0..runs {
        drop(result.take());
        let start = cpu_ms();
        result = Some(run());
        least = least.min(cpu_ms() - start);
    }
    (least, result.unwrap())
}

/// Returns the CPU time of this thread, which other processes on the machine do not affect.
fn cpu_ms() -> f64 {
    // schedstat is updated when the thread is scheduled; clock ticks would be too coarse.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
}

/// Returns settled transfers on connectors with 1,000 transfers each. One transfer in ten has
/// failed files of one code.
fn snapshot(transfers: usize) -> Snapshot {
    let account = Arc::new(Account {
        name: AccountName::new("production"),
        region: "eu-central-1".into(),
    });
    let at = UNIX_EPOCH + Duration::from_millis(1_790_000_000_123);
    let code = |n: usize| {
        FailureCode::new(["CONNECTION_ERROR", "TIMEOUT_ERROR", "FILE_NOT_FOUND"][n % 3]).unwrap()
    };
    let mut seed = 7_u64;
    let mut random = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        seed >> 16
    };
    let connectors: Vec<_> = (0..transfers.div_ceil(TRANSFERS_PER_CONNECTOR))
        .map(|_| {
            let id: ConnectorId = format!("c-{:017x}", random()).parse().unwrap();
            Arc::new(ConnectorLabels {
                account: Arc::clone(&account),
                id,
            })
        })
        .collect();
    let rows: Vec<_> = (0..transfers)
        .map(|n| {
            let (a, b) = (random(), random());
            let failed = n % 10 == 0;
            let id = format!(
                "{:08x}-{:04x}-4{:03x}-8{:03x}-{a:012x}",
                b & 0xffff_ffff,
                a & 0xffff,
                b % 4096,
                a % 4096
            );
            let mut files = FileCounts {
                completed: u32::try_from(a % 50).unwrap() + 1,
                ..FileCounts::default()
            };
            if failed {
                files.failed.push((code(n / 10), 1));
            }
            TransferView {
                connector: Arc::clone(&connectors[n / TRANSFERS_PER_CONNECTOR]),
                id: id.parse().unwrap(),
                since: at,
                state: if failed {
                    TransferState::Failed
                } else {
                    TransferState::Completed
                },
                up: (n % 5 != 0).then_some(true),
                files: Some(files).filter(|_| n % 10 != 5),
            }
        })
        .collect();
    let views: Vec<_> = connectors
        .iter()
        .map(|labels| connector(labels, &rows, at))
        .collect();
    Snapshot {
        connectors: views.chunks(32).map(Arc::from).collect(),
        transfers: rows.chunks(512).map(Arc::from).collect(),
        ..Snapshot::default()
    }
}

fn connector(
    labels: &Arc<ConnectorLabels>,
    rows: &[TransferView],
    at: SystemTime,
) -> ConnectorView {
    let mut files = FileCounts::default();
    let mut states = StateCounts::default();
    for row in rows
        .iter()
        .filter(|row| Arc::ptr_eq(&row.connector, labels))
    {
        states.add(row.state);
        files.add(row.files.as_ref().unwrap_or(&FileCounts::default()));
    }
    let newest = || Some((rows[0].id.clone(), at));
    let completed = FinishedFiles {
        files: files.completed.into(),
        newest: newest(),
    };
    let mut finished = BTreeMap::from([(Finished::Completed, completed)]);
    for (code, n) in &files.failed {
        let seen = FinishedFiles {
            files: (*n).into(),
            newest: newest(),
        };
        finished.insert(Finished::Failed(Some(code.clone())), seen);
    }
    ConnectorView {
        files: Some(files),
        states,
        finished,
        last_completed: Some(at),
        last_failed: Some(at),
        ..ConnectorView::new(Arc::clone(labels), at)
    }
}

/// Returns the same series as families of the `prometheus` crate, parsed from our text, without the
/// exporter's own metrics.
fn families(snapshot: &Arc<Snapshot>) -> Vec<MetricFamily> {
    let metrics = SelfMetrics::new().unwrap();
    let scrape = Scrape {
        snapshots: vec![Arc::clone(snapshot)],
        complete: true,
        metrics: &metrics,
        started: UNIX_EPOCH,
        server: false,
    };
    let body = render(&scrape, &ScrapeRequest::everything(), &Mutex::default()).unwrap();
    let text = String::from_utf8(body.into_parts().flatten().collect()).unwrap();
    parsed::families(&text)
}
