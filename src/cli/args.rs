//! Flags and commands.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::manual;
use crate::app::{self, Listen, Listeners};
use crate::config::{self, Problems};
use crate::telemetry::{LogFormat, LogLevel};
use crate::web::WebConfigState;
use model::{ConnectorId, Shard, TransferId};
#[cfg(feature = "demo")]
use simulator::Expiry;

/// The configuration file where none is named.
pub(super) const DEFAULT_CONFIG: &str = "aws-transfer-exporter.yml";

/// Prometheus exporter for AWS Transfer Family SFTP connectors. Without a command, it serves what --config.file names.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 120, after_help = manual::AFTER_HELP, subcommand_help_heading = "Commands")]
pub struct Cli {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigFlag,
    /// Server.
    #[command(flatten)]
    pub web: WebFlags,
    /// Storage.
    #[command(flatten)]
    pub storage: StorageFlags,
    /// Shards.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// Logs.
    #[command(flatten)]
    pub log: LogFlags,
    /// What to do; serve if absent.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Where the configuration is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigFlag {
    /// The configuration file.
    #[arg(long = "config.file", value_name = "FILE", default_value = DEFAULT_CONFIG, global = true)]
    pub file: PathBuf,
    /// How often the file is read to see whether its content has changed, which reloads it; 0s: never.
    #[arg(long = "config.auto-reload-interval", value_name = "DURATION", default_value = "30s", global = true, value_parser = auto_reload_interval)]
    pub auto_reload_interval: Duration,
}

fn auto_reload_interval(text: &str) -> Result<Duration, String> {
    let read = config::parse_duration(text)
        .filter(|interval| interval.is_zero() || *interval >= Duration::from_secs(1));
    read.ok_or_else(|| "`0s`, or a duration of a second at least, such as `30s` or `5m`".to_owned())
}

/// Where the server listens.
#[derive(Debug, Args)]
#[command(next_help_heading = "Web")]
pub struct WebFlags {
    /// Address to listen on; may be repeated.
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        default_value = ":10922",
        global = true
    )]
    pub listen_address: Vec<String>,
    /// File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit.
    #[arg(long = "web.config.file", value_name = "FILE", global = true)]
    pub config_file: Option<PathBuf>,
    /// Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says;
    /// may be repeated.
    #[arg(
        long = "web.health-listen-address",
        value_name = "ADDRESS",
        global = true
    )]
    pub health_listen_address: Vec<String>,
    /// Take the listening sockets from systemd in place of --web.listen-address.
    #[arg(long = "web.systemd-socket", global = true)]
    pub systemd_socket: bool,
    /// Let clients start and stop the tracking of single transfers, by PUT and DELETE.
    #[arg(long = "web.enable-write-api", global = true)]
    pub enable_write_api: bool,
    /// Let clients reload the configuration, by POST /-/reload.
    #[arg(long = "web.enable-lifecycle", global = true)]
    pub enable_lifecycle: bool,
    /// Path of the metrics.
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics", global = true, value_parser = telemetry_path)]
    pub telemetry_path: String,
}

impl WebFlags {
    /// Where the listening sockets come from.
    pub(super) fn listen(&self) -> Listen<'_> {
        if self.systemd_socket {
            Listen::Systemd
        } else {
            Listen::Addresses(&self.listen_address)
        }
    }

    /// Listens wherever the flags say.
    ///
    /// # Errors
    /// As of [`app::listen`].
    pub(super) async fn listeners(&self) -> anyhow::Result<Listeners> {
        let all = app::listen(self.listen()).await?;
        let health = app::listen(Listen::Addresses(&self.health_listen_address)).await?;
        Ok(Listeners { all, health })
    }

    /// What --web.config.file says; `None` without one.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn web_config(&self) -> Result<Option<Arc<WebConfigState>>, Problems> {
        self.config_file
            .as_deref()
            .map(WebConfigState::load)
            .transpose()
    }
}

/// What outlives the process.
#[derive(Debug, Args)]
#[command(next_help_heading = "Storage")]
pub struct StorageFlags {
    /// Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out,
    /// all of it is in memory alone.
    #[arg(long = "storage.path", value_name = "FOLDER", global = true)]
    pub path: Option<PathBuf>,
}

/// Which part of the transfers this exporter tracks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sharding")]
pub struct ShardFlags {
    /// Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with,
    /// for the pods of a stateful set.
    #[arg(long = "shard.index", value_name = "NUMBER", default_value = "0", global = true, value_parser = shard_index)]
    pub index: ShardIndex,
    /// Exporters that share the transfers, each with its own --shard.index.
    #[arg(long = "shard.total", value_name = "NUMBER", default_value_t = 1, global = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(Shard::MAX)))]
    pub total: u32,
}

/// Value of `--shard.index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardIndex {
    /// This one.
    Number(u32),
    /// What the host name ends with.
    FromHostname,
}

impl ShardFlags {
    /// The shard that the flags name.
    ///
    /// # Errors
    /// An index that is not below the total; a host name that ends with no number. Both are bad usage.
    pub(super) fn shard(&self) -> Result<Shard, clap::Error> {
        let usage = |message: String| {
            Cli::command().error(clap::error::ErrorKind::ValueValidation, message)
        };
        let index = match self.index {
            ShardIndex::Number(index) => index,
            ShardIndex::FromHostname => {
                let name = hostname();
                ordinal(&name).ok_or_else(|| {
                    usage(format!(
                        "--shard.index=from-hostname: the host name `{name}` does not end with `-` and a number"
                    ))
                })?
            }
        };
        Shard::new(index, self.total).map_err(|error| {
            usage(format!(
                "--shard.index={index} --shard.total={}: {error}",
                self.total
            ))
        })
    }
}

fn shard_index(text: &str) -> Result<ShardIndex, String> {
    if text == "from-hostname" {
        return Ok(ShardIndex::FromHostname);
    }
    text.parse()
        .map(ShardIndex::Number)
        .map_err(|_| "a number from 0, or `from-hostname`".to_owned())
}

/// The kernel's name of this machine; in a pod, the pod's name.
fn hostname() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    kernel
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The number after the last `-`, as a stateful set names its pods.
fn ordinal(hostname: &str) -> Option<u32> {
    let (_, ordinal) = hostname.split('.').next()?.rsplit_once('-')?;
    ordinal
        .parse()
        .ok()
        .filter(|_| ordinal.bytes().all(|b| b.is_ascii_digit()))
}

/// How logs are written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogFlags {
    /// Least level of log records.
    #[arg(
        long = "log.level",
        value_name = "LEVEL",
        default_value = "info",
        global = true
    )]
    pub level: LogLevel,
    /// Format of log records.
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        default_value = "logfmt",
        global = true
    )]
    pub format: LogFormat,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve with no AWS account and no configuration, from the built-in simulator.
    #[cfg(feature = "demo")]
    Demo,
    /// Run the simulator of the Transfer Family endpoint alone.
    #[cfg(feature = "demo")]
    Simulate(SimulateArgs),
    /// Read the configuration and print every problem. Exits 1 if there is one.
    Check(CheckArgs),
    /// What the configuration will come to: series, calls, the time of a sweep, and the least IAM policy. Calls nothing.
    Plan(PlanArgs),
    /// One sweep, the exposition on standard output. Exits 3 if a file FAILED.
    Once(OnceArgs),
    /// One look at one transfer.
    Results(ResultsArgs),
    /// Ask a running exporter on --web.health-listen-address, or else on --web.listen-address, whether it is healthy.
    Healthcheck,
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
    /// Print the manual page, for man(1).
    Man,
}

/// Flags of `simulate`.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
#[command(next_help_heading = "Simulator")]
pub struct SimulateArgs {
    /// Address that the simulator listens on.
    #[arg(
        long = "simulator.listen-address",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4777"
    )]
    pub listen_address: String,
    /// Seed of everything that is random.
    #[arg(long = "simulator.seed", value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// What is answered for an unknown or expired transfer.
    #[arg(
        long = "simulator.expiry",
        value_name = "VARIANT",
        default_value = "not-found"
    )]
    pub expiry: ExpiryFlag,
    /// Run the demo's fleet: connectors on which transfers start all the time.
    #[arg(long = "simulator.fleet")]
    pub fleet: bool,
    /// Take any access key, and check the form of its signature alone.
    #[arg(long = "simulator.accept-any-access-key")]
    pub accept_any_access_key: bool,
}

/// [`Expiry`] as a flag's value.
#[cfg(feature = "demo")]
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExpiryFlag {
    /// `ResourceNotFoundException`.
    NotFound,
    /// An empty list.
    EmptyList,
}

#[cfg(feature = "demo")]
impl From<ExpiryFlag> for Expiry {
    fn from(flag: ExpiryFlag) -> Self {
        match flag {
            ExpiryFlag::NotFound => Self::NotFound,
            ExpiryFlag::EmptyList => Self::EmptyList,
        }
    }
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Ask AWS too, for each account: who the credentials are, which connectors there are, which permission is missing.
    #[arg(long)]
    pub live: bool,
}

/// Flags of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Print the least IAM policy as JSON; where there are several, by who is to have them.
    #[arg(long)]
    pub iam_policy: bool,
    /// Time between two scrapes.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = some_time)]
    pub scrape_interval: Duration,
    /// Time from a call to its answer.
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = some_time)]
    pub latency: Duration,
    /// Files of each transfer.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub files: u64,
    /// Form of the answer.
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: OutputForm,
}

fn some_time(text: &str) -> Result<Duration, String> {
    let read = config::parse_duration(text).filter(|time| !time.is_zero());
    read.ok_or_else(|| "a duration such as `100ms` or `1m`".to_owned())
}

/// Flags of `once`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OnceArgs {
    /// Write here in place of standard output, whole or not at all; for node_exporter's textfile collector.
    #[arg(long = "output.file", value_name = "FILE")]
    pub output_file: Option<PathBuf>,
}

/// Flags of `results`.
#[derive(Debug, Args)]
pub struct ResultsArgs {
    /// The connector's id.
    pub connector_id: ConnectorId,
    /// The transfer's id, as StartFileTransfer answered it.
    pub transfer_id: TransferId,
    /// The configured account to ask; needed where there are several.
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Form of the answer.
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: OutputForm,
}

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// Form of the answer of `results`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// For a terminal.
    Table,
    /// For scripts.
    Json,
}

fn telemetry_path(path: &str) -> Result<String, String> {
    let visible = path
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&b));
    if path.starts_with('/') && visible && !path.starts_with("/-/") {
        Ok(path.to_owned())
    } else {
        Err("a path starts with `/`, not with `/-/`, and has no query".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_shard_is_a_number_or_the_ordinal_of_the_host_name() {
        assert_eq!(shard_index("2"), Ok(ShardIndex::Number(2)));
        assert_eq!(shard_index("from-hostname"), Ok(ShardIndex::FromHostname));
        for bad in ["", "-1", "1.5", "x", "hostname"] {
            assert!(shard_index(bad).is_err(), "{bad}");
        }
        for (name, expected) in [
            ("exporter-0", Some(0)),
            ("aws-transfer-exporter-12", Some(12)),
            ("a-3.headless.ns.svc", Some(3)),
        ] {
            assert_eq!(ordinal(name), expected, "{name}");
        }
        for bad in [
            "",
            "exporter",
            "exporter-",
            "exporter-1a",
            "exporter-+1",
            "exporter0",
        ] {
            assert_eq!(ordinal(bad), None, "{bad}");
        }
        let flags = |index, total| {
            ShardFlags {
                index: ShardIndex::Number(index),
                total,
            }
            .shard()
        };
        assert_eq!(flags(1, 2).unwrap(), Shard::new(1, 2).unwrap());
        assert_eq!(flags(2, 2).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn the_file_is_read_every_second_at_most_or_never() {
        for (text, seconds) in [("0s", 0), ("1s", 1), ("1m30s", 90)] {
            assert_eq!(
                auto_reload_interval(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for bad in ["", "30", "999ms", "-1s", "soon"] {
            assert!(auto_reload_interval(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_telemetry_path_starts_with_a_slash_and_has_no_query() {
        for good in ["/metrics", "/", "/probe/metrics"] {
            assert!(telemetry_path(good).is_ok(), "{good}");
        }
        for bad in ["", "metrics", "/-/metrics", "/m?x", "/m#x", "/m m", "/ä"] {
            assert!(telemetry_path(bad).is_err(), "{bad}");
        }
    }
}
