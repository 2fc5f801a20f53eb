//! The command line: flags as Prometheus spells them, and what each command does.

mod args;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod healthcheck;
mod manual;
mod once;
mod output;
mod plan;
mod results;
mod serve;
#[cfg(feature = "demo")]
mod simulate;

use std::path::Path;

pub use args::{Cli, Command};

use crate::app::Options;
use crate::config::{self, ConfigText, Plan, Problems};
use crate::telemetry;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done: 0.
    Done,
    /// Failed, and it has been said why: 1.
    Failed,
    /// A file FAILED (`once`): 3.
    FileFailed,
}

impl Exit {
    /// The process's exit code. Bad usage is 2, and clap's business.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::FileFailed => 3,
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// What kept the command from its work, for people.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    telemetry::init(cli.log.level, cli.log.format)?;
    let storage = cli.storage.path;
    match cli.command {
        None => {
            let options = Options {
                shard: cli.shard.shard()?,
                storage,
                write_api: cli.web.enable_write_api,
                lifecycle: cli.web.enable_lifecycle,
                ..Options::default()
            };
            serve::run(&cli.config, &cli.web, options).await
        }
        #[cfg(feature = "demo")]
        Some(Command::Demo) => {
            let options = Options {
                shard: cli.shard.shard()?,
                storage,
                write_api: cli.web.enable_write_api,
                lifecycle: cli.web.enable_lifecycle,
                ..Options::default()
            };
            demo::run(&cli.web, options).await
        }
        #[cfg(feature = "demo")]
        Some(Command::Simulate(args)) => simulate::run(args).await,
        Some(Command::Check(args)) => check::run(&cli.config.file, &cli.web, &args).await,
        Some(Command::Plan(args)) => plan::run(&cli.config.file, &args),
        Some(Command::Once(args)) => {
            let options = Options {
                shard: cli.shard.shard()?,
                storage,
                write_api: cli.web.enable_write_api,
                ..Options::default()
            };
            once::run(&cli.config.file, args, options).await
        }
        Some(Command::Results(args)) => results::run(&cli.config.file, args).await,
        Some(Command::Completions(args)) => manual::completions(args.shell),
        Some(Command::Man) => manual::page(),
        Some(Command::Healthcheck) => healthcheck::run(&cli.web).await,
    }
}

/// Said once, so that nobody expects more.
fn tell_storage(options: &Options) {
    if options.storage.is_none() {
        tracing::info!(
            "no --storage.path: what is known is in memory alone, and is learned anew after a restart"
        );
    }
}

/// Reads the configuration with the process's environment.
fn load(file: &Path) -> Result<Plan, Problems> {
    resolve(&config::read(file)?)
}

/// The same of a text that has been read.
fn resolve(text: &ConfigText) -> Result<Plan, Problems> {
    text.resolve(&|name| std::env::var(name).ok())
}
