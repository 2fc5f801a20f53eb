//! HTTP server.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{CounterVec, GaugeVec};

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;

/// Why a connection or request was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// The rate limit was exceeded.
    RateLimit,
    /// Credentials were missing or wrong.
    Unauthorized,
    /// Too many requests of the client were in progress, or waiting for a password to be verified.
    Busy,
    /// Every connection was in use.
    Connections,
    /// The TLS handshake failed.
    Tls,
    /// The request named a host that is not the exporter's.
    Host,
}

impl RejectReason {
    const ALL: [Self; 6] = [
        Self::RateLimit,
        Self::Unauthorized,
        Self::Busy,
        Self::Connections,
        Self::Tls,
        Self::Host,
    ];

    /// Returns the value of the label `reason`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Unauthorized => "unauthorized",
            Self::Busy => "busy",
            Self::Connections => "connections",
            Self::Tls => "tls",
            Self::Host => "host",
        }
    }
}

/// Instruments of the HTTP server.
pub struct HttpMetrics {
    requests: CounterVec,
    rejected: CounterVec,
    certificate_not_after: GaugeVec,
    web_config_ok: GaugeVec,
    web_config_unconfirmed: GaugeVec,
}

impl HttpMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        let metrics = Self {
            requests: registrar.create(&families::HTTP_REQUESTS)?,
            rejected: registrar.create(&families::HTTP_REFUSED)?,
            certificate_not_after: registrar.create(&families::CERTIFICATE_NOT_AFTER)?,
            web_config_ok: registrar.create(&families::WEB_CONFIG_RELOAD_OK)?,
            web_config_unconfirmed: registrar.create(&families::WEB_CONFIG_UNCONFIRMED)?,
        };
        metrics.requests.with_label_values(&["metrics", "200"]);
        for reason in RejectReason::ALL {
            metrics.rejected.with_label_values(&[reason.as_label()]);
        }
        Ok(metrics)
    }

    /// Counts a response of `handler`.
    pub fn count_request(&self, handler: &str, code: &str) {
        self.requests.with_label_values(&[handler, code]).inc();
    }

    /// Counts a rejected connection or request.
    pub fn count_rejected(&self, reason: RejectReason) {
        self.rejected.with_label_values(&[reason.as_label()]).inc();
    }

    /// Sets the expiration time of the server certificate, or removes the series without TLS.
    pub fn set_certificate_not_after(&self, not_after: Option<SystemTime>) {
        match not_after {
            Some(at) => {
                let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
                self.certificate_not_after
                    .with_label_values::<&str>(&[])
                    .set(since_epoch.as_secs_f64());
            }
            None => self.certificate_not_after.reset(),
        }
    }

    /// Sets whether the web configuration on disk lowers protection and awaits a confirmation.
    pub fn set_web_config_unconfirmed(&self, unconfirmed: bool) {
        self.web_config_unconfirmed
            .with_label_values::<&str>(&[])
            .set(f64::from(u8::from(unconfirmed)));
    }

    /// Returns what [`Self::set_web_config_unconfirmed`] has set.
    #[cfg(test)]
    pub(crate) fn is_web_config_unconfirmed(&self) -> bool {
        self.web_config_unconfirmed
            .with_label_values::<&str>(&[])
            .get()
            > 0.5
    }

    /// Sets whether the web configuration file on disk is the active one.
    pub fn set_web_config_ok(&self, ok: bool) {
        self.web_config_ok
            .with_label_values::<&str>(&[])
            .set(f64::from(u8::from(ok)));
    }
}
