//! Our text as families of the `prometheus` crate, to compare its encoder with ours.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// Parses an exposition into families of the `prometheus` crate. No label value contains a comma.
pub(crate) fn families(text: &str) -> Vec<MetricFamily> {
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
