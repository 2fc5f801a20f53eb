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

/// Details of an SFTP connector, from `DescribeConnector`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorDetails {
    /// URL of the partner's server; empty for a connector through a VPC.
    pub url: Arc<str>,
    /// `SERVICE_MANAGED` or `VPC_LATTICE`.
    pub egress_type: Arc<str>,
    /// `ACTIVE`, `ERRORED` or `PENDING`.
    pub status: Arc<str>,
}

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
