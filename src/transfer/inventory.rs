//! The connectors of an account behind a trait.

use std::sync::Arc;

use aws_sdk_transfer::Client;
use aws_sdk_transfer::config::Builder;

use super::counted::Counted;
use super::session::ClientBase;
use super::{ApiFuture, classify};
use crate::metrics::self_metrics::ApiMetrics;
use model::{Clock, ConnectorDetails, ConnectorId};

/// One page of `ListConnectors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorsPage {
    /// Connectors of every kind; ids that are none are left out.
    pub ids: Vec<ConnectorId>,
    /// Where the next page starts; `None` on the last one. Never empty.
    pub next_token: Option<String>,
}

/// The operations of Transfer Family that tell of connectors.
pub trait InventoryApi: Send + Sync + 'static {
    /// One page of `ListConnectors`; the first where `token` is `None`.
    fn page<'a>(&'a self, token: Option<&'a str>) -> ApiFuture<'a, ConnectorsPage>;

    /// `DescribeConnector`; `None` for one that does not speak SFTP. `ListConnectors` does not tell which does.
    fn describe<'a>(
        &'a self,
        connector: &'a ConnectorId,
    ) -> ApiFuture<'a, Option<ConnectorDetails>>;
}

/// The SDK's client of one account's connectors.
pub struct Inventory {
    client: Client,
}

impl Inventory {
    /// The connectors of the account and Region of `base`. Makes no call.
    pub fn new(
        base: &ClientBase,
        endpoint_url: Option<&str>,
        metrics: Arc<ApiMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let operations = ["ListConnectors", "DescribeConnector"];
        let counted = Counted::new(base.account.clone(), metrics, clock, &operations);
        let mut config = Builder::from(&base.sdk).interceptor(counted);
        if let Some(endpoint_url) = endpoint_url {
            config = config
                .endpoint_url(endpoint_url)
                .use_fips(false)
                .use_dual_stack(false);
        }
        Self {
            client: Client::from_conf(config.build()),
        }
    }
}

impl InventoryApi for Inventory {
    fn page<'a>(&'a self, token: Option<&'a str>) -> ApiFuture<'a, ConnectorsPage> {
        Box::pin(async move {
            let call = self
                .client
                .list_connectors()
                .set_next_token(token.map(Into::into));
            let answer = call.send().await.map_err(|error| classify::call(&error))?;
            let ids = answer
                .connectors
                .iter()
                .filter_map(|connector| connector.connector_id.as_deref()?.parse().ok());
            let next_token = answer.next_token.clone().filter(|token| !token.is_empty());
            Ok(ConnectorsPage {
                ids: ids.collect(),
                next_token,
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
            let answer = call.send().await.map_err(|error| classify::call(&error))?;
            Ok(answer
                .connector
                .filter(|connector| connector.sftp_config.is_some())
                .map(|connector| ConnectorDetails {
                    // A connector through a VPC has none.
                    url: connector.url.unwrap_or_default().into(),
                    egress_type: connector.egress_type.as_str().into(),
                    status: connector.status.as_str().into(),
                }))
        })
    }
}
