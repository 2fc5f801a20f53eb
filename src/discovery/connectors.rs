//! Connectors of an account, listed and described at a slow interval: the labels of
//! `aws_transfer_connector_info`, and connectors that have had no transfer yet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::poller::{self, Poller};
use super::{ConnectorFilter, Sink, SourceMetrics, account_labels};
use crate::config::{ConnectorsPlan, label_name};
use crate::metrics::self_metrics::{DiscoveryMetrics, SelfMetrics};
use crate::transfer::sdk::SdkConnectors;
use crate::transfer::session::ClientBase;
use crate::transfer::{ConnectorsApi, ErrorKind, TransferError};
use model::{Account, AccountName, Clock, ConnectorDetails, ConnectorId, ListedConnectors};

/// Pause between two calls: leaves the request rate of the service to the collector.
const PAUSE: Duration = Duration::from_millis(200);
/// Details are published after so many descriptions: with many connectors, all of them take minutes.
/// The pages of the list are read at once, because their tokens may expire.
const PUBLISHED: usize = 50;
/// The tag that names a connector, unless the configuration does.
const NAME_TAG: &str = "Name";
/// More pages than this are an error.
const MAX_PAGES: usize = 1_000;

/// Polls the connectors of the account of `base` at the interval of `plan`. Never returns.
pub async fn run(
    plan: ConnectorsPlan,
    base: ClientBase,
    endpoint_url: Option<String>,
    sink: Arc<dyn Sink>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
) {
    let api = SdkConnectors::new(
        &base,
        endpoint_url.as_deref(),
        Arc::clone(&metrics.api),
        Arc::clone(&clock),
    );
    let interval = plan.refresh_interval;
    let discovery = Arc::clone(&metrics.discovery);
    let poller = ConnectorPoller::new(Arc::new(api), &plan, &base.account, sink, discovery, clock);
    poller::run(poller, interval).await;
}

/// Polls the connectors of one account.
pub struct ConnectorPoller {
    api: Arc<dyn ConnectorsApi>,
    account: AccountName,
    filter: ConnectorFilter,
    labels_from_tags: Vec<String>,
    /// Connectors that have been counted as discovered.
    known: BTreeSet<ConnectorId>,
    /// Connectors of the other protocol.
    as2: BTreeSet<ConnectorId>,
    sink: Arc<dyn Sink>,
    metrics: SourceMetrics,
}

impl ConnectorPoller {
    /// Creates a poller for `account`.
    pub fn new(
        api: Arc<dyn ConnectorsApi>,
        plan: &ConnectorsPlan,
        account: &Account,
        sink: Arc<dyn Sink>,
        metrics: Arc<DiscoveryMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            api,
            account: account.name.clone(),
            filter: ConnectorFilter::new(&plan.include),
            labels_from_tags: plan.labels_from_tags.clone(),
            known: BTreeSet::new(),
            as2: BTreeSet::new(),
            sink,
            metrics: SourceMetrics::new(metrics, clock, account_labels("connectors", account)),
        }
    }

    /// Lists and describes all connectors. One that could not be described keeps its last details.
    /// AS2 connectors are excluded: CloudTrail reports their transfers, which have no results.
    ///
    /// # Errors
    /// The error of a page, or of the last failed description.
    pub async fn poll(&mut self) -> Result<(), TransferError> {
        let metrics = self.metrics.clone();
        metrics.observe(self.refresh()).await
    }

    async fn refresh(&mut self) -> Result<(), TransferError> {
        let (mut connectors, mut as2) = (ListedConnectors::new(), BTreeSet::new());
        let (mut unpublished, mut failure) = (ListedConnectors::new(), None);
        for id in self.list().await? {
            tokio::time::sleep(PAUSE).await;
            match self.api.describe(&id).await {
                Ok(Some(details)) => {
                    unpublished.insert(id, Some(Arc::new(self.labelled(details))));
                    if unpublished.len() >= PUBLISHED {
                        self.sink.set_connectors(&self.account, &unpublished, false);
                        connectors.append(&mut unpublished);
                    }
                }
                Ok(None) => {
                    as2.insert(id);
                }
                // Deleted since it was listed.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => {
                    match self.as2.take(&id) {
                        Some(id) => drop(as2.insert(id)),
                        None => drop(connectors.insert(id, None)),
                    }
                    failure = Some(error);
                }
            }
        }
        connectors.append(&mut unpublished);
        self.sink.exclude_connectors(&self.account, &as2);
        self.sink.set_connectors(&self.account, &connectors, true);
        // What fails is kept, and passed on after the next poll.
        let _ = self.sink.forward().await;
        let is_known = |id: &ConnectorId, details: Option<&Arc<ConnectorDetails>>| {
            details.is_some() || self.known.contains(id)
        };
        connectors.retain(|id, details| is_known(id, details.as_ref()));
        let known: BTreeSet<_> = connectors.into_keys().collect();
        let new = known.difference(&self.known).count();
        self.as2 = as2;
        self.known = known;
        self.metrics.add_transfers(new);
        failure.map_or(Ok(()), Err)
    }

    /// Takes the name and the configured labels from the tags, and leaves the others out.
    fn labelled(&self, mut details: ConnectorDetails) -> ConnectorDetails {
        let mut tags = std::mem::take(&mut details.labels);
        let label = |tag: &String| Some((label_name(tag), tags.get(tag)?.clone()));
        details.labels = self.labels_from_tags.iter().filter_map(label).collect();
        details.name = tags
            .remove(NAME_TAG)
            .filter(|name| !name.is_empty())
            .map(Into::into);
        details
    }

    /// Returns the ids of the selected connectors.
    async fn list(&self) -> Result<Vec<ConnectorId>, TransferError> {
        let mut page = self.api.page(None).await?;
        let mut ids = page.ids;
        for _ in 1..MAX_PAGES {
            let Some(token) = page.next_token else {
                ids.retain(|id| self.filter.matches(id.as_str()));
                return Ok(ids);
            };
            tokio::time::sleep(PAUSE).await;
            page = self.api.page(Some(&token)).await?;
            ids.append(&mut page.ids);
        }
        Err(TransferError::new(
            ErrorKind::TooManyPages,
            format_args!("stopped after {MAX_PAGES}"),
        ))
    }
}

impl Poller for ConnectorPoller {
    fn metrics(&self) -> &SourceMetrics {
        &self.metrics
    }

    async fn poll(&mut self) -> Result<(), TransferError> {
        Self::poll(self).await
    }
}

#[cfg(test)]
mod tests;
