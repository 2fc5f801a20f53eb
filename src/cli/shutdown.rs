//! Shutdown signals.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Installs the handlers and returns a future that completes at the first SIGTERM or SIGINT. A
/// second signal ends the process at once.
///
/// # Errors
/// The handlers cannot be installed.
pub(super) fn requested() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(event = "stopping", signal = name, "stopping");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
            std::process::exit(1);
        });
    })
}
