//! A new configuration takes effect whole, or it is said why not and the old one stays.
//!
//! Three ask for it: SIGHUP, `POST /-/reload`, and a look at the file's content at an interval. One task does what they
//! ask for, one after the other. What has been refused is not tried again by itself until the content changes.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info};

use crate::app::reloads::{Reloads, Request};
use crate::app::{App, notify};
use crate::config::{self, ConfigHash, ConfigText, Problems};

/// A file that differs is read again after this time: one that is still being written is not taken.
const SETTLED: Duration = Duration::from_secs(1);

/// The stream of SIGHUPs.
///
/// # Errors
/// The handler cannot be installed.
pub fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Who asks for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// SIGHUP.
    Signal,
    /// `POST /-/reload`.
    Http,
    /// The file's content has changed.
    Content,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "SIGHUP",
            Self::Http => "POST /-/reload",
            Self::Content => "the content changed",
        }
    }
}

/// Something else that a reload takes along. The first step does all that can fail and changes nothing; it answers the
/// second, which cannot fail.
pub type Part = Box<dyn Fn() -> anyhow::Result<Commit> + Send + Sync>;

/// The second step of a [`Part`].
pub type Commit = Box<dyn FnOnce() + Send>;

/// What a file holds, as far as two looks at it are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Text(ConfigHash),
    /// And why.
    Unreadable(String),
}

/// Does reloads, one after the other.
pub struct Reloader {
    app: Arc<App>,
    file: PathBuf,
    parts: Vec<Arc<dyn Fn() -> anyhow::Result<Commit> + Send + Sync>>,
    requests: mpsc::Receiver<Request>,
    /// What was taken or refused last.
    tried: Content,
}

impl Reloader {
    /// Of `app`, whose configuration is `text`, as `file` had it.
    pub fn new(app: Arc<App>, file: PathBuf, text: &ConfigText) -> Self {
        let (reloads, requests) = Reloads::new();
        app.tell_configuration(text.hash());
        app.reload_by(reloads);
        Self {
            app,
            file,
            parts: Vec::new(),
            requests,
            tried: Content::Text(text.hash()),
        }
    }

    /// The same with `part`, which takes effect with the plan or not at all.
    #[must_use]
    pub fn with(mut self, part: Part) -> Self {
        self.parts.push(part.into());
        self
    }

    /// Reloads at each SIGHUP, at each request, and when the file's content has changed, which is looked at each
    /// `interval`; zero: never. Does not end.
    pub async fn run(mut self, mut hangups: Signal, interval: Duration) {
        let mut looks = (!interval.is_zero()).then(|| {
            let mut looks =
                tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            looks
        });
        loop {
            let look = async {
                match &mut looks {
                    Some(looks) => looks.tick().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(()) = hangups.recv() => {
                    // It has been logged.
                    let _ = self.reload(Cause::Signal).await;
                }
                Some(request) = self.requests.recv() => {
                    let reloaded = self.reload(Cause::Http).await;
                    request.answer(reloaded);
                }
                _ = look => self.look().await,
            }
        }
    }

    /// Reloads if the file holds something that has not been tried, and has held it for a moment.
    async fn look(&mut self) {
        let (seen, _) = self.read().await;
        if seen == self.tried {
            return;
        }
        tokio::time::sleep(SETTLED).await;
        let (settled, text) = self.read().await;
        if settled == seen {
            let _ = self.take(Cause::Content, settled, text).await;
        } else {
            debug!("the configuration is being written: the next look takes it");
        }
    }

    async fn reload(&mut self, cause: Cause) -> Result<(), String> {
        let (content, text) = self.read().await;
        self.take(cause, content, text).await
    }

    async fn take(
        &mut self,
        cause: Cause,
        content: Content,
        text: Result<ConfigText, Problems>,
    ) -> Result<(), String> {
        let _reloading = notify::Reloading::new();
        self.tried = content;
        let cause = cause.as_str();
        match self.apply(text).await {
            Ok(changes) => {
                info!(cause, changes, "configuration reloaded");
                Ok(())
            }
            Err(reasons) => {
                let reasons = format!("{reasons:#}");
                self.app.note_failed_reload();
                error!(
                    cause,
                    reasons, "the configuration was not reloaded, the one before stays"
                );
                Err(reasons)
            }
        }
    }

    /// Everything that can fail comes first; what has changed is answered.
    async fn apply(&self, text: Result<ConfigText, Problems>) -> anyhow::Result<String> {
        let text = text?;
        let digest = text.hash();
        let resolved =
            tokio::task::spawn_blocking(move || text.resolve(&|name| std::env::var(name).ok()));
        let plan = resolved
            .await
            .context("the configuration could not be read")??;
        let prepared = Box::pin(self.app.prepare(plan)).await?;
        let mut commits = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let part = Arc::clone(part);
            // It may wait for files.
            commits.push(
                tokio::task::spawn_blocking(move || part())
                    .await
                    .context("a part of it panicked")??,
            );
        }
        let changes = self.app.commit(prepared).await;
        for commit in commits {
            commit();
        }
        self.app.tell_configuration(digest);
        Ok(changes.to_string())
    }

    async fn read(&self) -> (Content, Result<ConfigText, Problems>) {
        let file = self.file.clone();
        // A panic within is no content that anything was tried with.
        let read = tokio::task::spawn_blocking(move || config::read(&file)).await;
        let text = read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        let content = match &text {
            Ok(text) => Content::Text(text.hash()),
            Err(problems) => Content::Unreadable(problems.to_string()),
        };
        (content, text)
    }
}
