//! Log setup: logfmt by default, JSON by flag, to standard error.

mod record;

use std::io::{self, Write};

use clap::ValueEnum;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use record::RecordLayer;

/// Format of log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `key=value` pairs.
    #[default]
    Logfmt,
    /// One JSON object per line.
    Json,
}

/// Lowest level that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Normal operation.
    #[default]
    Info,
    /// Problems that need attention.
    Warn,
    /// Failures that stop the exporter from working.
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

/// Installs the global subscriber.
///
/// # Errors
/// A subscriber is already installed.
pub fn init(level: LogLevel, format: LogFormat) -> Result<(), TryInitError> {
    // Debug records of other crates may contain signed requests, so they are never logged. The
    // SDK's warnings repeat server responses, which may contain the whole request; the exporter
    // logs failed calls itself.
    let targets = Targets::new()
        .with_default(LevelFilter::from(level).min(LevelFilter::from_level(Level::WARN)))
        .with_target("aws_", LevelFilter::OFF)
        .with_target("aws_transfer_exporter", LevelFilter::from(level));
    let layer = RecordLayer::new(format, |line: &str| {
        // There is no other place to report that standard error is closed.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    });
    tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init()
}
