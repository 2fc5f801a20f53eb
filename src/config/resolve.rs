//! From what the user wrote to what will be done, with every problem of meaning found on the way.

mod accounts;
mod connectors;
mod discovery;
mod transfers;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use accounts::Accounts;

use super::duration;
use super::file::{self, CollectorSection, MetricsSection};
use super::reader::Given;
use super::{AccountPlan, CollectorPlan, ConfigFile, MetricsPlan, Plan, Problem, Problems};
use model::{AccountName, TransferKey};

const CONNECTOR_ID_HINT: &str = "a connector id is `c-` and 17 of `0-9a-f`, 19 characters in all";
impl Plan {
    /// The plan that `file` asks for, or all that is wrong with it: the problems met in reading and those of meaning,
    /// ordered by line.
    pub fn resolve(file: ConfigFile) -> Result<Self, Problems> {
        let ConfigFile {
            file,
            problems,
            accounts,
            transfers,
            connectors,
            discovery,
            collector,
            metrics,
        } = file;
        let mut resolver = Resolver { file, problems };
        let accounts = resolver.accounts(&accounts);
        let plan = Self {
            transfers: resolver.transfers(&transfers, &accounts, discovery.is_given()),
            discovery: resolver.discovery(&discovery, &accounts),
            accounts: accounts.plans,
            connectors: resolver.connectors(&connectors),
            collector: resolver.collector(&collector),
            metrics: resolver.metrics(&metrics),
        };
        Problems::none(resolver.problems).map(|()| plan)
    }
}

/// The pairs of a file that `discovery.files` names: a list shaped like `transfers`, in YAML or JSON. `file` is its name in
/// messages; an entry without an account is of `account`. An empty list, and an empty file, are no pairs.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_targets(
    file: &str,
    text: &str,
    accounts: &[AccountPlan],
    account: Option<&AccountName>,
) -> Result<Vec<TransferKey>, Problems> {
    let (transfers, problems) = file::targets(file, text);
    let mut resolver = Resolver {
        file: file.into(),
        problems,
    };
    if transfers.value().is_some_and(|at| at.value.is_empty()) {
        return Problems::none(resolver.problems).map(|()| Vec::new());
    }
    let pairs = resolver.transfers(&transfers, &Accounts::of(accounts, account), true);
    for problem in &mut resolver.problems {
        // The list is the document.
        problem.key = problem
            .key
            .strip_prefix("transfers")
            .unwrap_or(&problem.key)
            .to_owned();
    }
    Problems::none(resolver.problems).map(|()| pairs)
}

struct Resolver {
    file: Arc<str>,
    problems: Vec<Problem>,
}

impl Resolver {
    fn fault(
        &mut self,
        line: usize,
        key: impl Into<String>,
        message: impl Into<String>,
        hint: &str,
    ) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        let problem = Problem {
            file: self.file.clone(),
            line: Some(line),
            key: key.into(),
            message: message.into(),
            hint,
        };
        self.problems.push(problem);
    }

    /// The text where it is given and `sound`; the message of a fault never shows the text.
    fn checked(
        &mut self,
        given: &Given<String>,
        key: impl FnOnce() -> String,
        sound: impl Fn(&str) -> bool,
        message: &str,
        hint: &str,
    ) -> Option<String> {
        let at = given.value()?;
        if sound(&at.value) {
            return Some(at.value.clone());
        }
        self.fault(at.line, key(), message, hint);
        None
    }

    fn collector(&mut self, given: &CollectorSection) -> CollectorPlan {
        let default = CollectorPlan::default();
        let concurrency = self.count(
            &given.concurrency,
            "collector.concurrency",
            1..=1024,
            default.concurrency,
            "",
        );
        let mut requests_per_second = default.requests_per_second;
        if let Some(at) = given.requests_per_second.value() {
            requests_per_second = at.value;
            if !(0.01..=10_000.0).contains(&at.value) {
                let message = if at.hidden {
                    "out of bounds".to_owned()
                } else {
                    format!("out of bounds: {:?}", at.value)
                };
                self.fault(
                    at.line,
                    "collector.requests_per_second",
                    message,
                    "0.01 to 10000, fractions allowed",
                );
            }
        }
        let longest_refresh = Duration::from_hours(24);
        let days = |days: u64| Duration::from_hours(24 * days);
        let [ms, s] = [Duration::from_millis(1), Duration::from_secs(1)];
        let timeout = self.length(
            &given.timeout,
            "collector.timeout",
            100 * ms,
            Duration::from_mins(10),
            default.timeout,
        );
        let timeout_offset = given
            .timeout_offset
            .value()
            .map_or(default.timeout_offset, |at| at.value);
        let min = &given.min_refresh_interval;
        let min_refresh_interval = self.length(
            min,
            "collector.min_refresh_interval",
            ms,
            longest_refresh,
            default.min_refresh_interval,
        );
        let default_max = default.max_refresh_interval.max(min_refresh_interval);
        let max = &given.max_refresh_interval;
        let max_refresh_interval = self.length(
            max,
            "collector.max_refresh_interval",
            ms,
            longest_refresh,
            default_max,
        );
        if let Some(at) = max
            .value()
            .filter(|at| at.value >= ms && at.value < min_refresh_interval)
        {
            let hint = "a result is fetched again between the two, the sooner the less time ago it changed";
            self.fault(
                at.line,
                "collector.max_refresh_interval",
                "below `collector.min_refresh_interval`",
                hint,
            );
        }
        let gone_after = self.length(
            &given.gone_after,
            "collector.gone_after",
            s,
            days(14),
            default.gone_after,
        );
        if timeout_offset >= timeout {
            let hint = "what is left of `timeout` less `timeout_offset` is the time for the calls";
            if let Some(at) = given.timeout_offset.value() {
                self.fault(
                    at.line,
                    "collector.timeout_offset",
                    "not below `collector.timeout`",
                    hint,
                );
            } else if let Some(at) = given.timeout.value().filter(|at| at.value >= 100 * ms) {
                let message =
                    "not above `collector.timeout_offset`, which is 500ms where it is left out";
                self.fault(at.line, "collector.timeout", message, hint);
            }
        }
        CollectorPlan {
            concurrency,
            requests_per_second,
            timeout,
            timeout_offset,
            min_refresh_interval,
            max_refresh_interval,
            gone_after,
        }
    }

    fn metrics(&mut self, given: &MetricsSection) -> MetricsPlan {
        let default = MetricsPlan::default();
        let year = Duration::from_hours(24 * 365);
        let minute = Duration::from_mins(1);
        let none_hint = "; for no series per transfer set `per_transfer: false`";
        MetricsPlan {
            per_transfer: given
                .per_transfer
                .value()
                .map_or(default.per_transfer, |at| at.value),
            keep_settled: self.length(
                &given.keep_settled,
                "metrics.keep_settled",
                minute,
                year,
                default.keep_settled,
            ),
            max_transfers: self.count(
                &given.max_transfers,
                "metrics.max_transfers",
                1..=10_000_000,
                default.max_transfers,
                none_hint,
            ),
        }
    }

    fn count(
        &mut self,
        given: &Given<i64>,
        key: &str,
        bounds: RangeInclusive<usize>,
        default: usize,
        hint: &str,
    ) -> usize {
        let Some(at) = given.value() else {
            return default;
        };
        let count = usize::try_from(at.value)
            .ok()
            .filter(|count| bounds.contains(count));
        if count.is_none() {
            let shown = !at.hidden && at.value < i64::MAX && at.value > i64::MIN;
            let message = if shown {
                format!("out of bounds: {}", at.value)
            } else {
                "out of bounds".to_owned()
            };
            self.fault(
                at.line,
                key,
                message,
                &format!("{} to {}{hint}", bounds.start(), bounds.end()),
            );
        }
        count.unwrap_or(default)
    }

    fn length(
        &mut self,
        given: &Given<Duration>,
        key: &str,
        least: Duration,
        most: Duration,
        default: Duration,
    ) -> Duration {
        let Some(at) = given.value() else {
            return default;
        };
        if !(least..=most).contains(&at.value) {
            let shown = duration::show(at.value);
            let message = if at.hidden {
                "out of bounds".to_owned()
            } else {
                format!("out of bounds: {shown}")
            };
            self.fault(
                at.line,
                key,
                message,
                &format!("{} to {}", duration::show(least), duration::show(most)),
            );
        }
        at.value
    }
}
