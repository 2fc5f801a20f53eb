//! Integration tests: one binary, a module a subject. Those that need a peer which is not Rust are
//! ignored here; `tests/run` brings the peers and runs them all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::float_cmp,
    reason = "the exposition's counts are whole numbers"
)]
#![expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]

mod accounts;
mod adversary;
mod architecture;
mod boto3;
mod check_live;
mod commands;
mod connectors;
mod crashes;
mod credential_errors;
mod credential_renewal;
mod credential_sources;
mod discovery;
mod documents;
mod faults;
mod flows;
mod formats;
mod fuzzed;
mod log_events;
mod output_files;
mod pages;
mod plan;
mod program;
mod prometheus;
mod proxies;
mod readers;
mod reload;
mod rig;
mod scale;
mod scrapers;
mod sdks;
mod sharding;
mod shared_shards;
mod special_files;
mod storage;
mod support;
mod sweep;
mod table_faults;
mod takeovers;
mod target_files;
mod throttled;
mod transfer_errors;
mod type_names;
mod web;
mod write_api;
mod zoneinfo;
