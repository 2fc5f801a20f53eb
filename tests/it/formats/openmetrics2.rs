//! OpenMetrics 2.0: the series of OpenMetrics 1.0, with histograms as one sample each and start
//! timestamps within the lines.

use proptest::prelude::*;

use super::{OPEN_METRICS, OPEN_METRICS_2, Series, fixtures, parsed, text};

/// Returns the series that OpenMetrics 1.0 has in place of those of OpenMetrics 2.0.
fn flattened(series: Vec<Series>) -> Vec<Series> {
    let mut flat = Vec::new();
    for (name, labels, line) in series {
        let (line, exemplar) = line.split_once(" # ").unwrap_or((&line, ""));
        let (value, start) = line.split_once(" st@").unwrap_or((line, ""));
        let base = if let Some(composite) = value.strip_prefix('{') {
            let composite = composite.strip_suffix('}').unwrap();
            let part = |field: &str| {
                let (_, rest) = composite.split_once(&format!("{field}:")).unwrap();
                rest.split_once(',').map_or(rest, |(part, _)| part)
            };
            let buckets = composite.split_once("bucket:[").unwrap().1;
            for bucket in buckets.strip_suffix(']').unwrap().split(',') {
                let (bound, count) = bucket.split_once(':').unwrap();
                let number: f64 = bound.parse().unwrap();
                let bound = if number.is_finite() {
                    format!("{number:?}")
                } else {
                    bound.to_owned()
                };
                let mut labels = labels.clone();
                labels.push(("le".to_owned(), bound));
                flat.push((format!("{name}_bucket"), labels, count.to_owned()));
            }
            for suffix in ["sum", "count"] {
                let value = part(suffix).to_owned();
                flat.push((format!("{name}_{suffix}"), labels.clone(), value));
            }
            &name
        } else {
            let exemplar = match exemplar {
                "" => String::new(),
                exemplar => format!(" # {exemplar}"),
            };
            flat.push((name.clone(), labels.clone(), format!("{value}{exemplar}")));
            name.strip_suffix("_total").unwrap_or(&name)
        };
        if !start.is_empty() {
            flat.push((format!("{base}_created"), labels, start.to_owned()));
        }
    }
    flat
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_has_the_series_of_openmetrics_1(snapshot in fixtures::snapshots()) {
        let two = text(&snapshot, OPEN_METRICS_2);
        prop_assert!(two.ends_with("\n# EOF\n"));
        let (series, comments) = parsed(&two);
        let (expected, expected_comments) = parsed(&text(&snapshot, OPEN_METRICS));
        for comment in &comments[..comments.len() - 1] {
            // A family has the name of its samples.
            let name = comment.split(' ').nth(1).unwrap();
            prop_assert!(series.iter().any(|(of, ..)| of == name), "{}", comment);
        }
        prop_assert_eq!(comments.len(), expected_comments.len());
        prop_assert_eq!(flattened(series), expected);
    }
}
