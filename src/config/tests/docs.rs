//! The documentation against the schema and the defaults.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{PAIR, ROOT, read};
use crate::config::file::RootSection;
use crate::config::yaml::FromNode;
use crate::config::{ConfigFile, Plan};

#[test]
fn line_ends_and_a_byte_order_mark_change_nothing() {
    let plain = fs::read_to_string(Path::new(ROOT).join("example.yml")).unwrap();
    let windows = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    assert_eq!(read(&plain), read(&windows));
    assert!(read(&plain).is_ok());
}

/// The keys of each mapping by its path, in the order of their declaration.
pub(in crate::config) fn schema<T: FromNode>() -> BTreeMap<String, Vec<String>> {
    let mut schema: BTreeMap<String, Vec<String>> = BTreeMap::new();
    T::visit_keys("", &mut |path, _| {
        if path.ends_with("[]") {
            return;
        }
        let (mapping, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mapping = mapping.trim_end_matches("[]").replace("[]", "");
        schema.entry(mapping).or_default().push(key.to_owned());
    });
    schema
}

/// A key in a skeleton of the reference: `[ key: <type> | default = value ]`.
pub(in crate::config) struct DocumentedKey {
    pub(in crate::config) key: String,
    default: Option<String>,
}

/// Returns the keys of the skeleton below `heading`.
pub(in crate::config) fn skeleton(reference: &str, heading: &str) -> Vec<DocumentedKey> {
    let section = reference.split(&format!("# `{heading}`\n")).nth(1);
    let section = section.unwrap_or_else(|| panic!("CONFIGURATION.md has no heading `{heading}`"));
    let block = section.split("```yaml\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    block
        .lines()
        .map(|line| line.trim().trim_start_matches("- "))
        .filter(|line| !line.starts_with('#') && line.contains('<'))
        .map(|line| {
            let line = line.trim_start_matches("[ ").trim_end_matches(" ]");
            let (key, rest) = line.split_once(':').unwrap();
            let default = rest.split_once("| default = ");
            DocumentedKey {
                key: key.to_owned(),
                default: default.map(|(_, default)| default.trim().to_owned()),
            }
        })
        .collect()
}

#[test]
fn the_example_and_the_reference_have_every_key() {
    let example = fs::read_to_string(Path::new(ROOT).join("example.yml")).unwrap();
    let reference = fs::read_to_string(Path::new(ROOT).join("CONFIGURATION.md")).unwrap();
    read(&example).unwrap();
    for (mapping, keys) in schema::<RootSection>() {
        let heading = match mapping.as_str() {
            "" => "aws-transfer-exporter.yml",
            "accounts.assume_role" => "assume_role",
            "flows.expect" => "expect",
            mapping => mapping,
        };
        let documented: Vec<_> = skeleton(&reference, heading)
            .into_iter()
            .map(|key| key.key)
            .collect();
        assert_eq!(documented, keys, "CONFIGURATION.md: {heading}");
        for key in keys {
            let sets_key = |line: &str| {
                let line = line.trim_start_matches(['#', '-', ' ']);
                line.starts_with(&format!("{key}:"))
            };
            assert!(
                example.lines().any(sets_key),
                "example.yml: {mapping}.{key}"
            );
        }
    }
}

#[test]
fn the_defaults_of_the_reference_are_the_defaults() {
    let reference = fs::read_to_string(Path::new(ROOT).join("CONFIGURATION.md")).unwrap();
    let mut checked = 0;
    for (section, base) in [
        ("collector", PAIR.to_owned()),
        ("metrics", PAIR.to_owned()),
        ("accounts", PAIR.to_owned()),
        (
            "assume_role",
            "{role_arn: 'arn:aws:iam::123456789012:role/x'}".to_owned(),
        ),
        ("discovery.files", "{paths: [x]}".to_owned()),
        ("discovery.cloudtrail", "{}".to_owned()),
        ("discovery.connectors", "{}".to_owned()),
    ] {
        for DocumentedKey { key, default } in skeleton(&reference, section) {
            let Some(default) = default else { continue };
            let set = |extra: &str| {
                let entry = base.trim_end_matches('}').to_owned();
                let entry = match (entry.as_str(), extra) {
                    ("{", extra) => format!("{{{extra}}}"),
                    (entry, "") => format!("{entry}}}"),
                    (entry, extra) => format!("{entry}, {extra}}}"),
                };
                match section {
                    "collector" | "metrics" => format!("{section}: {{{extra}}}\n{PAIR}"),
                    "accounts" => format!("accounts: [{{region: eu-west-1, {extra}}}]\n{PAIR}"),
                    "assume_role" => format!("accounts: [{{assume_role: {entry}}}]\n{PAIR}"),
                    _ => {
                        let source = section.trim_start_matches("discovery.");
                        format!("discovery: {{{source}: [{entry}]}}\n")
                    }
                }
            };
            let written = set(&format!("{key}: {default}"));
            assert_eq!(read(&written), read(&set("")), "{written}");
            assert!(read(&written).is_ok(), "{written}");
            checked += 1;
        }
    }
    assert!(checked >= 15, "only {checked} defaults are documented");
}

#[test]
fn the_examples_of_the_reference_are_valid() {
    let reference = fs::read_to_string(Path::new(ROOT).join("CONFIGURATION.md")).unwrap();
    let main = reference.split("\n## Web configuration").next().unwrap();
    let examples: Vec<&str> = main
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .filter(|block| !block.contains('<'))
        .collect();
    assert!(examples.len() >= 3);
    for example in examples {
        let env = |_: &str| Some("some-value".to_owned());
        if let Err(problems) = Plan::resolve(ConfigFile::read("x.yml", example, &env)) {
            panic!("{example}\n{problems}");
        }
    }
}
