//! Attacks on a running server, one file a kind: what someone outside may send, many inputs each,
//! over the loopback. docs/operate/security.md has the bound of each kind.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod budget;
mod held;
mod host;
mod http2;
mod lockout;
mod log;
mod longer;
mod memory;
mod names;
mod parsing;
mod together;
