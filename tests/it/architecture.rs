//! The import rules of ARCHITECTURE.md that Cargo does not enforce, read from the source.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of each floor, from the lowest. A module imports floors below its own, and itself.
const FLOORS: [&[&str]; 7] = [
    &["flows"],
    &["config", "metrics", "tracker"],
    &["transfer"],
    &["store"],
    &["collector", "web", "discovery"],
    &["app", "cli", "telemetry"],
    &["main", "lib"],
];

/// The floor whose modules wire the others, and import each other.
const WIRING: usize = 5;

struct Source {
    /// The path below `src`, with slashes.
    path: String,
    module: String,
    /// The code without comments and inline tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<_> = files.iter().map(|file| read(&root, file)).collect();
    assert!(
        sources.len() > 40,
        "only {} files were found",
        sources.len()
    );
    sources
}

/// Adds the Rust files of a folder and those below it.
pub(crate) fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let path = file.strip_prefix(root).unwrap().to_str().unwrap();
    let path = path.replace('\\', "/");
    let module = path.split('/').next().unwrap().trim_end_matches(".rs");
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    Source {
        module: module.to_owned(),
        code: lines.collect::<Vec<_>>().join("\n"),
        path,
    }
}

/// Sources that ship, without their tests.
fn shipped() -> impl Iterator<Item = Source> {
    sources()
        .into_iter()
        .filter(|source| !is_test(&source.path))
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap();
    name.contains("test")
        || ["fake.rs", "properties.rs"].contains(&name)
        || path.contains("/tests/")
}

fn floor(module: &str) -> usize {
    FLOORS
        .iter()
        .position(|floor| floor.contains(&module))
        .unwrap_or_else(|| panic!("`{module}` stands on no floor"))
}

/// Modules of the crate that `code` names, by `crate::web::...` or as a member of `crate::{...}`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(members(group).into_iter().map(identifier));
        } else {
            found.push(identifier(rest));
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The members of a group of imports, whose opening brace `text` follows.
fn members(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(text[start..at].trim());
                return found;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    panic!("an import group is not closed: {text}")
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn imports_are_found_in_paths_and_in_groups() {
    let code = "use crate::web::{self, Page};\nuse crate::{\n    config::{Plan, Digest},\n    model,\n};\nlet x = crate::app::clock();";
    assert_eq!(imports(code), ["web", "config", "model", "app"]);
}

#[test]
fn a_module_imports_only_floors_below_its_own() {
    for source in shipped() {
        for used in imports(&source.code) {
            if used == source.module || source.path == "lib.rs" {
                continue;
            }
            let (own, other) = (floor(&source.module), floor(&used));
            assert!(
                other < own || (own == WIRING && other == WIRING),
                "src/{} imports `{used}`, which is not on a lower floor",
                source.path
            );
        }
    }
}

#[test]
fn only_the_command_line_uses_the_simulator() {
    for source in sources().iter().filter(|source| source.module != "cli") {
        let used = source.code.contains("simulator::");
        assert!(
            !used || is_test(&source.path),
            "src/{} uses the simulator",
            source.path
        );
    }
}

#[test]
fn each_group_of_crates_is_used_by_its_module_alone() {
    let rules: [(&[&str], &[&str]); 6] = [
        (&["aws_sdk"], &["transfer", "store"]),
        (
            &[
                "aws_config",
                "aws_smithy",
                "aws_credential",
                "aws_runtime",
                "aws_types",
            ],
            &["transfer"],
        ),
        (&["hyper::", "hyper_util", "axum", "tower"], &["web"]),
        (&["prometheus::"], &["metrics"]),
        (&["saphyr_parser"], &["config"]),
        (&["redb::", "postcard"], &["store"]),
    ];
    for source in sources() {
        for (crates, modules) in rules {
            if modules.contains(&source.module.as_str()) {
                continue;
            }
            for line in source.code.lines() {
                let found = crates.iter().find(|name| line.contains(*name));
                assert!(
                    found.is_none(),
                    "src/{}: `{}` names {found:?}",
                    source.path,
                    line.trim()
                );
            }
        }
    }
}

#[test]
fn only_the_upper_floors_read_a_clock() {
    for source in shipped().filter(|source| floor(&source.module) < 3) {
        for line in source.code.lines() {
            let reads = line.contains("Instant::now") || line.contains("SystemTime::now");
            assert!(
                !reads,
                "src/{}: `{}` reads a clock",
                source.path,
                line.trim()
            );
        }
    }
}

#[test]
fn the_core_is_not_async_and_does_no_io() {
    for source in shipped().filter(|source| floor(&source.module) < 2) {
        for line in source.code.lines() {
            let waits = line.contains("async ") || line.contains(".await");
            let reads_a_file = line.contains("std::fs") && source.path != "config/load.rs";
            let opens_a_socket = ["TcpStream", "TcpListener", "UdpSocket"]
                .iter()
                .any(|name| line.contains(name));
            assert!(
                !waits && !reads_a_file && !opens_a_socket,
                "src/{}: {line}",
                source.path
            );
        }
    }
}

#[test]
fn every_call_of_the_sdk_goes_through_the_function_that_catches_panics() {
    let mut calls = 0;
    for source in shipped().filter(|source| source.path.starts_with("transfer/sdk/")) {
        for line in source.code.lines().filter(|line| line.contains(".send()")) {
            let is_caught = line.contains("send(call.send())") || line.contains("send(self.");
            assert!(is_caught, "src/{}: `{}`", source.path, line.trim());
            calls += 1;
        }
    }
    assert!(calls >= 8, "only {calls} calls were found");
}
