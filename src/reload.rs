//! SIGHUP: the new configuration takes effect whole, or it is said why not and the old one stays.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use crate::app::{App, notify};
use crate::config::{Plan, Problems};

/// The stream of SIGHUPs.
///
/// # Errors
/// The handler cannot be installed.
pub fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Loads and applies the configuration at each SIGHUP, for ever.
pub async fn run(app: Arc<App>, mut hangups: Signal, load: impl Fn() -> Result<Plan, Problems>) {
    while hangups.recv().await.is_some() {
        let _reloading = notify::Reloading::new();
        // Both files are read before anything is taken.
        let read = app.stage_web().and_then(|take_web| Ok((take_web, load()?)));
        let taken = match read {
            Ok((take_web, plan)) => app.apply(plan).await.map(|()| take_web()),
            Err(problems) => Err(problems.into()),
        };
        match taken {
            Ok(()) => info!("configuration reloaded"),
            Err(reasons) => {
                app.note_failed_reload();
                error!(reasons = %reasons, "the configuration was not reloaded, the one before stays");
            }
        }
    }
}
