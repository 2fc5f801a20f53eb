//! systemd notifications (`sd_notify(3)`); no-ops unless `NOTIFY_SOCKET` is set.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Reports that the exporter listens and can answer scrapes.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Reports that the exporter accepts no more connections and stops.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Reports a reload until it is dropped, whatever the result.
pub(super) struct Reloading(());

impl Reloading {
    /// Reports the start of a reload, with the time that `Type=notify-reload` requires.
    pub(super) fn start() -> Self {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(_) => notify(&[NotifyState::Reloading]),
        }
        Self(())
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        ready();
    }
}

/// Sends keep-alive notifications at half of `WatchdogSec=`. Returns at once if it is not set.
pub(super) async fn run_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO) else {
        return;
    };
    let mut ticks = tokio::time::interval(limit / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(event = "systemd_notify_failed", %error, "failed to notify systemd");
    }
}
