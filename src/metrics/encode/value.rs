//! Values of samples.

use super::text;

/// The value of a sample.
#[derive(Clone, Copy, Debug)]
pub(in crate::metrics) enum SampleValue {
    Integer(u64),
    Float(f64),
}

impl From<u64> for SampleValue {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for SampleValue {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for SampleValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl SampleValue {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the formats only have doubles; counts are far below 2^53"
    )]
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Appends the value and a line feed.
    pub(super) fn write_line_end(self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => text::integer_line_end(out, value),
            Self::Float(value) => {
                text::float(out, value);
                out.push(b'\n');
            }
        }
    }
}
