//! The protobuf format, read by an independent decoder.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_transfer_exporter::metrics::families::{self, MetricType};
use proptest::prelude::*;

use super::{PROTOBUF, TEXT, fixtures, of_connector, parsed, plain, started, text};

/// The fields of a message: number, and bytes or number.
#[derive(Debug, PartialEq)]
pub(crate) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for at in 0.. {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << (7 * at);
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(usize::try_from(length).unwrap());
    *bytes = rest;
    taken
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes);
                Field::Bytes(take(&mut bytes, length))
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

pub(crate) fn all(message: &[u8], number: u64) -> impl Iterator<Item = Field<'_>> {
    fields(message)
        .into_iter()
        .filter(move |(found, _)| *found == number)
        .map(|(_, field)| field)
}

fn bytes(message: &[u8], number: u64) -> Option<&[u8]> {
    all(message, number).next().map(|field| match field {
        Field::Bytes(bytes) => bytes,
        Field::Number(_) => panic!("a number in field {number}"),
    })
}

fn string(message: &[u8], number: u64) -> String {
    String::from_utf8(bytes(message, number).unwrap_or_default().to_vec()).unwrap()
}

fn number(message: &[u8], number: u64) -> u64 {
    all(message, number).next().map_or(0, |field| match field {
        Field::Number(value) => value,
        Field::Bytes(_) => panic!("bytes in field {number}"),
    })
}

pub(crate) fn double(message: &[u8], field: u64) -> f64 {
    f64::from_bits(number(message, field))
}

fn time(message: &[u8]) -> SystemTime {
    UNIX_EPOCH
        + Duration::new(
            number(message, 1),
            u32::try_from(number(message, 2)).unwrap(),
        )
}

pub(crate) fn labels(message: &[u8]) -> Vec<(String, String)> {
    all(message, 1)
        .map(|field| match field {
            Field::Bytes(pair) => (string(pair, 1), string(pair, 2)),
            Field::Number(_) => panic!("a number for a label"),
        })
        .collect()
}

type Labels = Vec<(String, String)>;

#[derive(Default)]
struct Read {
    /// As in the text format.
    series: Vec<(String, Labels, f64)>,
    created: BTreeMap<(String, Labels), SystemTime>,
    exemplars: BTreeMap<(String, Labels), (Labels, SystemTime)>,
}

fn read(mut bytes_left: &[u8]) -> Read {
    let mut read = Read::default();
    while !bytes_left.is_empty() {
        let length = varint(&mut bytes_left);
        let message = take(&mut bytes_left, length);
        let name = string(message, 1);
        let family = families::ALL
            .iter()
            .find(|family| family.name == name)
            .unwrap();
        assert_eq!(string(message, 2), family.help);
        assert_eq!(string(message, 5), family.unit().unwrap_or_default());
        let (kind, field) = match family.kind {
            MetricType::Counter => (0, 3),
            MetricType::Gauge => (1, 2),
            MetricType::Histogram => (4, 7),
        };
        assert_eq!(number(message, 3), kind, "{name}");
        for metric in all(message, 4) {
            let Field::Bytes(metric) = metric else {
                panic!("a number for a metric of {name}")
            };
            let labels = labels(metric);
            let value = bytes(metric, field).unwrap();
            let key = (name.clone(), labels.clone());
            match family.kind {
                MetricType::Gauge => read.series.push((name.clone(), labels, double(value, 1))),
                MetricType::Counter => {
                    read.series.push((name.clone(), labels, double(value, 1)));
                    read.created
                        .insert(key.clone(), time(bytes(value, 3).unwrap()));
                    if let Some(exemplar) = bytes(value, 2) {
                        let exemplar = (
                            super::protobuf::labels(exemplar),
                            time(bytes(exemplar, 3).unwrap()),
                        );
                        read.exemplars.insert(key, exemplar);
                    }
                }
                MetricType::Histogram => {
                    for bucket in all(value, 3) {
                        let Field::Bytes(bucket) = bucket else {
                            panic!("a number for a bucket")
                        };
                        let mut labels = labels.clone();
                        labels.push(("le".into(), double(bucket, 2).to_string()));
                        #[expect(clippy::cast_precision_loss, reason = "small counts")]
                        read.series.push((
                            format!("{name}_bucket"),
                            labels,
                            number(bucket, 1) as f64,
                        ));
                    }
                    read.created.insert(key, time(bytes(value, 15).unwrap()));
                    #[expect(clippy::cast_precision_loss, reason = "small counts")]
                    let count = number(value, 1) as f64;
                    read.series
                        .push((format!("{name}_sum"), labels.clone(), double(value, 2)));
                    read.series.push((format!("{name}_count"), labels, count));
                }
            }
        }
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn protobuf_has_the_series_of_the_text_format(snapshot in fixtures::snapshots()) {
        let read = read(&plain(&snapshot, PROTOBUF));
        let text = parsed(&text(&snapshot, TEXT)).0;
        // The infinite bucket equals the count and may be omitted.
        let text = text.into_iter().filter(|(_, labels, _)| !labels.contains(&("le".into(), "+Inf".into())));
        let text: Vec<_> = text.map(|(name, labels, value)| (name, labels, value.parse::<f64>().unwrap())).collect();
        prop_assert_eq!(&read.series, &text);
        for ((name, labels), created) in &read.created {
            let connector = snapshot.connectors().find(|view| {
                name.contains("connector") && of_connector(labels, view)
            });
            prop_assert_eq!(*created, connector.map_or(started(), |view| view.known_since));
        }
        for view in snapshot.connectors() {
            for seen in view.finished.values().filter(|seen| seen.newest.is_some()) {
                let (id, at) = seen.newest.clone().unwrap();
                let exemplar = (vec![("transfer_id".to_owned(), id.to_string())], at);
                let is_present = read.exemplars.values().any(|found| *found == exemplar);
                prop_assert_eq!(is_present, id.as_str().len() <= 117);
            }
        }
    }
}
