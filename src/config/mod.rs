//! Floor 1: the configuration. [`ConfigFile`] is what the user wrote, [`Plan`] what will be done.
//!
//! ```text
//! text --yaml--> Node tree with lines --file--> ConfigFile --resolve--> Plan
//! ```
//! Pure, except [`load`], which reads one file. Every fault becomes a [`Problem`] with its line and key; none stops
//! the search for the next.

mod check;
mod discovery;
mod duration;
mod env;
mod error;
mod file;
pub mod forecast;
mod load;
mod near;
mod node;
mod plan;
pub mod policy;
mod reader;
mod resolve;
mod spot;
mod value;
mod web;

#[cfg(test)]
mod tests;

/// Reads a duration as the configuration has it: `500ms`, `10s`, `1h30m`.
pub fn parse_duration(text: &str) -> Option<std::time::Duration> {
    duration::parse(text).ok()
}

pub use error::{Problem, Problems};
pub use file::ConfigFile;
pub use load::{ConfigHash, ConfigText, load, load_web, read};
pub use plan::{
    AccountPlan, AssumeRole, CloudtrailPlan, CollectorPlan, ConnectorsPlan, DiscoveryPlan,
    EventsPlan, FilesPlan, MetricsPlan, Plan, Secret,
};
pub use resolve::parse_targets;
pub use web::{
    CIPHER_SUITES, CURVES, ClientAuth, MAX_BCRYPT_COST, Pem, PemSource, RateLimitConfig, TlsPlan,
    TlsVersion, User, WebPlan,
};
