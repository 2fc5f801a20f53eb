//! The poller against a scripted API, in paused time.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Mutex;

use super::*;
use crate::discovery::SinkError;
use crate::tracker::Ingested;
use crate::transfer::{ApiFuture, ConnectorsPage};
use model::{Fact, Now, Origin, TransferKey};

/// Describes connector `n` by the letter at `n`: `s` SFTP, `a` AS2, `g` gone, `f` failing.
struct FakeConnectorsApi(Mutex<String>);

fn id(n: usize) -> ConnectorId {
    format!("c-{n:017x}").parse().unwrap()
}

impl ConnectorsApi for FakeConnectorsApi {
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
            labels: [("Name", "acme"), ("cost:center", "7"), ("secret", "x")]
                .map(|(tag, value)| (tag.to_owned(), value.to_owned()))
                .into(),
            ..ConnectorDetails::default()
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

/// A list of connectors: those that were described, those that were not, and whether it is complete.
type Listed = (Vec<ConnectorId>, Vec<ConnectorId>, bool);

/// Keeps every list of connectors that it was given, with its time, and every list of excluded ones.
#[derive(Default)]
struct FakeSink {
    listed: Mutex<Vec<(tokio::time::Duration, Listed)>>,
    names: Mutex<BTreeSet<String>>,
    labels: Mutex<BTreeSet<String>>,
    excluded: Mutex<Vec<Vec<ConnectorId>>>,
    start: Option<tokio::time::Instant>,
}

impl FakeSink {
    fn listed(&self) -> Vec<Listed> {
        let listed = self.listed.lock().unwrap();
        listed.iter().map(|(_, listed)| listed.clone()).collect()
    }
}

impl Sink for FakeSink {
    fn ingest(&self, _: &[Fact], _: Origin) -> Vec<Ingested> {
        Vec::new()
    }

    fn replace_transfers(&self, _: Origin, _: BTreeSet<TransferKey>, _: bool) {}

    fn set_connectors(&self, _: &AccountName, listed: &ListedConnectors, complete: bool) {
        let described = listed.iter().filter(|(_, details)| details.is_some());
        let failed = listed.iter().filter(|(_, details)| details.is_none());
        let after = self.start.map(|start| start.elapsed()).unwrap_or_default();
        for details in listed.values().flatten() {
            let name = details.name.as_deref().map(ToOwned::to_owned);
            self.names.lock().unwrap().extend(name);
            let labels = details
                .labels
                .iter()
                .map(|(name, of)| format!("{name}={of}"));
            self.labels.lock().unwrap().extend(labels);
        }
        let ids = (
            described.map(|(id, _)| id.clone()).collect(),
            failed.map(|(id, _)| id.clone()).collect(),
            complete,
        );
        self.listed.lock().unwrap().push((after, ids));
    }

    fn exclude_connectors(&self, _: &AccountName, ids: &BTreeSet<ConnectorId>) {
        self.excluded
            .lock()
            .unwrap()
            .push(ids.iter().cloned().collect());
    }

    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(async { Ok(()) })
    }
}

fn poller(api: &Arc<FakeConnectorsApi>, include: &[&str], sink: &Arc<FakeSink>) -> ConnectorPoller {
    let clock: Arc<dyn Clock> = Arc::new(|| Now {
        instant: tokio::time::Instant::now().into_std(),
        wall: std::time::SystemTime::UNIX_EPOCH,
    });
    let plan = ConnectorsPlan {
        account: AccountName::new("prod"),
        refresh_interval: Duration::from_mins(5),
        include: include.iter().map(ToString::to_string).collect(),
        labels_from_tags: vec!["cost:center".to_owned(), "absent".to_owned()],
    };
    let metrics = SelfMetrics::new().unwrap().discovery;
    let account = Account {
        name: plan.account.clone(),
        region: "eu-central-1".into(),
    };
    ConnectorPoller::new(api.clone(), &plan, &account, sink.clone(), metrics, clock)
}

#[tokio::test(start_paused = true)]
async fn failed_description_is_listed_without_details_and_as2_connectors_are_excluded() {
    let api = Arc::new(FakeConnectorsApi(Mutex::new("sasgs".to_owned())));
    let sink = Arc::new(FakeSink::default());
    let mut poller = poller(&api, &["c-0000000000000000[0-3]"], &sink);
    poller.poll().await.unwrap();
    assert_eq!(*sink.names.lock().unwrap(), ["acme".to_owned()].into());
    let labels = ["cost_center=7".to_owned()];
    assert_eq!(*sink.labels.lock().unwrap(), labels.into());
    "ffsfs".clone_into(&mut api.0.lock().unwrap());
    assert_eq!(
        poller.poll().await.unwrap_err().kind,
        ErrorKind::AccessDenied
    );
    "ss".clone_into(&mut api.0.lock().unwrap());
    poller.poll().await.unwrap();
    assert_eq!(
        sink.listed(),
        [
            (vec![id(0), id(2)], vec![], true),
            (vec![id(2)], vec![id(0), id(3)], true),
            (vec![id(0), id(1)], vec![], true),
        ]
    );
    let excluded = sink.excluded.lock().unwrap();
    assert_eq!(*excluded, [vec![id(1)], vec![id(1)], vec![]]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_connectors_are_published_as_they_are_described_at_a_steady_pace() {
    let api = Arc::new(FakeConnectorsApi(Mutex::new("s".repeat(1_000))));
    let sink = Arc::new(FakeSink {
        start: Some(tokio::time::Instant::now()),
        ..FakeSink::default()
    });
    poller(&api, &[], &sink).poll().await.unwrap();
    let listed = sink.listed.lock().unwrap();
    let (last, parts) = listed.split_last().unwrap();
    assert!(last.1.2 && last.1.0.len() == 1_000, "the last is complete");
    assert_eq!(parts.len(), 20);
    let pages = PAUSE * 499;
    for (n, (after, (described, failed, complete))) in (1..).zip(parts) {
        assert_eq!(*after, pages + PAUSE * 50 * n, "part {n}");
        assert_eq!((described.len(), failed.len(), *complete), (50, 0, false));
    }
}
