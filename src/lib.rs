//! A Prometheus exporter for the SFTP connectors of AWS Transfer Family.
//!
//! ARCHITECTURE.md describes the layers. A module uses only layers below its own.

pub mod app;
pub mod cli;
pub mod collector;
pub mod config;
pub mod discovery;
pub mod flows;
pub mod metrics;
pub mod store;
pub mod telemetry;
pub mod tracker;
pub mod transfer;
pub mod web;
