//! What will be done: every value there, every value sound.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{AccountName, ConnectorNames, TransferKey};

/// The name of the account where none is configured.
pub(super) const DEFAULT_ACCOUNT: &str = "default";

/// The session name of an assumed role where none is configured.
pub(super) const DEFAULT_SESSION_NAME: &str = "aws-transfer-exporter";

/// The whole configuration, defaulted and validated.
///
/// [`Plan::default`] has one account named `default`, no transfers, and the defaults of everything else.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The accounts in their order; at least one, no two of one name.
    pub accounts: Vec<AccountPlan>,
    /// The configured pairs in their order, each once; the account of each is one of `accounts`.
    pub transfers: Vec<TransferKey>,
    /// What people call the connectors.
    pub connectors: ConnectorNames,
    /// Where further transfers are learned from.
    pub discovery: DiscoveryPlan,
    /// How AWS is asked.
    pub collector: CollectorPlan,
    /// What is exported.
    pub metrics: MetricsPlan,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            accounts: vec![AccountPlan::default()],
            transfers: Vec::new(),
            connectors: ConnectorNames::new(),
            discovery: DiscoveryPlan::default(),
            collector: CollectorPlan::default(),
            metrics: MetricsPlan::default(),
        }
    }
}

/// One AWS account and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPlan {
    /// The value of the label `aws_account`. Default `default`.
    pub name: AccountName,
    /// The Region's code; none: the SDK's own chain finds it.
    pub region: Option<String>,
    /// A profile of the shared AWS configuration; none: the SDK's default chain.
    pub profile: Option<String>,
    /// The role to assume with those credentials.
    pub assume_role: Option<AssumeRole>,
    /// The endpoint of the Transfer API instead of the Region's: `http` or `https`, without user and query.
    pub endpoint_url: Option<String>,
    /// The FIPS endpoint of the Region; never together with `endpoint_url`. Default false.
    pub fips: bool,
    /// The dual-stack endpoint of the Region; never together with `endpoint_url`. Default false.
    pub dual_stack: bool,
}

impl Default for AccountPlan {
    fn default() -> Self {
        Self {
            name: AccountName::new(DEFAULT_ACCOUNT),
            region: None,
            profile: None,
            assume_role: None,
            endpoint_url: None,
            fips: false,
            dual_stack: false,
        }
    }
}

/// A role to assume by `sts:AssumeRole`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumeRole {
    /// `arn:<partition>:iam::<account>:role/<path and name>`.
    pub role_arn: String,
    /// The external id that the role's trust policy demands.
    pub external_id: Option<Secret>,
    /// The session's name in `CloudTrail`. Default `aws-transfer-exporter`.
    pub session_name: String,
}

/// Where transfers are learned from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryPlan {
    /// Lists in files.
    pub files: Vec<FilesPlan>,
    /// Queues of events.
    pub events: Vec<EventsPlan>,
    /// CloudTrail's event history.
    pub cloudtrail: Vec<CloudtrailPlan>,
    /// The connectors themselves.
    pub connectors: Vec<ConnectorsPlan>,
}

/// Files that list transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesPlan {
    /// The account of an entry that names none; `None` where there are several.
    pub account: Option<AccountName>,
    /// Globs; at least one.
    pub paths: Vec<String>,
    /// How often they are read: 1 s to 24 h. Default 30 s.
    pub refresh_interval: Duration,
}

impl FilesPlan {
    pub(super) const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
}

/// An SQS queue of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsPlan {
    /// The account whose credentials read it, and whose transfers it tells.
    pub account: AccountName,
    /// The queue's URL.
    pub queue_url: String,
    /// The endpoint of SQS instead of the Region's.
    pub endpoint_url: Option<String>,
    /// Globs on connector ids; empty takes all.
    pub include: Vec<String>,
}

/// CloudTrail's event history of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudtrailPlan {
    /// The account.
    pub account: AccountName,
    /// How far the first look reaches back: 1 min to 7 d. Default 7 d.
    pub lookback: Duration,
    /// How often it is looked at: 1 s to 24 h. Default 1 min.
    pub refresh_interval: Duration,
    /// The endpoint of CloudTrail instead of the Region's.
    pub endpoint_url: Option<String>,
    /// Globs on connector ids; empty takes all.
    pub include: Vec<String>,
}

impl CloudtrailPlan {
    pub(super) const LOOKBACK: Duration = Duration::from_hours(7 * 24);
    pub(super) const REFRESH_INTERVAL: Duration = Duration::from_mins(1);
}

/// The connectors of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorsPlan {
    /// The account.
    pub account: AccountName,
    /// How often they are listed: 10 s to 24 h. Default 5 min.
    pub refresh_interval: Duration,
    /// Globs on connector ids; empty takes all.
    pub include: Vec<String>,
}

impl ConnectorsPlan {
    pub(super) const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
}

/// How AWS is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectorPlan {
    /// Calls in flight at once, per account: 1 to 1024. Default 16.
    pub concurrency: usize,
    /// Calls per second, per account: 0.01 to 10000. Default 10.
    pub requests_per_second: f64,
    /// A scrape's budget where Prometheus tells none: 100 ms to 10 min. Default 10 s.
    pub timeout: Duration,
    /// Taken off the budget; less than `timeout`. Default 500 ms.
    pub timeout_offset: Duration,
    /// A result younger than this is not fetched again: 1 ms to 24 h. Default 10 s.
    pub min_refresh_interval: Duration,
    /// An older result of an unfinished transfer is fetched again, however long nothing has changed: `min_refresh_interval`
    /// to 24 h. Default 5 min, and `min_refresh_interval` where that is longer.
    pub max_refresh_interval: Duration,
    /// An unknown transfer is asked again this long: 1 s to 14 d. Default 15 min.
    pub gone_after: Duration,
}

impl Default for CollectorPlan {
    fn default() -> Self {
        Self {
            concurrency: 16,
            requests_per_second: 10.0,
            timeout: Duration::from_secs(10),
            timeout_offset: Duration::from_millis(500),
            min_refresh_interval: Duration::from_secs(10),
            max_refresh_interval: Duration::from_mins(5),
            gone_after: Duration::from_mins(15),
        }
    }
}

/// What is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsPlan {
    /// The families with a label `transfer_id` too. Default true.
    pub per_transfer: bool,
    /// How long a finished transfer stays tracked: 1 min to 365 d. Default 24 h.
    pub keep_settled: Duration,
    /// So many transfers at most have series of their own: 1 to 10,000,000. Default 10,000.
    pub max_transfers: usize,
}

impl Default for MetricsPlan {
    fn default() -> Self {
        Self {
            per_transfer: true,
            keep_settled: Duration::from_hours(24),
            max_transfers: 10_000,
        }
    }
}

/// A text that no log, error or `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps the text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
