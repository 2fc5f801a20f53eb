//! What a plan will come to, from the configuration alone: series, calls, and the time that a sweep takes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::plan::{AccountPlan, Plan};
use model::{ConnectorKey, DOCUMENTED_FAILURE_CODES, TransferKey, TransferState};

/// Files on a page of `ListFileTransferResults`, at most.
const PAGE: u64 = 10;
/// QUEUED, IN_PROGRESS, COMPLETED and FAILED.
const STATUSES: u64 = 4;
const DAY: Duration = Duration::from_hours(24);
/// A receive waits this long for a message; one follows the other.
const LONG_POLL: Duration = Duration::from_secs(20);
/// How often a queue is asked how many messages it holds.
const DEPTH: Duration = Duration::from_mins(1);

/// What the configuration does not tell.
#[derive(Clone, Copy, Debug)]
pub struct Assumptions {
    /// Between two scrapes.
    pub scrape_interval: Duration,
    /// From a call to its answer.
    pub latency: Duration,
    /// Of each transfer.
    pub files: u64,
}

/// All of it. Calls are those without retries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Series of AWS state from the first scrape on, while all transfers are unfinished; without those that events add.
    pub series: u64,
    /// Series of AWS state at most, but for one a connector and a transfer for each failure code that is met.
    pub series_at_most: u64,
    /// In the order of the configuration.
    pub accounts: Vec<AccountForecast>,
}

/// Of one account, its configured transfers alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountForecast {
    /// Its name.
    pub account: String,
    /// Configured transfers.
    pub transfers: u64,
    /// Their connectors.
    pub connectors: u64,
    /// Pages that one look at a transfer reads.
    pub pages: u64,
    /// Calls that the first scrape begins.
    pub calls_first_scrape: u64,
    /// Calls of each later scrape while everything changes all the time: no scrape makes more.
    pub calls_scrape_at_most: u64,
    /// Calls of a day while everything changes all the time.
    pub calls_day_at_most: u64,
    /// Calls of a day while nothing is finished and nothing changes any more.
    pub calls_day_quiet: u64,
    /// Calls once everything has finished.
    pub calls_finished: u64,
    /// How long a sweep of everything takes.
    pub sweep_seconds: f64,
    /// `ReceiveMessage` of a day while no event comes, and `GetQueueAttributes`.
    pub sqs_calls_day: u64,
    /// `LookupEvents` of a day, one page a look; the first look may read many.
    pub cloudtrail_calls_day: u64,
    /// `ListConnectors` of a day, and `DescribeConnector` of the configured connectors: others add to it.
    pub connector_calls_day: u64,
}

/// What `plan` comes to.
pub fn forecast(plan: &Plan, assumed: Assumptions) -> Forecast {
    let accounts: Vec<_> = plan
        .accounts
        .iter()
        .map(|account| of_account(plan, account, assumed))
        .collect();
    let shown = if plan.metrics.per_transfer {
        plan.metrics.max_transfers
    } else {
        0
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
    // Transfers by state, files finished, and the info metric.
    let always = known * (states + finished + 1);
    // Files by status, the oldest unfinished, the age of results.
    let read = used * (STATUSES + 2);
    let of_transfers = transfers * (STATUSES + 1);
    let series = always + read + of_transfers;
    // When one last completed, and failed.
    Forecast {
        series,
        series_at_most: series + 2 * used,
        accounts,
    }
}

fn of_account(plan: &Plan, account: &AccountPlan, assumed: Assumptions) -> AccountForecast {
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
    let pages = assumed.files.div_ceil(PAGE).max(1);
    let calls = transfers * pages;
    let looks = |least: Duration| {
        // A look comes with a scrape: the first one that is `least` after the one before.
        let scrapes = least
            .as_millis()
            .div_ceil(assumed.scrape_interval.as_millis().max(1))
            .max(1);
        let period = assumed.scrape_interval.as_millis() * scrapes;
        u64::try_from(DAY.as_millis() / period.max(1)).unwrap_or(u64::MAX)
    };
    let each = |interval: Duration| {
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
    AccountForecast {
        account: account.name.to_string(),
        transfers,
        connectors,
        pages,
        calls_first_scrape: calls,
        calls_scrape_at_most: calls,
        calls_day_at_most: calls * looks(collector.min_refresh_interval),
        calls_day_quiet: calls * looks(collector.max_refresh_interval),
        calls_finished: 0,
        sweep_seconds: sweep(
            transfers,
            pages,
            collector.concurrency,
            collector.requests_per_second,
            assumed.latency,
        ),
        sqs_calls_day: queues * (each(LONG_POLL) + each(DEPTH)),
        cloudtrail_calls_day: trails.map(|source| each(source.refresh_interval)).sum(),
        connector_calls_day: lists
            .map(|source| each(source.refresh_interval) * (1 + connectors))
            .sum(),
    }
}

/// Whichever is slower: the rate, of which the first second's worth goes at once, or the places, each of which reads
/// the pages of a transfer one after the other.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn sweep(transfers: u64, pages: u64, concurrency: usize, rate: f64, latency: Duration) -> f64 {
    let calls = transfers * pages;
    if calls == 0 {
        return 0.0;
    }
    let latency = latency.as_secs_f64();
    let burst = rate.floor().max(1.0);
    let by_rate = ((calls as f64 - 1.0) / burst).floor() * (burst / rate) + latency;
    let by_places = (transfers.div_ceil(count(concurrency)) * pages) as f64 * latency;
    by_rate.max(by_places)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigFile, Plan};
    use super::*;

    #[test]
    fn the_figures_follow_from_the_configuration() {
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
        let told = forecast(&plan, assumed);
        let a = &told.accounts[0];
        assert_eq!(
            (a.transfers, a.pages, a.calls_first_scrape),
            (3, 3, 9),
            "25 files are three pages"
        );
        assert_eq!(
            a.calls_day_at_most,
            9 * 720,
            "after 90 s comes the second scrape of a minute: 720 looks a day"
        );
        assert_eq!(a.calls_day_quiet, 9 * 144, "every ten minutes");
        assert!(
            (a.sweep_seconds - 4.1).abs() < 1e-9,
            "nine calls, two a second: {}",
            a.sweep_seconds
        );
        assert_eq!(
            (a.sqs_calls_day, a.cloudtrail_calls_day),
            (4320 + 1440, 1440)
        );
        assert_eq!(told.accounts[1].connector_calls_day, 24 * 2);
    }
}
