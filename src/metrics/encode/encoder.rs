//! The encoder of samples. A row's labels are written once and copied for each of its samples;
//! frequent labels are encoded once per process.

use std::sync::Arc;
use std::time::SystemTime;

use super::labels::{EncodedLabels, ExtraLabels};
use super::value::SampleValue;
use super::{protobuf, text, unix_seconds};
use crate::metrics::families::Family;
use crate::metrics::format::Dialect;
use model::{ConnectorLabels, Histogram, TransferId};

/// The longest exemplar: characters of its label names and values together
/// (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md#exemplars>).
const EXEMPLAR_CHARACTERS: usize = 128;
const TRANSFER_ID: &str = "transfer_id";

/// Writes samples, family by family and row by row. It does not write the head of a family, because
/// in protobuf the head holds the length of all samples.
pub(in crate::metrics) struct Encoder {
    dialect: Dialect,
    family: &'static Family,
    /// The start of each sample of the row: in the text formats the name, `{` and labels, in
    /// protobuf the labels.
    row: Vec<u8>,
    /// The offset of the labels in `row`.
    labels_at: usize,
    /// The shard whose series are written, if there are several.
    shard: Option<Arc<str>>,
    /// The offset of the labels in `row` that follow the one of the shard.
    row_at: usize,
    /// The connector whose labels `row` holds, and the offset of their end.
    connector: Option<(Arc<ConnectorLabels>, usize)>,
    other: ExtraLabels,
    /// The samples so far.
    pub(in crate::metrics) out: Vec<u8>,
}

impl Encoder {
    /// Creates an encoder for samples of `family`.
    pub(in crate::metrics) fn new(dialect: Dialect, family: &'static Family) -> Self {
        let mut encoder = Self {
            dialect,
            family,
            row: Vec::with_capacity(256),
            labels_at: 0,
            shard: None,
            row_at: 0,
            connector: None,
            other: ExtraLabels::default(),
            out: Vec::new(),
        };
        encoder.family(family);
        encoder
    }

    /// Continues with samples of another family.
    pub(in crate::metrics) fn family(&mut self, family: &'static Family) {
        self.family = family;
        self.connector = None;
        self.row.clear();
        if self.dialect != Dialect::Protobuf {
            self.row.extend_from_slice(family.name.as_bytes());
            self.row.push(b'{');
        }
        self.labels_at = self.row.len();
        if let Some(shard) = self.shard.clone() {
            self.label("shard", &shard);
        }
        self.row_at = self.row.len();
    }

    /// Continues with samples of a shard, or of the only one.
    pub(in crate::metrics) fn shard(&mut self, shard: Option<&Arc<str>>) {
        if self.shard.as_ref() != shard {
            self.shard = shard.cloned();
            self.family(self.family);
        }
    }

    /// Returns the labels that are encoded once.
    pub(in crate::metrics) fn encoded_labels(&self) -> &'static EncodedLabels {
        EncodedLabels::of(self.dialect)
    }

    /// Begins a row without labels.
    pub(in crate::metrics) fn row(&mut self) {
        self.connector = None;
        self.row.truncate(self.row_at);
    }

    /// Begins a row with a connector's labels.
    pub(in crate::metrics) fn connector_row(&mut self, connector: &Arc<ConnectorLabels>) {
        if let Some((known, end)) = &self.connector
            && Arc::ptr_eq(known, connector)
        {
            return self.row.truncate(*end);
        }
        self.row();
        self.label("aws_account", connector.account.name.as_str());
        self.label("aws_region", &connector.account.region);
        self.label("connector_id", connector.id.as_str());
        self.connector = Some((Arc::clone(connector), self.row.len()));
    }

    /// Begins a row with a transfer's labels.
    pub(in crate::metrics) fn transfer_row(
        &mut self,
        connector: &Arc<ConnectorLabels>,
        transfer: &TransferId,
    ) {
        self.connector_row(connector);
        if self.dialect == Dialect::Protobuf {
            return protobuf::label(&mut self.row, TRANSFER_ID, transfer.as_str());
        }
        // A transfer ID has no character to escape, and there may be hundreds of thousands.
        self.row.extend_from_slice(b",transfer_id=\"");
        self.row.extend_from_slice(transfer.as_str().as_bytes());
        self.row.push(b'"');
    }

    /// Adds a label to the row.
    pub(in crate::metrics) fn label(&mut self, name: &str, value: &str) {
        if self.dialect == Dialect::Protobuf {
            return protobuf::label(&mut self.row, name, value);
        }
        if self.row.len() > self.labels_at {
            self.row.push(b',');
        }
        text::label(&mut self.row, name, value);
    }

    /// Writes a gauge with the row's labels.
    pub(in crate::metrics) fn gauge(&mut self, value: impl Into<SampleValue>) {
        self.gauge_of(&self.encoded_labels().none, value);
    }

    /// Writes a gauge with the row's labels and `extra`.
    pub(in crate::metrics) fn gauge_of(
        &mut self,
        extra: &ExtraLabels,
        value: impl Into<SampleValue>,
    ) {
        let value = value.into();
        if self.dialect == Dialect::Protobuf {
            return protobuf::metric(
                &mut self.out,
                &self.row,
                &extra.0,
                &protobuf::gauge(value.as_f64()),
            );
        }
        self.series(extra);
        value.write_line_end(&mut self.out);
    }

    /// Writes a gauge with the row's labels and `labels`.
    pub(in crate::metrics) fn gauge_with(
        &mut self,
        labels: &[(&str, &str)],
        value: impl Into<SampleValue>,
    ) {
        let mut extra = std::mem::take(&mut self.other);
        extra.set(self.dialect, labels);
        self.gauge_of(&extra, value);
        self.other = extra;
    }

    /// Writes a counter with the row's labels.
    pub(in crate::metrics) fn counter(
        &mut self,
        value: impl Into<SampleValue>,
        created: SystemTime,
    ) {
        self.counter_of(&self.encoded_labels().none, value, created, None);
    }

    /// Writes a counter with the row's labels and `extra`. `exemplar` is the last counted transfer
    /// and its time. The text format has neither creation time nor exemplar.
    pub(in crate::metrics) fn counter_of(
        &mut self,
        extra: &ExtraLabels,
        value: impl Into<SampleValue>,
        created: SystemTime,
        exemplar: Option<&(TransferId, SystemTime)>,
    ) {
        let value = value.into();
        let exemplar = exemplar
            .map(|(id, at)| (TRANSFER_ID, id.as_str(), *at))
            .filter(|(name, id, _)| {
                name.chars().count() + id.chars().count() <= EXEMPLAR_CHARACTERS
            });
        if self.dialect == Dialect::Protobuf {
            let counter = protobuf::counter(value.as_f64(), created, exemplar);
            return protobuf::metric(&mut self.out, &self.row, &extra.0, &counter);
        }
        self.series(extra);
        value.write_line_end(&mut self.out);
        if self.dialect == Dialect::Text {
            return;
        }
        if self.dialect == Dialect::OpenMetrics2 {
            self.start_timestamp(created);
        }
        if let Some((name, id, at)) = exemplar {
            self.out.pop();
            self.out.extend_from_slice(b" # {");
            text::label(&mut self.out, name, id);
            self.out.extend_from_slice(b"} 1 ");
            SampleValue::Float(unix_seconds(at)).write_line_end(&mut self.out);
        }
        if self.dialect == Dialect::OpenMetrics {
            self.line("_created", extra, unix_seconds(created));
        }
    }

    /// Adds the start timestamp of OpenMetrics 2.0 to a line that has ended.
    fn start_timestamp(&mut self, created: SystemTime) {
        self.out.pop();
        self.out.extend_from_slice(b" st@");
        SampleValue::Float(unix_seconds(created)).write_line_end(&mut self.out);
    }

    /// Writes a histogram of OpenMetrics 2.0, which is one sample.
    fn composite(
        &mut self,
        count_and_sum: (u64, f64),
        native: Option<&Histogram>,
        classic: &[(u64, f64)],
        created: SystemTime,
    ) {
        self.series(&self.encoded_labels().none);
        text::composite(&mut self.out, count_and_sum, native, classic);
        self.out.push(b'\n');
        self.start_timestamp(created);
    }

    /// Writes a counter with the row's labels and `labels`.
    pub(in crate::metrics) fn counter_with(
        &mut self,
        labels: &[(&str, &str)],
        value: impl Into<SampleValue>,
        created: SystemTime,
        exemplar: Option<&(TransferId, SystemTime)>,
    ) {
        let mut extra = std::mem::take(&mut self.other);
        extra.set(self.dialect, labels);
        self.counter_of(&extra, value, created, exemplar);
        self.other = extra;
    }

    /// Writes a histogram. `buckets` holds cumulative counts and upper bounds, without `+Inf`.
    pub(in crate::metrics) fn histogram(
        &mut self,
        count: u64,
        sum: f64,
        buckets: &[(u64, f64)],
        created: SystemTime,
    ) {
        if self.dialect == Dialect::Protobuf {
            let histogram = protobuf::histogram(count, sum, buckets.iter().copied(), created);
            return protobuf::metric(&mut self.out, &self.row, &[], &histogram);
        }
        if self.dialect == Dialect::OpenMetrics2 {
            return self.composite((count, sum), None, buckets, created);
        }
        let bounds = buckets.iter().map(|(count, bound)| {
            // OpenMetrics requires `1.0`, the text format has `1`.
            let bound = if self.dialect == Dialect::OpenMetrics {
                format!("{bound:?}")
            } else {
                bound.to_string()
            };
            (*count, bound)
        });
        let bounds: Vec<_> = bounds.chain([(count, "+Inf".to_owned())]).collect();
        for (count, bound) in bounds {
            self.line(
                "_bucket",
                &ExtraLabels::new(self.dialect, &[("le", &bound)]),
                count,
            );
        }
        let none = &self.encoded_labels().none;
        self.line("_sum", none, sum);
        self.line("_count", none, count);
        if self.dialect == Dialect::OpenMetrics {
            self.line("_created", none, unix_seconds(created));
        }
    }

    /// Writes a histogram. Only protobuf and OpenMetrics 2.0 carry its exponential buckets.
    pub(in crate::metrics) fn native_histogram(
        &mut self,
        histogram: &Histogram,
        created: SystemTime,
    ) {
        let mut cumulative = 0;
        let classic = histogram
            .classic
            .iter()
            .zip(histogram.bounds)
            .map(|(count, bound)| {
                cumulative += count;
                (cumulative, *bound)
            });
        let classic: Vec<_> = classic.collect();
        if self.dialect == Dialect::Protobuf {
            let histogram = protobuf::native_histogram(histogram, classic.into_iter(), created);
            return protobuf::metric(&mut self.out, &self.row, &[], &histogram);
        }
        if self.dialect == Dialect::OpenMetrics2 {
            let count_and_sum = (histogram.count(), histogram.sum);
            return self.composite(count_and_sum, Some(histogram), &classic, created);
        }
        self.histogram(histogram.count(), histogram.sum, &classic, created);
    }

    /// Writes a line of the text formats, named after the family with a suffix.
    fn line(&mut self, suffix: &str, extra: &ExtraLabels, value: impl Into<SampleValue>) {
        self.out
            .extend_from_slice(self.family.base_name().as_bytes());
        self.out.extend_from_slice(suffix.as_bytes());
        let labels = &self.row[self.labels_at..];
        if labels.is_empty() {
            // Drops the leading comma, and the braces if there are no labels.
            let extra = if extra.0.len() > 2 {
                &extra.0[1..]
            } else {
                b" "
            };
            if extra.len() > 1 {
                self.out.push(b'{');
            }
            self.out.extend_from_slice(extra);
        } else {
            self.out.push(b'{');
            self.out.extend_from_slice(labels);
            self.out.extend_from_slice(&extra.0);
        }
        value.into().write_line_end(&mut self.out);
    }

    /// Writes a line of the text formats up to its value.
    fn series(&mut self, extra: &ExtraLabels) {
        if self.row.len() > self.labels_at {
            self.out.extend_from_slice(&self.row);
            self.out.extend_from_slice(&extra.0);
        } else {
            self.out.extend_from_slice(&self.row[..self.labels_at - 1]);
            self.out.push(b' ');
        }
    }
}
