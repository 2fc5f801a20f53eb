//! The web configuration file: TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit
//! (<https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>). Whatever is accepted here,
//! the toolkit accepts; the other way round, CONFIGURATION.md tells what is refused and why.

mod tls;
mod users;

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

pub use tls::{CIPHER_SUITES, CURVES, ClientAuth, Pem, PemSource, TlsPlan, TlsVersion};
pub use users::{MAX_BCRYPT_COST, User};

use super::error::shown;
use super::node::{self, Node, Value};
use super::reader::{At, Given, Path, Reader, Section};
use super::value::{Fault, FromScalar, Scalar};
use super::{Problem, Problems};

pub(super) const ROOT_KEYS: &[&str] = &[
    "tls_server_config",
    "http_server_config",
    "basic_auth_users",
    "rate_limit",
];
pub(super) const HTTP_KEYS: &[&str] = &["http2", "headers"];
pub(super) const RATE_KEYS: &[&str] = &["interval", "burst"];

/// The headers that may be set, and the values of those that have few
/// (<https://github.com/prometheus/exporter-toolkit/blob/v0.20.0/web/handler.go>).
const HEADERS: &[(&str, &[&str])] = &[
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// No burst is larger: it would be no limit.
const LARGEST_BURST: i64 = 1_000_000;

/// How the server protects itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPlan {
    file: Arc<str>,
    /// TLS; `None` for plain HTTP.
    pub tls: Option<TlsPlan>,
    /// Whether HTTP/2 is offered, within TLS alone. Default true.
    pub http2: bool,
    /// Headers of each answer.
    pub headers: Vec<(&'static str, String)>,
    /// Who may ask; empty for everybody.
    pub users: Vec<User>,
    /// Requests over time; `None` without a limit.
    pub rate_limit: Option<RateLimitConfig>,
}

/// A bucket that holds `burst` requests and gains one each `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Above zero.
    pub interval: Duration,
    /// 1 to 1,000,000.
    pub burst: u32,
}

impl Default for WebPlan {
    /// Plain HTTP, open to everybody.
    fn default() -> Self {
        Self {
            file: "".into(),
            tls: None,
            http2: true,
            headers: Vec::new(),
            users: Vec::new(),
            rate_limit: None,
        }
    }
}

impl WebPlan {
    /// Reads the YAML document `text`. `file` is its name in messages; relative paths in it are relative to `folder`.
    /// Variables are not expanded, as in the toolkit: hashes are full of dollars.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(file: &str, folder: &FilePath, text: &str) -> Result<Self, Problems> {
        let literal = |name: &str| Some(format!("${{{name}}}"));
        let mut reader = Reader {
            file: file.into(),
            env: &literal,
            problems: Vec::new(),
        };
        let mut plan = Self {
            file: file.into(),
            ..Self::default()
        };
        match node::parse(text) {
            Ok(root) if matches!(root.value, Value::Null) => {}
            Ok(root) => plan.fill(&root, folder, &mut reader),
            Err(error) => reader.fault(
                error.line,
                &Path::ROOT,
                error.message,
                error.hint.map(str::to_owned),
            ),
        }
        Problems::none(reader.problems).map(|()| plan)
    }

    /// A fault of what `pem` names, at its place.
    pub fn problem(&self, pem: &Pem, message: impl Into<String>, hint: &str) -> Problem {
        Problem {
            file: self.file.clone(),
            line: Some(pem.line),
            key: format!("tls_server_config.{}", pem.key),
            message: message.into(),
            hint: Some(hint.to_owned()),
        }
    }

    fn fill(&mut self, root: &Node, folder: &FilePath, reader: &mut Reader<'_>) {
        let path = Path::ROOT;
        let Some(section) = reader.section(root, &path, ROOT_KEYS) else {
            return;
        };
        if section.get("tls_server_config").is_some() {
            self.tls = tls::read(reader, &section, &path, folder);
        }
        if let Some((http, path)) =
            reader.subsection(&section, &path, "http_server_config", HTTP_KEYS)
        {
            self.http2 = reader
                .take(&http, &path, "http2")
                .value()
                .is_none_or(|at: &At<bool>| at.value);
            self.headers = headers(reader, &http, &path);
        }
        if let Some(node) = section.get("basic_auth_users") {
            self.users = users::read(reader, node, &path.key("basic_auth_users"));
        }
        if let Some((rate, path)) = reader.subsection(&section, &path, "rate_limit", RATE_KEYS) {
            self.rate_limit = rate_limit(reader, &rate, &path);
        }
    }
}

fn headers(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    path: &Path<'_>,
) -> Vec<(&'static str, String)> {
    let Some(node) = section.get("headers") else {
        return Vec::new();
    };
    let path = path.key("headers");
    let mut found = Vec::new();
    for (name, line, value) in reader.entries(node, &path).unwrap_or_default() {
        let path = path.key(name);
        let Some((name, allowed)) = HEADERS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = HEADERS
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let hint = format!("spelled like this, these can: {}", known.join(", "));
            reader.fault(line, &path, "this header cannot be set", Some(hint));
            continue;
        };
        let Given::Value(value) = reader.scalar::<HeaderText>(value, &path) else {
            continue;
        };
        let text = value.value.0;
        if !allowed.is_empty() && !allowed.contains(&text.as_str()) {
            let hint = format!("one of: {}", allowed.join(", "));
            reader.fault(
                value.line,
                &path,
                format!("not a value of this header: {}", shown(&text)),
                Some(hint),
            );
        } else if text.is_empty() || !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            let hint = "write visible ASCII and spaces".to_owned();
            reader.fault(
                value.line,
                &path,
                "not a text that a header can carry",
                Some(hint),
            );
        } else {
            found.push((*name, text));
        }
    }
    found
}

/// A header's value; the toolkit takes `X-XSS-Protection: 1` as well.
struct HeaderText(String);

impl FromScalar for HeaderText {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, Fault> {
        match scalar {
            Scalar::Int(value) => Ok(Self(value.to_string())),
            other => String::from_scalar(other).map(Self),
        }
    }
}

fn rate_limit(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    path: &Path<'_>,
) -> Option<RateLimitConfig> {
    let interval = reader.take::<GoDuration>(section, path, "interval");
    let burst = reader.take::<i64>(section, path, "burst");
    let interval = match interval {
        Given::Faulty => return None,
        Given::Value(at) => at.value.0,
        Given::Absent => Duration::ZERO,
    };
    if interval.is_zero() {
        // As in the toolkit, an interval of zero is no limit.
        if let Some(burst) = burst.value().filter(|burst| burst.value > 0) {
            let hint = Some(
                "add the time in which the bucket gains one request: `interval: 100ms`".to_owned(),
            );
            reader.fault(
                burst.line,
                &path.key("burst"),
                "a burst without an `interval` limits nothing",
                hint,
            );
        }
        return None;
    }
    let hint = || Some("write how many requests may come at once: `burst: 20`".to_owned());
    match &burst {
        Given::Faulty => None,
        Given::Absent => {
            reader.fault(
                section.line,
                &path.key("burst"),
                "missing: no request would be answered",
                hint(),
            );
            None
        }
        Given::Value(at) => {
            let burst = u32::try_from(at.value)
                .ok()
                .filter(|_| (1..=LARGEST_BURST).contains(&at.value));
            if burst.is_none() {
                reader.fault(
                    at.line,
                    &path.key("burst"),
                    format!("not within 1 to 1,000,000: {}", at.value),
                    hint(),
                );
            }
            burst.map(|burst| RateLimitConfig { interval, burst })
        }
    }
}

/// A duration as Go writes it, which is not the way of the other configuration file: `1m30s`, `1.5s`, `100us`, and no days.
struct GoDuration(Duration);

impl FromScalar for GoDuration {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, Fault> {
        let fault = |message| Fault {
            message,
            shown: match scalar {
                Scalar::Text { text, .. } => Some(shown(text)),
                _ => None,
            },
            hint: Some("write a number with `ns`, `us`, `ms`, `s`, `m` or `h`: `100ms`, `1m30s`"),
        };
        match scalar {
            Scalar::Int(0) => Ok(Self(Duration::ZERO)),
            Scalar::Int(_) | Scalar::Float(_) => Err(fault("a duration without a unit")),
            Scalar::Text { text, .. } => go_duration(text)
                .map(Self)
                .ok_or_else(|| fault("not a duration")),
            Scalar::Bool(_) => Err(fault("not a duration")),
        }
    }
}

/// Units in nanoseconds.
const GO_UNITS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number);
        let unit = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let (_, factor) = GO_UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    // Beyond a day no one limits a rate, and Go's bound is far above.
    (!text.is_empty() && nanos <= 24.0 * 3600e9).then(|| Duration::from_secs_f64(nanos / 1e9))
}

#[cfg(test)]
mod tests;
