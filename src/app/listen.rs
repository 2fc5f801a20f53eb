//! Listening sockets.

use anyhow::Context;
use tokio::net::TcpListener;
use tracing::info;

use crate::web;

/// Listening sockets of a server.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Sockets for all routes.
    pub all: Vec<TcpListener>,
    /// Sockets for `/-/healthy` and `/-/ready` only, without TLS or authentication.
    pub health: Vec<TcpListener>,
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(all: Vec<TcpListener>) -> Self {
        Self {
            all,
            health: Vec::new(),
        }
    }
}

/// Origin of the listening sockets.
#[derive(Clone, Copy, Debug)]
pub enum Listen<'a> {
    /// Bind these addresses.
    Addresses(&'a [String]),
    /// Take the sockets passed by systemd (`LISTEN_FDS`).
    Systemd,
}

/// Opens all listening sockets.
///
/// # Errors
/// An address cannot be bound, or no socket was passed.
pub async fn listen(on: Listen<'_>) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    match on {
        Listen::Addresses(addresses) => {
            for address in addresses {
                listeners.push(web::listen::bind(address).await?);
            }
        }
        Listen::Systemd => listeners.extend(web::listen::systemd_sockets()?),
    }
    for listener in &listeners {
        let local = listener
            .local_addr()
            .context("failed to read the address of a listener")?;
        info!(event = "listening", address = %local, "listening");
    }
    Ok(listeners)
}
