//! The operations of AWS Transfer Family.

use std::sync::Arc;

use serde_json::{Value, json};

use super::error::{self, ApiError};
use super::input::{CONNECTOR_ID, FILE_PATH, Input, NEXT_TOKEN, TRANSFER_ID};
use super::{Call, connector_id, transfer_id, unknown_connector};
use crate::domain::{ConnectorSpec, Egress, Expiry, Lookup, Protocol};
use crate::{Simulator, lock};
use model::{ConnectorId, Direction, RESULTS_PAGE_SIZE};

/// Default of `MaxResults` for `ListConnectors`.
const CONNECTORS_PAGE: usize = 100;

impl Simulator {
    pub(super) fn describe_connector(
        &self,
        call: &Call<'_>,
        input: Input,
    ) -> Result<Value, ApiError> {
        let (id, spec) = self.named_connector(input)?;
        Ok(json!({ "Connector": self.described(call.region, &id, &spec) }))
    }

    pub(super) fn list_connectors(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        let count = input.max_results(CONNECTORS_PAGE)?;
        let token = input.text("NextToken", &NEXT_TOKEN)?;
        input.finish()?;
        let offset = self
            .offset_of(token.as_deref(), "connectors")
            .ok_or_else(ApiError::invalid_next_token)?;
        let state = self.state();
        let connectors: Vec<Value> = state
            .connectors_from(offset, count)
            .map(|(id, spec)| {
                let mut listed = json!({ "Arn": self.arn(call.region, id.as_str()), "ConnectorId": id.as_str() });
                add_url(&mut listed, spec);
                listed
            })
            .collect();
        let of = (offset + connectors.len(), state.connector_count());
        Ok(self.page("Connectors", &connectors, of, "connectors"))
    }

    pub(super) fn list_file_transfer_results(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        let connector = input.required_text("ConnectorId", &CONNECTOR_ID)?;
        let transfer = input.required_text("TransferId", &TRANSFER_ID)?;
        let count = input.max_results(RESULTS_PAGE_SIZE)?.min(RESULTS_PAGE_SIZE);
        let token = input.text("NextToken", &NEXT_TOKEN)?;
        input.finish()?;
        let (connector, transfer) = (connector_id(&connector)?, transfer_id(&transfer)?);
        let looked_up = self.state().lookup(&connector, &transfer, call.now);
        let (files, elapsed) = match looked_up {
            Lookup::NoConnector => return Err(unknown_connector(&connector)),
            Lookup::Found { files, elapsed } if elapsed >= self.0.settings.appears_after => {
                (files, elapsed)
            }
            Lookup::Found { .. } | Lookup::NoTransfer => {
                return match call.expiry {
                    Expiry::NotFound => Err(ApiError::not_found("FileTransfer", transfer.as_str())),
                    Expiry::EmptyList => Ok(json!({ "FileTransferResults": [] })),
                };
            }
        };
        let bound_to = format!("{connector} {transfer}");
        let offset = self
            .offset_of(token.as_deref(), &bound_to)
            .filter(|offset| *offset <= files.len())
            .ok_or_else(|| {
                ApiError::invalid_request("The NextToken is not one of this file transfer.")
            })?;
        let page = files.iter().skip(offset).take(count);
        let rows: Vec<Value> = page
            .map(|file| error::row(&file.result_at(elapsed)))
            .collect();
        let of = (offset + rows.len(), files.len());
        lock(&self.0.calls).count_page(&connector, &transfer);
        Ok(self.page("FileTransferResults", &rows, of, &bound_to))
    }

    pub(super) fn start_file_transfer(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        let id = input.required_text("ConnectorId", &CONNECTOR_ID)?;
        let send = input.paths("SendFilePaths")?;
        let retrieve = input.paths("RetrieveFilePaths")?;
        let local = input.text("LocalDirectoryPath", &FILE_PATH)?;
        let remote = input.text("RemoteDirectoryPath", &FILE_PATH)?;
        input.finish()?;
        let (to, paths) = match (send, retrieve) {
            (Some(paths), None) => ((Direction::Send, remote), paths),
            (None, Some(paths)) => ((Direction::Retrieve, local), paths),
            (Some(_), Some(_)) | (None, None) => {
                let message = "Exactly one of SendFilePaths and RetrieveFilePaths must be given.";
                return Err(ApiError::invalid_request(message));
            }
        };
        let id = connector_id(&id)?;
        let started = self.start_at(&id, to, paths, call.now);
        let transfer = started.map_err(|_| unknown_connector(&id))?;
        Ok(json!({ "TransferId": transfer.as_str() }))
    }

    pub(super) fn test_connection(&self, input: Input) -> Result<Value, ApiError> {
        let (id, spec) = self.named_connector(input)?;
        let mut tested = json!({ "ConnectorId": id.as_str() });
        if spec.connection_error.is_none() {
            tested["SftpConnectionDetails"] = json!({ "HostKey": spec.shown_host_key() });
        }
        let (status, message) = match spec.connection_problem() {
            Some(problem) => ("ERROR", problem),
            None => ("OK", "Connection succeeded".to_owned()),
        };
        tested["Status"] = status.into();
        tested["StatusMessage"] = message.into();
        Ok(tested)
    }

    /// Returns the connector of a request that names nothing else.
    fn named_connector(
        &self,
        mut input: Input,
    ) -> Result<(ConnectorId, Arc<ConnectorSpec>), ApiError> {
        let id = input.required_text("ConnectorId", &CONNECTOR_ID)?;
        input.finish()?;
        let id = connector_id(&id)?;
        match self.state().connector(&id) {
            Some(spec) => Ok((id, spec)),
            None => Err(unknown_connector(&id)),
        }
    }

    fn described(&self, region: &str, id: &ConnectorId, spec: &ConnectorSpec) -> Value {
        let account = &self.0.settings.account_id;
        let mut described = json!({
            "Arn": self.arn(region, id.as_str()),
            "ConnectorId": id.as_str(),
            "AccessRole": given(spec.access_role.as_ref(), || format!("arn:aws:iam::{account}:role/transfer-connector-access")),
            "Status": "ACTIVE",
            "IpAddressType": "IPV4",
        });
        if spec.logging_role {
            described["LoggingRole"] = given(spec.logging_role_arn.as_ref(), || {
                format!("arn:aws:iam::{account}:role/transfer-connector-logging")
            });
        }
        if let Some(message) = &spec.error_message {
            described["Status"] = "ERRORED".into();
            described["ErrorMessage"] = message.as_str().into();
        }
        if !spec.tags.is_empty() {
            let tag = |(key, value)| json!({ "Key": key, "Value": value });
            described["Tags"] = spec.tags.iter().map(tag).collect();
        }
        add_url(&mut described, spec);
        match spec.protocol {
            Protocol::Sftp => {
                described["SftpConfig"] = json!({
                    "UserSecretId": given(spec.user_secret_id.as_ref(), || format!("arn:aws:secretsmanager:{region}:{account}:secret:aws/transfer/{id}")),
                    "MaxConcurrentConnections": spec.max_concurrent_connections,
                });
                let sftp = &mut described["SftpConfig"];
                let trusted = spec.trusted();
                if !trusted.is_empty() {
                    sftp["TrustedHostKeys"] = trusted.into();
                }
                if !spec.secret_version_stages.is_empty() {
                    sftp["OrderedUserSecretVersionStages"] =
                        spec.secret_version_stages.as_slice().into();
                }
                described["SecurityPolicyName"] = given(spec.security_policy.as_ref(), || {
                    "TransferSFTPConnectorSecurityPolicy-2024-03".to_owned()
                });
            }
            Protocol::As2 => {
                described["As2Config"] = json!({
                    "LocalProfileId": "p-0123456789abcdef0",
                    "PartnerProfileId": "p-0123456789abcdef1",
                    "Compression": "DISABLED",
                    "EncryptionAlgorithm": "AES256_CBC",
                    "SigningAlgorithm": "SHA256",
                });
            }
        }
        match spec.egress {
            Egress::ServiceManaged => {
                described["EgressType"] = "SERVICE_MANAGED".into();
                described["ServiceManagedEgressIpAddresses"] =
                    json!(["192.0.2.10", "192.0.2.11", "192.0.2.12"]);
            }
            Egress::VpcLattice => {
                let resource = format!(
                    "arn:aws:vpc-lattice:{region}:{account}:resourceconfiguration/rcfg-0123456789abcdef0"
                );
                described["EgressType"] = "VPC_LATTICE".into();
                described["EgressConfig"] = json!({ "VpcLattice": { "ResourceConfigurationArn": resource, "PortNumber": 22 } });
            }
        }
        described
    }
}

/// Returns a value that was given, or a default.
fn given(value: Option<&String>, default: impl FnOnce() -> String) -> Value {
    value.cloned().unwrap_or_else(default).into()
}

fn add_url(connector: &mut Value, spec: &ConnectorSpec) {
    let scheme = match (spec.egress, spec.protocol) {
        (Egress::VpcLattice, _) => return,
        (Egress::ServiceManaged, Protocol::Sftp) => "sftp",
        (Egress::ServiceManaged, Protocol::As2) => "https",
    };
    connector["Url"] = format!("{scheme}://{}", spec.host).into();
}

#[cfg(test)]
mod tests;
