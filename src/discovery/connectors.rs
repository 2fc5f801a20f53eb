//! The connectors themselves, listed and described at a slow interval. They tell of no transfer; what is learned are the
//! labels of `aws_transfer_connector_info`, and connectors on which nothing has happened yet.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::{Include, Report, Sink};
use crate::config::ConnectorsPlan;
use crate::metrics::self_metrics::{DiscoveryMetrics, SelfMetrics};
use crate::transfer::inventory::{Inventory, InventoryApi};
use crate::transfer::session::ClientBase;
use crate::transfer::{ErrorKind, TransferError};
use model::{AccountName, Clock, ConnectorDetails, ConnectorId};

/// Between two calls: the sweeps' calls to the same service go first.
const PACE: Duration = Duration::from_millis(200);
/// More pages than this are an error.
const MOST_PAGES: usize = 1_000;

/// Looks at the connectors of the account of `base` at the interval of `plan`. Never ends.
pub async fn run(
    plan: ConnectorsPlan,
    base: ClientBase,
    endpoint_url: Option<String>,
    sink: Arc<dyn Sink>,
    metrics: Arc<SelfMetrics>,
    clock: Arc<dyn Clock>,
) {
    let api = Inventory::new(
        &base,
        endpoint_url.as_deref(),
        Arc::clone(&metrics.api),
        Arc::clone(&clock),
    );
    Looks::new(
        Arc::new(api),
        &plan,
        sink,
        Arc::clone(&metrics.discovery),
        clock,
    )
    .run()
    .await;
}

/// Looks at one account's connectors.
pub struct Looks {
    api: Arc<dyn InventoryApi>,
    account: AccountName,
    include: Include,
    interval: Duration,
    known: BTreeMap<ConnectorId, Arc<ConnectorDetails>>,
    sink: Arc<dyn Sink>,
    report: Report,
    clock: Arc<dyn Clock>,
}

impl Looks {
    /// Those of `plan`, by `api`.
    pub fn new(
        api: Arc<dyn InventoryApi>,
        plan: &ConnectorsPlan,
        sink: Arc<dyn Sink>,
        metrics: Arc<DiscoveryMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            api,
            account: plan.account.clone(),
            include: Include::new(&plan.include),
            interval: plan.refresh_interval,
            known: BTreeMap::new(),
            sink,
            report: Report::new(metrics, "connectors", plan.account.as_str()),
            clock,
        }
    }

    /// Looks at the interval, and after a failure sooner. Never ends.
    pub async fn run(mut self) {
        let (mut backoff, mut fault) = (Backoff::default(), None);
        loop {
            // A mistake in the reading must not end it.
            let (kind, error) = match AssertUnwindSafe(self.look()).catch_unwind().await {
                Ok(Ok(())) => {
                    backoff.reset();
                    if fault.take().is_some() {
                        info!(aws_account = %self.account, "connectors are read again");
                    }
                    tokio::time::sleep(self.interval).await;
                    continue;
                }
                Ok(Err(error)) => (error.kind.as_label(), error.to_string()),
                Err(_) => ("panicked", "a mistake in the exporter".to_owned()),
            };
            if fault.replace(kind) == Some(kind) {
                debug!(aws_account = %self.account, kind, error, "connectors still cannot be read");
            } else {
                warn!(aws_account = %self.account, kind, error, "connectors cannot be read");
            }
            tokio::time::sleep(backoff.failed()).await;
        }
    }

    /// One look at all connectors. What could not be described keeps what was known of it.
    ///
    /// # Errors
    /// What a page failed with, or the last description.
    pub async fn look(&mut self) -> Result<(), TransferError> {
        let start = self.clock.now();
        let looked = self.read().await;
        let now = self.clock.now();
        let duration = now.since(start.instant);
        match &looked {
            Ok(new) => self.report.succeeded(now, duration, *new),
            Err(_) => self.report.failed(duration),
        }
        looked.map(|_| ())
    }

    async fn read(&mut self) -> Result<usize, TransferError> {
        let (mut listed, mut failure) = (BTreeMap::new(), None);
        for id in self.ids().await? {
            tokio::time::sleep(PACE).await;
            match self.api.describe(&id).await {
                Ok(Some(details)) => {
                    listed.insert(id, Arc::new(details));
                }
                Ok(None) => {}
                // Deleted since it was listed.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => {
                    listed.extend(self.known.remove(&id).map(|known| (id, known)));
                    failure = Some(error);
                }
            }
        }
        let new = listed
            .keys()
            .filter(|id| !self.known.contains_key(*id))
            .count();
        self.sink.connectors(&self.account, &listed);
        self.known = listed;
        failure.map_or(Ok(new), Err)
    }

    async fn ids(&self) -> Result<Vec<ConnectorId>, TransferError> {
        let mut page = self.api.page(None).await?;
        let mut ids = page.ids;
        for _ in 1..MOST_PAGES {
            let Some(token) = page.next_token else {
                ids.retain(|id| self.include.takes(id.as_str()));
                return Ok(ids);
            };
            tokio::time::sleep(PACE).await;
            page = self.api.page(Some(&token)).await?;
            ids.append(&mut page.ids);
        }
        Err(TransferError::new(
            ErrorKind::TooManyPages,
            format_args!("stopped after {MOST_PAGES}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Mutex;

    use super::*;
    use crate::discovery::NotDurable;
    use crate::tracker::Ingested;
    use crate::transfer::ApiFuture;
    use crate::transfer::inventory::ConnectorsPage;
    use model::{Fact, Now, Origin, TransferKey};

    /// Connector `n` is described by the letter at `n`: `s` SFTP, `a` AS2, `g` gone, `f` fails.
    struct Fake(Mutex<&'static str>);

    fn id(n: usize) -> ConnectorId {
        format!("c-{n:017x}").parse().unwrap()
    }

    impl InventoryApi for Fake {
        fn page<'a>(&'a self, token: Option<&'a str>) -> ApiFuture<'a, ConnectorsPage> {
            let connectors = self.0.lock().unwrap().len();
            // Two a page.
            let from: usize = token.map_or(0, |token| token.parse().unwrap());
            let ids = (from..connectors.min(from + 2)).map(id).collect();
            let next_token = (from + 2 < connectors).then(|| (from + 2).to_string());
            Box::pin(async move { Ok(ConnectorsPage { ids, next_token }) })
        }

        fn describe<'a>(
            &'a self,
            connector: &'a ConnectorId,
        ) -> ApiFuture<'a, Option<ConnectorDetails>> {
            let n = usize::from_str_radix(&connector.as_str()[2..], 16).unwrap();
            let kind = self.0.lock().unwrap().as_bytes()[n];
            let details = ConnectorDetails {
                url: "sftp://x".into(),
                egress_type: "SERVICE_MANAGED".into(),
                status: "ACTIVE".into(),
            };
            Box::pin(async move {
                match kind {
                    b's' => Ok(Some(details)),
                    b'a' => Ok(None),
                    b'g' => Err(TransferError::new(ErrorKind::NotFound, "")),
                    _ => Err(TransferError::new(ErrorKind::AccessDenied, "")),
                }
            })
        }
    }

    #[derive(Default)]
    struct Told(Mutex<Vec<Vec<ConnectorId>>>);

    impl Sink for Told {
        fn learn(&self, _: &[Fact], _: Origin) -> Vec<Ingested> {
            Vec::new()
        }

        fn replace(&self, _: Origin, _: BTreeSet<TransferKey>) {}

        fn connectors(
            &self,
            _: &AccountName,
            listed: &BTreeMap<ConnectorId, Arc<ConnectorDetails>>,
        ) {
            self.0
                .lock()
                .unwrap()
                .push(listed.keys().cloned().collect());
        }

        fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), NotDurable>> + Send + '_>> {
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sftp_connectors_are_told_and_one_that_cannot_be_described_keeps_what_was_known() {
        let clock: Arc<dyn Clock> = Arc::new(|| Now {
            instant: tokio::time::Instant::now().into_std(),
            wall: std::time::SystemTime::UNIX_EPOCH,
        });
        let api = Arc::new(Fake(Mutex::new("sasgs")));
        let told = Arc::new(Told::default());
        let plan = ConnectorsPlan {
            account: AccountName::new("prod"),
            refresh_interval: Duration::from_mins(5),
            include: vec!["c-0000000000000000[0-3]".to_owned()],
        };
        let metrics = SelfMetrics::new().unwrap().discovery;
        let mut looks = Looks::new(api.clone(), &plan, told.clone(), metrics, clock);
        looks.look().await.unwrap();
        *api.0.lock().unwrap() = "fasfs";
        assert_eq!(
            looks.look().await.unwrap_err().kind,
            ErrorKind::AccessDenied
        );
        *api.0.lock().unwrap() = "ss";
        looks.look().await.unwrap();
        let told = told.0.lock().unwrap().clone();
        assert_eq!(
            told,
            [vec![id(0), id(2)], vec![id(0), id(2)], vec![id(0), id(1)]]
        );
    }
}
