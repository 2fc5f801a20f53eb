//! What systemd is told (`sd_notify(3)`); nothing where nobody asks.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// The exporter listens and can answer a scrape.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The exporter takes no more connections, and ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// A reload goes on until this is dropped, whatever came of it.
pub struct Reloading(());

impl Reloading {
    /// Tells that a reload begins, and when: `Type=notify-reload` asks for the time.
    #[expect(clippy::new_without_default, reason = "it tells something")]
    pub fn new() -> Self {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
        Self(())
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        ready();
    }
}

/// Tells, as often as `WatchdogSec=` asks, that the runtime still runs tasks; ends at once where it does not ask.
pub async fn keep_alive() {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO) else {
        return;
    };
    let mut ticks = tokio::time::interval(limit / 2);
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "systemd cannot be told; look at `NOTIFY_SOCKET`");
    }
}
