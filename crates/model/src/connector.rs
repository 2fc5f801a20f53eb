//! Connectors and the accounts they stand in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AccountName, ConnectorId};

/// One AWS account and Region as the labels `aws_account` and `aws_region` tell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    /// The configured name.
    pub name: AccountName,
    /// The Region's code, for example `eu-central-1`.
    pub region: Arc<str>,
}

/// One connector of one account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorKey {
    /// The account it stands in.
    pub account: AccountName,
    /// Its id.
    pub id: ConnectorId,
}

/// What AWS tells of an SFTP connector beside its transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorDetails {
    /// Where it connects to; empty for one through a VPC.
    pub url: Arc<str>,
    /// `SERVICE_MANAGED` or `VPC_LATTICE`.
    pub egress_type: Arc<str>,
    /// `ACTIVE`, `ERRORED` or `PENDING`.
    pub status: Arc<str>,
}

/// What people call a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorTitle {
    /// The configured name.
    pub name: Arc<str>,
    /// Further labels for `aws_transfer_connector_info`, by label name.
    pub labels: BTreeMap<String, String>,
}

/// The configured titles, by connector id.
pub type ConnectorNames = BTreeMap<ConnectorId, ConnectorTitle>;
