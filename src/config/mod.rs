//! The configuration. [`ConfigFile`] is what the user wrote, [`Plan`] what the exporter does.
//!
//! ```text
//! text --yaml, file--> ConfigFile --resolve--> Plan --forecast, policy--> estimates, IAM policies
//! ```
//! Everything is pure except [`load`], which reads a file. Every error is a [`Problem`] with its
//! line and key, and all problems of a file are reported at once.

mod connector_filter;
mod file;
pub mod forecast;
mod load;
mod partition;
mod plan;
pub mod policy;
mod resolve;
mod secret;
#[cfg(feature = "dynamodb")]
pub mod storage_forecast;
mod web;
mod yaml;

#[cfg(test)]
mod tests;

/// Parses a duration such as `500ms`, `10s` or `1h30m`.
pub fn parse_duration(text: &str) -> Option<std::time::Duration> {
    yaml::parse_duration(text).ok()
}

pub use connector_filter::ConnectorFilter;
pub use file::ConfigFile;
pub(crate) use load::read_regular_file;
pub use load::{ConfigHash, ConfigText, load, load_web, read};
pub use plan::{
    AccountPlan, AssumeRole, CloudtrailPlan, CollectorPlan, ConnectorsPlan, DiscoveryPlan,
    EventsPlan, FilesPlan, LimitsPlan, MetricsPlan, Plan, ProbePlan, label_name,
};
pub use resolve::parse_targets;
pub(crate) use resolve::{check_proxy_url, is_region};
pub use secret::Secret;
pub use web::{
    CIPHER_SUITES, CURVES, ClientAuth, MAX_BCRYPT_COST, Pem, PemSource, RateLimitConfig, TlsPlan,
    TlsVersion, User, WebPlan,
};
pub use yaml::{Problem, Problems};
