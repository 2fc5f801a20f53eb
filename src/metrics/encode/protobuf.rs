//! Parts of the protobuf format: messages of `io/prometheus/client/metrics.proto`
//! (<https://github.com/prometheus/client_model/blob/v0.6.3/io/prometheus/client/metrics.proto>).

use std::time::{SystemTime, UNIX_EPOCH};

use super::exponential;
use crate::metrics::families::{Family, MetricType};
use model::{HISTOGRAM_SCHEMA, Histogram};

const LEN: u8 = 2;
const VARINT: u8 = 0;
const FIXED64: u8 = 1;

const fn tag(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

/// `MetricFamily.metric`, and `Metric.label`.
const FAMILY_METRIC: u8 = tag(4, LEN);
const METRIC_LABEL: u8 = tag(1, LEN);
/// Fields of `Metric`, by type.
const METRIC_GAUGE: u8 = tag(2, LEN);
const METRIC_COUNTER: u8 = tag(3, LEN);
const METRIC_HISTOGRAM: u8 = tag(7, LEN);

/// Appends a base-128 varint.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn bytes(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn double(out: &mut Vec<u8>, field: u8, value: f64) {
    out.push(tag(field, FIXED64));
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends `Metric.label`.
pub(super) fn label(out: &mut Vec<u8>, name: &str, value: &str) {
    let varint_len = |len: usize| (usize::BITS - len.leading_zeros()).div_ceil(7).max(1) as usize;
    let len = name.len() + varint_len(name.len()) + value.len() + varint_len(value.len()) + 2;
    out.push(METRIC_LABEL);
    varint(out, len as u64);
    bytes(out, tag(1, LEN), name.as_bytes());
    bytes(out, tag(2, LEN), value.as_bytes());
}

/// Appends `MetricFamily.metric` from its encoded labels, in two parts, and its value.
pub(super) fn metric(out: &mut Vec<u8>, row: &[u8], extra: &[u8], value: &[u8]) {
    out.push(FAMILY_METRIC);
    varint(out, (row.len() + extra.len() + value.len()) as u64);
    out.extend_from_slice(row);
    out.extend_from_slice(extra);
    out.extend_from_slice(value);
}

/// Returns `Metric.gauge`.
pub(super) fn gauge(value: f64) -> [u8; 11] {
    let mut gauge = [0; 11];
    gauge[..3].copy_from_slice(&[METRIC_GAUGE, 9, tag(1, FIXED64)]);
    gauge[3..].copy_from_slice(&value.to_le_bytes());
    gauge
}

/// Returns `Metric.counter` with exemplar and creation time.
pub(super) fn counter(
    value: f64,
    created: SystemTime,
    exemplar: Option<(&str, &str, SystemTime)>,
) -> Vec<u8> {
    let mut counter = Vec::with_capacity(128);
    double(&mut counter, 1, value);
    if let Some((name, text, at)) = exemplar {
        let mut exemplar = Vec::with_capacity(96);
        // `Exemplar.label` has the field number of `Metric.label`.
        label(&mut exemplar, name, text);
        double(&mut exemplar, 2, 1.0);
        bytes(&mut exemplar, tag(3, LEN), &timestamp(at));
        bytes(&mut counter, tag(2, LEN), &exemplar);
    }
    bytes(&mut counter, tag(3, LEN), &timestamp(created));
    let mut out = Vec::with_capacity(counter.len() + 3);
    bytes(&mut out, METRIC_COUNTER, &counter);
    out
}

/// Returns `Metric.histogram` with classic buckets: cumulative counts and upper bounds.
pub(super) fn histogram(
    count: u64,
    sum: f64,
    buckets: impl Iterator<Item = (u64, f64)>,
    created: SystemTime,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    bytes(
        &mut out,
        METRIC_HISTOGRAM,
        &classic_fields(count, sum, buckets, created),
    );
    out
}

fn classic_fields(
    count: u64,
    sum: f64,
    buckets: impl Iterator<Item = (u64, f64)>,
    created: SystemTime,
) -> Vec<u8> {
    let mut histogram = Vec::with_capacity(512);
    histogram.push(tag(1, VARINT));
    varint(&mut histogram, count);
    double(&mut histogram, 2, sum);
    for (cumulative, upper_bound) in buckets {
        let mut bucket = vec![tag(1, VARINT)];
        varint(&mut bucket, cumulative);
        double(&mut bucket, 2, upper_bound);
        bytes(&mut histogram, tag(3, LEN), &bucket);
    }
    bytes(&mut histogram, tag(15, LEN), &timestamp(created));
    histogram
}

/// Returns `Metric.histogram` with classic and native buckets. Native buckets are spans of counts,
/// each the difference from the previous one.
pub(super) fn native_histogram(
    histogram: &Histogram,
    classic: impl Iterator<Item = (u64, f64)>,
    created: SystemTime,
) -> Vec<u8> {
    let mut fields = classic_fields(histogram.count(), histogram.sum, classic, created);
    fields.push(tag(5, VARINT));
    varint(&mut fields, zigzag(HISTOGRAM_SCHEMA.into()));
    // The zero bucket holds exact zeros only. Without it an empty histogram would be classic.
    double(&mut fields, 6, 0.0);
    fields.push(tag(7, VARINT));
    varint(&mut fields, histogram.zeros);
    let mut before = 0;
    let mut deltas = Vec::new();
    for count in histogram.exponential.values() {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        deltas.push(count - before);
        before = count;
    }
    let mut spans = exponential::spans(histogram);
    if spans.is_empty() {
        // An empty span marks the histogram as native.
        spans.push((0, 0));
    }
    for (offset, length) in spans {
        let mut span = vec![tag(1, VARINT)];
        varint(&mut span, zigzag(offset.into()));
        span.push(tag(2, VARINT));
        varint(&mut span, length.into());
        bytes(&mut fields, tag(12, LEN), &span);
    }
    for delta in deltas {
        fields.push(tag(13, VARINT));
        varint(&mut fields, zigzag(delta));
    }
    let mut out = Vec::with_capacity(fields.len() + 3);
    bytes(&mut out, METRIC_HISTOGRAM, &fields);
    out
}

/// Returns the zigzag encoding of a signed number.
#[expect(clippy::cast_sign_loss, reason = "zigzag reinterprets the bits")]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Returns a `google.protobuf.Timestamp`.
fn timestamp(at: SystemTime) -> Vec<u8> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut out = vec![tag(1, VARINT)];
    varint(&mut out, since.as_secs());
    out.push(tag(2, VARINT));
    varint(&mut out, u64::from(since.subsec_nanos()));
    out
}

/// Appends the length of a `MetricFamily` with `metrics` bytes of metrics, and its other fields.
pub(super) fn head(out: &mut Vec<u8>, family: &Family, metrics: usize) {
    let mut fields = Vec::with_capacity(256);
    bytes(&mut fields, tag(1, LEN), family.name.as_bytes());
    bytes(&mut fields, tag(2, LEN), family.help.as_bytes());
    let kind = match family.kind {
        MetricType::Counter => 0,
        MetricType::Gauge => 1,
        MetricType::Histogram => 4,
    };
    fields.extend_from_slice(&[tag(3, VARINT), kind]);
    if let Some(unit) = family.unit() {
        bytes(&mut fields, tag(5, LEN), unit.as_bytes());
    }
    varint(out, (fields.len() + metrics) as u64);
    out.extend_from_slice(&fields);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use model::DURATION_BOUNDS;

    #[test]
    fn a_native_histogram_has_spans_and_deltas() {
        let mut durations = Histogram::new(&DURATION_BOUNDS);
        // 1 s is in bucket 0, 2 s in bucket 8, 2.125 s in bucket 9.
        for millis in [0, 1_000, 1_000, 2_000, 2_125, 2_125, 2_125] {
            durations.observe(Duration::from_millis(millis).as_secs_f64());
        }
        let encoded = native_histogram(&durations, std::iter::empty(), UNIX_EPOCH);
        let expected = [
            &[METRIC_HISTOGRAM, 48][..],
            &[tag(1, VARINT), 7, tag(2, FIXED64)],
            &10.375_f64.to_le_bytes(),
            &[tag(15, LEN), 4, 8, 0, 16, 0],
            &[tag(5, VARINT), 6, tag(6, FIXED64)],
            &0.0_f64.to_le_bytes(),
            &[tag(7, VARINT), 1],
            // One bucket from index 0; after a gap of 7, two.
            &[tag(12, LEN), 4, 8, 0, 16, 1],
            &[tag(12, LEN), 4, 8, 14, 16, 2],
            &[tag(13, VARINT), 4, tag(13, VARINT), 1, tag(13, VARINT), 4],
        ];
        assert_eq!(encoded, expected.concat());
    }

    #[test]
    fn an_empty_native_histogram_is_marked_as_native() {
        let encoded = native_histogram(
            &Histogram::new(&DURATION_BOUNDS),
            std::iter::empty(),
            UNIX_EPOCH,
        );
        assert!(
            encoded.ends_with(&[tag(7, VARINT), 0, tag(12, LEN), 4, 8, 0, 16, 0]),
            "{encoded:?}"
        );
    }
}
