//! Formats and encodings of an exposition.

use std::fmt::{self, Display};

/// The format of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The format and its version.
    pub kind: FormatKind,
    /// The escaping scheme that the client requested for names outside the legacy character set,
    /// repeated in the Content-Type. All names here are within it, so the text does not change.
    pub escaping: Option<Escaping>,
}

/// A format and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatKind {
    /// The text format, `version=0.0.4`.
    Text0_0_4,
    /// The text format, `version=1.0.0`, which also allows quoted names.
    Text1_0_0,
    /// OpenMetrics, `version=0.0.1`, the draft that older scrapers request.
    OpenMetrics0_0_1,
    /// OpenMetrics, `version=1.0.0`.
    OpenMetrics1_0_0,
    /// OpenMetrics, `version=2.0.0`: with native histograms and start timestamps
    /// (<https://prometheus.io/docs/specs/om/open_metrics_spec_2_0/>, release candidate 0).
    OpenMetrics2_0_0,
    /// `io.prometheus.client.MetricFamily` messages, each preceded by its length.
    Protobuf,
}

/// Escaping schemes for names (<https://prometheus.io/docs/instrumenting/escaping_schemes/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escaping {
    /// `allow-utf-8`.
    AllowUtf8,
    /// `underscores`.
    Underscores,
    /// `dots`.
    Dots,
    /// `values`.
    Values,
}

impl Escaping {
    /// Every scheme.
    pub const ALL: [Self; 4] = [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];

    /// Returns the name of the scheme in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }
}

impl Format {
    /// The text format that every client reads.
    pub const TEXT: Self = Self {
        kind: FormatKind::Text0_0_4,
        escaping: None,
    };

    pub(super) fn dialect(self) -> Dialect {
        match self.kind {
            FormatKind::Text0_0_4 | FormatKind::Text1_0_0 => Dialect::Text,
            FormatKind::OpenMetrics0_0_1 | FormatKind::OpenMetrics1_0_0 => Dialect::OpenMetrics,
            FormatKind::OpenMetrics2_0_0 => Dialect::OpenMetrics2,
            FormatKind::Protobuf => Dialect::Protobuf,
        }
    }
}

/// Formats the Content-Type.
impl Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FormatKind::Text0_0_4 => "text/plain; version=0.0.4; charset=utf-8",
            FormatKind::Text1_0_0 => "text/plain; version=1.0.0; charset=utf-8",
            FormatKind::OpenMetrics0_0_1 => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            FormatKind::OpenMetrics1_0_0 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            FormatKind::OpenMetrics2_0_0 => "application/openmetrics-text; version=2.0.0; charset=utf-8",
            FormatKind::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        })?;
        match self.escaping {
            Some(escaping) => write!(f, "; escaping={}", escaping.as_str()),
            None => Ok(()),
        }
    }
}

/// The formats that the encoder distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Dialect {
    Text,
    OpenMetrics,
    OpenMetrics2,
    Protobuf,
}

impl Dialect {
    /// Returns the end of an exposition.
    pub(super) fn end(self) -> &'static [u8] {
        match self {
            Self::OpenMetrics | Self::OpenMetrics2 => b"# EOF\n",
            Self::Text | Self::Protobuf => b"",
        }
    }
}

/// The encoding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Uncompressed.
    Identity,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Encoding {
    /// Returns the Content-Encoding, or `None` if uncompressed.
    pub fn as_header(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}
