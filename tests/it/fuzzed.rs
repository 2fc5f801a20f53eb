//! Calls the fuzzed functions with the committed seeds, without the nightly toolchain that `cargo
//! fuzz` needs.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// Calls `target` with each seed, whole and truncated.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let seed = fs::read(entry.unwrap().path()).unwrap();
        for length in (0..seed.len()).step_by(seed.len() / 20 + 1) {
            target(&seed[..length]);
        }
        target(&seed);
        seeds += 1;
    }
    assert!(seeds >= 3, "only {seeds} seeds in {}", folder.display());
}

#[test]
fn negotiated_formats_and_encodings_were_offered() {
    replay("accept", targets::accept);
}

#[test]
fn api_responses_never_yield_files_without_path_or_status() {
    replay("api_answer", targets::api_answer);
}

#[test]
fn configurations_yield_a_plan_or_problems_with_their_lines() {
    replay("config", targets::config);
}

#[test]
fn messages_never_yield_impossible_facts() {
    replay("event", targets::event);
}

#[test]
fn any_request_gets_an_http_response() {
    replay("request_head", targets::request_head);
}

#[test]
fn web_configurations_yield_a_plan_or_problems_with_their_lines() {
    replay("web_config", targets::web_config);
}
