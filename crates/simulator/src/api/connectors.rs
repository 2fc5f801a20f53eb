//! `CreateConnector`, `UpdateConnector` and `DeleteConnector`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::ApiError;
use super::input::{CONNECTOR_ID, Input, LONG_TEXT, ROLE, SECURITY_POLICY, URL};
use super::{connector_id, unknown_connector};
use crate::Simulator;
use crate::domain::{ConnectorSpec, Egress, HOST_KEY, Protocol, UnknownConnector};
use model::ConnectorId;

/// The members that create or update a connector.
struct Change {
    url: Option<String>,
    access_role: Option<String>,
    logging_role: Option<String>,
    security_policy: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    is_vpc_lattice: bool,
    is_as2: bool,
    sftp: Option<Sftp>,
}

/// The members of `SftpConfig`.
struct Sftp {
    user_secret_id: Option<String>,
    trusted_host_keys: Option<Vec<String>>,
    max_concurrent_connections: Option<u64>,
    stages: Option<Vec<String>>,
}

impl Simulator {
    pub(super) fn create_connector(&self, mut input: Input) -> Result<Value, ApiError> {
        let change = Change::read(&mut input)?;
        if change.access_role.is_none() {
            input.required_text("AccessRole", &ROLE)?;
        }
        input.finish()?;
        if change.is_as2 == change.sftp.is_some() {
            let message = "Exactly one of As2Config and SftpConfig must be given.";
            return Err(ApiError::invalid_request(message));
        }
        if change.url.is_none() && !change.is_vpc_lattice {
            return Err(ApiError::invalid_request("Url must be given."));
        }
        let mut spec = ConnectorSpec {
            // Until its key is trusted, an SFTP server is not.
            host_key: change.sftp.as_ref().map(|_| HOST_KEY.to_owned()),
            trusted_host_keys: 0,
            logging_role: false,
            protocol: if change.is_as2 {
                Protocol::As2
            } else {
                Protocol::Sftp
            },
            ..ConnectorSpec::default()
        };
        change.apply(&mut spec)?;
        let mut state = self.state();
        let id = state.new_connector_id();
        state.add_connector(id.clone(), spec);
        Ok(json!({ "ConnectorId": id.as_str() }))
    }

    pub(super) fn update_connector(&self, mut input: Input) -> Result<Value, ApiError> {
        let id = input.required_text("ConnectorId", &CONNECTOR_ID)?;
        let change = Change::read(&mut input)?;
        input.finish()?;
        let id = connector_id(&id)?;
        let mut state = self.state();
        let spec = state.connector(&id).ok_or_else(|| unknown_connector(&id))?;
        let mut spec = ConnectorSpec::clone(&spec);
        if (spec.protocol == Protocol::As2 && change.sftp.is_some())
            || (spec.protocol == Protocol::Sftp && change.is_as2)
        {
            let message = "The protocol of a connector cannot be changed.";
            return Err(ApiError::invalid_request(message));
        }
        change.apply(&mut spec)?;
        state.add_connector(id.clone(), spec);
        Ok(json!({ "ConnectorId": id.as_str() }))
    }

    pub(super) fn delete_connector(&self, mut input: Input) -> Result<Value, ApiError> {
        let id = input.required_text("ConnectorId", &CONNECTOR_ID)?;
        input.finish()?;
        let id: ConnectorId = connector_id(&id)?;
        let removed = self.state().remove_connector(&id);
        removed.map_err(|UnknownConnector| unknown_connector(&id))?;
        Ok(json!({}))
    }
}

impl Change {
    fn read(input: &mut Input) -> Result<Self, ApiError> {
        let url = input.text("Url", &URL)?;
        let access_role = input.text("AccessRole", &ROLE)?;
        let logging_role = input.text("LoggingRole", &ROLE)?;
        let security_policy = input.text("SecurityPolicyName", &SECURITY_POLICY)?;
        let tags = input.list("Tags")?.map(|tags| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            tags.iter()
                .map(|tag| (text(&tag["Key"]), text(&tag["Value"])))
                .collect()
        });
        let egress = input.structure("EgressConfig")?;
        let is_as2 = input.structure("As2Config")?.is_some();
        let sftp = match input.structure("SftpConfig")? {
            Some(mut members) => {
                let sftp = Sftp::read(&mut members)?;
                input.absorb(members);
                Some(sftp)
            }
            None => None,
        };
        Ok(Self {
            url,
            access_role,
            logging_role,
            security_policy,
            tags,
            is_vpc_lattice: egress.is_some_and(|egress| egress.has("VpcLattice")),
            is_as2,
            sftp,
        })
    }

    fn apply(self, spec: &mut ConnectorSpec) -> Result<(), ApiError> {
        if let Some(url) = self.url {
            spec.host = host(&url, spec.protocol)?;
            spec.egress = Egress::ServiceManaged;
        }
        if self.is_vpc_lattice {
            spec.egress = Egress::VpcLattice;
        }
        if let Some(role) = self.access_role {
            spec.access_role = Some(role);
        }
        if let Some(role) = self.logging_role {
            spec.logging_role = true;
            spec.logging_role_arn = Some(role);
        }
        if let Some(policy) = self.security_policy {
            spec.security_policy = Some(policy);
        }
        if let Some(tags) = self.tags {
            spec.tags = tags;
        }
        match self.sftp {
            Some(sftp) => sftp.apply(spec),
            None => Ok(()),
        }
    }
}

impl Sftp {
    fn read(members: &mut Input) -> Result<Self, ApiError> {
        Ok(Self {
            user_secret_id: members.text("UserSecretId", &LONG_TEXT)?,
            trusted_host_keys: members.texts("TrustedHostKeys", 0..=10, &LONG_TEXT)?,
            max_concurrent_connections: members.at_least_one("MaxConcurrentConnections")?,
            stages: members.texts("OrderedUserSecretVersionStages", 1..=2, &LONG_TEXT)?,
        })
    }

    fn apply(self, spec: &mut ConnectorSpec) -> Result<(), ApiError> {
        if let Some(secret) = self.user_secret_id {
            spec.user_secret_id = Some(secret);
        }
        if let Some(keys) = self.trusted_host_keys {
            if !keys.iter().all(|key| is_host_key(key)) {
                return Err(ApiError::invalid_request("Invalid host key format."));
            }
            spec.trusted_host_keys = 0;
            spec.trusted_keys = keys;
        }
        if let Some(connections) = self.max_concurrent_connections {
            spec.max_concurrent_connections = u32::try_from(connections).unwrap_or(u32::MAX);
        }
        if let Some(stages) = self.stages {
            spec.secret_version_stages = stages;
        }
        Ok(())
    }
}

/// Returns the host of a URL.
fn host(url: &str, protocol: Protocol) -> Result<String, ApiError> {
    let schemes: &[&str] = match protocol {
        Protocol::Sftp => &["sftp://"],
        Protocol::As2 => &["https://", "http://"],
    };
    let host = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    host.filter(|host| !host.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| ApiError::invalid_request(&format!("Url must start with {}", schemes[0])))
}

/// Returns whether a text is a type and a key in Base64. AWS refuses the comment of a key.
fn is_host_key(text: &str) -> bool {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    text.split_once(' ').is_some_and(|(kind, key)| {
        let is_kind = kind.starts_with("ssh-") || kind.starts_with("ecdsa-");
        is_kind && !key.is_empty() && key.chars().all(base64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{perform_at, simulator};
    use crate::{ApiOperation, Faults, Settings};

    const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/connector";

    fn call(
        simulator: &Simulator,
        operation: ApiOperation,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let at = simulator.now().wall;
        perform_at(simulator, operation, body, at, &Faults::default())
    }

    fn create(simulator: &Simulator, sftp: &Value) -> Result<Value, ApiError> {
        let body = json!({ "Url": "sftp://sftp.acme.example", "AccessRole": ROLE_ARN, "SftpConfig": sftp });
        call(simulator, ApiOperation::CreateConnector, &body)
    }

    fn message(error: &ApiError) -> String {
        let body = error.body();
        body["Message"].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_connector_is_created_described_and_deleted() {
        let simulator = simulator(Settings::default());
        let sftp = json!({
            "UserSecretId": "partner/password",
            "TrustedHostKeys": [HOST_KEY],
            "MaxConcurrentConnections": 3,
        });
        let named = create(&simulator, &sftp).unwrap();
        let described = call(&simulator, ApiOperation::DescribeConnector, &named).unwrap();
        let connector = &described["Connector"];
        assert_eq!(connector["Url"], "sftp://sftp.acme.example");
        assert_eq!(connector["AccessRole"], ROLE_ARN);
        assert_eq!(connector["SftpConfig"], sftp);
        assert_eq!(connector.get("LoggingRole"), None);
        let tested = call(&simulator, ApiOperation::TestConnection, &named).unwrap();
        assert_eq!(tested["Status"], "OK");
        call(&simulator, ApiOperation::DeleteConnector, &named).unwrap();
        let gone = call(&simulator, ApiOperation::DeleteConnector, &named).unwrap_err();
        assert_eq!(gone.kind, "ResourceNotFoundException");
    }

    #[test]
    fn a_connector_of_the_other_protocol_has_no_host_key() {
        let simulator = simulator(Settings::default());
        let body = json!({
            "Url": "https://as2.acme.example",
            "AccessRole": ROLE_ARN,
            "As2Config": {},
            "SecurityPolicyName": "TransferSFTPConnectorSecurityPolicy-2023-07",
        });
        let named = call(&simulator, ApiOperation::CreateConnector, &body).unwrap();
        let described = call(&simulator, ApiOperation::DescribeConnector, &named).unwrap();
        assert_eq!(described["Connector"]["Url"], "https://as2.acme.example");
        let tested = call(&simulator, ApiOperation::TestConnection, &named).unwrap();
        assert_eq!(tested["Status"], "OK");
        let mut update = named.clone();
        update["SftpConfig"] = json!({});
        let error = call(&simulator, ApiOperation::UpdateConnector, &update).unwrap_err();
        assert_eq!(
            message(&error),
            "The protocol of a connector cannot be changed."
        );
    }

    #[test]
    fn a_connector_without_trusted_keys_returns_the_key_to_trust() {
        let simulator = simulator(Settings::default());
        let named = create(&simulator, &json!({})).unwrap();
        let test = || call(&simulator, ApiOperation::TestConnection, &named).unwrap();
        assert_eq!(test()["Status"], "ERROR");
        let key = test()["SftpConnectionDetails"]["HostKey"].clone();
        let mut update = named.clone();
        update["SftpConfig"] = json!({ "TrustedHostKeys": [key] });
        call(&simulator, ApiOperation::UpdateConnector, &update).unwrap();
        assert_eq!(test()["Status"], "OK");
    }

    #[test]
    fn an_update_keeps_what_it_does_not_name() {
        let simulator = simulator(Settings::default());
        let named = create(&simulator, &json!({ "UserSecretId": "first" })).unwrap();
        let mut update = named.clone();
        update["LoggingRole"] = ROLE_ARN.into();
        update["SecurityPolicyName"] = "TransferSFTPConnectorSecurityPolicy-2023-07".into();
        update["Url"] = "sftp://sftp.other.example".into();
        assert_eq!(
            call(&simulator, ApiOperation::UpdateConnector, &update).unwrap(),
            named
        );
        let described = call(&simulator, ApiOperation::DescribeConnector, &named).unwrap();
        let connector = &described["Connector"];
        assert_eq!(connector["Url"], "sftp://sftp.other.example");
        assert_eq!(connector["LoggingRole"], ROLE_ARN);
        assert_eq!(connector["SftpConfig"]["UserSecretId"], "first");
        assert_eq!(
            connector["SecurityPolicyName"],
            "TransferSFTPConnectorSecurityPolicy-2023-07"
        );
    }

    #[test]
    fn an_empty_list_of_keys_trusts_none() {
        let simulator = simulator(Settings::default());
        let id = "c-0123456789abcdef0";
        simulator.add_connector(id.parse().unwrap(), ConnectorSpec::default());
        let update = json!({ "ConnectorId": id, "SftpConfig": { "TrustedHostKeys": [] } });
        call(&simulator, ApiOperation::UpdateConnector, &update).unwrap();
        let named = json!({ "ConnectorId": id });
        let described = call(&simulator, ApiOperation::DescribeConnector, &named).unwrap();
        let sftp = &described["Connector"]["SftpConfig"];
        assert_eq!(sftp.get("TrustedHostKeys"), None);
    }

    #[test]
    fn what_aws_refuses_is_an_invalid_request() {
        let simulator = simulator(Settings::default());
        let commented = format!("{HOST_KEY} user@host");
        for (sftp, expected) in [
            (
                json!({ "TrustedHostKeys": [commented] }),
                "Invalid host key format.",
            ),
            (
                json!({ "TrustedHostKeys": vec![HOST_KEY; 11] }),
                "'sftpConfig.trustedHostKeys'",
            ),
            (
                json!({ "MaxConcurrentConnections": 0 }),
                "'sftpConfig.maxConcurrentConnections'",
            ),
        ] {
            let error = create(&simulator, &sftp).unwrap_err();
            assert_eq!(error.kind, "InvalidRequestException");
            let message = message(&error);
            assert!(message.contains(expected), "{message}");
        }
        for (body, expected) in [
            (
                json!({ "SftpConfig": {}, "Url": "sftp://a" }),
                "Value null at 'accessRole'",
            ),
            (
                json!({ "AccessRole": ROLE_ARN, "Url": "sftp://a" }),
                "Exactly one of As2Config",
            ),
            (
                json!({ "AccessRole": ROLE_ARN, "SftpConfig": {} }),
                "Url must be given",
            ),
            (
                json!({ "AccessRole": ROLE_ARN, "SftpConfig": {}, "Url": "http://a" }),
                "Url must start with sftp://",
            ),
        ] {
            let error = call(&simulator, ApiOperation::CreateConnector, &body).unwrap_err();
            let message = message(&error);
            assert!(message.contains(expected), "{message}");
        }
    }
}
