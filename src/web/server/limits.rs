//! Limits on what clients may use.

use std::time::Duration;

use super::pool::MAX_CONNECTIONS;

/// Limits on connections and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at once. Default [`MAX_CONNECTIONS`].
    pub connections: usize,
    /// Time for a TLS handshake. Default 10 s.
    pub handshake: Duration,
    /// Time for a whole request head, from the first byte or from the previous response. It is the
    /// keep-alive time as well. Default 30 s.
    pub header: Duration,
    /// A client that reads nothing of its response for this long is disconnected. Default 10 s.
    pub stall: Duration,
    /// Time for the requests in flight once the server stops. Default 10 s.
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
