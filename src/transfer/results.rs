//! All pages of one transfer's results.

use std::collections::HashSet;

use super::{ErrorKind, TransferApi, TransferError};
use model::{ConnectorId, FileResult, TransferId};

/// More pages than this is an error. A page holds at most 10 files and one `StartFileTransfer` names at most 10
/// (<https://docs.aws.amazon.com/transfer/latest/APIReference/API_ListFileTransferResults.html>).
pub const MAX_PAGES: usize = 1_000;

/// The texts of all pages together are no larger than this, in bytes; 10,000 files with the longest paths and messages of
/// 1 KiB fit. Each page has a bound of its own, and this keeps many of them from filling the memory.
const LARGEST: usize = 32 << 20;

/// Reads every page. Either all files are told or none: a transfer is never known by half its files.
///
/// # Errors
/// What a page failed with; [`ErrorKind::RepeatedToken`] for a token that came before; [`ErrorKind::TooManyPages`];
/// [`ErrorKind::Oversized`] where the pages are too large together.
pub async fn all_file_results(
    api: &dyn TransferApi,
    connector: &ConnectorId,
    transfer: &TransferId,
) -> Result<Vec<FileResult>, TransferError> {
    let mut page = api.file_results_page(connector, transfer, None).await?;
    let mut bytes = texts(&page.files);
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
        bytes += texts(&page.files) + token.len();
        if bytes > LARGEST {
            let detail = format_args!("stopped after {} pages", tokens.len() + 1);
            return Err(TransferError::new(ErrorKind::Oversized, detail));
        }
        files.append(&mut page.files);
    }
    Ok(files)
}

/// Bytes that the files take, about.
fn texts(files: &[FileResult]) -> usize {
    let texts =
        |file: &FileResult| file.path.len() + file.failure_message.as_ref().map_or(0, String::len);
    files
        .iter()
        .map(|file| size_of::<FileResult>() + texts(file))
        .sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::transfer::{ApiFuture, ResultsPage};
    use model::FileStatus;

    /// Answers page `n` with one file `n`; `next` tells the token that follows a page.
    struct Book<F> {
        asked: Mutex<usize>,
        next: F,
        /// Bytes added to each path.
        padding: usize,
    }

    impl<F: Fn(usize) -> Option<String> + Send + Sync + 'static> TransferApi for Book<F> {
        fn file_results_page<'a>(
            &'a self,
            _: &'a ConnectorId,
            _: &'a TransferId,
            _: Option<&'a str>,
        ) -> ApiFuture<'a, ResultsPage> {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            let page = *asked;
            let file = FileResult {
                path: page.to_string() + &"x".repeat(self.padding),
                status: FileStatus::Queued,
                failure_code: None,
                failure_message: None,
            };
            let page = ResultsPage {
                files: vec![file],
                next_token: (self.next)(page),
            };
            Box::pin(async move { Ok(page) })
        }
    }

    async fn read(
        next: impl Fn(usize) -> Option<String> + Send + Sync + 'static,
    ) -> (Result<usize, ErrorKind>, usize) {
        read_padded(0, next).await
    }

    async fn read_padded(
        padding: usize,
        next: impl Fn(usize) -> Option<String> + Send + Sync + 'static,
    ) -> (Result<usize, ErrorKind>, usize) {
        let book = Book {
            asked: Mutex::new(0),
            next,
            padding,
        };
        let read = all_file_results(
            &book,
            &"c-0123456789abcdef0".parse().unwrap(),
            &"t".parse().unwrap(),
        )
        .await;
        (
            read.map(|files| files.len()).map_err(|e| e.kind),
            book.asked.into_inner().unwrap(),
        )
    }

    #[tokio::test]
    async fn every_page_is_read_once() {
        assert_eq!(
            read(|page| (page < 3).then(|| page.to_string())).await,
            (Ok(3), 3)
        );
    }

    #[tokio::test]
    async fn a_repeated_token_is_an_error_and_not_a_loop() {
        assert_eq!(
            read(|_| Some("again".into())).await,
            (Err(ErrorKind::RepeatedToken), 2)
        );
        assert_eq!(
            read(|page| Some((page % 3).to_string())).await,
            (Err(ErrorKind::RepeatedToken), 4)
        );
    }

    #[tokio::test]
    async fn a_thousand_pages_are_read_and_one_more_is_an_error() {
        assert_eq!(
            read(|page| (page < 1_000).then(|| page.to_string())).await,
            (Ok(1_000), 1_000)
        );
        assert_eq!(
            read(|page| Some(page.to_string())).await,
            (Err(ErrorKind::TooManyPages), 1_000)
        );
    }

    #[tokio::test]
    async fn pages_that_are_too_large_together_are_an_error() {
        assert_eq!(
            read_padded(1 << 20, |page| (page < 30).then(|| page.to_string())).await,
            (Ok(30), 30)
        );
        assert_eq!(
            read_padded(1 << 20, |page| Some(page.to_string())).await,
            (Err(ErrorKind::Oversized), 32)
        );
    }
}
