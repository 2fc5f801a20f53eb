//! What clients may ask of the server.

use std::time::Duration;

use super::pool::MAX_CONNECTIONS;

/// In connections and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// ConnectionPool at once. Default [`MAX_CONNECTIONS`].
    pub connections: usize,
    /// A TLS handshake must be done within this time. Default 10 s.
    pub handshake: Duration,
    /// A whole request head must arrive within this time, from the first byte on or from the answer before it; so this
    /// is the keep-alive time as well. Default 30 s.
    pub header: Duration,
    /// A client that takes nothing of its answer for this long is given up. Default 10 s.
    pub stall: Duration,
    /// Requests in flight are answered for at most this long once the server stops. Default 10 s.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(30),
            stall: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}
