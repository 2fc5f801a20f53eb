//! Logs: logfmt by default, JSON by flag, to standard error.

use std::io;

use clap::ValueEnum;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How a record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `key=value` pairs.
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// The least level that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator may want to know.
    #[default]
    Info,
    /// What an operator should look at.
    Warn,
    /// What keeps the exporter from its work.
    Error,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Info => Self::INFO,
            LogLevel::Warn => Self::WARN,
            LogLevel::Error => Self::ERROR,
        }
    }
}

/// Starts logging.
///
/// # Errors
/// Logging has been started before.
pub fn init(level: LogLevel, format: LogFormat) -> Result<(), TryInitError> {
    // Other crates' debug records may hold requests with their signatures: they stay out at every level.
    let targets = Targets::new()
        .with_default(LevelFilter::from(level).min(LevelFilter::from_level(Level::WARN)))
        .with_target("aws_transfer_exporter", LevelFilter::from(level));
    let layer = match format {
        LogFormat::Logfmt => tracing_logfmt::builder().layer().with_writer(io::stderr).boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(targets)).try_init()
}
