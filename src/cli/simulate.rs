//! `simulate`: runs only the simulator, with the endpoints of Transfer Family, CloudTrail and SQS.

use clap::{Args, ValueEnum};
use tokio::sync::mpsc;
use tracing::info;

use super::{Exit, output, shutdown};
use crate::app;
use crate::app::listen::{Listen, listen};
use simulator::{AccessKeys, Expiry, Fleet, Settings, Simulator};

#[derive(Debug, Args)]
#[command(next_help_heading = "Simulator")]
pub(super) struct SimulateArgs {
    /// Address of the simulator.
    #[arg(
        id = "simulator.listen-address",
        long = "simulator.listen-address",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4777"
    )]
    listen_address: String,
    /// Seed of all random choices.
    #[arg(long = "simulator.seed", value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Answer for unknown and expired transfers.
    #[arg(
        long = "simulator.expiry",
        value_name = "VARIANT",
        default_value = "not-found"
    )]
    expiry: ExpiryFlag,
    /// Start transfers all the time, as `demo` does.
    #[arg(long = "simulator.fleet")]
    fleet: bool,
    /// Accept every access key.
    #[arg(long = "simulator.accept-any-access-key")]
    accept_any_access_key: bool,
}

/// Value of `--simulator.expiry`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExpiryFlag {
    /// `ResourceNotFoundException`.
    NotFound,
    /// An empty list.
    EmptyList,
}

impl From<ExpiryFlag> for Expiry {
    fn from(flag: ExpiryFlag) -> Self {
        match flag {
            ExpiryFlag::NotFound => Self::NotFound,
            ExpiryFlag::EmptyList => Self::EmptyList,
        }
    }
}

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
    let addresses = std::slice::from_ref(&args.listen_address);
    let listeners = listen(Listen::Addresses(addresses)).await?;
    let mut tasks = tokio::task::JoinSet::new();
    if args.fleet {
        let (sender, mut started) = mpsc::channel(64);
        tasks.spawn(Fleet::new(args.seed).run(simulator.clone(), sender, std::future::pending()));
        tasks.spawn(async move {
            while let Some(transfer) = started.recv().await {
                info!(
                    event = "transfer_started",
                    connector_id = %transfer.connector,
                    transfer_id = %transfer.transfer,
                    "transfer started"
                );
            }
        });
    }
    for listener in listeners {
        let address = listener.local_addr()?;
        let url = format!("http://{address}");
        let queue_url = simulator.queue_url(&url);
        output::print(
            format!(
                "Transfer Family and CloudTrail simulator on {url}; control: {url}/_simulator/\n\
                 event queue: {queue_url}\n"
            )
            .as_bytes(),
        )?;
        tasks.spawn(simulator.clone().serve(listener, std::future::pending()));
    }
    shutdown.await;
    tasks.shutdown().await;
    Ok(Exit::Done)
}
