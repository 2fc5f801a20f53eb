//! Every log record has a stable event id, which is the first field of the log call.

use std::fs;
use std::path::{Path, PathBuf};

const MACROS: [&str; 4] = ["debug!(", "info!(", "warn!(", "error!("];

#[test]
fn every_log_call_starts_with_its_event() {
    let mut files = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let mut calls = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for log_macro in MACROS {
            for (at, _) in text.match_indices(log_macro) {
                calls += 1;
                let fields = text[at + log_macro.len()..].trim_start();
                // A variable named `event` holds one of several ids.
                let has_event = ["event = \"", "event,", "event = %"]
                    .iter()
                    .any(|start| fields.starts_with(start));
                let line = text[..at].lines().count();
                assert!(has_event, "{}:{line}: {log_macro}", file.display());
            }
        }
    }
    assert!(calls > 40, "only {calls} log calls were found");
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}
