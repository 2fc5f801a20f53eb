//! Flags that are shared by the commands.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::shard;
use crate::app::listen::{Listen, Listeners, listen};
use crate::config::{self, Problems};
use crate::telemetry::{LogFormat, LogLevel};
use crate::web::WebConfigState;

/// Default of `--config.file`.
pub(super) const DEFAULT_CONFIG: &str = "aws-transfer-exporter.yml";

#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
pub(super) struct ConfigFlags {
    /// Configuration file.
    #[arg(
        long = "config.file",
        value_name = "FILE",
        default_value = DEFAULT_CONFIG,
        global = true
    )]
    pub(super) file: PathBuf,
    /// Interval for checking the configuration file for changes. 0s disables.
    #[arg(
        long = "config.auto-reload-interval",
        value_name = "DURATION",
        default_value = "30s",
        global = true,
        value_parser = auto_reload_interval
    )]
    pub(super) auto_reload_interval: Duration,
}

fn auto_reload_interval(text: &str) -> Result<Duration, String> {
    config::parse_duration(text)
        .filter(|interval| interval.is_zero() || *interval >= Duration::from_secs(1))
        .ok_or_else(|| "expected `0s` or a duration of at least 1s, such as `30s`".to_owned())
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Web")]
pub(super) struct WebFlags {
    /// Address to listen on. Repeatable.
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        default_value = ":10922",
        global = true
    )]
    pub(super) listen_address: Vec<String>,
    /// File with TLS, users, headers and rate limit, in the format of the Prometheus
    /// exporter-toolkit.
    #[arg(long = "web.config.file", value_name = "FILE", global = true)]
    pub(super) config_file: Option<PathBuf>,
    /// Additional address serving only /-/healthy and /-/ready, without TLS or authentication.
    /// Repeatable.
    #[arg(
        long = "web.health-listen-address",
        value_name = "ADDRESS",
        global = true
    )]
    pub(super) health_listen_address: Vec<String>,
    /// Use listening sockets passed by systemd instead of --web.listen-address.
    #[arg(long = "web.systemd-socket", global = true)]
    systemd_socket: bool,
    /// Enable PUT and DELETE of /api/v1/transfers/..., which start and stop tracking a transfer.
    #[arg(long = "web.enable-write-api", global = true)]
    pub(super) enable_write_api: bool,
    /// Enable POST /-/reload.
    #[arg(long = "web.enable-lifecycle", global = true)]
    pub(super) enable_lifecycle: bool,
    /// Path of the metrics.
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        default_value = "/metrics",
        global = true,
        value_parser = telemetry_path
    )]
    pub(super) telemetry_path: String,
}

impl WebFlags {
    /// Opens the listening sockets.
    ///
    /// # Errors
    /// As of [`listen`].
    pub(super) async fn listeners(&self) -> anyhow::Result<Listeners> {
        let on = if self.systemd_socket {
            Listen::Systemd
        } else {
            Listen::Addresses(&self.listen_address)
        };
        Ok(Listeners {
            all: listen(on).await?,
            health: listen(Listen::Addresses(&self.health_listen_address)).await?,
        })
    }

    /// Returns the names that clients use for the exporter: the hosts of the listening addresses,
    /// and the host name of the machine.
    pub(super) fn hosts(&self) -> Vec<String> {
        let of_address = |address: &String| {
            let (host, _) = address.rsplit_once(':')?;
            (!host.is_empty()).then(|| host.to_owned())
        };
        let names = self.listen_address.iter().filter_map(of_address);
        names.chain([shard::hostname()]).collect()
    }

    /// Loads `--web.config.file`. Returns `None` if it is not set.
    ///
    /// # Errors
    /// All problems of the file.
    pub(super) fn web_config(&self) -> Result<Option<Arc<WebConfigState>>, Problems> {
        self.config_file
            .as_deref()
            .map(WebConfigState::load)
            .transpose()
    }
}

fn telemetry_path(path: &str) -> Result<String, String> {
    let visible = path
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&b));
    if path.starts_with('/') && visible && !path.starts_with("/-/") {
        Ok(path.to_owned())
    } else {
        Err("expected a path that starts with `/`, not with `/-/`, and has no query".to_owned())
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Storage")]
pub(super) struct StorageFlags {
    /// Directory for persistent state; created if missing. If unset, state is kept in memory only.
    #[arg(long = "storage.path", value_name = "DIRECTORY", global = true)]
    pub(super) path: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Logs")]
pub(super) struct LogFlags {
    /// Lowest level that is logged.
    #[arg(
        long = "log.level",
        value_name = "LEVEL",
        default_value = "info",
        global = true
    )]
    pub(super) level: LogLevel,
    /// Format of log records.
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        default_value = "logfmt",
        global = true
    )]
    pub(super) format: LogFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_reload_interval_is_zero_or_at_least_one_second() {
        for (text, seconds) in [("0s", 0), ("1s", 1), ("1m30s", 90)] {
            let interval = Duration::from_secs(seconds);
            assert_eq!(auto_reload_interval(text), Ok(interval), "{text}");
        }
        for bad in ["", "30", "999ms", "-1s", "soon"] {
            assert!(auto_reload_interval(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn telemetry_path_starts_with_a_slash_and_has_no_query() {
        for good in ["/metrics", "/", "/probe/metrics"] {
            assert!(telemetry_path(good).is_ok(), "{good}");
        }
        for bad in ["", "metrics", "/-/metrics", "/m?x", "/m#x", "/m m", "/ä"] {
            assert!(telemetry_path(bad).is_err(), "{bad}");
        }
    }
}
