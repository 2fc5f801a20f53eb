//! `simulate`: the endpoints of Transfer Family, CloudTrail and SQS alone.

use tokio::sync::mpsc;
use tracing::info;

use super::args::SimulateArgs;
use super::{Exit, output};
use crate::app::{self, Listen};
use crate::shutdown;
use simulator::{AccessKeys, Fleet, Settings, Simulator};

pub(super) async fn run(args: SimulateArgs) -> anyhow::Result<Exit> {
    let shutdown = shutdown::requested()?;
    let keys = AccessKeys {
        accept_any: args.accept_any_access_key,
        ..AccessKeys::default()
    };
    let settings = Settings {
        seed: args.seed,
        expiry: args.expiry.into(),
        keys,
        ..Settings::default()
    };
    let simulator = Simulator::new(settings, app::system_clock());
    let listeners = app::listen(Listen::Addresses(std::slice::from_ref(
        &args.listen_address,
    )))
    .await?;
    let mut served = tokio::task::JoinSet::new();
    if args.fleet {
        let (sender, mut started) = mpsc::channel(64);
        served.spawn(Fleet::new(args.seed).run(simulator.clone(), sender, std::future::pending()));
        served.spawn(async move {
            while let Some(transfer) = started.recv().await {
                info!(connector_id = %transfer.connector, transfer_id = %transfer.transfer, "transfer started");
            }
        });
    }
    for listener in listeners {
        let address = listener.local_addr()?;
        let endpoint_url = format!("http://{address}");
        let queue_url = simulator.queue_url(&endpoint_url);
        output::print(format!(
            "Transfer Family simulator on {endpoint_url}; control: {endpoint_url}/_simulator/\nCloudTrail: the same address; \
             queue of events: {queue_url}\n"
        ).as_bytes())?;
        served.spawn(simulator.clone().serve(listener, std::future::pending()));
    }
    shutdown.await;
    served.shutdown().await;
    Ok(Exit::Done)
}
