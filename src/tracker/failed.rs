//! The record of a failed file, for whoever learned of it.

use tracing::warn;

use super::FailedFile;
use crate::model::TransferKey;

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
