//! The record of a failed file, for whoever learned of it.

use tracing::warn;

use crate::model::{FailureCode, TransferKey};

/// A file that was seen FAILED for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedFile {
    /// Its path, as AWS tells it.
    pub path: String,
    /// Why, where AWS gave a code; not folded.
    pub code: Option<FailureCode>,
    /// The same for people.
    pub message: Option<String>,
}

impl FailedFile {
    /// Writes the one record that there is of a failed file of the transfer `key`.
    pub fn log(&self, key: &TransferKey) {
        warn!(
            aws_account = %key.account,
            connector_id = %key.connector,
            transfer_id = %key.transfer,
            file_path = self.path,
            failure_code = self.code.as_ref().map_or("", |code| code.as_str()),
            failure_message = self.message.as_deref().unwrap_or_default(),
            "file failed"
        );
    }
}
