//! The cost of the same series for an exporter that encodes and compresses all of them at every
//! scrape.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

/// Returns the CPU time of this thread in ms for encoding existing families, and for compressing
/// the text at level 1. The best of three runs.
pub(crate) fn cost(text: &str) -> (f64, f64) {
    let families = families(text);
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

/// Parses an exposition into families of the `prometheus` crate. No label value contains a comma.
fn families(text: &str) -> Vec<MetricFamily> {
    let mut families: Vec<MetricFamily> = Vec::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            let mut family = MetricFamily::default();
            family.set_name(name.into());
            family.set_help(help.into());
            families.push(family);
            continue;
        }
        let family = families.last_mut().unwrap();
        if line.starts_with("# TYPE ") {
            let counter = line.ends_with(" counter");
            family.set_field_type(if counter {
                MetricType::COUNTER
            } else {
                MetricType::GAUGE
            });
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let labels = series
            .split_once('{')
            .map_or("", |(_, labels)| labels.trim_end_matches('}'));
        let pairs = labels
            .split(',')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                let mut pair = LabelPair::default();
                pair.set_name(name.into());
                pair.set_value(value.trim_matches('"').into());
                pair
            });
        let mut metric = Metric::from_label(pairs.collect());
        let value = value.parse().unwrap();
        if family.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        family.mut_metric().push(metric);
    }
    families
}
