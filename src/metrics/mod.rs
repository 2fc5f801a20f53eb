//! Floor 1: from state to bytes.
//!
//! [`families`] is the table of metric families. [`negotiate`] reads the request headers,
//! [`format`](mod@format) names formats and encodings. `state` maps the rows of a snapshot to
//! samples, [`self_metrics`] holds the exporter's own instruments, and `encode` writes samples.
//! [`exposition`] orders the families and streams them, or joins the compressed segments of
//! `compress`, which [`cache`] keeps. [`probe`] renders one transfer, [`mod@reference`] METRICS.md.

pub mod cache;
mod compress;
mod crc;
mod encode;
pub mod exposition;
pub mod families;
pub mod format;
pub mod negotiate;
pub mod probe;
pub mod reference;
mod scrape;
pub mod self_metrics;
mod state;

pub use scrape::{NameFilter, Scrape, ScrapeRequest};
