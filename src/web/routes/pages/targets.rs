//! `/api/v1/targets`: what `/probe` can probe, for HTTP service discovery. The types are also the schemas
//! of the OpenAPI description.

use serde::Serialize;
use utoipa::ToSchema;

use super::query::TargetsQuery;
use super::transfers::matching_connectors;
use crate::tracker::query::{ListedTransfer, StateFilter};
use crate::web::Exporter;
use model::ConnectorLabels;

/// A target of HTTP service discovery.
#[derive(Serialize, ToSchema)]
pub(crate) struct TargetGroup {
    /// The connector id; of a transfer, followed by a slash and the transfer id.
    #[schema(min_items = 1, max_items = 1)]
    targets: [String; 1],
    labels: TargetLabels,
}

/// Labels of a target.
#[derive(Serialize, ToSchema)]
pub(crate) struct TargetLabels {
    #[serde(rename = "__metrics_path__")]
    metrics_path: String,
    #[serde(rename = "__param_module")]
    module: &'static str,
    #[serde(rename = "__param_account")]
    account: String,
    #[serde(rename = "__param_connector_id")]
    connector_id: String,
    /// Empty for a connection: Prometheus drops labels without a value.
    #[serde(rename = "__param_transfer_id")]
    transfer_id: String,
}

/// Returns the transfers that match a query, by default the unfinished ones, or the connectors.
pub(super) fn targets(
    exporter: &dyn Exporter,
    query: TargetsQuery,
    prefix: &str,
) -> Vec<TargetGroup> {
    let mut filter = query.filter;
    if query.of_connections {
        let overview = exporter.overview();
        let connectors = matching_connectors(&filter, &overview);
        let connectors = connectors.into_iter().take(filter.limit);
        return connectors
            .filter(|(connector, _)| connector.details.is_some() || connector.confirmed)
            .map(|(connector, _)| TargetGroup::of_connection(&connector.labels, prefix))
            .collect();
    }
    filter.state.get_or_insert(StateFilter::Unfinished);
    let found = exporter.select(&filter).transfers;
    let group = |listed| TargetGroup::of_transfer(listed, prefix);
    found.iter().map(group).collect()
}

impl TargetGroup {
    fn of_transfer(listed: &ListedTransfer, prefix: &str) -> Self {
        let id = listed.view.id.as_str();
        Self::new(&listed.view.connector, "transfer", Some(id), prefix)
    }

    fn of_connection(connector: &ConnectorLabels, prefix: &str) -> Self {
        Self::new(connector, "connection", None, prefix)
    }

    fn new(
        connector: &ConnectorLabels,
        module: &'static str,
        transfer: Option<&str>,
        prefix: &str,
    ) -> Self {
        let id = connector.id.as_str();
        Self {
            targets: [transfer.map_or_else(|| id.to_owned(), |it| format!("{id}/{it}"))],
            labels: TargetLabels {
                metrics_path: format!("{prefix}/probe"),
                module,
                account: connector.account.name.as_str().to_owned(),
                connector_id: id.to_owned(),
                transfer_id: transfer.unwrap_or_default().to_owned(),
            },
        }
    }
}
