//! Connectors of the simulated account.

use serde::{Deserialize, Serialize};

use super::script::Profile;

/// The protocol of a connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// SFTP: described by `SftpConfig`.
    #[default]
    Sftp,
    /// AS2: described by `As2Config`.
    As2,
}

/// The egress type of a connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    /// `SERVICE_MANAGED`.
    #[default]
    ServiceManaged,
    /// `VPC_LATTICE`: such a connector has no `Url`.
    VpcLattice,
}

/// One connector of the simulated account.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectorSpec {
    /// Host of the partner, used in `Url`.
    pub host: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The egress type.
    pub egress: Egress,
    /// The error that `TestConnection` returns. `None` if the connection works.
    pub connection_error: Option<String>,
    /// How transfers without a script behave.
    #[serde(skip)]
    pub profile: Profile,
}

impl Default for ConnectorSpec {
    fn default() -> Self {
        Self {
            host: "sftp.example.com".to_owned(),
            protocol: Protocol::default(),
            egress: Egress::default(),
            connection_error: None,
            profile: Profile::default(),
        }
    }
}

/// The connector does not exist in the simulated account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulator has no such connector")]
pub struct UnknownConnector;
