//! Listening sockets, from addresses in the format of Prometheus or from systemd.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

const BACKLOG: i32 = 1024;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on `{address}`: {reason}\n  hint: {hint}")]
pub struct ListenError {
    address: String,
    /// Not a source, because the message has it already.
    reason: io::Error,
    hint: &'static str,
}

/// Listens on `host:port`, `[ipv6]:port` or `:port`. The last means all addresses, of IPv6 and IPv4
/// if the system has both.
///
/// # Errors
/// [`ListenError`], with a remedy.
pub async fn bind(address: &str) -> Result<TcpListener, ListenError> {
    let attempt = match address.strip_prefix(':') {
        Some(port) => match port.parse() {
            Ok(port) => open(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
                .or_else(|_| open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the port must be a number from 0 to 65535",
            )),
        },
        None => resolve(address).await.and_then(open),
    };
    attempt.map_err(|reason| {
        let hint = match reason.kind() {
            io::ErrorKind::AddrInUse => {
                "another process listens there; stop it or choose another `--web.listen-address`"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege; choose a higher port"
            }
            _ => "the format is `host:port`, `[ipv6]:port` or `:port`",
        };
        ListenError {
            address: address.to_owned(),
            reason,
            hint,
        }
    })
}

/// Sockets of systemd that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// systemd passed no socket to this process.
    #[error(
        "`--web.systemd-socket`: systemd passed no socket\n  hint: start the socket unit instead of the service"
    )]
    None,
    /// A socket is not a listening TCP socket.
    #[error("`--web.systemd-socket`: socket {0} is not a listening TCP socket: {1}")]
    Unusable(usize, io::Error),
}

/// Returns the sockets that systemd passed (`LISTEN_FDS`, `sd_listen_fds(3)`).
///
/// # Errors
/// [`InheritError`].
pub fn systemd_sockets() -> Result<Vec<TcpListener>, InheritError> {
    let mut passed = ListenFd::from_env();
    let count = passed.len();
    if count == 0 {
        return Err(InheritError::None);
    }
    let mut take = |at: usize| {
        let listener = passed
            .take_tcp_listener(at)?
            .ok_or(io::ErrorKind::InvalidInput)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    (0..count)
        .map(|at| take(at).map_err(|error| InheritError::Unusable(at, error)))
        .collect()
}

async fn resolve(address: &str) -> io::Result<SocketAddr> {
    let mut found = lookup_host(address).await?;
    found
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address"))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bare_port_listens_on_every_address() {
        let listener = bind(":0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn an_address_in_use_is_reported_with_a_remedy() {
        let taken = bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let error = bind(&address).await.unwrap_err().to_string();
        assert!(
            error.contains(&address) && error.contains("another process"),
            "{error} {taken}"
        );
    }

    #[tokio::test]
    async fn a_malformed_address_is_reported_with_the_format() {
        for address in ["", "localhost", ":x", ":70000", "1.2.3.4.5:1:2"] {
            let error = bind(address).await.unwrap_err().to_string();
            assert!(error.contains("hint: the format is"), "{address}: {error}");
        }
    }
}
