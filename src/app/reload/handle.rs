//! Channel from reload requests to the reloader.

use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for a running reload.
const MAX_PENDING: usize = 16;

/// Sends reload requests to the reloader.
#[derive(Clone)]
pub struct ReloadHandle(mpsc::Sender<ReloadRequest>);

/// A pending reload request.
pub(super) struct ReloadRequest(oneshot::Sender<Result<(), String>>);

impl ReloadHandle {
    /// Creates the channel.
    pub(super) fn new() -> (Self, mpsc::Receiver<ReloadRequest>) {
        let (sender, requests) = mpsc::channel(MAX_PENDING);
        (Self(sender), requests)
    }

    /// Reloads, and returns once the new configuration is active.
    ///
    /// # Errors
    /// Why the previous configuration stays active: places, and no text of the configuration.
    pub async fn reload(&self) -> Result<(), String> {
        let stopping = || "the exporter is stopping".to_owned();
        let (sender, result) = oneshot::channel();
        let request = ReloadRequest(sender);
        self.0.send(request).await.map_err(|_| stopping())?;
        result.await.map_err(|_| stopping())?
    }
}

impl ReloadRequest {
    /// Sends the result to the requester, if it is still waiting.
    pub(super) fn respond(self, result: Result<(), String>) {
        let _ = self.0.send(result);
    }
}
