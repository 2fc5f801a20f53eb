//! Tests of the tracker as a whole, and the helpers that they share.

mod clock;
mod connectors;
mod counting;
mod failures;
mod interleaved;
mod leaving;
pub(super) mod life;
mod poll;
mod properties;
mod snapshots;
mod starts;
mod tracking;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::tracker::*;
use model::{
    Chunk, ConnectorTitle, ConnectorView, FailureCode, FileStatus, Finished, TransferKey,
    TransferState, TransferView,
};

const SECOND: Duration = Duration::from_secs(1);
pub(super) const SETTINGS: TrackerSettings = TrackerSettings {
    min_refresh_interval: Duration::from_secs(10),
    max_refresh_interval: Duration::from_mins(5),
    gone_after: Duration::from_mins(15),
    keep_settled: Duration::from_hours(1),
    keep_unresolved: Duration::from_hours(168),
    limits: TrackerLimits::NONE,
    per_transfer: model::PerTransfer::All,
    max_transfers: 100,
    shard: Shard::ONLY,
    events: false,
};

pub(super) fn start() -> Now {
    Now {
        instant: Instant::now() + Duration::from_secs(1_000),
        wall: UNIX_EPOCH + Duration::from_hours(500_000),
    }
}

pub(super) fn account() -> Account {
    Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    }
}

pub(super) fn key(transfer: &str) -> TransferKey {
    TransferKey {
        account: account().name,
        connector: "c-0123456789abcdef0".parse().unwrap(),
        transfer: transfer.parse().unwrap(),
    }
}

pub(super) fn tracker(now: Now) -> Tracker {
    let mut tracker = Tracker::new(SETTINGS, now.wall);
    tracker.configure(SETTINGS, [account()], now);
    tracker
}

pub(super) fn file(path: &str, status: &str, code: &str) -> FileResult {
    FileResult {
        path: path.into(),
        status: FileStatus::from_wire(status),
        failure_code: FailureCode::new(code),
        failure_message: (status == "FAILED").then(|| format!("{path} broke")),
    }
}

fn files(list: &[(&str, &str, &str)]) -> PollResult {
    PollResult::Files(
        list.iter()
            .map(|(path, status, code)| file(path, status, code))
            .collect(),
    )
}

fn connector(tracker: &mut Tracker, now: Now) -> ConnectorView {
    tracker.snapshot(now).connectors().next().unwrap().clone()
}

fn transfer(tracker: &mut Tracker, id: &str, now: Now) -> TransferView {
    let snapshot = tracker.snapshot(now);
    snapshot
        .transfers()
        .find(|transfer| transfer.id.as_str() == id)
        .unwrap()
        .clone()
}

/// The ids of the transfers with their own series, sorted.
fn ids(tracker: &mut Tracker, now: Now) -> Vec<String> {
    let mut ids: Vec<_> = tracker
        .snapshot(now)
        .transfers()
        .map(|t| t.id.to_string())
        .collect();
    ids.sort();
    ids
}

fn oldest_result(tracker: &mut Tracker, now: Now) -> Option<SystemTime> {
    tracker
        .snapshot(now)
        .oldest_results
        .first()
        .map(|(_, at)| *at)
}

fn finished(tracker: &mut Tracker, now: Now) -> Vec<(Finished, u64)> {
    connector(tracker, now)
        .finished
        .into_iter()
        .map(|(end, seen)| (end, seen.files))
        .collect()
}

/// Records a poll whose answer is confirmed by a second one.
fn settle(tracker: &mut Tracker, id: &str, result: &PollResult, now: Now) -> PollEffects {
    let mut effects = tracker.record_poll(&key(id), result, now);
    let confirmed = now.after(30 * SECOND);
    effects.settled |= tracker.record_poll(&key(id), result, confirmed).settled;
    effects
}

/// Tracks a transfer that started after the process.
fn track_new(tracker: &mut Tracker, id: &str, now: Now) {
    tracker.track(key(id), Origin::Api, Some(now.wall), now);
}
