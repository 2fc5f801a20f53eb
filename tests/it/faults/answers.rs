//! Faults in the responses to the calls of one account.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use aws_transfer_exporter::transfer::MAX_PAGES;
use simulator::{DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Faults};

use super::gate::{HUGE, Mode};
use super::stage::{COMPLETE, Scope, Stage, is_down, outcome};
use crate::rig::Exposition;

/// Tests faults of the simulator.
async fn simulator_fault(faults: Faults, is_visible: impl Fn(&Exposition, &Exposition) -> bool) {
    let mut stage = Stage::start().await;
    stage.struck.set_faults(Faults { seed: 11, ..faults });
    stage.assert_endured(Scope::OneAccount, is_visible).await;
    stage.struck.set_faults(Faults::default());
    stage.assert_recovers().await;
}

/// Tests faults of the simulator with which every call fails with one of these outcomes.
async fn every_call_fails(faults: Faults, outcomes: &'static [&'static str]) {
    let is_visible = outcome(outcomes);
    simulator_fault(faults, |before, now| {
        is_visible(before, now) && is_down(before, now)
    })
    .await;
}

/// Tests a fault of the gate with which every call fails with one of these outcomes.
async fn gate_fault(mode: Mode, outcomes: &'static [&'static str]) -> Stage {
    let mut stage = Stage::start().await;
    stage.gate.set(mode);
    let is_visible = outcome(outcomes);
    stage
        .assert_endured(Scope::OneAccount, |before, now| {
            is_visible(before, now) && is_down(before, now)
        })
        .await;
    stage.gate.set(Mode::Pass);
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_all_calls_are_throttled() {
    simulator_fault(
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
    every_call_fails(
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
    every_call_fails(
        Faults {
            unavailable_rate: 1.0,
            ..Faults::default()
        },
        &["server_error"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_responds_with_its_page() {
    every_call_fails(
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
    every_call_fails(
        Faults {
            stall_rate: 1.0,
            ..Faults::default()
        },
        &["timeout"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_are_very_slow() {
    gate_fault(Mode::Slow, &["timeout"])
        .await
        .assert_recovers()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_reset_before_the_response() {
    every_call_fails(
        Faults {
            reset_rate: 1.0,
            ..Faults::default()
        },
        &["network"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_reset_within_the_response() {
    gate_fault(Mode::ResetInBody, &["malformed"])
        .await
        .assert_recovers()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_truncated() {
    every_call_fails(
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
    every_call_fails(
        Faults {
            mistyped_rate: 1.0,
            ..Faults::default()
        },
        &["malformed"],
    )
    .await;
}

/// Only the first MiB of a response is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_has_a_hundred_megabytes() {
    let stage = gate_fault(Mode::Huge, &["malformed"]).await;
    let peak = stage.peak_memory();
    // Twelve concurrent responses of 1 MiB with growing buffers. Complete ones would be 1,200 MB.
    assert!(peak < 150, "{peak} MB");
    assert!(
        stage.gate.sent() > HUGE as u64 / 100,
        "{} bytes were sent",
        stage.gate.sent()
    );
    stage.assert_recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_endless() {
    let mut stage = Stage::start().await;
    stage.gate.set(Mode::Endless);
    stage.assert_endured(Scope::OneAccount, is_down).await;
    assert!(
        stage.gate.pages() >= MAX_PAGES as u64,
        "{} pages were read",
        stage.gate.pages()
    );
    stage.gate.set(Mode::Pass);
    stage.assert_recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_accounts_is_unreachable() {
    let mut stage = Stage::start().await;
    stage.gate.close().await;
    let is_visible = outcome(&["network"]);
    stage
        .assert_endured(Scope::OneAccount, |before, now| {
            is_visible(before, now) && is_down(before, now)
        })
        .await;
    stage.gate.open().await;
    stage.assert_recovers().await;
}

/// Changes the host name by a reload, because a test cannot change name resolution.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_does_not_resolve() {
    let mut stage = Stage::start().await;
    stage.configure(&format!(
        "http://transfer.invalid:{}",
        stage.gate.address.port()
    ));
    stage.reload("event=config_reloaded");
    let is_visible = outcome(&["network", "timeout"]);
    stage
        .assert_endured(Scope::OneAccount, |before, now| {
            is_visible(before, now) && is_down(before, now)
        })
        .await;
    stage.configure(&format!("http://localhost:{}", stage.gate.address.port()));
    stage.reload("event=config_reloaded");
    stage.assert_recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_have_expired() {
    every_call_fails(
        Faults {
            expired_token: true,
            ..Faults::default()
        },
        &["denied"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_credentials_have_no_permissions() {
    every_call_fails(
        Faults {
            access_denied: true,
            ..Faults::default()
        },
        &["denied"],
    )
    .await;
}

/// A `credential_process` returns credentials that are valid for seconds, fails for a while, and
/// returns them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credentials_are_available() {
    let folder = tempfile::tempdir().unwrap();
    let (script, failing) = (
        folder.path().join("credentials"),
        folder.path().join("failing"),
    );
    let text = format!(
        "#!/bin/sh\n[ -e {} ] && exit 1\nexpiration=$(date -u -d '+1 second' +%Y-%m-%dT%H:%M:%SZ)\n\
         printf '{{\"Version\": 1, \"AccessKeyId\": \"{DEMO_ACCESS_KEY_ID}\", \"SecretAccessKey\": \
         \"{DEMO_SECRET_ACCESS_KEY}\", \"Expiration\": \"%s\"}}' \"$expiration\"\n",
        failing.display()
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
    let mut stage = Stage::start_with_profiles(profiles).await;
    fs::write(&failing, "").unwrap();
    // Credentials from before are valid for up to two seconds. A scrape would settle all transfers.
    let expired_at = Instant::now() + Duration::from_secs(2);
    while Instant::now() < expired_at {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let is_visible = outcome(&["not_sent"]);
    stage
        .assert_endured(Scope::OneAccount, |before, now| {
            is_visible(before, now) && is_down(before, now)
        })
        .await;
    fs::remove_file(&failing).unwrap();
    stage.assert_recovers().await;
}

/// Responses are late, and a scrape does not wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_are_later_than_the_scrape() {
    let faults = Faults {
        latency: Duration::from_millis(1_500),
        ..Faults::default()
    };
    let incomplete = |_: &Exposition, now: &Exposition| now.sum(COMPLETE, &[]) == 0.0;
    let mut stage = Stage::start().await;
    stage.struck.set_faults(Faults {
        throttle_rate: 0.2,
        ..faults
    });
    stage.assert_endured(Scope::OneAccount, incomplete).await;
    stage.struck.set_faults(Faults::default());
    stage.assert_recovers().await;
}
