//! Samples to bytes, in each dialect: [`Encoder`] writes samples with the parts of [`text`] and
//! [`protobuf`].

mod encoder;
mod exponential;
mod labels;
mod protobuf;
mod text;
mod value;

use std::time::{SystemTime, UNIX_EPOCH};

pub(super) use encoder::Encoder;
pub(super) use labels::ExtraLabels;

use super::families::Family;
use super::format::Dialect;

/// Appends the head of a family. In protobuf the head holds the length of the samples, `samples`
/// bytes.
pub(super) fn head(out: &mut Vec<u8>, dialect: Dialect, family: &Family, samples: usize) {
    match dialect {
        Dialect::Text => text::head(out, family),
        Dialect::OpenMetrics => text::open_metrics_head(out, family, family.base_name()),
        // A family has the name of its samples.
        Dialect::OpenMetrics2 => text::open_metrics_head(out, family, family.name),
        Dialect::Protobuf => protobuf::head(out, family, samples),
    }
}

/// Returns the seconds since the Unix epoch, 0 for an earlier time.
pub(super) fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
