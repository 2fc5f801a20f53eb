//! A failed file, and its log record.

use std::borrow::Cow;

use tracing::warn;

use model::{FailureCode, TransferKey};

/// A file that was reported as FAILED for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedFile {
    /// Its path, as reported by AWS.
    pub path: String,
    /// The failure code, if AWS reported one. Not limited by the label guard.
    pub code: Option<FailureCode>,
    /// The failure message.
    pub message: Option<String>,
}

/// Maximum number of characters of a path, a code or a message in the log.
const MAX_LOGGED_CHARS: usize = 1_024;

impl FailedFile {
    /// Logs the failed file of the transfer `key`. Called once per failed file.
    pub fn log(&self, key: &TransferKey) {
        warn!(
            event = "file_failed",
            aws_account = %key.account,
            connector_id = %key.connector,
            transfer_id = %key.transfer,
            file_path = &*shorten(&self.path),
            failure_code = &*shorten(self.code.as_ref().map_or("", |code| code.as_str())),
            failure_message = &*shorten(self.message.as_deref().unwrap_or_default()),
            "file failed"
        );
    }
}

/// Shortens a text from AWS to the length that is logged.
fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_LOGGED_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character_boundary() {
        assert_eq!(shorten("short"), "short");
        let longest = "é".repeat(MAX_LOGGED_CHARS);
        assert_eq!(shorten(&longest), longest);
        assert_eq!(shorten(&"é".repeat(MAX_LOGGED_CHARS + 1)), longest + "...");
    }
}
