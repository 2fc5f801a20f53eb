//! Spans of exponential buckets, the same in protobuf and in OpenMetrics 2.0.

use model::Histogram;

/// Returns the runs of consecutive buckets: how many indices after the end of the run before, for the
/// first run after 0, and how many buckets.
pub(super) fn spans(histogram: &Histogram) -> Vec<(i32, u32)> {
    let mut spans: Vec<(i32, u32)> = Vec::new();
    let mut next = 0;
    for index in histogram.exponential.keys() {
        match spans.last_mut() {
            Some((_, length)) if *index == next => *length += 1,
            _ => spans.push((index - next, 1)),
        }
        next = index + 1;
    }
    spans
}
