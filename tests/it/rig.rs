//! The whole path in one process: simulator, SDK over real HTTP, exporter, scrape.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::app::{self, App, Options};
use aws_transfer_exporter::config::{AccountPlan, CollectorPlan, Plan};
use aws_transfer_exporter::transfer::session::StaticCredentials;
use aws_transfer_exporter::web::{Exporter as _, WriteRequest, Written};
use model::{AccountName, ConnectorId, TransferId, TransferKey};
use simulator::{
    DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, FileScript, LifeScript, Settings, Simulator,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub(crate) const CREDENTIALS: StaticCredentials = StaticCredentials {
    access_key_id: DEMO_ACCESS_KEY_ID,
    secret_access_key: DEMO_SECRET_ACCESS_KEY,
};

/// A simulator on a loopback port; it ends with the test's runtime.
pub(crate) async fn simulator(settings: Settings) -> (Simulator, String) {
    let simulator = Simulator::new(settings, app::system_clock());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(simulator.clone().serve(listener, std::future::pending()));
    (simulator, url)
}

/// An account of this name whose endpoint is the simulator.
pub(crate) fn account(name: &str, endpoint_url: &str) -> AccountPlan {
    AccountPlan {
        name: AccountName::new(name),
        region: Some("eu-central-1".into()),
        endpoint_url: Some(endpoint_url.into()),
        ..AccountPlan::default()
    }
}

/// A plan that refreshes at each scrape and is not held by the rate limit.
pub(crate) fn plan(accounts: Vec<AccountPlan>, transfers: Vec<TransferKey>) -> Plan {
    let collector = CollectorPlan {
        concurrency: 32,
        requests_per_second: 10_000.0,
        min_refresh_interval: Duration::from_millis(1),
        max_refresh_interval: Duration::from_millis(1),
        ..CollectorPlan::default()
    };
    Plan {
        accounts,
        transfers,
        collector,
        ..Plan::default()
    }
}

pub(crate) fn connector(n: usize) -> ConnectorId {
    format!("c-{n:017x}").parse().unwrap()
}

pub(crate) fn transfer(n: usize) -> TransferId {
    format!("transfer-{n}").parse().unwrap()
}

pub(crate) fn key(account: &str, connector: &ConnectorId, transfer: &TransferId) -> TransferKey {
    TransferKey {
        account: AccountName::new(account),
        connector: connector.clone(),
        transfer: transfer.clone(),
    }
}

/// Files `/file-0`, `/file-1`, ... with these lives.
pub(crate) fn files(lives: impl IntoIterator<Item = LifeScript>) -> Vec<FileScript> {
    lives
        .into_iter()
        .enumerate()
        .map(|(n, life)| FileScript::new(format!("/file-{n}"), life))
        .collect()
}

/// A running exporter.
pub(crate) struct Exporter {
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
}

impl Exporter {
    pub(crate) async fn start(plan: Plan) -> Self {
        Self::start_with(plan, Options::default()).await
    }

    pub(crate) async fn start_with(plan: Plan, options: Options) -> Self {
        let options = Options {
            credentials: Some(CREDENTIALS),
            ..options
        };
        let mut opened =
            Box::pin(App::new(plan.clone(), options.clone(), app::system_clock())).await;
        for _ in 0..100 {
            if opened.is_ok() || options.storage.is_none() {
                break;
            }
            // The exporter before it, in this same process, may not have let go of the file.
            tokio::time::sleep(Duration::from_millis(20)).await;
            opened = Box::pin(App::new(plan.clone(), options.clone(), app::system_clock())).await;
        }
        let app = opened.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&app);
        let served = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            serving.serve(vec![listener], "/metrics", stopped).await;
        });
        Self {
            app,
            address,
            stop: Some(stop),
            served,
        }
    }

    /// Tracks a transfer through the write API, which must be enabled.
    pub(crate) async fn track(&self, key: TransferKey, started_at: SystemTime) {
        self.track_files(key, started_at, None).await;
    }

    /// The same with the number of files, which makes a second, equal answer unnecessary.
    pub(crate) async fn track_files(
        &self,
        key: TransferKey,
        started_at: SystemTime,
        files: Option<u32>,
    ) {
        let write = WriteRequest {
            account: Some(key.account.to_string()),
            connector: key.connector,
            transfer: key.transfer,
            started_at: Some(started_at),
            files,
            track: true,
        };
        let written = Arc::clone(&self.app).write(write).await;
        assert_eq!(written, Ok(Written::Changed));
    }

    pub(crate) async fn scrape(&self) -> Exposition {
        self.scrape_within("30").await
    }

    pub(crate) async fn scrape_within(&self, timeout_seconds: &str) -> Exposition {
        let header = format!("X-Prometheus-Scrape-Timeout-Seconds: {timeout_seconds}\r\n");
        let (status, _, body) = get(self.address, "/metrics", &header).await;
        assert_eq!(status, 200);
        Exposition::parse(&body)
    }

    /// Stops as at SIGTERM, and waits until it has.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.served.await.unwrap();
    }
}

/// One request on a connection of its own: status, head, body.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // HTTP/1.0, so that the answer is not chunked.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

/// One request without a body, on a connection of its own: status and body.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

/// Series, as they stand in the exposition, with their values.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Exposition(pub(crate) BTreeMap<String, f64>);

impl Exposition {
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(
            lines
                .map(|line| {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    (series.to_owned(), value.parse().unwrap())
                })
                .collect(),
        )
    }

    /// The series of one family.
    pub(crate) fn family(&self, name: &str) -> BTreeMap<&str, f64> {
        let of = |series: &&String| {
            series
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        };
        self.0
            .iter()
            .filter(|(series, _)| of(series))
            .map(|(series, value)| (series.as_str(), *value))
            .collect()
    }

    /// The sum of a family's series that hold all these label pairs, written `name="value"`.
    pub(crate) fn sum(&self, family: &str, labels: &[&str]) -> f64 {
        let holds = |series: &str| labels.iter().all(|label| series.contains(label));
        self.family(family)
            .into_iter()
            .filter(|(series, _)| holds(series))
            .map(|(_, value)| value)
            .sum()
    }
}
