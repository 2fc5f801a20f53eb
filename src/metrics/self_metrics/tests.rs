use std::time::{Duration, UNIX_EPOCH};

use prometheus::{Encoder as _, TextEncoder};

use super::*;
use crate::metrics::encode::{self, Encoder};
use crate::metrics::families::{self, Family, Group};
use crate::metrics::format::Dialect;
use model::{Account, AccountName};

fn account(name: &str) -> Account {
    Account {
        name: AccountName::new(name),
        region: "eu-central-1".into(),
    }
}

/// Instruments with values, some of whose labels need escapes.
fn used() -> SelfMetrics {
    let metrics = SelfMetrics::new().unwrap();
    for name in ["prod", "a\"b\\c\nd"] {
        let account = account(name);
        let api = &metrics.api;
        api.count_attempts(&account, "ListFileTransferResults", "ok", 3);
        api.count_attempts(&account, "ListFileTransferResults", "throttled", 0);
        api.set_rate_limit(&account, 0.1);
    }
    for ms in [3, 30, 300, 30_000] {
        let duration = Duration::from_millis(ms);
        metrics
            .api
            .observe_duration("ListFileTransferResults", duration);
    }
    metrics
        .collector
        .set_sweep_duration(Duration::from_micros(1_234_567));
    metrics
}

fn written(metrics: &SelfMetrics, dialect: Dialect, family: &'static Family) -> String {
    let mut out = Vec::new();
    encode::head(&mut out, dialect, family, 0);
    let mut encoder = Encoder::new(dialect, family);
    let started = UNIX_EPOCH + Duration::from_millis(1_500);
    metrics.gather().write(family, started, &mut encoder);
    out.append(&mut encoder.out);
    String::from_utf8(out).unwrap()
}

fn samples(metrics: &SelfMetrics, family: &'static Family) -> usize {
    let text = written(metrics, Dialect::Text, family);
    text.lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn an_attempt_that_ends_after_its_account_was_removed_creates_no_series() {
    let metrics = SelfMetrics::new().unwrap();
    let account = account("prod");
    metrics.api.add_account(&account);
    metrics.api.set_account_up(&account, false);
    assert_eq!(samples(&metrics, &families::ACCOUNT_UP), 1);
    metrics.api.remove_account(&account);
    metrics.api.set_account_up(&account, false);
    assert_eq!(samples(&metrics, &families::ACCOUNT_UP), 0);
}

#[test]
fn storage_families_are_absent_until_storage_is_enabled() {
    let metrics = SelfMetrics::new().unwrap();
    let storage = [
        &families::STORAGE_UP,
        &families::STORAGE_SIZE,
        &families::STORAGE_WRITE_DURATION,
        &families::STORAGE_WRITE_ERRORS,
    ];
    for family in storage {
        assert_eq!(samples(&metrics, family), 0, "{}", family.name);
    }
    metrics.storage.open(Some(4_096));
    for family in storage {
        assert!(samples(&metrics, family) > 0, "{}", family.name);
    }
}

#[test]
fn the_text_equals_the_output_of_the_prometheus_crate() {
    let metrics = used();
    for found in metrics.registry.gather() {
        let family = *families::ALL
            .iter()
            .find(|family| family.name == found.name())
            .unwrap();
        // Process metrics change with each read.
        if matches!(family.group, Group::Exporter | Group::Server) {
            let mut expected = Vec::new();
            TextEncoder::new()
                .encode(std::slice::from_ref(&found), &mut expected)
                .unwrap();
            assert_eq!(
                written(&metrics, Dialect::Text, family),
                String::from_utf8(expected).unwrap()
            );
        }
    }
}

#[test]
fn open_metrics_has_canonical_bounds_and_a_creation_time() {
    insta::assert_snapshot!(written(
        &used(),
        Dialect::OpenMetrics,
        &families::API_REQUEST_DURATION,
    ));
}
