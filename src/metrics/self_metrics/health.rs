//! Reads of instruments for the HTML pages. To be replaced by a health struct that the application
//! fills from its state: an instrument is written here and read by scrapes only.

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily};

use super::{DiscoveryMetrics, StorageMetrics};

impl DiscoveryMetrics {
    /// Returns source, target, and whether the last poll succeeded.
    pub fn health(&self) -> Vec<(String, String, bool)> {
        let gathered = self.up.collect();
        let metrics = gathered.iter().flat_map(MetricFamily::get_metric);
        metrics
            .map(|metric| {
                (
                    label(metric, "source"),
                    label(metric, "target"),
                    metric.get_gauge().get_value() > 0.0,
                )
            })
            .collect()
    }
}

impl StorageMetrics {
    /// Returns whether the last write succeeded. Meaningless without storage.
    pub fn is_up(&self) -> bool {
        self.up.with_label_values::<&str>(&[]).get() > 0.0
    }
}

fn label(metric: &Metric, name: &str) -> String {
    let found = metric.get_label().iter().find(|label| label.name() == name);
    found.map_or_else(String::new, |label| label.value().to_owned())
}
