//! Log setup: logfmt by default, JSON by flag, to standard error.
//!
//! Logging never blocks: a thread writes what the others queue, and a bounded queue drops what a
//! stalled reader does not take. Records whose number someone outside decides are limited.

mod limiter;
mod record;
mod writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing::{error, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use limiter::Suppressed;
use record::{RecordLayer, RecordLimits};
use writer::LineWriter;

/// How long the end of the process waits for a reader that has stalled.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The log of the process, once it is installed.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    writer: LineWriter,
    limits: Arc<RecordLimits>,
}

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

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The thread that writes records cannot be started.
    #[error("failed to start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
    /// A subscriber is already installed.
    #[error(transparent)]
    Installed(#[from] TryInitError),
}

/// Log records that were not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedRecords {
    /// The reader of standard error had stalled, and the queue was full.
    pub queue_full: u64,
    /// Their number is limited, because someone outside decides it.
    pub rate_limited: u64,
}

/// Installs the global subscriber, and a panic hook that logs.
///
/// # Errors
/// [`InitError`].
pub fn init(level: LogLevel, format: LogFormat) -> Result<(), InitError> {
    // Debug records of other crates may contain signed requests, so they are never logged. The
    // SDK's warnings repeat server responses, which may contain the whole request; the exporter
    // logs failed calls itself.
    let targets = Targets::new()
        .with_default(LevelFilter::from(level).min(LevelFilter::from_level(Level::WARN)))
        .with_target("aws_", LevelFilter::OFF)
        .with_target("aws_transfer_exporter", LevelFilter::from(level));
    let limits = Arc::new(RecordLimits::default());
    let reported = Arc::clone(&limits);
    let writer = LineWriter::start(io::stderr(), move |_, dropped| {
        report_dropped(dropped);
        report_suppressed(reported.take_suppressed(Instant::now()));
    })?;
    let queue = writer.clone();
    let layer = RecordLayer::new(format, Arc::clone(&limits), move |line: &str| {
        queue.push(line);
    });
    tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init()?;
    // Set once, because the subscriber is.
    let _ = LOG.set(Log { writer, limits });
    // The default hook would wait for the reader of standard error.
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Returns how many records were not written.
pub fn dropped_records() -> DroppedRecords {
    LOG.get().map_or_else(DroppedRecords::default, |log| {
        let rate_limited = log.limits.suppressed();
        DroppedRecords {
            queue_full: log.writer.dropped(),
            rate_limited,
        }
    })
}

/// Writes what is queued, unless the reader has stalled. Called at the end of the process.
pub fn flush() {
    if let Some(log) = LOG.get() {
        report_suppressed(log.limits.take_all());
        log.writer.flush(FLUSH_TIMEOUT);
    }
}

/// Writes a line to standard error, after the records before it.
pub fn print(line: &str) {
    match LOG.get() {
        Some(log) => log.writer.push(line),
        None => {
            // There is no other place to report that standard error is closed.
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }
}

fn report_dropped(records: u64) {
    if records > 0 {
        warn!(
            event = "log_records_dropped",
            records, "the reader of the log stalled, dropped records"
        );
    }
}

fn report_suppressed(all: Vec<Suppressed>) {
    for Suppressed { kind, records } in all {
        let status = kind.status.map(tracing::field::display);
        warn!(
            event = "log_records_suppressed",
            suppressed_event = kind.event,
            status,
            records,
            "counted further records within a minute instead of logging them"
        );
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(tracing::field::display);
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured)
        .then(|| tracing::field::display(backtrace));
    error!(
        event = "panicked",
        reason = panic.payload_as_str(),
        location,
        thread = thread.name(),
        backtrace,
        "a bug: a thread panicked"
    );
}
