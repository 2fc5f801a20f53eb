//! All pages of one transfer's results.

use std::collections::HashSet;

use super::{ErrorKind, TransferApi, TransferError};
use model::{ConnectorId, FileResult, TransferId};

/// More pages than this are an error. A page has at most 10 files, and one `StartFileTransfer` at
/// most 10
/// (<https://docs.aws.amazon.com/transfer/latest/APIReference/API_ListFileTransferResults.html>).
pub const MAX_PAGES: usize = 1_000;

/// Largest size of all pages together, in bytes: 1,000 files with the longest paths and messages of
/// 1 KiB fit. The size of each response is limited too; this limits their sum. As many transfers are
/// read at once as `collector.concurrency` allows.
const MAX_SIZE: usize = 4 << 20;

/// Fetches every page. Returns all files or an error, never part of the files.
///
/// # Errors
/// The error of a page; [`ErrorKind::RepeatedToken`]; [`ErrorKind::TooManyPages`];
/// [`ErrorKind::Oversized`] if the pages together are too large.
pub async fn all_file_results(
    api: &dyn TransferApi,
    connector: &ConnectorId,
    transfer: &TransferId,
) -> Result<Vec<FileResult>, TransferError> {
    let mut page = api.file_results_page(connector, transfer, None).await?;
    let mut bytes = size(&page.files);
    let mut files = page.files;
    let mut tokens = HashSet::new();
    while let Some(token) = page.next_token {
        if tokens.len() + 1 >= MAX_PAGES {
            return Err(TransferError::new(
                ErrorKind::TooManyPages,
                format_args!("stopped after {MAX_PAGES}"),
            ));
        }
        if !tokens.insert(token.clone()) {
            return Err(TransferError::new(
                ErrorKind::RepeatedToken,
                format_args!("page {}", tokens.len() + 1),
            ));
        }
        page = api
            .file_results_page(connector, transfer, Some(&token))
            .await?;
        bytes += size(&page.files) + token.len();
        if bytes > MAX_SIZE {
            let detail = format_args!("stopped after {} pages", tokens.len() + 1);
            return Err(TransferError::new(ErrorKind::Oversized, detail));
        }
        files.append(&mut page.files);
    }
    Ok(files)
}

/// Returns the approximate size of the files, in bytes.
fn size(files: &[FileResult]) -> usize {
    let texts =
        |file: &FileResult| file.path.len() + file.failure_message.as_ref().map_or(0, String::len);
    files
        .iter()
        .map(|file| size_of::<FileResult>() + texts(file))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::ResultsPage;
    use crate::transfer::fake::FakeTransferApi;
    use model::FileStatus;

    async fn fetch(
        next: impl Fn(usize) -> Option<String> + Send + Sync + 'static,
    ) -> (Result<usize, ErrorKind>, usize) {
        fetch_padded(0, next).await
    }

    /// Fetches pages of one file each, whose path is `padding` bytes longer than the number of the
    /// page. `next` returns the token after a page.
    async fn fetch_padded(
        padding: usize,
        next: impl Fn(usize) -> Option<String> + Send + Sync + 'static,
    ) -> (Result<usize, ErrorKind>, usize) {
        let api = FakeTransferApi::new(move |call| {
            let file = FileResult {
                path: call.number.to_string() + &"x".repeat(padding),
                status: FileStatus::Queued,
                failure_code: None,
                failure_message: None,
            };
            Ok(ResultsPage {
                files: vec![file],
                next_token: next(call.number),
            })
        });
        let (connector, transfer) = ("c-0123456789abcdef0".parse().unwrap(), "t".parse().unwrap());
        let result = all_file_results(&api, &connector, &transfer).await;
        (
            result.map(|files| files.len()).map_err(|e| e.kind),
            api.calls().len(),
        )
    }

    #[tokio::test]
    async fn every_page_is_fetched_once() {
        assert_eq!(
            fetch(|page| (page < 3).then(|| page.to_string())).await,
            (Ok(3), 3)
        );
    }

    #[tokio::test]
    async fn repeated_token_is_an_error() {
        assert_eq!(
            fetch(|_| Some("again".into())).await,
            (Err(ErrorKind::RepeatedToken), 2)
        );
        assert_eq!(
            fetch(|page| Some((page % 3).to_string())).await,
            (Err(ErrorKind::RepeatedToken), 4)
        );
    }

    #[tokio::test]
    async fn thousand_pages_are_fetched_and_one_more_is_an_error() {
        assert_eq!(
            fetch(|page| (page < 1_000).then(|| page.to_string())).await,
            (Ok(1_000), 1_000)
        );
        assert_eq!(
            fetch(|page| Some(page.to_string())).await,
            (Err(ErrorKind::TooManyPages), 1_000)
        );
    }

    #[tokio::test]
    async fn pages_that_together_are_too_large_are_an_error() {
        assert_eq!(
            fetch_padded(1 << 17, |page| (page < 30).then(|| page.to_string())).await,
            (Ok(30), 30)
        );
        assert_eq!(
            fetch_padded(1 << 17, |page| Some(page.to_string())).await,
            (Err(ErrorKind::Oversized), 32)
        );
    }
}
