//! Command line: the shared flags, and one module per command with its own flags.

mod check;
mod completions;
#[cfg(feature = "demo")]
mod demo;
mod flags;
mod healthcheck;
mod man;
mod once;
mod output;
mod plan;
mod progress;
mod results;
mod scope;
mod serve;
mod shard;
mod shutdown;
#[cfg(feature = "demo")]
mod simulate;
#[cfg(feature = "dynamodb")]
mod storage;

use std::path::Path;

use clap::{Parser, Subcommand};

use crate::app::Options;
#[cfg(feature = "dynamodb")]
use crate::app::SharedStorage;
use crate::config::{self, ConfigText, Plan, Problems};
use crate::metrics::negotiate::Offer;
use crate::telemetry;
use flags::{ConfigFlags, LogFlags, StorageFlags, WebFlags};
pub use scope::parse;
use shard::ShardFlags;

/// The program's name, and the base name of its files.
const NAME: &str = "aws-transfer-exporter";

const AFTER_HELP: &str = "\
Examples:
  aws-transfer-exporter demo                        serve from the built-in simulator, without AWS
  aws-transfer-exporter check --config.file=a.yml   print every problem of the configuration
  aws-transfer-exporter --config.file=a.yml         serve on :10922
  aws-transfer-exporter once --config.file=a.yml    run one sweep, for example from cron

Exit codes:
  0  done
  1  failed, or a problem was found
  2  usage error
  3  `once` saw a FAILED file";

/// Prometheus exporter for AWS Transfer Family SFTP connectors. Without a command, it serves
/// metrics.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    max_term_width = 120,
    after_help = AFTER_HELP,
    subcommand_help_heading = "Commands"
)]
pub struct Cli {
    /// Configuration.
    #[command(flatten)]
    config: ConfigFlags,
    /// Server.
    #[command(flatten)]
    web: WebFlags,
    /// Storage.
    #[command(flatten)]
    storage: StorageFlags,
    /// Sharding.
    #[command(flatten)]
    shard: ShardFlags,
    /// Logs.
    #[command(flatten)]
    log: LogFlags,
    /// Command; serves if absent.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve from the built-in simulator, without AWS and without a configuration.
    #[cfg(feature = "demo")]
    Demo,
    /// Run only the simulator of the Transfer Family API.
    #[cfg(feature = "demo")]
    Simulate(simulate::SimulateArgs),
    /// Validate the configuration and print every problem. Exits 1 if there is one.
    Check(check::CheckArgs),
    /// Estimate series, API calls and the minimal IAM policy (offline).
    Plan(plan::PlanArgs),
    /// Run one sweep and print the metrics. Exits 3 if a file is FAILED.
    Once(once::OnceArgs),
    /// Print the file results of one transfer.
    Results(results::ResultsArgs),
    /// Check the health of a running exporter.
    ///
    /// Uses --web.health-listen-address if it is set, else --web.listen-address.
    Healthcheck,
    /// Create the table that several exporters share, or copy state.
    #[cfg(feature = "dynamodb")]
    Storage(storage::StorageArgs),
    /// Print shell completions.
    Completions(completions::CompletionsArgs),
    /// Print the manual page, for man(1).
    Man,
}

/// Result of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done: 0.
    Done,
    /// Failed, with the reason already printed: 1.
    Failed,
    /// A file is FAILED (`once`): 3.
    FileFailed,
}

impl Exit {
    /// Returns the process's exit code. clap exits with 2 on usage errors.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::FileFailed => 3,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// The reason of a failure, for the user.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    telemetry::init(cli.log.level, cli.log.format)?;
    let Cli {
        config,
        web,
        storage,
        shard,
        ..
    } = cli;
    let options = || -> anyhow::Result<Options> {
        #[cfg(feature = "dynamodb")]
        storage.check()?;
        #[cfg(feature = "dynamodb")]
        let is_storage_shared = storage.is_shared();
        #[cfg(not(feature = "dynamodb"))]
        let is_storage_shared = false;
        Ok(Options {
            sharding: shard.sharding(is_storage_shared)?,
            storage: storage.path.clone(),
            #[cfg(feature = "dynamodb")]
            shared_storage: storage.url.clone().map(|url| SharedStorage {
                url,
                lease_duration: storage.lease_duration,
                process: storage::process_name(),
            }),
            write_api: web.enable_write_api,
            lifecycle: web.enable_lifecycle,
            offer: Offer {
                openmetrics2: web.enable_openmetrics2,
            },
            hosts: web.hosts(),
            ..Options::default()
        })
    };
    match cli.command {
        None => serve::run(&config, &web, options()?).await,
        #[cfg(feature = "demo")]
        Some(Command::Demo) => demo::run(&web, options()?).await,
        #[cfg(feature = "demo")]
        Some(Command::Simulate(args)) => simulate::run(args).await,
        Some(Command::Check(args)) => check::run(&config.file, &web, &args).await,
        Some(Command::Plan(args)) => {
            #[cfg(feature = "dynamodb")]
            let storage = if storage.is_shared() {
                let sharding = shard.sharding(true)?;
                Some(args.storage_forecast(sharding, storage.lease_duration))
            } else {
                None
            };
            #[cfg(not(feature = "dynamodb"))]
            let storage = None;
            plan::run(&config.file, &args, storage.as_ref())
        }
        Some(Command::Once(args)) => once::run(&config.file, args, options()?).await,
        Some(Command::Results(args)) => results::run(&config.file, args).await,
        Some(Command::Healthcheck) => healthcheck::run(&web).await,
        #[cfg(feature = "dynamodb")]
        Some(Command::Storage(args)) => {
            storage::run(args, storage.url.as_ref(), shard.shard()?).await
        }
        Some(Command::Completions(args)) => completions::run(&args),
        Some(Command::Man) => man::run(),
    }
}

/// Logs once that state does not survive a restart.
fn warn_without_storage(options: &Options) {
    #[cfg(feature = "dynamodb")]
    if options.shared_storage.is_some() {
        return;
    }
    if options.storage.is_none() {
        tracing::info!(
            event = "storage_disabled",
            "--storage.path is not set, state is kept in memory only"
        );
    }
}

/// Reads and resolves the configuration with the process's environment.
fn load(file: &Path) -> Result<Plan, Problems> {
    resolve(&config::read(file)?)
}

fn resolve(text: &ConfigText) -> Result<Plan, Problems> {
    text.resolve(&|name| std::env::var(name).ok())
}

#[cfg(test)]
mod tests {
    use super::scope;

    #[test]
    fn flags_are_consistent() {
        scope::command().debug_assert();
    }
}
