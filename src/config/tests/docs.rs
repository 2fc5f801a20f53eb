//! The documents for people against the schema.

use std::fs;
use std::path::Path;

use super::{ROOT, read};
use crate::config::{ConfigFile, Plan, discovery, file};

#[test]
fn crlf_and_a_byte_order_mark_change_nothing() {
    let plain = fs::read_to_string(Path::new(ROOT).join("example.yml")).unwrap();
    let windows = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    assert_eq!(read(&plain), read(&windows));
    assert!(read(&plain).is_ok());
}

#[test]
fn the_example_loads_and_the_reference_knows_every_key() {
    let example = fs::read_to_string(Path::new(ROOT).join("example.yml")).unwrap();
    let reference = fs::read_to_string(Path::new(ROOT).join("CONFIGURATION.md")).unwrap();
    read(&example).unwrap();
    let keys = [
        file::ROOT_KEYS,
        file::ACCOUNT_KEYS,
        file::ASSUME_ROLE_KEYS,
        file::TRANSFER_KEYS,
        file::CONNECTOR_KEYS,
        file::COLLECTOR_KEYS,
        file::METRICS_KEYS,
        discovery::DISCOVERY_KEYS,
        discovery::FILES_KEYS,
        discovery::EVENTS_KEYS,
        discovery::CLOUDTRAIL_KEYS,
        discovery::CONNECTORS_KEYS,
    ];
    for key in keys.iter().copied().flatten() {
        let line = |line: &str| {
            line.trim_start_matches(['#', '-', ' '])
                .starts_with(&format!("{key}:"))
        };
        assert!(example.lines().any(line), "example.yml: {key}");
        assert!(
            reference.contains(&format!("`{key}`")),
            "CONFIGURATION.md: {key}"
        );
    }
}

#[test]
fn the_examples_of_the_reference_load() {
    let reference = fs::read_to_string(Path::new(ROOT).join("CONFIGURATION.md")).unwrap();
    let blocks: Vec<&str> = reference
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(blocks.len() >= 3);
    for block in blocks {
        if let Err(problems) = Plan::resolve(ConfigFile::read("x.yml", block, &|_| {
            Some("some-value".to_owned())
        })) {
            panic!("{block}\n{problems}");
        }
    }
}
