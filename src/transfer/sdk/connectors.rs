//! Connectors: [`ConnectorsApi`] over the SDK.

use std::sync::Arc;

use aws_sdk_transfer::Client;
use aws_sdk_transfer::config::Builder;

use super::interceptor::MetricsInterceptor;
use super::with_endpoint;
use crate::metrics::self_metrics::ApiMetrics;
use crate::transfer::observer::AttemptMetrics;
use crate::transfer::session::ClientBase;
use crate::transfer::{ApiFuture, ConnectorsApi, ConnectorsPage, Operation, classify};
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
            let output = call.send().await.map_err(|error| classify::call(&error))?;
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
            let output = call.send().await.map_err(|error| classify::call(&error))?;
            Ok(output
                .connector
                .filter(|connector| connector.sftp_config.is_some())
                .map(|connector| ConnectorDetails {
                    // Absent for a connector that connects through a VPC.
                    url: connector.url.unwrap_or_default().into(),
                    egress_type: connector.egress_type.as_str().into(),
                    status: connector.status.as_str().into(),
                }))
        })
    }
}
