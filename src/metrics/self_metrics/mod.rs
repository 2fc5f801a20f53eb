//! The exporter's own instruments, grouped by the module that records them. Only this module uses
//! the `prometheus` crate.
//!
//! Each group declares its instruments with `Registrar::create`, which reads name, type, labels
//! and HELP text from [`families`](super::families) and registers the instrument.

mod api;
mod build;
mod collector;
mod config;
mod discovery;
mod gathered;
mod http;
mod lease;
mod log;
mod registrar;
mod runtime;
mod storage;

use std::sync::Arc;

use prometheus::Registry;

pub use api::ApiMetrics;
pub use collector::CollectorMetrics;
pub use config::ConfigMetrics;
pub use discovery::{DiscoveryMetrics, SourceLabels};
pub(super) use gathered::Gathered;
pub use http::{HttpMetrics, RejectReason};
pub use lease::LeaseMetrics;
pub use log::LogMetrics;
pub use registrar::InstrumentError;
use registrar::Registrar;
pub use runtime::{RuntimeMetrics, RuntimeStats};
pub use storage::StorageMetrics;

/// All instruments of one exporter, and the registry that a scrape reads them from.
pub struct SelfMetrics {
    registry: Registry,
    /// Attempts at AWS API requests.
    pub api: Arc<ApiMetrics>,
    /// Sweeps and sharding.
    pub collector: Arc<CollectorMetrics>,
    /// Configuration file.
    pub config: Arc<ConfigMetrics>,
    /// Discovery sources.
    pub discovery: Arc<DiscoveryMetrics>,
    /// HTTP server.
    pub http: Arc<HttpMetrics>,
    /// Lease of the shard in shared storage.
    pub lease: Arc<LeaseMetrics>,
    /// Log of the process.
    pub log: Arc<LogMetrics>,
    /// Tokio runtime.
    pub runtime: Arc<RuntimeMetrics>,
    /// Persistent storage.
    pub storage: Arc<StorageMetrics>,
}

impl SelfMetrics {
    /// Creates and registers every instrument.
    ///
    /// # Errors
    /// The `prometheus` crate rejects a descriptor. Only a mistake in the families table causes it.
    pub fn new() -> Result<Self, InstrumentError> {
        let registrar = Registrar::new();
        build::register(&registrar)?;
        Ok(Self {
            api: Arc::new(ApiMetrics::new(&registrar)?),
            collector: Arc::new(CollectorMetrics::new(&registrar)?),
            config: Arc::new(ConfigMetrics::new(&registrar)?),
            discovery: Arc::new(DiscoveryMetrics::new(&registrar)?),
            http: Arc::new(HttpMetrics::new(&registrar)?),
            lease: Arc::new(LeaseMetrics::new(&registrar)?),
            log: Arc::new(LogMetrics::new(&registrar)?),
            runtime: Arc::new(RuntimeMetrics::new(&registrar)?),
            storage: Arc::new(StorageMetrics::new(&registrar)?),
            registry: registrar.finish()?,
        })
    }

    /// Returns the current values of all instruments.
    pub(super) fn gather(&self) -> Gathered {
        Gathered::new(self.registry.gather())
    }
}

#[cfg(test)]
mod tests;
