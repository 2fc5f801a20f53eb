//! Logs: logfmt by default, JSON by flag, to standard error.

use std::fmt::Write as _;
use std::io::{self, Write};

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
    // Other crates' debug records may hold requests with their signatures: they stay out at every level. The SDK's
    // warnings repeat what a server said, and that may be all that it was sent; what failed is told by our own records.
    let targets = Targets::new()
        .with_default(LevelFilter::from(level).min(LevelFilter::from_level(Level::WARN)))
        .with_target("aws_", LevelFilter::OFF)
        .with_target("aws_transfer_exporter", LevelFilter::from(level));
    let layer = match format {
        LogFormat::Logfmt => tracing_logfmt::builder()
            .layer()
            .with_writer(io::stderr)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(|| Escaped(io::stderr()))
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init()
}

/// Writes records of JSON. It escapes what JSON itself lets stand in a text: controls that a terminal obeys, and
/// characters that end a line or turn its direction for some readers. logfmt escapes them by itself.
struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(record) {
            Ok(text) if text.contains(is_odd) => self.0.write_all(escaped(text).as_bytes())?,
            _ => self.0.write_all(record)?,
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn is_odd(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// They stand in texts alone, so JSON's own escape serves.
fn escaped(record: &str) -> String {
    let mut out = String::with_capacity(record.len() + 16);
    for c in record.chars() {
        if is_odd(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_json_keeps_its_meaning_without_odd_characters() {
        let text = "a\u{7f}\u{85}\u{9b}31m\u{2028}\u{202e}\u{2066}\u{feff}é\u{a0}";
        let record = serde_json::json!({ "failure_message": text }).to_string();
        let mut written = Vec::new();
        Escaped(&mut written).write_all(record.as_bytes()).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert!(!written.contains(is_odd), "{written}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&written).unwrap()["failure_message"],
            text
        );
    }
}
