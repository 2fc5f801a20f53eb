//! Resolves a configuration file into a plan: applies defaults, checks values, and reports every
//! problem.

mod accounts;
mod check;
mod collector;
mod connectors;
mod discovery;
mod flows;
mod transfers;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use accounts::AccountIndex;
pub(crate) use check::{is_region, proxy_url as check_proxy_url};
use transfers::FoundTransfers;

use super::file;
use super::yaml::{Field, Problem, ProblemList, Problems, format_duration};
use super::{AccountPlan, ConfigFile, Plan};
use model::{AccountName, TransferKey};

const CONNECTOR_ID_HINT: &str = "a connector ID is `c-` followed by 17 of `0-9a-f`";
const EMPTY_LIST: &str = "the list is empty";
const REQUIRED: &str = "required key is missing";

impl Plan {
    /// Resolves `file`.
    ///
    /// # Errors
    /// All problems of the file, those found while reading it included, ordered by line.
    pub fn resolve(file: ConfigFile) -> Result<Self, Problems> {
        let ConfigFile { problems, root } = file;
        let mut resolver = Resolver { problems };
        let accounts = resolver.accounts(&root.accounts);
        let has_discovery = file::DiscoverySection::is_used(&root.discovery);
        let mut plan = Self {
            transfers: resolver.transfers(&root.transfers, &accounts, has_discovery),
            discovery: resolver.discovery(&root.discovery, &accounts),
            flows: resolver.flows(&root.flows),
            accounts: accounts.plans,
            connectors: resolver.connectors(&root.connectors),
            collector: resolver.collector(&root.collector),
            metrics: resolver.metrics(&root.metrics),
            limits: resolver.limits(&root.limits),
            probe: resolver.probe(&root.probe),
        };
        let labels = resolver.labels_from_tags(&root.connector_labels_from_tags);
        for connectors in &mut plan.discovery.connectors {
            connectors.labels_from_tags.clone_from(&labels);
        }
        resolver.problems.into_result(plan)
    }
}

/// Parses a file of `discovery.files`: a list like `transfers`, in YAML or JSON, and `[]` if there
/// are none. `file` is its name in messages, and `account` the account of entries that name none.
///
/// # Errors
/// All problems of the file.
pub fn parse_targets(
    file: &str,
    text: &str,
    accounts: &[AccountPlan],
    account: Option<&AccountName>,
) -> Result<Vec<TransferKey>, Problems> {
    let accounts = AccountIndex::new(accounts, account);
    let start = || TargetList {
        resolver: Resolver {
            problems: ProblemList::new(file),
        },
        found: FoundTransfers::default(),
    };
    let (list, mut problems) = file::read_targets(file, text, start, |list, index, entry| {
        list.resolver
            .listed_transfer(index, entry, &accounts, &mut list.found);
    });
    let Some(TargetList {
        mut resolver,
        found,
    }) = list
    else {
        return problems.into_result(Vec::new());
    };
    for problem in resolver.problems.iter_mut() {
        // The list is the document.
        if let Some(key) = problem.key.strip_prefix("transfers") {
            problem.key = key.to_owned();
        }
    }
    problems.append(resolver.problems);
    problems.into_result(found.keys())
}

/// The entries of a file of `discovery.files`, resolved while it is read.
struct TargetList {
    resolver: Resolver,
    found: FoundTransfers,
}

struct Resolver {
    problems: ProblemList,
}

impl Resolver {
    /// Adds a problem and returns it, so that the caller can add a hint.
    fn report(
        &mut self,
        line: usize,
        key: impl fmt::Display,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.problems.report(line, key, message)
    }

    /// Returns the text if `is_valid`. The message never contains the text.
    fn checked(
        &mut self,
        field: &Field<String>,
        key: impl FnOnce() -> String,
        is_valid: impl Fn(&str) -> bool,
        message: &str,
        hint: &str,
    ) -> Option<String> {
        let text = field.value()?;
        if is_valid(&text.value) {
            return Some(text.value.clone());
        }
        self.report(text.line, key(), message).with_hint(hint);
        None
    }

    /// Returns a whole number within `bounds`, or `default` if the key is absent.
    fn count(
        &mut self,
        field: &Field<i64>,
        key: &str,
        bounds: RangeInclusive<usize>,
        default: usize,
    ) -> usize {
        let Some(number) = field.value() else {
            return default;
        };
        let count = usize::try_from(number.value).ok();
        if let Some(count) = count.filter(|count| bounds.contains(count)) {
            return count;
        }
        let saturated = matches!(number.value, i64::MIN | i64::MAX);
        let shown = (!number.hidden && !saturated).then(|| number.value.to_string());
        let allowed = format!("allowed: {} to {}", bounds.start(), bounds.end());
        self.report(number.line, key, out_of_range(shown))
            .with_hint(allowed);
        default
    }

    /// Returns a duration within `bounds`, or `default` if the key is absent.
    fn duration(
        &mut self,
        field: &Field<Duration>,
        key: &str,
        bounds: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some(duration) = field.value() else {
            return default;
        };
        if !bounds.contains(&duration.value) {
            let shown = (!duration.hidden).then(|| format_duration(duration.value));
            let [least, most] = [bounds.start(), bounds.end()].map(|bound| format_duration(*bound));
            self.report(duration.line, key, out_of_range(shown))
                .with_hint(format!("allowed: {least} to {most}"));
        }
        duration.value
    }
}

fn out_of_range(shown: Option<String>) -> String {
    match shown {
        Some(value) => format!("value is out of range: {value}"),
        None => "value is out of range".to_owned(),
    }
}
