//! `demo`: serves metrics of simulated transfers, without AWS.
//!
//! The simulator listens on a loopback port, and the exporter calls it through the SDK over HTTP.
//! It discovers transfers in the CloudTrail history and receives events from a queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::flags::WebFlags;
use super::{Exit, output, shutdown};
use crate::app::{self, App, Options};
use crate::config::{
    AccountPlan, CloudtrailPlan, CollectorPlan, ConnectorsPlan, DiscoveryPlan, EventsPlan,
    MetricsPlan, Plan, ProbePlan,
};
use crate::flows::schedule::{DayOfWeek, Schedule};
use crate::flows::{Expect, FlowConfig};
use crate::transfer::session::StaticCredentials;
use model::{AccountName, ConnectorTitle, FlowTitle};
use simulator::{
    DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Faults, Feed, Fleet, Settings, Simulator,
};

const SEED: u64 = 1;
const ACCOUNT: &str = "demo";
/// The AWS account ID of the simulator.
const ACCOUNT_ID: &str = "123456789012";
const REGION: &str = "eu-central-1";

pub(super) async fn run(web: &WebFlags, mut options: Options) -> anyhow::Result<Exit> {
    let shutdown = shutdown::requested()?;
    options.web_config = web.web_config()?;
    let scheme = if options
        .web_config
        .as_ref()
        .is_some_and(|web_config| web_config.has_tls())
    {
        "https"
    } else {
        "http"
    };
    let listeners = web.listeners().await?;
    let endpoint = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint_url = format!("http://{}", endpoint.local_addr()?);

    let clock = app::system_clock();
    let settings = Settings {
        seed: SEED,
        account_id: ACCOUNT_ID.to_owned(),
        cloudtrail_delay: Duration::from_secs(1),
        ..Settings::default()
    };
    let simulator = Simulator::new(settings, Arc::clone(&clock));
    let queue_url = simulator.queue_url(&endpoint_url);
    simulator.set_faults(faults());
    let credentials = StaticCredentials {
        access_key_id: DEMO_ACCESS_KEY_ID,
        secret_access_key: DEMO_SECRET_ACCESS_KEY,
    };
    super::warn_without_storage(&options);
    let options = Options {
        credentials: Some(credentials),
        ..options
    };
    let app = App::new(plan(&endpoint_url, queue_url), options, clock).await?;

    let (sender, mut started) = mpsc::channel(64);
    let mut background = tokio::task::JoinSet::new();
    background.spawn(simulator.clone().serve(endpoint, std::future::pending()));
    background.spawn(Fleet::new(SEED).run(simulator.clone(), sender, std::future::pending()));
    background.spawn(Feed::deliver_all(simulator));
    // Drained, because the fleet pauses while the channel is full.
    background.spawn(async move { while started.recv().await.is_some() {} });

    if let Some(listener) = listeners.all.first() {
        let port = listener.local_addr()?.port();
        let base = format!("{scheme}://localhost:{port}{}", web.paths().prefix());
        output::print(welcome(&base, &web.telemetry_path, &endpoint_url).as_bytes())?;
    }
    app.serve(listeners, web.paths(), shutdown).await;
    background.shutdown().await;
    Ok(Exit::Done)
}

fn welcome(base: &str, telemetry_path: &str, endpoint_url: &str) -> String {
    format!(
        "\nSix simulated connectors are transferring files, and five deliveries have deadlines. No AWS account is used.\n\n  \
         metrics    {base}{telemetry_path}\n  \
         transfers  {base}/transfers\n  \
         overview   {base}/\n  \
         simulator  {endpoint_url}/_simulator/\n\n  \
         Show failed files:\n    curl -s {base}{telemetry_path} | grep 'status=\"FAILED\"' | \
         grep -v ' 0$'\n\n\
         Each request for the metrics is a scrape. Stop with Ctrl-C.\n\n"
    )
}

/// Returns a low rate of the faults that AWS has, so that the exporter's self metrics change.
fn faults() -> Faults {
    Faults {
        seed: SEED,
        latency: Duration::from_millis(30),
        server_error_rate: 0.01,
        throttle_rate: 0.01,
        // Not retried: the transfer waits for the next scrape, and the scrape is incomplete.
        mistyped_rate: 0.01,
        // Delivery is at least once and unordered.
        event_duplicate_rate: 0.05,
        event_delay: Duration::from_secs(1),
        ..Faults::default()
    }
}

/// Returns the flow of a feed, with a deadline every two minutes.
fn flow(feed: &Feed) -> FlowConfig {
    let minutes = (0..24 * 60_i16).filter(|minute| (minute % 2 == 1) == feed.is_odd);
    let time = |minute: i16| {
        let (hour, minute) = (i8::try_from(minute / 60), i8::try_from(minute % 60));
        Time::new(hour.ok()?, minute.ok()?, 0, 0).ok()
    };
    let schedule = Schedule {
        by: minutes.filter_map(time).collect(),
        zone: TimeZone::UTC,
        days: DayOfWeek::ALL.into(),
        except: BTreeSet::new(),
        from: None,
        grace: Duration::from_secs(20),
    };
    FlowConfig {
        title: Arc::new(FlowTitle {
            name: feed.name.into(),
            connectors: vec![feed.connector.to_owned()],
            operation: None,
            paths: vec![format!("{}/*.csv", feed.folder)],
            expect: "every 2 minutes UTC".to_owned(),
            required_files: feed.files,
        }),
        ignore_codes: ["RETRIEVE_FILE_NOT_FOUND".to_owned()].into(),
        expect: Some(Expect {
            schedule,
            files: feed.files,
            min_bytes: 0,
        }),
    }
}

/// Returns a plan with short intervals, since a simulated transfer takes seconds.
fn plan(endpoint_url: &str, queue_url: String) -> Plan {
    let titles = Fleet::connectors().into_iter().map(|(id, name, partner)| {
        let labels = BTreeMap::from([("partner".to_owned(), partner.to_owned())]);
        (
            id,
            ConnectorTitle {
                name: name.into(),
                labels,
            },
        )
    });
    Plan {
        accounts: vec![AccountPlan {
            name: AccountName::new(ACCOUNT),
            region: Some(REGION.to_owned()),
            account_id: Some(ACCOUNT_ID.to_owned()),
            endpoint_url: Some(endpoint_url.to_owned()),
            ..AccountPlan::default()
        }],
        connectors: titles.collect(),
        discovery: DiscoveryPlan {
            events: vec![EventsPlan {
                account: AccountName::new(ACCOUNT),
                queue_url,
                endpoint_url: Some(endpoint_url.to_owned()),
                include: Vec::new(),
            }],
            cloudtrail: vec![CloudtrailPlan {
                account: AccountName::new(ACCOUNT),
                lookback: Duration::from_hours(1),
                refresh_interval: Duration::from_secs(1),
                endpoint_url: Some(endpoint_url.to_owned()),
                include: Vec::new(),
            }],
            connectors: vec![ConnectorsPlan {
                account: AccountName::new(ACCOUNT),
                refresh_interval: Duration::from_secs(30),
                include: Vec::new(),
                labels_from_tags: Vec::new(),
            }],
            ..DiscoveryPlan::default()
        },
        flows: Feed::ALL.iter().map(flow).collect(),
        probe: ProbePlan {
            connection: Some(Duration::from_mins(1)),
        },
        collector: CollectorPlan {
            requests_per_second: 100.0,
            min_refresh_interval: Duration::from_secs(1),
            gone_after: Duration::from_secs(30),
            ..CollectorPlan::default()
        },
        metrics: MetricsPlan {
            keep_settled: Duration::from_mins(10),
            ..MetricsPlan::default()
        },
        ..Plan::default()
    }
}
