//! Log records: one line each, with the same field order in both formats.
//!
//! Time and level come first, then `event`, the stable id that machines match, then `message`. The
//! other fields keep the order of the log call. `target` comes last.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::LogFormat;
use super::limiter::{Kind, RecordLimiter, Suppressed};
use model::is_invisible;

/// Formats each event and passes the line, with its line feed, to `write`.
pub(super) struct RecordLayer<W> {
    format: LogFormat,
    limits: Arc<RecordLimits>,
    write: W,
}

impl<W: Fn(&str) + 'static> RecordLayer<W> {
    pub(super) fn new(format: LogFormat, limits: Arc<RecordLimits>, write: W) -> Self {
        Self {
            format,
            limits,
            write,
        }
    }
}

/// The limits of records whose number someone outside decides.
#[derive(Debug, Default)]
pub(super) struct RecordLimits {
    limiter: Mutex<RecordLimiter>,
    suppressed: AtomicU64,
}

impl RecordLimits {
    fn admits(&self, event: &Event<'_>) -> bool {
        let level = *event.metadata().level();
        if level > Level::INFO {
            return true;
        }
        let mut fields = KindFields {
            level,
            status: None,
            kind: None,
        };
        event.record(&mut fields);
        let Some(kind) = fields.kind() else {
            return true;
        };
        let is_admitted = self.limiter().admit(kind, Instant::now());
        if !is_admitted {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
        is_admitted
    }

    /// Returns how many records were not logged.
    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    /// Returns what was not logged in minutes that have ended.
    pub(super) fn take_suppressed(&self, now: Instant) -> Vec<Suppressed> {
        self.limiter().take_suppressed(now)
    }

    /// Returns what was not logged and not reported yet.
    pub(super) fn take_all(&self) -> Vec<Suppressed> {
        self.limiter().take_all()
    }

    fn limiter(&self) -> MutexGuard<'_, RecordLimiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fields that decide the kind of a record, read without an allocation.
struct KindFields {
    level: Level,
    status: Option<u64>,
    kind: Option<Kind>,
}

impl KindFields {
    fn kind(self) -> Option<Kind> {
        let mut kind = self.kind?;
        kind.status = self.status;
        Some(kind)
    }
}

impl Visit for KindFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            self.kind = Kind::new(value, self.level, None);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

impl<S: Subscriber, W: Fn(&str) + 'static> Layer<S> for RecordLayer<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !self.limits.admits(event) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let record = Record {
            time: SystemTime::now(),
            level: *metadata.level(),
            module: metadata.target(),
            fields,
        };
        (self.write)(&match self.format {
            LogFormat::Logfmt => record.to_logfmt(),
            LogFormat::Json => record.to_json(),
        });
    }
}

struct Record<'a> {
    time: SystemTime,
    level: Level,
    /// The module that logs, `target` in `tracing`. That is a label of sources here.
    module: &'a str,
    fields: Fields,
}

impl Record<'_> {
    fn to_logfmt(&self) -> String {
        let mut line = format!(
            "ts={} level={}",
            humantime::format_rfc3339_micros(self.time),
            self.level.as_str().to_ascii_lowercase()
        );
        for (name, value) in self.fields.in_order() {
            line.push(' ');
            line.push_str(name);
            line.push('=');
            match value {
                Value::Literal(literal) => line.push_str(literal),
                Value::Text(text) if text.contains(needs_quotes) => push_quoted(&mut line, text),
                Value::Text(text) => line.push_str(text),
            }
        }
        line.push_str(" module=");
        line.push_str(self.module);
        line.push('\n');
        line
    }

    fn to_json(&self) -> String {
        let mut line = format!(
            "{{\"timestamp\":\"{}\",\"level\":\"{}\"",
            humantime::format_rfc3339_micros(self.time),
            self.level
        );
        for (name, value) in self.fields.in_order() {
            line.push(',');
            push_quoted(&mut line, name);
            line.push(':');
            match value {
                Value::Literal(literal) => line.push_str(literal),
                Value::Text(text) => push_quoted(&mut line, text),
            }
        }
        line.push_str(",\"module\":");
        push_quoted(&mut line, self.module);
        line.push_str("}\n");
        line
    }
}

/// The keys of a record that are no fields of its event.
const OWN_KEYS: [&str; 4] = ["ts", "timestamp", "level", "module"];

/// The fields of one event.
#[derive(Default)]
struct Fields {
    event: Option<Value>,
    message: Option<Value>,
    others: Vec<(&'static str, Value)>,
}

enum Value {
    /// A number or a boolean, written as it is.
    Literal(String),
    Text(String),
}

impl Fields {
    fn in_order(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let event = self.event.iter().map(|value| ("event", value));
        let message = self.message.iter().map(|value| ("message", value));
        let others = self.others.iter().map(|(name, value)| (*name, value));
        event.chain(message).chain(others)
    }

    fn insert(&mut self, field: &Field, value: Value) {
        match field.name() {
            "event" => self.event = Some(value),
            "message" => self.message = Some(value),
            name => {
                debug_assert!(!OWN_KEYS.contains(&name), "{name} would occur twice");
                self.others.push((name, value));
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        let value = if value.is_finite() {
            Value::Literal(value.to_string())
        } else {
            // JSON has no such number.
            Value::Text(value.to_string())
        };
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, Value::Literal(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, Value::Literal(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, Value::Literal(value.to_string()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, Value::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.insert(field, Value::Text(value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, Value::Text(format!("{value:?}")));
    }
}

fn needs_quotes(c: char) -> bool {
    c <= ' ' || matches!(c, '=' | '"') || is_invisible(c)
}

/// Appends a JSON string, which logfmt parsers read as well.
fn push_quoted(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_invisible(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Returns the line that `log` writes, without its time.
    fn line(format: LogFormat, log: impl FnOnce()) -> String {
        let written = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&written);
        let layer = RecordLayer::new(format, Arc::default(), move |line: &str| {
            sink.lock().unwrap().push_str(line);
        });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let line = written.lock().unwrap().clone();
        let (before, time, after) = match format {
            LogFormat::Logfmt => ("ts=", 27, " level="),
            LogFormat::Json => ("{\"timestamp\":\"", 27, "\",\"level\":"),
        };
        assert!(line[before.len() + time..].starts_with(after), "{line}");
        assert!(line.ends_with('\n') && line.lines().count() == 1, "{line}");
        line[before.len() + time + after.len()..]
            .trim_end()
            .to_owned()
    }

    fn reload() {
        let error = std::io::Error::other("no such file");
        tracing::warn!(
            event = "reload_failed",
            cause = "SIGHUP",
            attempts = 2,
            seconds = 0.5,
            last = false,
            %error,
            "failed to reload"
        );
    }

    #[test]
    fn event_precedes_message_in_logfmt() {
        assert_eq!(
            line(LogFormat::Logfmt, reload),
            "warn event=reload_failed message=\"failed to reload\" cause=SIGHUP attempts=2 \
             seconds=0.5 last=false error=\"no such file\" module=aws_transfer_exporter::telemetry::record::tests"
        );
    }

    #[test]
    fn a_source_and_a_module_have_different_keys() {
        let target = "transfer-events";
        let log = || tracing::info!(event = "source_poll_recovered", target, "source recovered");
        let logfmt = line(LogFormat::Logfmt, log);
        assert_eq!(logfmt.matches(" target=").count(), 1, "{logfmt}");
        let json = line(LogFormat::Json, log);
        assert_eq!(json.matches("\"target\":").count(), 1, "{json}");
    }

    #[test]
    fn event_precedes_message_in_json() {
        assert_eq!(
            line(LogFormat::Json, reload),
            "\"WARN\",\"event\":\"reload_failed\",\"message\":\"failed to reload\",\"cause\":\"SIGHUP\",\
             \"attempts\":2,\"seconds\":0.5,\"last\":false,\"error\":\"no such file\",\
             \"module\":\"aws_transfer_exporter::telemetry::record::tests\"}"
        );
    }

    #[test]
    fn invisible_characters_are_escaped_and_keep_their_meaning() {
        let text = "a\"\\\n\r\t\u{0}\u{1b}\u{7f}\u{85}\u{9b}31m\u{2028}\u{202e}\u{2066}\u{feff}\u{a0}\u{200b}\u{e0041}é";
        let log = || tracing::warn!(event = "file_failed", failure_message = text, "file failed");
        let json = line(LogFormat::Json, log);
        let record: serde_json::Value =
            serde_json::from_str(&format!("{{\"level\":{json}")).unwrap();
        assert_eq!(record["failure_message"], text);
        let logfmt = line(LogFormat::Logfmt, log);
        let quoted = logfmt.split("failure_message=").nth(1).unwrap();
        let quoted = quoted
            .strip_suffix(&format!(" module={}", module_path!()))
            .unwrap();
        assert_eq!(serde_json::from_str::<String>(quoted).unwrap(), text);
        assert!(!json.contains(is_invisible) && !logfmt.contains(is_invisible));
    }
}
