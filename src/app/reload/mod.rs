//! Reloads of the configuration and the web configuration, triggered by SIGHUP, by
//! `POST /-/reload`, or by a change of the configuration file's content.
//!
//! One task runs all reloads, one after the other. A rejected configuration is not retried by the
//! content check until the content changes again.

mod changes;
mod handle;
mod prepare;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info};

use super::{App, systemd};
use crate::config::{self, ConfigHash, ConfigText, Problems};
pub use changes::Changes;
pub use handle::ReloadHandle;
use handle::ReloadRequest;

/// Changed content is read again after this time, so that a file that is still being written is
/// not used.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Places of problems in the response to a client.
const MAX_PLACES: usize = 100;

/// Installs the handler of SIGHUP.
///
/// # Errors
/// The handler cannot be installed.
pub fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Describes a failure to a client: where the problems are, but nothing of the configuration's text.
/// A client may not be allowed to read the file.
fn places(failure: &anyhow::Error) -> String {
    const SEE_LOG: &str = "the log record `config_reload_failed` has the reasons";
    let Some(problems) = failure.downcast_ref::<Problems>() else {
        return SEE_LOG.to_owned();
    };
    let mut places = Vec::new();
    for problem in problems {
        let place = match problem.line {
            Some(line) => format!("{}:{line}", problem.file),
            None => problem.file.to_string(),
        };
        if places.last() != Some(&place) && places.len() < MAX_PLACES {
            places.push(place);
        }
    }
    let count = problems.count();
    let s = if count == 1 { "" } else { "s" };
    format!("{count} problem{s}, {SEE_LOG}\n{}", places.join("\n"))
}

/// Trigger of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Signal,
    Http,
    ContentChange,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "SIGHUP",
            Self::Http => "POST /-/reload",
            Self::ContentChange => "content change",
        }
    }
}

/// Identity of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Text(ConfigHash),
    /// With the reason.
    Unreadable(String),
}

/// Runs reloads, one at a time.
pub struct Reloader {
    app: Arc<App>,
    file: PathBuf,
    requests: mpsc::Receiver<ReloadRequest>,
    /// Content of the latest reload, accepted or rejected.
    last_tried: Content,
}

impl Reloader {
    /// Creates the reloader of `app`, which runs with the configuration `text` of `file`.
    pub fn new(app: Arc<App>, file: PathBuf, text: &ConfigText) -> Self {
        let (handle, requests) = ReloadHandle::new();
        let hash = text.hash();
        app.metrics.config.set_hash(hash.as_gauge());
        // A second reloader of the same application would be a bug. The first one stays in use.
        let _ = app.reload.set(handle);
        Self {
            app,
            file,
            requests,
            last_tried: Content::Text(hash),
        }
    }

    /// Runs reloads for ever. Checks the content of the file every `interval`; zero disables it.
    pub async fn run(mut self, mut hangups: Signal, interval: Duration) {
        let mut checks = (!interval.is_zero()).then(|| {
            let first = tokio::time::Instant::now() + interval;
            let mut checks = tokio::time::interval_at(first, interval);
            checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            checks
        });
        loop {
            let check = async {
                match &mut checks {
                    Some(checks) => checks.tick().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(()) = hangups.recv() => {
                    // The result is logged.
                    let _ = self.reload(Cause::Signal).await;
                }
                Some(request) = self.requests.recv() => {
                    let result = self.reload(Cause::Http).await;
                    request.respond(result);
                }
                _ = check => self.check_content().await,
            }
        }
    }

    /// Reloads if the file's content was not tried before and stays the same for [`SETTLE_TIME`].
    async fn check_content(&mut self) {
        let (seen, _) = self.read().await;
        if seen == self.last_tried {
            return;
        }
        tokio::time::sleep(SETTLE_TIME).await;
        let (settled, text) = self.read().await;
        if settled == seen {
            let _ = self.try_content(Cause::ContentChange, settled, text).await;
        } else {
            debug!(
                event = "config_unsettled",
                "configuration file is still changing, waiting for the next check"
            );
        }
    }

    async fn reload(&mut self, cause: Cause) -> Result<(), String> {
        let (content, text) = self.read().await;
        self.try_content(cause, content, text).await
    }

    async fn try_content(
        &mut self,
        cause: Cause,
        content: Content,
        text: Result<ConfigText, Problems>,
    ) -> Result<(), String> {
        let _reloading = systemd::Reloading::start();
        self.last_tried = content;
        let applied = self.apply(cause, text).await;
        let cause = cause.as_str();
        match applied {
            Ok(changes) => {
                info!(
                    event = "config_reloaded",
                    cause,
                    %changes,
                    "configuration reloaded"
                );
                Ok(())
            }
            Err(failure) => {
                let error = format!("{failure:#}");
                let now = self.app.clock.now();
                self.app.metrics.config.record_reload(false, now);
                error!(
                    event = "config_reload_failed",
                    cause,
                    error,
                    "failed to reload the configuration, the previous one stays active"
                );
                Err(places(&failure))
            }
        }
    }

    async fn apply(
        &self,
        cause: Cause,
        text: Result<ConfigText, Problems>,
    ) -> anyhow::Result<Changes> {
        let text = text?;
        let hash = text.hash();
        let plan =
            tokio::task::spawn_blocking(move || text.resolve(&|name| std::env::var(name).ok()))
                .await
                .context("failed to resolve the configuration")??;
        let explicit = cause != Cause::ContentChange;
        self.app.reload_config(plan, Some(hash), explicit).await
    }

    async fn read(&self) -> (Content, Result<ConfigText, Problems>) {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || config::read(&file)).await;
        // A panic is not a content that could be compared.
        let text = read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        let content = match &text {
            Ok(text) => Content::Text(text.hash()),
            Err(problems) => Content::Unreadable(problems.to_string()),
        };
        (content, text)
    }
}
