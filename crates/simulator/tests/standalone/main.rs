//! Tests of the program `transfer-simulator`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod documents;
mod peers;
mod support;
