//! Connectors: [`ConnectorsApi`] over the SDK.

use std::sync::Arc;

use aws_sdk_transfer::Client;
use aws_sdk_transfer::config::Builder;
use aws_sdk_transfer::types::DescribedConnector;

use super::interceptor::MetricsInterceptor;
use super::{send, with_endpoint};
use crate::metrics::self_metrics::ApiMetrics;
use crate::transfer::observer::AttemptMetrics;
use crate::transfer::session::ClientBase;
use crate::transfer::{
    ApiFuture, ConnectorsApi, ConnectorsPage, ErrorKind, Operation, TransferError,
};
use model::{Clock, ConnectorDetails, ConnectorId};

/// Client for the connectors of one account and Region.
pub struct SdkConnectors {
    client: Client,
}

impl SdkConnectors {
    /// Creates a client; makes no call.
    pub fn new(
        base: &ClientBase,
        endpoint_url: Option<&str>,
        metrics: Arc<ApiMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let operations = [Operation::ListConnectors, Operation::DescribeConnector];
        let observer = AttemptMetrics::new(base.account.clone(), metrics, &operations);
        let config = Builder::from(&base.sdk)
            .interceptor(MetricsInterceptor::new(Arc::new(observer), clock));
        Self {
            client: Client::from_conf(with_endpoint!(config, endpoint_url).build()),
        }
    }
}

impl ConnectorsApi for SdkConnectors {
    fn page<'a>(&'a self, token: Option<&'a str>) -> ApiFuture<'a, ConnectorsPage> {
        Box::pin(async move {
            let call = self
                .client
                .list_connectors()
                .set_next_token(token.map(Into::into));
            let output = send(call.send()).await?;
            let ids = output
                .connectors
                .iter()
                .filter_map(|connector| connector.connector_id.as_deref()?.parse().ok());
            Ok(ConnectorsPage {
                ids: ids.collect(),
                next_token: output.next_token.filter(|token| !token.is_empty()),
            })
        })
    }

    fn describe<'a>(
        &'a self,
        connector: &'a ConnectorId,
    ) -> ApiFuture<'a, Option<ConnectorDetails>> {
        Box::pin(async move {
            let call = self
                .client
                .describe_connector()
                .connector_id(connector.as_str());
            let output = send(call.send()).await?;
            let Some(connector) = output.connector else {
                return Err(TransferError::new(ErrorKind::Mistyped, "no connector"));
            };
            if connector.sftp_config.is_none() && connector.as2_config.is_none() {
                let detail = "neither an SFTP nor an AS2 connector";
                return Err(TransferError::new(ErrorKind::Mistyped, detail));
            }
            Ok(details(connector))
        })
    }
}

/// Returns the details of an SFTP connector with all its tags, or `None` for an AS2 connector.
fn details(connector: DescribedConnector) -> Option<ConnectorDetails> {
    let sftp = connector.sftp_config?;
    let tags = connector.tags.unwrap_or_default();
    Some(ConnectorDetails {
        // Absent for a connector that connects through a VPC.
        url: connector.url.unwrap_or_default().into(),
        egress_type: connector.egress_type.as_str().into(),
        status: connector.status.as_str().into(),
        error_message: connector.error_message.map(Into::into),
        name: None,
        labels: tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        security_policy: connector.security_policy_name.unwrap_or_default().into(),
        ip_address_type: connector
            .ip_address_type
            .map_or_else(String::new, |kind| kind.as_str().to_owned())
            .into(),
        max_concurrent_connections: u32::try_from(sftp.max_concurrent_connections).ok(),
        logging_role: connector
            .logging_role
            .filter(|role| !role.is_empty())
            .map(Into::into),
        trusted_host_keys: sftp
            .trusted_host_keys
            .map_or(0, |keys| u32::try_from(keys.len()).unwrap_or(u32::MAX)),
        egress_ip_addresses: connector
            .service_managed_egress_ip_addresses
            .unwrap_or_default(),
        secret_version_stages: sftp.ordered_user_secret_version_stages.unwrap_or_default(),
    })
}
