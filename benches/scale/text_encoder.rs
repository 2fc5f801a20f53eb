//! The cost of the same series for an exporter that encodes and compresses all of them at every
//! scrape.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus::{Encoder, TextEncoder};

use crate::parsed;

/// Returns the CPU time of this thread in ms for encoding existing families, and for compressing
/// the text at level 1. The best of three runs.
pub(crate) fn cost(text: &str) -> (f64, f64) {
    let families = parsed::families(text);
    let (mut encode, mut compress) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..3 {
        let start = cpu_ms();
        let mut plain = Vec::new();
        TextEncoder::new().encode(&families, &mut plain).unwrap();
        encode = encode.min(cpu_ms() - start);
        let start = cpu_ms();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&plain).unwrap();
        gzip.finish().unwrap();
        compress = compress.min(cpu_ms() - start);
    }
    (encode, compress)
}

/// Returns the CPU time of this thread. schedstat is updated when the thread is scheduled; clock
/// ticks would be too coarse.
fn cpu_ms() -> f64 {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
}
