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
    /// Host key of the partner. Transfers fail unless it is trusted. By default the partner has a
    /// key that is trusted.
    pub host_key: Option<String>,
    /// `TrustedHostKeys`; if empty, there are `trusted_host_keys` copies of the simulator's key.
    pub trusted_keys: Vec<String>,
    /// `AccessRole`; by default a role of the account.
    pub access_role: Option<String>,
    /// ARN of `LoggingRole`; by default a role of the account.
    pub logging_role_arn: Option<String>,
    /// `UserSecretId`; by default a secret of the account.
    pub user_secret_id: Option<String>,
    /// `SecurityPolicyName`; by default that of 2024-03.
    pub security_policy: Option<String>,
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
            host_key: None,
            trusted_keys: Vec::new(),
            access_role: None,
            logging_role_arn: None,
            user_secret_id: None,
            security_policy: None,
            profile: Profile::default(),
        }
    }
}

/// The host key that every partner shows by default.
pub(crate) const HOST_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFNpbXVsYXRvckhvc3RLZXlGb3JUaGVMb29wYmFj";

impl ConnectorSpec {
    /// Returns the key that the partner shows.
    pub(crate) fn shown_host_key(&self) -> &str {
        self.host_key.as_deref().unwrap_or(HOST_KEY)
    }

    /// Returns `TrustedHostKeys`.
    pub(crate) fn trusted(&self) -> Vec<&str> {
        if self.trusted_keys.is_empty() {
            vec![HOST_KEY; self.trusted_host_keys]
        } else {
            self.trusted_keys.iter().map(String::as_str).collect()
        }
    }

    /// Returns why no session with the partner is possible. AWS's wording differs.
    pub(crate) fn connection_problem(&self) -> Option<String> {
        let is_untrusted = || {
            let shown = self.host_key.as_deref()?;
            let is_trusted = self.trusted().contains(&shown);
            (!is_trusted).then(|| {
                format!(
                    "Host key verification failed: the key of {} is not one of TrustedHostKeys",
                    self.host
                )
            })
        };
        self.connection_error.clone().or_else(is_untrusted)
    }
}

/// The connector does not exist in the simulated account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulator has no such connector")]
pub struct UnknownConnector;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_needs_a_trusted_host_key() {
        let mut spec = ConnectorSpec::default();
        assert_eq!(spec.connection_problem(), None);
        spec.host_key = Some("ssh-ed25519 NEW".to_owned());
        let problem = spec.connection_problem().unwrap();
        assert!(problem.contains("sftp.example.com"), "{problem}");
        spec.trusted_keys = vec![HOST_KEY.to_owned(), "ssh-ed25519 NEW".to_owned()];
        assert_eq!(spec.connection_problem(), None);
        spec.connection_error = Some("Authentication failed".to_owned());
        assert_eq!(
            spec.connection_problem().as_deref(),
            Some("Authentication failed")
        );
    }
}
