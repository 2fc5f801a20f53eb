//! The record of a failed file, for whoever learned of it.

use std::borrow::Cow;

use tracing::warn;

use model::{FailureCode, TransferKey};

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

/// Characters of a path, a code or a message that are written.
const LONGEST_TEXT: usize = 1_024;

impl FailedFile {
    /// Writes the one record that there is of a failed file of the transfer `key`.
    pub fn log(&self, key: &TransferKey) {
        warn!(
            aws_account = %key.account,
            connector_id = %key.connector,
            transfer_id = %key.transfer,
            file_path = &*shortened(&self.path),
            failure_code = &*shortened(self.code.as_ref().map_or("", |code| code.as_str())),
            failure_message = &*shortened(self.message.as_deref().unwrap_or_default()),
            "file failed"
        );
    }
}

/// As much of a text as a log takes: it comes from elsewhere, and its length has no other bound.
fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        assert_eq!(shortened("short"), "short");
        let longest = "é".repeat(LONGEST_TEXT);
        assert_eq!(shortened(&longest), longest);
        assert_eq!(shortened(&"é".repeat(LONGEST_TEXT + 1)), longest + "...");
    }
}
