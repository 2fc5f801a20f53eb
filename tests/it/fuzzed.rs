//! Calls the fuzzed functions with the committed seeds, without the nightly toolchain that `cargo
//! fuzz` needs.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use simulator::SplitMix64;

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

/// Calls `target` with random bytes, which suffice where bytes choose from lists, and with seeds in
/// which some bytes are random. `FUZZ_EXECUTIONS` is their number.
fn randomize(name: &str, target: fn(&[u8])) {
    let executions = std::env::var("FUZZ_EXECUTIONS");
    let executions: usize = executions.map_or(300, |number| number.parse().unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let mut random = SplitMix64::new(1);
    for execution in 0..executions {
        let mut bytes = vec![0; random.below(200)];
        let changes = if execution % 2 == 0 {
            bytes.len()
        } else {
            bytes.clone_from(&seeds[random.below(seeds.len())]);
            random.below(6)
        };
        for change in 0..changes.min(bytes.len()) {
            let at = if execution % 2 == 0 {
                change
            } else {
                random.below(bytes.len())
            };
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        target(&bytes);
    }
}

#[test]
fn random_events_are_understood_where_they_are_sound() {
    randomize("event_fields", targets::event_fields);
}

#[test]
fn random_pages_have_all_their_files_where_they_are_sound() {
    randomize("answer_fields", targets::answer_fields);
}

#[test]
fn random_records_are_restored_or_refused() {
    randomize("stored_records", targets::stored_records);
}

#[test]
fn random_web_configurations_yield_a_plan_or_problems() {
    randomize("web_config", targets::web_config);
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

#[test]
fn sound_events_are_understood_and_others_never_yield_impossible_facts() {
    replay("event_fields", targets::event_fields);
}

#[test]
fn sound_pages_have_all_their_files() {
    replay("answer_fields", targets::answer_fields);
}

#[test]
fn any_stored_records_are_restored_or_refused() {
    replay("stored_records", targets::stored_records);
}
