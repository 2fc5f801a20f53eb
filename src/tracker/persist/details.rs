//! The persistent form of [`ConnectorDetails`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use model::ConnectorDetails;

/// Details of a connector, kept so that its name is known at once after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailsRecord {
    /// URL of the partner's server.
    pub url: String,
    /// The egress type.
    pub egress_type: String,
    /// The status.
    pub status: String,
    /// Why the connector is `ERRORED`.
    pub error_message: Option<String>,
    /// The tag `Name`.
    pub name: Option<String>,
    /// Labels from tags, by label name.
    pub labels: BTreeMap<String, String>,
    /// Name of the security policy.
    pub security_policy: String,
    /// The type of its addresses.
    pub ip_address_type: String,
    /// Maximum number of concurrent connections.
    pub max_concurrent_connections: Option<u32>,
    /// ARN of the logging role.
    pub logging_role: Option<String>,
    /// Number of trusted host keys.
    pub trusted_host_keys: u32,
    /// Addresses from which it connects.
    pub egress_ip_addresses: Vec<String>,
    /// Version stages of the user's secret.
    pub secret_version_stages: Vec<String>,
}

impl From<&ConnectorDetails> for DetailsRecord {
    fn from(details: &ConnectorDetails) -> Self {
        Self {
            url: details.url.to_string(),
            egress_type: details.egress_type.to_string(),
            status: details.status.to_string(),
            error_message: details.error_message.as_deref().map(Into::into),
            name: details.name.as_deref().map(Into::into),
            labels: details.labels.clone(),
            security_policy: details.security_policy.to_string(),
            ip_address_type: details.ip_address_type.to_string(),
            max_concurrent_connections: details.max_concurrent_connections,
            logging_role: details.logging_role.as_deref().map(Into::into),
            trusted_host_keys: details.trusted_host_keys,
            egress_ip_addresses: details.egress_ip_addresses.clone(),
            secret_version_stages: details.secret_version_stages.clone(),
        }
    }
}

impl From<&DetailsRecord> for ConnectorDetails {
    fn from(record: &DetailsRecord) -> Self {
        Self {
            url: record.url.as_str().into(),
            egress_type: record.egress_type.as_str().into(),
            status: record.status.as_str().into(),
            error_message: record.error_message.as_deref().map(Into::into),
            name: record.name.as_deref().map(Into::into),
            labels: record.labels.clone(),
            security_policy: record.security_policy.as_str().into(),
            ip_address_type: record.ip_address_type.as_str().into(),
            max_concurrent_connections: record.max_concurrent_connections,
            logging_role: record.logging_role.as_deref().map(Into::into),
            trusted_host_keys: record.trusted_host_keys,
            egress_ip_addresses: record.egress_ip_addresses.clone(),
            secret_version_stages: record.secret_version_stages.clone(),
        }
    }
}
