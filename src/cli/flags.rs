//! Flags that are shared by the commands.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
#[cfg(feature = "dynamodb")]
use clap::CommandFactory;
use clap::builder::{OsStringValueParser, TypedValueParser};

#[cfg(feature = "dynamodb")]
use super::Cli;
use super::shard;
use crate::app::listen::{Listen, Listeners, listen};
use crate::config::{self, Problems};
#[cfg(feature = "dynamodb")]
use crate::store::dynamodb::TableUrl;
use crate::telemetry::{LogFormat, LogLevel};
use crate::web::{ExternalUrl, RoutePrefix, WebConfigState, WebPaths, is_plain};

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

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Web")]
pub(super) struct WebFlags {
    /// Address to listen on. Repeatable.
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        default_value = ":10922",
        global = true,
        value_parser = address
    )]
    pub(super) listen_address: Vec<String>,
    /// File with TLS, users, headers and rate limit, in the format of the Prometheus
    /// exporter-toolkit. If empty, there are none.
    #[arg(
        long = "web.config.file",
        value_name = "FILE",
        global = true,
        value_parser = OsStringValueParser::new().map(PathBuf::from)
    )]
    config_file: Option<PathBuf>,
    /// Additional address serving only /-/healthy and /-/ready, without TLS or authentication.
    /// Repeatable.
    #[arg(
        long = "web.health-listen-address",
        value_name = "ADDRESS",
        global = true,
        value_parser = address
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
    /// Offer OpenMetrics 2.0, which carries native histograms as text, to clients that ask for it.
    /// Experimental: its specification is a release candidate.
    #[arg(long = "web.enable-openmetrics2", global = true)]
    pub(super) enable_openmetrics2: bool,
    /// Path of the metrics.
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        default_value = "/metrics",
        global = true,
        value_parser = telemetry_path
    )]
    pub(super) telemetry_path: String,
    /// URL under which clients outside reach the exporter, for example through a reverse proxy, or
    /// its path, which is the default of --web.route-prefix.
    #[arg(
        long = "web.external-url",
        value_name = "URL",
        global = true,
        value_parser = external_url
    )]
    external_url: Option<UrlFlag>,
    /// Prefix of all routes. Default: the path of --web.external-url.
    #[arg(
        long = "web.route-prefix",
        value_name = "PATH",
        global = true,
        value_parser = route_prefix
    )]
    route_prefix: Option<PrefixFlag>,
}

type UrlFlag = OrEmpty<ExternalUrl>;
type PrefixFlag = OrEmpty<RoutePrefix>;

/// The value of a flag; `None` if it is empty, which means the default.
#[derive(Clone, Debug)]
struct OrEmpty<T>(Option<T>);

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

    /// Returns the web configuration file. An empty name is none, as in the exporter-toolkit.
    pub(super) fn config_file(&self) -> Option<&Path> {
        let file = self.config_file.as_deref();
        file.filter(|file| !file.as_os_str().is_empty())
    }

    /// Returns the paths of the routes.
    pub(super) fn paths(&self) -> WebPaths {
        let prefix = self.route_prefix.clone().and_then(|flag| flag.0);
        WebPaths::new(&self.telemetry_path, prefix, self.external_url())
    }

    fn external_url(&self) -> Option<ExternalUrl> {
        self.external_url.clone().and_then(|flag| flag.0)
    }

    /// Returns the names that clients use for the exporter: the hosts of the listening addresses,
    /// that of the external URL, and the host name of the machine.
    pub(super) fn hosts(&self) -> Vec<String> {
        let of_address = |address: &String| {
            let (host, _) = address.rsplit_once(':')?;
            (!host.is_empty()).then(|| host.to_owned())
        };
        let names = self.listen_address.iter().filter_map(of_address);
        let external = self.external_url();
        let external = external.iter().filter_map(ExternalUrl::host);
        names
            .chain(external.map(str::to_owned))
            .chain([shard::hostname()])
            .collect()
    }

    /// Loads `--web.config.file`. Returns `None` if it is not set.
    ///
    /// # Errors
    /// All problems of the file.
    pub(super) fn web_config(&self) -> Result<Option<Arc<WebConfigState>>, Problems> {
        self.config_file().map(WebConfigState::load).transpose()
    }
}

fn address(text: &str) -> Result<String, String> {
    let is_host = |host: &str| {
        let bracketed = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        bracketed.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
            || !host.contains(|c: char| c.is_whitespace() || ":[]/".contains(c))
    };
    let parts = text.rsplit_once(':');
    if parts.is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok()) {
        Ok(text.to_owned())
    } else {
        Err("expected `host:port`, `[ipv6]:port` or `:port`".to_owned())
    }
}

fn telemetry_path(path: &str) -> Result<String, String> {
    if path.starts_with('/') && is_plain(path) && !path.starts_with("/-/") {
        Ok(path.to_owned())
    } else {
        Err("expected a path that starts with `/`, not with `/-/`, and has no query".to_owned())
    }
}

fn external_url(text: &str) -> Result<UrlFlag, &'static str> {
    or_empty(text)
}

fn route_prefix(text: &str) -> Result<PrefixFlag, &'static str> {
    or_empty(text)
}

/// Parses the value of a flag that may be empty.
fn or_empty<T: FromStr>(text: &str) -> Result<OrEmpty<T>, T::Err> {
    let value = (!text.is_empty()).then(|| text.parse()).transpose()?;
    Ok(OrEmpty(value))
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Storage")]
pub(super) struct StorageFlags {
    /// Directory for persistent state; created if missing. If unset, state is kept in memory only.
    #[arg(long = "storage.path", value_name = "DIRECTORY", global = true)]
    pub(super) path: Option<PathBuf>,
    /// Table for persistent state that several exporters share, as
    /// `dynamodb://TABLE[?region=REGION&endpoint=URL&prefix=TEXT]`. Of each shard, one exporter is the
    /// owner; the others wait to take over.
    #[cfg(feature = "dynamodb")]
    #[arg(long = "storage.url", value_name = "URL", global = true)]
    pub(super) url: Option<TableUrl>,
    /// For how long an owner keeps its shard without a renewal in the table. Another exporter takes over
    /// within one and a half times of it.
    #[cfg(feature = "dynamodb")]
    #[arg(
        long = "storage.lease-duration",
        value_name = "DURATION",
        default_value = "15s",
        global = true,
        value_parser = lease_duration
    )]
    pub(super) lease_duration: Duration,
}

#[cfg(feature = "dynamodb")]
impl StorageFlags {
    /// Returns whether several exporters share the state.
    pub(super) fn is_shared(&self) -> bool {
        self.url.is_some()
    }

    /// Refuses two places for the state.
    ///
    /// # Errors
    /// A usage error.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        if self.path.is_some() && self.url.is_some() {
            let message = "--storage.path and --storage.url exclude each other";
            return Err(Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message));
        }
        Ok(())
    }
}

/// A lease is renewed three times in its duration, and each renewal may take several attempts.
#[cfg(feature = "dynamodb")]
fn lease_duration(text: &str) -> Result<Duration, String> {
    config::parse_duration(text)
        .filter(|duration| (Duration::from_secs(3)..=Duration::from_mins(10)).contains(duration))
        .ok_or_else(|| "expected a duration of 3s to 10m, such as `15s`".to_owned())
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
    fn an_address_has_a_port_and_brackets_around_ipv6() {
        for good in [
            ":0",
            ":10922",
            "localhost:1",
            "127.0.0.1:80",
            "[::1]:80",
            "a.b:65535",
        ] {
            assert_eq!(address(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            ":",
            "a",
            ":65536",
            "::1:80x",
            "::1:80",
            "[::1:80",
            "[a]:1",
            "http://a:1",
        ] {
            assert!(address(bad).is_err(), "{bad}");
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
