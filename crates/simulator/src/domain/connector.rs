//! Connectors of the simulated account.

use std::collections::BTreeMap;

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
    /// Why the connector is `ERRORED`. `None` if it is `ACTIVE`.
    pub error_message: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Maximum number of concurrent connections.
    pub max_concurrent_connections: u32,
    /// Whether it has a `LoggingRole`.
    pub logging_role: bool,
    /// Number of `TrustedHostKeys`.
    pub trusted_host_keys: usize,
    /// `OrderedUserSecretVersionStages`, if there are any.
    pub secret_version_stages: Vec<String>,
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
            error_message: None,
            tags: BTreeMap::new(),
            max_concurrent_connections: 1,
            logging_role: true,
            trusted_host_keys: 1,
            secret_version_stages: Vec::new(),
            profile: Profile::default(),
        }
    }
}

/// The connector does not exist in the simulated account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulator has no such connector")]
pub struct UnknownConnector;
