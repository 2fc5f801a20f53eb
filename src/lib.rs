//! A Prometheus exporter for the SFTP connectors of AWS Transfer Family. ARCHITECTURE.md draws the floors; a module
//! uses only floors below its own.

pub mod model;
pub mod simulator;
