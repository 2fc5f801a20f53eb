//! Connectors and their accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{AccountName, ConnectorId};

/// An AWS account and Region: the labels `aws_account` and `aws_region`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    /// The configured name.
    pub name: AccountName,
    /// The Region's code, for example `eu-central-1`.
    pub region: Arc<str>,
}

/// Details of an SFTP connector, from `DescribeConnector`
/// (<https://docs.aws.amazon.com/transfer/latest/APIReference/API_DescribedConnector.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorDetails {
    /// URL of the partner's server; empty for a connector through a VPC.
    pub url: Arc<str>,
    /// `SERVICE_MANAGED` or `VPC_LATTICE`.
    pub egress_type: Arc<str>,
    /// `ACTIVE`, `ERRORED` or `PENDING`.
    pub status: Arc<str>,
    /// Why the connector is `ERRORED`. Untrusted text.
    pub error_message: Option<Arc<str>>,
    /// The tag `Name`.
    pub name: Option<Arc<str>>,
    /// Labels of `aws_transfer_connector_info` from tags, by label name.
    pub labels: BTreeMap<String, String>,
    /// Name of the security policy; empty if there is none.
    pub security_policy: Arc<str>,
    /// `IPV4` or `DUALSTACK`; empty if AWS does not report it.
    pub ip_address_type: Arc<str>,
    /// Maximum number of concurrent connections to the partner's server.
    pub max_concurrent_connections: Option<u32>,
    /// ARN of the role with which the connector writes its log.
    pub logging_role: Option<Arc<str>>,
    /// Number of trusted host keys of the partner's server.
    pub trusted_host_keys: u32,
    /// The addresses from which a service-managed connector connects.
    pub egress_ip_addresses: Vec<String>,
    /// Version stages of the user's secret, in the order in which they are tried. AWS uses
    /// `AWSCURRENT` if there are none.
    pub secret_version_stages: Vec<String>,
}

impl ConnectorDetails {
    /// Returns what is missing from the connector, for a reader.
    pub fn warnings(&self) -> Vec<&'static str> {
        let missing = [
            (self.trusted_host_keys == 0, "no trusted host key"),
            (self.logging_role.is_none(), "no logging role"),
        ];
        let missing = missing.into_iter().filter(|(is_missing, _)| *is_missing);
        missing.map(|(_, warning)| warning).collect()
    }

    /// Returns the name of a connector: that of the configuration, else the tag `Name`.
    pub fn known_name<'a>(
        title: Option<&'a ConnectorTitle>,
        details: Option<&'a Self>,
    ) -> Option<&'a Arc<str>> {
        let tag = || details?.name.as_ref();
        title.map(|title| &title.name).or_else(tag)
    }
}

/// Listed connectors. `None` stands for one that could not be described.
pub type ListedConnectors = BTreeMap<ConnectorId, Option<Arc<ConnectorDetails>>>;

/// The configured name and labels of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorTitle {
    /// The configured name.
    pub name: Arc<str>,
    /// Further labels of `aws_transfer_connector_info`, by label name.
    pub labels: BTreeMap<String, String>,
}

/// The configured titles, by connector id.
pub type ConnectorNames = BTreeMap<ConnectorId, ConnectorTitle>;
