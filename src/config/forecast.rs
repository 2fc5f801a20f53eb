//! Estimates series, API calls and the duration of a sweep from a plan.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::plan::{AccountPlan, Plan};
use model::{
    ConnectorKey, DOCUMENTED_FAILURE_CODES, FileStatus, FlowState, PerTransfer,
    QUEUE_DEPTH_INTERVAL, QUEUE_LONG_POLL, RESULTS_PAGE_SIZE, TransferKey, TransferState,
};

const DAY: Duration = Duration::from_hours(24);
/// Dollars for a million requests to a standard queue in us-east-1, in November 2026, after the first million
/// of a month (<https://aws.amazon.com/sqs/pricing/>).
pub const SQS_PRICE: f64 = 0.4;

/// What the configuration does not contain.
#[derive(Clone, Copy, Debug)]
pub struct Assumptions {
    /// The time between two scrapes.
    pub scrape_interval: Duration,
    /// The duration of an API call.
    pub latency: Duration,
    /// The number of files in each transfer.
    pub files: u64,
}

/// The estimates for a plan. Retries are not counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Series of AWS state after the first scrape, while all transfers are unfinished. Series from
    /// events are not counted.
    pub series: u64,
    /// Maximum series of AWS state, plus one per connector and transfer for each failure code
    /// found.
    pub series_at_most: u64,
    /// The accounts in configured order.
    pub accounts: Vec<AccountForecast>,
}

/// The estimates for the configured transfers of an account.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountForecast {
    /// The name of the account.
    pub account: String,
    /// Number of configured transfers.
    pub transfers: u64,
    /// Number of their connectors.
    pub connectors: u64,
    /// Pages of results per poll of a transfer.
    pub pages: u64,
    /// Calls of the first scrape.
    pub calls_first_scrape: u64,
    /// Maximum calls of a later scrape.
    pub calls_scrape_at_most: u64,
    /// Calls per day if every transfer changes all the time.
    pub calls_day_at_most: u64,
    /// Calls per day if all transfers are unfinished and none changes.
    pub calls_day_quiet: u64,
    /// Calls per day after all transfers have finished.
    pub calls_finished: u64,
    /// The duration of a sweep of all transfers.
    pub sweep_seconds: f64,
    /// Calls of `ReceiveMessage`, and of `GetQueueAttributes` for the queue and its dead-letter queue,
    /// per day without events.
    pub sqs_calls_day: u64,
    /// Dollars for them. The other calls are free of charge.
    pub sqs_dollars_day: f64,
    /// Calls of `LookupEvents` per day, with one page per lookup. The first lookup may read more.
    pub cloudtrail_calls_day: u64,
    /// Calls of `ListConnectors`, and of `DescribeConnector` for the configured connectors, per
    /// day.
    pub connector_calls_day: u64,
}

/// Returns the estimates for `plan`.
pub fn forecast(plan: &Plan, assumed: Assumptions) -> Forecast {
    let accounts: Vec<_> = plan
        .accounts
        .iter()
        .map(|account| account_forecast(plan, account, assumed))
        .collect();
    let shown = if plan.metrics.per_transfer == PerTransfer::None {
        0
    } else {
        plan.metrics.max_transfers
    };
    let transfers = count(plan.transfers.len().min(shown));
    let mut known: Vec<_> = plan
        .transfers
        .iter()
        .map(TransferKey::connector_key)
        .collect();
    if let [only] = plan.accounts.as_slice() {
        let named = plan.connectors.keys().map(|id| ConnectorKey {
            account: only.name.clone(),
            id: id.clone(),
        });
        known.extend(named);
    }
    let used: BTreeSet<_> = plan
        .transfers
        .iter()
        .map(TransferKey::connector_key)
        .collect();
    known.sort();
    known.dedup();
    let (used, known) = (count(used.len()), count(known.len()));
    // COMPLETED, FAILED without a code, and each documented code.
    let finished = 2 + count(DOCUMENTED_FAILURE_CODES.len());
    let states = count(TransferState::ALL.len());
    // Transfers by state, finished files, unreadable and started transfers, unresolved failures and
    // those in a row, and the info metric.
    let always = known * (states + finished + 5);
    // Files by status, the oldest unfinished transfer and queued file, the age of results.
    let statuses = count(FileStatus::MODELLED.len());
    let read = used * (statuses + 3);
    let of_transfers = transfers * (statuses + 1);
    // The info metric, files by two ends, bytes of two operations, unresolved failures, duplicates.
    let flows = 7 * count(plan.flows.len());
    // The deadline, the states, files, outcomes and corrections of windows.
    let expecting = plan.flows.iter().filter(|flow| flow.expect.is_some());
    let windows = count(expecting.count())
        * (2 + count(FlowState::ALL.len()) + 2 * count(FlowState::OUTCOMES.len()));
    let series = always + read + of_transfers + flows + windows;
    Forecast {
        series,
        // The times of the last started transfer, the last completed and the last failed file, and of
        // the oldest file in progress; of a flow those of its last file and its listing.
        series_at_most: series + 4 * used + 3 * count(plan.flows.len()),
        accounts,
    }
}

fn account_forecast(plan: &Plan, account: &AccountPlan, assumed: Assumptions) -> AccountForecast {
    let collector = &plan.collector;
    let mine = || {
        plan.transfers
            .iter()
            .filter(|key| key.account == account.name)
    };
    let transfers = count(mine().count());
    let connectors = count(
        mine()
            .map(|key| &key.connector)
            .collect::<BTreeSet<_>>()
            .len(),
    );
    let pages = assumed.files.div_ceil(count(RESULTS_PAGE_SIZE)).max(1);
    let calls = transfers * pages;
    let polls_per_day = |min_interval: Duration| {
        // A poll happens at the first scrape that is `min_interval` after the previous poll.
        let scrapes = min_interval
            .as_millis()
            .div_ceil(assumed.scrape_interval.as_millis().max(1))
            .max(1);
        let period = assumed.scrape_interval.as_millis() * scrapes;
        u64::try_from(DAY.as_millis() / period.max(1)).unwrap_or(u64::MAX)
    };
    let per_day = |interval: Duration| {
        u64::try_from(DAY.as_millis() / interval.as_millis().max(1)).unwrap_or(u64::MAX)
    };
    let discovery = &plan.discovery;
    let queues = count(
        discovery
            .events
            .iter()
            .filter(|source| source.account == account.name)
            .count(),
    );
    let trails = discovery
        .cloudtrail
        .iter()
        .filter(|source| source.account == account.name);
    let lists = discovery
        .connectors
        .iter()
        .filter(|source| source.account == account.name);
    let sqs_calls_day = queues * (per_day(QUEUE_LONG_POLL) + 2 * per_day(QUEUE_DEPTH_INTERVAL));
    AccountForecast {
        account: account.name.to_string(),
        transfers,
        connectors,
        pages,
        calls_first_scrape: calls,
        calls_scrape_at_most: calls,
        calls_day_at_most: calls * polls_per_day(collector.min_refresh_interval),
        calls_day_quiet: calls * polls_per_day(collector.max_refresh_interval),
        calls_finished: 0,
        sweep_seconds: sweep_seconds(
            transfers,
            pages,
            collector.concurrency,
            collector.requests_per_second,
            assumed.latency,
        ),
        sqs_calls_day,
        sqs_dollars_day: dollars(sqs_calls_day),
        cloudtrail_calls_day: trails.map(|source| per_day(source.refresh_interval)).sum(),
        connector_calls_day: lists
            .map(|source| per_day(source.refresh_interval) * (1 + connectors))
            .sum(),
    }
}

/// Returns the longer of two times: the one that the rate limit allows, which spaces them
/// evenly, and the one of concurrent polls, each of which reads the pages of a transfer in turn.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn dollars(sqs_calls: u64) -> f64 {
    sqs_calls as f64 * SQS_PRICE / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn sweep_seconds(
    transfers: u64,
    pages: u64,
    concurrency: usize,
    rate: f64,
    latency: Duration,
) -> f64 {
    let calls = transfers * pages;
    if calls == 0 {
        return 0.0;
    }
    let latency = latency.as_secs_f64();
    let by_rate = (calls as f64 - 1.0) / rate + latency;
    let by_concurrency = (transfers.div_ceil(count(concurrency)) * pages) as f64 * latency;
    by_rate.max(by_concurrency)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigFile, Plan};
    use super::*;

    #[test]
    fn estimates_follow_from_the_configuration() {
        let text = "accounts:\n  - {name: a, region: eu-west-1}\n  - {name: b, region: eu-west-1}\ntransfers:\n  - {account: a, \
                    connector_id: c-0123456789abcdef0, transfer_ids: [t1, t2, t3]}\n  - {account: b, connector_id: \
                    c-0123456789abcdef1, transfer_ids: [t4]}\ncollector:\n  min_refresh_interval: 90s\n  max_refresh_interval: 10m\n  \
                    requests_per_second: 2\n  concurrency: 2\ndiscovery:\n  events:\n    - {account: a, queue_url: \
                    'https://sqs.eu-west-1.amazonaws.com/123456789012/q'}\n  cloudtrail:\n    - {account: a}\n  connectors:\n    - \
                    {account: b, refresh_interval: 1h}\n";
        let plan = Plan::resolve(ConfigFile::read("t.yml", text, &|_| None)).unwrap();
        let assumed = Assumptions {
            scrape_interval: Duration::from_mins(1),
            latency: Duration::from_millis(100),
            files: 25,
        };
        let forecast = forecast(&plan, assumed);
        let a = &forecast.accounts[0];
        assert_eq!(
            (a.transfers, a.pages, a.calls_first_scrape),
            (3, 3, 9),
            "25 files need three pages"
        );
        assert_eq!(
            a.calls_day_at_most,
            9 * 720,
            "a poll at every second scrape"
        );
        assert_eq!(a.calls_day_quiet, 9 * 144, "a poll every ten minutes");
        assert!(
            (a.sweep_seconds - 4.1).abs() < 1e-9,
            "nine calls at two per second: {}",
            a.sweep_seconds
        );
        assert_eq!(
            (a.sqs_calls_day, a.cloudtrail_calls_day),
            (4320 + 2 * 1440, 1440)
        );
        // 7,200 requests at 40 cents a million.
        assert!((a.sqs_dollars_day - 0.002_88).abs() < 1e-9);
        assert_eq!(forecast.accounts[1].connector_calls_day, 24 * 2);
    }
}
