//! The way from a request to whoever does reloads.

use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for one that is being done.
const WAITING: usize = 16;

/// Asks for reloads.
#[derive(Clone)]
pub struct Reloads(mpsc::Sender<Request>);

/// One that is asked for.
pub struct Request(oneshot::Sender<Result<(), String>>);

impl Reloads {
    /// The way, and its end.
    pub fn new() -> (Self, mpsc::Receiver<Request>) {
        let (sender, requests) = mpsc::channel(WAITING);
        (Self(sender), requests)
    }

    /// Reloads, and returns once the new configuration is in force.
    ///
    /// # Errors
    /// Why it is not: then the one before is. No reason holds a secret.
    pub async fn request(&self) -> Result<(), String> {
        let stopping = || "the exporter is stopping".to_owned();
        let (answer, answered) = oneshot::channel();
        self.0.send(Request(answer)).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

impl Request {
    /// Tells what came of it to whoever asked, unless they have gone.
    pub fn answer(self, came: Result<(), String>) {
        let _ = self.0.send(came);
    }
}
