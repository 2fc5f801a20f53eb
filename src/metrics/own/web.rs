//! How the server does.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{CounterVec, GaugeVec, Registry};

use super::{InstrumentError, opts};
use crate::metrics::families;

/// Why a client was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `rate_limit` had nothing left.
    RateLimit,
    /// No credentials, or no good ones.
    Unauthorized,
    /// Too many passwords were waiting to be verified.
    Busy,
    /// Every connection was being answered.
    Connections,
    /// No TLS handshake came about.
    Tls,
}

impl Refused {
    const ALL: [Self; 5] = [
        Self::RateLimit,
        Self::Unauthorized,
        Self::Busy,
        Self::Connections,
        Self::Tls,
    ];

    /// The label `reason`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Unauthorized => "unauthorized",
            Self::Busy => "busy",
            Self::Connections => "connections",
            Self::Tls => "tls",
        }
    }
}

/// Instruments of the server.
pub struct WebMetrics {
    requests: CounterVec,
    refused: CounterVec,
    not_after: GaugeVec,
    config_ok: GaugeVec,
}

impl WebMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, InstrumentError> {
        let counters = |family: &families::Family| CounterVec::new(opts(family), family.labels);
        // Without labels, and still a vector: it can be absent.
        let gauge = |family: &families::Family| GaugeVec::new(opts(family), family.labels);
        let own = Self {
            requests: counters(&families::HTTP_REQUESTS)?,
            refused: counters(&families::HTTP_REFUSED)?,
            not_after: gauge(&families::CERTIFICATE_NOT_AFTER)?,
            config_ok: gauge(&families::WEB_CONFIG_RELOAD_OK)?,
        };
        registry.register(Box::new(own.requests.clone()))?;
        registry.register(Box::new(own.refused.clone()))?;
        registry.register(Box::new(own.not_after.clone()))?;
        registry.register(Box::new(own.config_ok.clone()))?;
        own.requests.with_label_values(&["metrics", "200"]);
        for reason in Refused::ALL {
            own.refused.with_label_values(&[reason.as_label()]);
        }
        Ok(own)
    }

    /// Counts an answer of `handler`.
    pub fn count_request(&self, handler: &str, code: &str) {
        self.requests.with_label_values(&[handler, code]).inc();
    }

    /// Counts a connection or request that was not served.
    pub fn count_refused(&self, reason: Refused) {
        self.refused.with_label_values(&[reason.as_label()]).inc();
    }

    /// Tells when the served certificate ends; `None` without TLS.
    pub fn set_not_after(&self, end: Option<SystemTime>) {
        match end {
            Some(end) => {
                let seconds = end
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default()
                    .as_secs_f64();
                self.not_after.with_label_values::<&str>(&[]).set(seconds);
            }
            None => self.not_after.reset(),
        }
    }

    /// Notes whether the web configuration, as it is now, could be taken up.
    pub fn note_web_config(&self, taken: bool) {
        self.config_ok
            .with_label_values::<&str>(&[])
            .set(f64::from(u8::from(taken)));
    }
}
