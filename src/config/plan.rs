//! The resolved configuration: defaults applied, all values valid.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;
use crate::flows::FlowConfig;
use model::{AccountName, ConnectorNames, PerTransfer, TransferKey};

/// The name of an account without `name`.
pub(super) const DEFAULT_ACCOUNT: &str = "default";

/// The session name of a role without `session_name`.
pub(super) const DEFAULT_SESSION_NAME: &str = "aws-transfer-exporter";

/// The resolved configuration.
///
/// [`Plan::default`] has one account named `default`, no transfers, and the defaults of all
/// settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The accounts in configured order: at least one, each with a different name.
    pub accounts: Vec<AccountPlan>,
    /// The transfers in configured order, without duplicates. Their accounts are in `accounts`.
    pub transfers: Vec<TransferKey>,
    /// Names and labels of connectors.
    pub connectors: ConnectorNames,
    /// Sources of further transfers.
    pub discovery: DiscoveryPlan,
    /// Deliveries that are watched, in configured order.
    pub flows: Vec<FlowConfig>,
    /// How AWS is polled.
    pub collector: CollectorPlan,
    /// Which metrics are exported.
    pub metrics: MetricsPlan,
    /// How much is tracked at most.
    pub limits: LimitsPlan,
    /// What `/probe` may do beside polling transfers.
    pub probe: ProbePlan,
}

/// What `/probe` may do beside polling transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbePlan {
    /// Least time between two tests of a connection; `None` if connections are not tested.
    pub connection: Option<Duration>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            accounts: vec![AccountPlan::default()],
            transfers: Vec::new(),
            connectors: ConnectorNames::new(),
            discovery: DiscoveryPlan::default(),
            flows: Vec::new(),
            collector: CollectorPlan::default(),
            metrics: MetricsPlan::default(),
            limits: LimitsPlan::default(),
            probe: ProbePlan::default(),
        }
    }
}

/// An AWS account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPlan {
    /// The value of the label `aws_account`. Default: `default`.
    pub name: AccountName,
    /// The Region code; `None` for the Region of the SDK's default chain.
    pub region: Option<String>,
    /// The AWS account ID, 12 digits; `None` for the account of the credentials.
    pub account_id: Option<String>,
    /// A profile of the shared AWS configuration; `None` for the default credential chain.
    pub profile: Option<String>,
    /// The role to assume with these credentials.
    pub assume_role: Option<AssumeRole>,
    /// The endpoint of the Transfer API; `None` for the endpoint of the Region.
    pub endpoint_url: Option<String>,
    /// Whether to use FIPS endpoints; never true with `endpoint_url`. `None` for the setting of the
    /// environment and the profile.
    pub fips: Option<bool>,
    /// Whether to use dual-stack endpoints; never true with `endpoint_url`. `None` for the setting of
    /// the environment and the profile.
    pub dual_stack: Option<bool>,
    /// The proxy to AWS; `None` for that of the environment.
    pub proxy_url: Option<Secret>,
    /// Certificate authorities for connections to AWS, as PEM; `None` for those of the environment,
    /// the profile or the system.
    pub ca_file: Option<PathBuf>,
}

impl AccountPlan {
    /// Returns the AWS account ID as far as the configuration has it: `account_id`, or that of the
    /// role.
    pub fn known_account_id(&self) -> Option<&str> {
        let role = || self.assume_role.as_ref()?.role_arn.split(':').nth(4);
        self.account_id.as_deref().or_else(role)
    }
}

impl Default for AccountPlan {
    fn default() -> Self {
        Self {
            name: AccountName::new(DEFAULT_ACCOUNT),
            region: None,
            account_id: None,
            profile: None,
            assume_role: None,
            endpoint_url: None,
            fips: None,
            dual_stack: None,
            proxy_url: None,
            ca_file: None,
        }
    }
}

/// A role to assume with `sts:AssumeRole`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumeRole {
    /// `arn:<partition>:iam::<account>:role/<path and name>`.
    pub role_arn: String,
    /// The external ID that the role's trust policy requires.
    pub external_id: Option<Secret>,
    /// The session name, as shown in CloudTrail. Default: `aws-transfer-exporter`.
    pub session_name: String,
}

/// Sources of transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryPlan {
    /// Files that list transfers.
    pub files: Vec<FilesPlan>,
    /// SQS queues with events.
    pub events: Vec<EventsPlan>,
    /// Event histories of CloudTrail.
    pub cloudtrail: Vec<CloudtrailPlan>,
    /// Lists of connectors.
    pub connectors: Vec<ConnectorsPlan>,
}

/// Files that list transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesPlan {
    /// The account of entries that name none; `None` if entries must name one.
    pub account: Option<AccountName>,
    /// Globs of paths; at least one.
    pub paths: Vec<String>,
    /// The interval between reads: 1 s to 24 h. Default: 30 s.
    pub refresh_interval: Duration,
}

impl FilesPlan {
    pub(super) const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
}

/// An SQS queue with events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsPlan {
    /// The account whose credentials read the queue. Messages that name no account belong to it.
    pub account: AccountName,
    /// The URL of the queue; no other entry has it.
    pub queue_url: String,
    /// The endpoint of SQS; `None` for the endpoint of the Region.
    pub endpoint_url: Option<String>,
    /// Globs of connector IDs; empty for all connectors.
    pub include: Vec<String>,
}

/// The CloudTrail event history of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudtrailPlan {
    /// The account.
    pub account: AccountName,
    /// The period that the first lookup covers: 1 min to 7 d. Default: 7 d.
    pub lookback: Duration,
    /// The interval between lookups: 1 s to 24 h. Default: 1 min.
    pub refresh_interval: Duration,
    /// The endpoint of CloudTrail; `None` for the endpoint of the Region.
    pub endpoint_url: Option<String>,
    /// Globs of connector IDs; empty for all connectors.
    pub include: Vec<String>,
}

impl CloudtrailPlan {
    pub(super) const LOOKBACK: Duration = Duration::from_hours(7 * 24);
    pub(super) const REFRESH_INTERVAL: Duration = Duration::from_mins(1);
}

/// The list of connectors of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorsPlan {
    /// The account.
    pub account: AccountName,
    /// The interval between lists: 10 s to 24 h. Default: 5 min.
    pub refresh_interval: Duration,
    /// Globs of connector IDs; empty for all connectors.
    pub include: Vec<String>,
    /// Tags of connectors that become labels.
    pub labels_from_tags: Vec<String>,
}

/// Returns the name of the label that a tag becomes: characters that labels cannot have become `_`.
pub fn label_name(tag: &str) -> String {
    let is_valid = |character: char| character.is_ascii_alphanumeric() || character == '_';
    tag.chars()
        .map(|character| if is_valid(character) { character } else { '_' })
        .collect()
}

impl ConnectorsPlan {
    pub(super) const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
}

/// How AWS is polled.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectorPlan {
    /// Maximum concurrent calls per account: 1 to 1024. Default: 16.
    pub concurrency: usize,
    /// Maximum calls per second and account: 0.01 to 10000. Default: 10.
    pub requests_per_second: f64,
    /// The time for a scrape without a time-out header: 100 ms to 10 min. Default: 10 s.
    pub timeout: Duration,
    /// Subtracted from the time for a scrape; less than `timeout`. Default: 500 ms.
    pub timeout_offset: Duration,
    /// Upper limit of the time-out in a scrape's header: `timeout` to 10 min. Default: 2 min, or
    /// `timeout` if that is longer.
    pub max_scrape_timeout: Duration,
    /// Minimum age of a result before it is polled again: 1 ms to 24 h. Default: 10 s.
    pub min_refresh_interval: Duration,
    /// Maximum age of a result of an unfinished transfer before it is polled again:
    /// `min_refresh_interval` to 24 h. Default: 5 min, or `min_refresh_interval` if that is longer.
    pub max_refresh_interval: Duration,
    /// How long a transfer that AWS does not know is polled: 1 s to 14 d. Default: 15 min.
    pub gone_after: Duration,
}

impl Default for CollectorPlan {
    fn default() -> Self {
        Self {
            concurrency: 16,
            requests_per_second: 10.0,
            timeout: Duration::from_secs(10),
            timeout_offset: Duration::from_millis(500),
            max_scrape_timeout: Duration::from_mins(2),
            min_refresh_interval: Duration::from_secs(10),
            max_refresh_interval: Duration::from_mins(5),
            gone_after: Duration::from_mins(15),
        }
    }
}

/// How much other sources than the configuration and target files may add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsPlan {
    /// Maximum number of tracked transfers: 1 to 10,000,000. Default: 200,000.
    pub transfers: usize,
    /// Maximum number of connectors: 1 to 1,000,000. Default: 5,000.
    pub connectors: usize,
}

impl Default for LimitsPlan {
    fn default() -> Self {
        Self {
            transfers: 200_000,
            connectors: 5_000,
        }
    }
}

/// Which metrics are exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsPlan {
    /// Which transfers have their own series. Default: open.
    pub per_transfer: PerTransfer,
    /// How long a settled transfer is tracked: 1 min to 365 d. Default: 24 h.
    pub keep_settled: Duration,
    /// How long a failed file is listed, and counts as unresolved: 1 min to 365 d. Default: 7 d.
    pub keep_unresolved: Duration,
    /// Maximum number of transfers with their own series: 1 to 10,000,000. Default: 10,000.
    pub max_transfers: usize,
}

impl Default for MetricsPlan {
    fn default() -> Self {
        Self {
            per_transfer: PerTransfer::Open,
            keep_settled: Duration::from_hours(24),
            keep_unresolved: Duration::from_hours(7 * 24),
            max_transfers: 10_000,
        }
    }
}
