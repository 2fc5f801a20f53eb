//! The seeds of the fuzz targets, through the functions that are fuzzed: `cargo fuzz` wants a nightly toolchain, this
//! does not.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// Each seed as it is, and cut short.
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
fn no_accept_header_is_answered_with_what_was_not_offered() {
    replay("accept", targets::accept);
}

#[test]
fn no_answer_of_the_api_is_read_into_a_file_without_path_or_status() {
    replay("api_answer", targets::api_answer);
}

#[test]
fn every_configuration_becomes_a_plan_or_problems_with_their_lines() {
    replay("config", targets::config);
}

#[test]
fn no_message_tells_of_what_cannot_be() {
    replay("event", targets::event);
}

#[test]
fn whatever_a_client_sends_the_answer_is_http() {
    replay("request_head", targets::request_head);
}

#[test]
fn every_web_configuration_becomes_a_plan_or_problems_with_their_lines() {
    replay("web_config", targets::web_config);
}
