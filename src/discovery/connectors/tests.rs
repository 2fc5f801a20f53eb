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
struct FakeConnectorsApi(Mutex<&'static str>);

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

/// Keeps every list of connectors that it was given, and every list of excluded ones.
#[derive(Default)]
struct FakeSink(Mutex<Vec<Vec<ConnectorId>>>, Mutex<Vec<Vec<ConnectorId>>>);

impl Sink for FakeSink {
    fn ingest(&self, _: &[Fact], _: Origin) -> Vec<Ingested> {
        Vec::new()
    }

    fn replace_transfers(&self, _: Origin, _: BTreeSet<TransferKey>, _: bool) {}

    fn set_connectors(
        &self,
        _: &AccountName,
        connectors: &BTreeMap<ConnectorId, Arc<ConnectorDetails>>,
    ) {
        self.0
            .lock()
            .unwrap()
            .push(connectors.keys().cloned().collect());
    }

    fn exclude_connectors(&self, _: &AccountName, ids: &BTreeSet<ConnectorId>) {
        self.1.lock().unwrap().push(ids.iter().cloned().collect());
    }

    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn failed_description_keeps_what_is_known_and_as2_connectors_are_excluded() {
    let clock: Arc<dyn Clock> = Arc::new(|| Now {
        instant: tokio::time::Instant::now().into_std(),
        wall: std::time::SystemTime::UNIX_EPOCH,
    });
    let api = Arc::new(FakeConnectorsApi(Mutex::new("sasgs")));
    let sink = Arc::new(FakeSink::default());
    let plan = ConnectorsPlan {
        account: AccountName::new("prod"),
        refresh_interval: Duration::from_mins(5),
        include: vec!["c-0000000000000000[0-3]".to_owned()],
    };
    let metrics = SelfMetrics::new().unwrap().discovery;
    let account = Account {
        name: plan.account.clone(),
        region: "eu-central-1".into(),
    };
    let mut poller =
        ConnectorPoller::new(api.clone(), &plan, &account, sink.clone(), metrics, clock);
    poller.poll().await.unwrap();
    *api.0.lock().unwrap() = "ffsfs";
    assert_eq!(
        poller.poll().await.unwrap_err().kind,
        ErrorKind::AccessDenied
    );
    *api.0.lock().unwrap() = "ss";
    poller.poll().await.unwrap();
    assert_eq!(
        *sink.0.lock().unwrap(),
        [vec![id(0), id(2)], vec![id(0), id(2)], vec![id(0), id(1)]]
    );
    assert_eq!(*sink.1.lock().unwrap(), [vec![id(1)], vec![id(1)], vec![]]);
}
