//! Samples to bytes, in each dialect. Nothing is formatted where it can be copied: a row's labels are written once and
//! copied for each of its samples, and labels that come again and again are kept ready.

use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use super::families::Family;
use super::format::Dialect;
use super::{protobuf, text};
use model::{
    ConnectorLabels, DOCUMENTED_FAILURE_CODES, DURATION_BOUNDS, Durations, FileStatus, TransferId,
    TransferState,
};

/// An exemplar's label names and values together have at most this many characters
/// (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md#exemplars>).
const EXEMPLAR_CHARACTERS: usize = 128;
const TRANSFER_ID: &str = "transfer_id";

/// A sample's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Integer(u64),
    Float(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the formats have doubles alone; counts are far below 2^53"
    )]
    fn as_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Ends a line.
    fn write_line_end(self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => text::integer_line_end(out, value),
            Self::Float(value) => {
                text::float(out, value);
                out.push(b'\n');
            }
        }
    }
}

/// Labels that come after a row's own, as a dialect writes them: in the text formats with all that stands between the
/// row's labels and the value.
#[derive(Clone, Debug, Default)]
pub(super) struct Further(Vec<u8>);

impl Further {
    fn new(dialect: Dialect, labels: &[(&str, &str)]) -> Self {
        let mut further = Self::default();
        further.set(dialect, labels);
        further
    }

    fn set(&mut self, dialect: Dialect, labels: &[(&str, &str)]) {
        self.0.clear();
        if dialect == Dialect::Protobuf {
            for (name, value) in labels {
                protobuf::label(&mut self.0, name, value);
            }
            return;
        }
        for (name, value) in labels {
            self.0.push(b',');
            text::label(&mut self.0, name, value);
        }
        self.0.extend_from_slice(b"} ");
    }
}

/// Labels that are kept ready, in one dialect.
pub(super) struct Ready {
    none: Further,
    /// `status`, and an empty `failure_code`; in the order of [`FileStatus::MODELLED`].
    pub(super) statuses: [Further; 4],
    /// FAILED by code; in the order of [`DOCUMENTED_FAILURE_CODES`].
    pub(super) codes: [Further; 16],
    /// `state`; in the order of [`TransferState::ALL`].
    pub(super) states: [Further; 5],
}

impl Ready {
    fn new(dialect: Dialect) -> Self {
        let status = |status: FileStatus| {
            Further::new(
                dialect,
                &[("status", status.as_str()), ("failure_code", "")],
            )
        };
        let code = |code| {
            Further::new(
                dialect,
                &[
                    ("status", FileStatus::Failed.as_str()),
                    ("failure_code", code),
                ],
            )
        };
        Self {
            none: Further::new(dialect, &[]),
            statuses: FileStatus::MODELLED.map(status),
            codes: DOCUMENTED_FAILURE_CODES.map(code),
            states: TransferState::ALL
                .map(|state| Further::new(dialect, &[("state", state.as_label())])),
        }
    }

    fn of(dialect: Dialect) -> &'static Self {
        static TEXT: LazyLock<Ready> = LazyLock::new(|| Ready::new(Dialect::Text));
        static PROTOBUF: LazyLock<Ready> = LazyLock::new(|| Ready::new(Dialect::Protobuf));
        if dialect == Dialect::Protobuf {
            &PROTOBUF
        } else {
            &TEXT
        }
    }
}

/// Writes samples, family by family and row by row. It does not write a family's head, for in protobuf that tells the
/// length of all samples.
pub(super) struct Encoder {
    dialect: Dialect,
    family: &'static Family,
    /// What the samples of a row begin with: in the text formats the name, `{` and labels, in protobuf labels.
    row: Vec<u8>,
    /// Where the labels begin.
    labels_at: usize,
    /// The connector whose labels stand in `row`, and where they end.
    connector: Option<(Arc<ConnectorLabels>, usize)>,
    other: Further,
    /// The samples so far.
    pub(super) out: Vec<u8>,
}

impl Encoder {
    /// One for the samples of `family`.
    pub(super) fn new(dialect: Dialect, family: &'static Family) -> Self {
        let mut encoder = Self {
            dialect,
            family,
            row: Vec::with_capacity(256),
            labels_at: 0,
            connector: None,
            other: Further::default(),
            out: Vec::new(),
        };
        encoder.family(family);
        encoder
    }

    /// Goes on to the samples of another family.
    pub(super) fn family(&mut self, family: &'static Family) {
        self.family = family;
        self.connector = None;
        self.row.clear();
        if self.dialect != Dialect::Protobuf {
            self.row.extend_from_slice(family.name.as_bytes());
            self.row.push(b'{');
        }
        self.labels_at = self.row.len();
    }

    /// Labels that are ready to be told after a row's own.
    pub(super) fn ready(&self) -> &'static Ready {
        Ready::of(self.dialect)
    }

    /// Begins a row that has no labels yet.
    pub(super) fn row(&mut self) {
        self.connector = None;
        self.row.truncate(self.labels_at);
    }

    /// Begins a row with a connector's labels.
    pub(super) fn connector_row(&mut self, connector: &Arc<ConnectorLabels>) {
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
    pub(super) fn transfer_row(&mut self, connector: &Arc<ConnectorLabels>, transfer: &TransferId) {
        self.connector_row(connector);
        if self.dialect == Dialect::Protobuf {
            return protobuf::label(&mut self.row, TRANSFER_ID, transfer.as_str());
        }
        // An id has no character that would have to be escaped, and there are hundreds of thousands of them.
        self.row.extend_from_slice(b",transfer_id=\"");
        self.row.extend_from_slice(transfer.as_str().as_bytes());
        self.row.push(b'"');
    }

    /// Adds a label to the row.
    pub(super) fn label(&mut self, name: &str, value: &str) {
        if self.dialect == Dialect::Protobuf {
            return protobuf::label(&mut self.row, name, value);
        }
        if self.row.len() > self.labels_at {
            self.row.push(b',');
        }
        text::label(&mut self.row, name, value);
    }

    /// A sample of a gauge that has the row's labels alone.
    pub(super) fn gauge(&mut self, value: impl Into<Value>) {
        self.gauge_of(&self.ready().none, value);
    }

    /// A sample of a gauge with further labels.
    pub(super) fn gauge_of(&mut self, further: &Further, value: impl Into<Value>) {
        let value = value.into();
        if self.dialect == Dialect::Protobuf {
            return protobuf::metric(
                &mut self.out,
                &self.row,
                &further.0,
                &protobuf::gauge(value.as_f64()),
            );
        }
        self.series(further);
        value.write_line_end(&mut self.out);
    }

    /// [`Self::gauge_of`] labels that are not ready.
    pub(super) fn gauge_with(&mut self, labels: &[(&str, &str)], value: impl Into<Value>) {
        let mut further = std::mem::take(&mut self.other);
        further.set(self.dialect, labels);
        self.gauge_of(&further, value);
        self.other = further;
    }

    /// A sample of a counter that has the row's labels alone.
    pub(super) fn counter(&mut self, value: impl Into<Value>, created: SystemTime) {
        self.counter_of(&self.ready().none, value, created, None);
    }

    /// A sample of a counter with further labels. `created` is the moment from which it counts, the exemplar the newest
    /// that it counted, and when; the text format tells neither.
    pub(super) fn counter_of(
        &mut self,
        further: &Further,
        value: impl Into<Value>,
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
            return protobuf::metric(&mut self.out, &self.row, &further.0, &counter);
        }
        self.series(further);
        value.write_line_end(&mut self.out);
        if self.dialect == Dialect::OpenMetrics {
            if let Some((name, id, at)) = exemplar {
                self.out.pop();
                self.out.extend_from_slice(b" # {");
                text::label(&mut self.out, name, id);
                self.out.extend_from_slice(b"} 1 ");
                Value::Float(unix_seconds(at)).write_line_end(&mut self.out);
            }
            self.line("_created", further, unix_seconds(created));
        }
    }

    /// [`Self::counter_of`] labels that are not ready.
    pub(super) fn counter_with(
        &mut self,
        labels: &[(&str, &str)],
        value: impl Into<Value>,
        created: SystemTime,
        exemplar: Option<&(TransferId, SystemTime)>,
    ) {
        let mut further = std::mem::take(&mut self.other);
        further.set(self.dialect, labels);
        self.counter_of(&further, value, created, exemplar);
        self.other = further;
    }

    /// All samples of a histogram: `buckets` are cumulative counts and upper bounds, without the infinite one.
    pub(super) fn histogram(
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
        let bounds = buckets.iter().map(|(count, bound)| {
            // `OpenMetrics` has one spelling for a bound: `1.0`, where the text format has always told `1`.
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
                &Further::new(self.dialect, &[("le", &bound)]),
                count,
            );
        }
        let none = &self.ready().none;
        self.line("_sum", none, sum);
        self.line("_count", none, count);
        if self.dialect == Dialect::OpenMetrics {
            self.line("_created", none, unix_seconds(created));
        }
    }

    /// All samples of durations: in classic buckets, and in the exponential ones where the format has them.
    pub(super) fn durations(&mut self, durations: &Durations, created: SystemTime) {
        let mut cumulative = 0;
        let classic = durations
            .classic
            .iter()
            .zip(DURATION_BOUNDS)
            .map(|(count, bound)| {
                cumulative += count;
                (cumulative, bound)
            });
        let classic: Vec<_> = classic.collect();
        if self.dialect == Dialect::Protobuf {
            let histogram = protobuf::native_histogram(durations, classic.into_iter(), created);
            return protobuf::metric(&mut self.out, &self.row, &[], &histogram);
        }
        self.histogram(durations.count(), durations.sum, &classic, created);
    }

    /// A whole line of the text formats, whose name is the family's with a suffix.
    fn line(&mut self, suffix: &str, further: &Further, value: impl Into<Value>) {
        self.out
            .extend_from_slice(self.family.base_name().as_bytes());
        self.out.extend_from_slice(suffix.as_bytes());
        let labels = &self.row[self.labels_at..];
        if labels.is_empty() {
            // Without the comma before the first of them, and without braces around none.
            let further = if further.0.len() > 2 {
                &further.0[1..]
            } else {
                b" "
            };
            if further.len() > 1 {
                self.out.push(b'{');
            }
            self.out.extend_from_slice(further);
        } else {
            self.out.push(b'{');
            self.out.extend_from_slice(labels);
            self.out.extend_from_slice(&further.0);
        }
        value.into().write_line_end(&mut self.out);
    }

    /// Name and labels of a line of the text formats, up to its value.
    fn series(&mut self, further: &Further) {
        if self.row.len() > self.labels_at {
            self.out.extend_from_slice(&self.row);
            self.out.extend_from_slice(&further.0);
        } else {
            self.out.extend_from_slice(&self.row[..self.labels_at - 1]);
            self.out.push(b' ');
        }
    }
}

/// Appends a family's head, which goes before samples of `samples` bytes.
pub(super) fn head(out: &mut Vec<u8>, dialect: Dialect, family: &Family, samples: usize) {
    match dialect {
        Dialect::Text => text::head(out, family),
        Dialect::OpenMetrics => text::open_metrics_head(out, family),
        Dialect::Protobuf => protobuf::head(out, family, samples),
    }
}

/// Seconds since the Unix epoch; zero for a time before it.
pub(super) fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
