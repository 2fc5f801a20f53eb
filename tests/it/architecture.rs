//! The import rules of ARCHITECTURE.md, read off the source.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of each floor, from the lowest. A module may use floors below its own, and itself.
const FLOORS: [&[&str]; 6] = [
    &["model"],
    &["config", "metrics", "tracker"],
    &["store", "transfer"],
    &["collector", "web", "discovery"],
    &["app", "cli", "reload", "shutdown", "telemetry"],
    &["main", "lib"],
];

/// Beside the floors: it knows the model alone.
const SIMULATOR: &str = "simulator";

struct Source {
    /// The path below `src`, with slashes.
    path: String,
    module: String,
    /// The lines without comments, the tests left out.
    lines: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<_> = files.iter().map(|file| read(&root, file)).collect();
    assert!(sources.len() > 40, "only {} files were found", sources.len());
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
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
    let path = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    let module = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//")).map(Into::into).collect();
    Source { path, module, lines }
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap();
    name.contains("test") || name == "properties.rs" || path.contains("/tests/")
}

fn floor(module: &str) -> usize {
    FLOORS.iter().position(|floor| floor.contains(&module)).unwrap_or_else(|| panic!("`{module}` stands on no floor"))
}

/// Modules of the crate that a line names: `crate::web::...` and `use crate::{...}` alike.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
}

#[test]
fn a_module_uses_only_floors_below_its_own() {
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        for line in &source.lines {
            for used in named(line).filter(|used| !used.is_empty() && *used != source.module) {
                let allowed = if source.module == SIMULATOR {
                    used == "model"
                } else if used == SIMULATOR {
                    source.module == "cli"
                } else {
                    // The fourth floor is one: it wires, and its parts call each other.
                    let (own, other) = (floor(&source.module), floor(used));
                    other < own || (own == 4 && other == 4)
                };
                assert!(allowed, "src/{}: `{}` reaches up or sideways", source.path, line.trim());
            }
        }
    }
}

#[test]
fn every_crate_group_is_named_where_it_belongs_alone() {
    let rules: [(&[&str], &[&str]); 5] = [
        (&["aws_config", "aws_sdk", "aws_smithy", "aws_credential", "aws_types"], &["transfer"]),
        (&["hyper::", "hyper_util"], &["web", "simulator"]),
        (&["prometheus::"], &["metrics"]),
        (&["serde_yaml", "saphyr_parser"], &["config"]),
        (&["redb::", "postcard"], &["store"]),
    ];
    for source in sources() {
        for (crates, modules) in rules {
            if modules.contains(&source.module.as_str()) {
                continue;
            }
            for line in &source.lines {
                let found = crates.iter().find(|name| line.contains(*name));
                assert!(found.is_none(), "src/{}: `{}` names {found:?}", source.path, line.trim());
            }
        }
    }
}

#[test]
fn only_the_upper_floors_read_a_clock() {
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        let upper = source.module != SIMULATOR && floor(&source.module) >= 3;
        // A timer is a clock.
        let own = ["simulator/testing.rs", "simulator/punctual.rs"].contains(&source.path.as_str());
        for line in source.lines.iter().filter(|_| !upper && !own) {
            let reads = line.contains("Instant::now") || line.contains("SystemTime::now");
            assert!(!reads, "src/{}: `{}` reads a clock", source.path, line.trim());
        }
    }
}

#[test]
fn the_model_knows_no_runtime_and_the_core_is_not_async() {
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        for line in &source.lines {
            if source.module == "model" {
                assert!(!line.contains("tokio"), "src/{}: {line}", source.path);
            }
            if floor_or_none(&source.module).is_some_and(|floor| floor < 2) {
                assert!(!line.contains("async ") && !line.contains(".await"), "src/{}: {line}", source.path);
                let reads_a_file = line.contains("std::fs") && source.path != "config/load.rs";
                let opens_a_socket = ["TcpStream", "TcpListener", "UdpSocket"].iter().any(|name| line.contains(name));
                assert!(!reads_a_file && !opens_a_socket, "src/{}: {line}", source.path);
            }
        }
    }
}

fn floor_or_none(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}
