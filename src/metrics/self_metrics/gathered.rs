//! Conversion of gathered instruments to samples.

use std::time::SystemTime;

use prometheus::proto::MetricFamily;

use crate::metrics::encode::Encoder;
use crate::metrics::families::{Family, MetricType};

/// The values of all instruments at one moment.
pub(in crate::metrics) struct Gathered(Vec<MetricFamily>);

impl Gathered {
    pub(super) fn new(families: Vec<MetricFamily>) -> Self {
        Self(families)
    }

    /// Writes the samples of `family`, if it has any. `started` is the creation time of its
    /// counters.
    pub(in crate::metrics) fn write(
        &self,
        family: &Family,
        started: SystemTime,
        out: &mut Encoder,
    ) {
        let found = self.0.iter().filter(|found| found.name() == family.name);
        for metric in found.flat_map(MetricFamily::get_metric) {
            out.row();
            for label in metric.get_label() {
                out.label(label.name(), label.value());
            }
            match family.kind {
                MetricType::Gauge => out.gauge(metric.get_gauge().get_value()),
                MetricType::Counter => out.counter(metric.get_counter().get_value(), started),
                MetricType::Histogram => {
                    let histogram = metric.get_histogram();
                    let buckets: Vec<_> = histogram
                        .get_bucket()
                        .iter()
                        .map(|bucket| (bucket.cumulative_count(), bucket.upper_bound()))
                        .collect();
                    out.histogram(
                        histogram.get_sample_count(),
                        histogram.get_sample_sum(),
                        &buckets,
                        started,
                    );
                }
            }
        }
    }
}
