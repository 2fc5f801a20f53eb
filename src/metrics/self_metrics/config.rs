//! Configuration file.

use prometheus::Gauge;

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;
use model::Now;

/// Instruments of configuration reloads.
pub struct ConfigMetrics {
    last_reload_ok: Gauge,
    last_reload_at: Gauge,
    hash: Gauge,
}

impl ConfigMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        Ok(Self {
            last_reload_ok: registrar.create(&families::CONFIG_RELOAD_OK)?,
            last_reload_at: registrar.create(&families::CONFIG_RELOAD_AT)?,
            hash: registrar.create(&families::CONFIG_HASH)?,
        })
    }

    /// Records the result of a reload at `now`.
    pub fn record_reload(&self, succeeded: bool, now: Now) {
        self.last_reload_ok.set(f64::from(u8::from(succeeded)));
        if succeeded {
            self.last_reload_at.set(now.unix_seconds());
        }
    }

    /// Sets the hash of the active configuration file.
    pub fn set_hash(&self, hash: f64) {
        self.hash.set(hash);
    }
}
