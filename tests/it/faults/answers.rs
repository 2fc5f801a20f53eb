//! What AWS, or whatever stands in its place, does to the calls of one account.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use aws_transfer_exporter::transfer::MAX_PAGES;
use simulator::{DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Faults};

use super::gate::{HUGE, Mode};
use super::stage::{Reach, Stage, is_down, outcome};
use crate::rig::Exposition;

/// One row of the table: these faults of the simulator, which show in attempts that end so.
async fn of_the_simulator(faults: Faults, shows: impl Fn(&Exposition, &Exposition) -> bool) {
    let mut stage = Stage::set().await;
    stage.struck.set_faults(Faults { seed: 11, ..faults });
    stage.endures(Reach::OneAccount, shows).await;
    stage.struck.set_faults(Faults::default());
    stage.heals().await;
}

/// Every call fails: attempts end so, and nothing is up.
async fn of_every_call(faults: Faults, outcomes: &'static [&'static str]) {
    let shows = outcome(outcomes);
    of_the_simulator(faults, |before, now| {
        shows(before, now) && is_down(before, now)
    })
    .await;
}

/// One row of the table: the gate does this to every answer.
async fn of_the_gate(mode: Mode, outcomes: &'static [&'static str]) -> Stage {
    let mut stage = Stage::set().await;
    stage.gate.set(mode);
    let shows = outcome(outcomes);
    stage
        .endures(Reach::OneAccount, |before, now| {
            shows(before, now) && is_down(before, now)
        })
        .await;
    stage.gate.set(Mode::Pass);
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_all_calls_are_throttled() {
    of_the_simulator(
        Faults {
            throttle_rate: 0.5,
            ..Faults::default()
        },
        outcome(&["throttled"]),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_an_internal_error() {
    of_every_call(
        Faults {
            server_error_rate: 1.0,
            ..Faults::default()
        },
        &["server_error"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_is_unavailable() {
    of_every_call(
        Faults {
            unavailable_rate: 1.0,
            ..Faults::default()
        },
        &["server_error"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_answers_with_its_page() {
    of_every_call(
        Faults {
            html_rate: 1.0,
            ..Faults::default()
        },
        &["malformed"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_stalls() {
    of_every_call(
        Faults {
            stall_rate: 1.0,
            ..Faults::default()
        },
        &["timeout"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_drip() {
    of_the_gate(Mode::Slow, &["timeout"]).await.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_reset_before_the_answer() {
    of_every_call(
        Faults {
            reset_rate: 1.0,
            ..Faults::default()
        },
        &["network"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_reset_within_the_answer() {
    of_the_gate(Mode::ResetInBody, &["malformed"])
        .await
        .heals()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_cut_short() {
    of_every_call(
        Faults {
            truncated_rate: 1.0,
            ..Faults::default()
        },
        &["malformed"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_has_the_wrong_types() {
    of_every_call(
        Faults {
            mistyped_rate: 1.0,
            ..Faults::default()
        },
        &["malformed"],
    )
    .await;
}

/// None is read past its first megabytes, however much memory there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_a_hundred_megabytes() {
    let stage = of_the_gate(Mode::Huge, &["malformed"]).await;
    let peak = stage.peak_memory();
    // Twelve at once, of 4 MiB each, beside their growing buffers. Whole ones would be 1,200 MB.
    assert!(peak < 300, "{peak} MB");
    assert!(
        stage.gate.sent() > HUGE as u64 / 25,
        "{} bytes were sent",
        stage.gate.sent()
    );
    stage.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_names_a_next_one() {
    let mut stage = Stage::set().await;
    stage.gate.set(Mode::Endless);
    stage.endures(Reach::OneAccount, is_down).await;
    assert!(
        stage.gate.pages() >= MAX_PAGES as u64,
        "{} pages were read",
        stage.gate.pages()
    );
    stage.gate.set(Mode::Pass);
    stage.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_of_two_is_dead() {
    let mut stage = Stage::set().await;
    stage.gate.close().await;
    let shows = outcome(&["network"]);
    stage
        .endures(Reach::OneAccount, |before, now| {
            shows(before, now) && is_down(before, now)
        })
        .await;
    stage.gate.open().await;
    stage.heals().await;
}

/// The name comes and goes by a reload, since no test may change what the machine resolves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_does_not_resolve() {
    let mut stage = Stage::set().await;
    stage.configure(&format!(
        "http://transfer.invalid:{}",
        stage.gate.address.port()
    ));
    stage.reload("event=config_reloaded");
    let shows = outcome(&["network", "timeout"]);
    stage
        .endures(Reach::OneAccount, |before, now| {
            shows(before, now) && is_down(before, now)
        })
        .await;
    stage.configure(&format!("http://localhost:{}", stage.gate.address.port()));
    stage.reload("event=config_reloaded");
    stage.heals().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_have_expired() {
    of_every_call(
        Faults {
            expired_token: true,
            ..Faults::default()
        },
        &["denied"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_credentials_may_do_nothing() {
    of_every_call(
        Faults {
            access_denied: true,
            ..Faults::default()
        },
        &["denied"],
    )
    .await;
}

/// A `credential_process` gives credentials for seconds at a time, fails for a while, and gives them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credentials_are_to_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let (script, out_of_order) = (
        folder.path().join("credentials"),
        folder.path().join("out-of-order"),
    );
    let text = format!(
        "#!/bin/sh\n[ -e {} ] && exit 1\nexpiration=$(date -u -d '+1 second' +%Y-%m-%dT%H:%M:%SZ)\n\
         printf '{{\"Version\": 1, \"AccessKeyId\": \"{DEMO_ACCESS_KEY_ID}\", \"SecretAccessKey\": \
         \"{DEMO_SECRET_ACCESS_KEY}\", \"Expiration\": \"%s\"}}' \"$expiration\"\n",
        out_of_order.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let profiles = folder.path().join("config");
    let text = format!(
        "[profile struck]\ncredential_process = {}\n[profile steady]\naws_access_key_id = {DEMO_ACCESS_KEY_ID}\n\
         aws_secret_access_key = {DEMO_SECRET_ACCESS_KEY}\n",
        script.display()
    );
    fs::write(&profiles, text).unwrap();
    let mut stage = Stage::set_with_profiles(profiles).await;
    fs::write(&out_of_order, "").unwrap();
    // What was given last serves until it expires.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let shows = outcome(&["denied"]);
    stage
        .endures(Reach::OneAccount, |before, now| {
            shows(before, now) && is_down(before, now)
        })
        .await;
    fs::remove_file(&out_of_order).unwrap();
    stage.heals().await;
}

/// Answers come late, and a scrape does not wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_later_than_a_scrape() {
    let faults = Faults {
        latency: Duration::from_millis(1_500),
        ..Faults::default()
    };
    let incomplete = |_: &Exposition, now: &Exposition| now.sum(super::stage::COMPLETE, &[]) == 0.0;
    let mut stage = Stage::set().await;
    stage.struck.set_faults(Faults {
        throttle_rate: 0.2,
        ..faults
    });
    stage.endures(Reach::OneAccount, incomplete).await;
    stage.struck.set_faults(Faults::default());
    stage.heals().await;
}
