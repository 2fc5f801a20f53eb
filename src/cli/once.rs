//! `once`: one sweep, for cron, CI and the textfile collector.

use std::path::Path;

use tracing::error;

use super::args::OnceArgs;
use super::{Exit, output};
use crate::app::{self, App};
use crate::metrics::NameFilter;

pub(super) async fn run(file: &Path, args: OnceArgs) -> anyhow::Result<Exit> {
    let app = App::new(super::load(file)?, None, app::system_clock()).await?;
    let collected = app.sweep().await;
    // node_exporter has `process_*` of its own.
    let text = app.exposition(&collected, &NameFilter::default(), false);
    match &args.output_file {
        Some(path) => output::write_atomically(path, &text)?,
        None => output::print(&text)?,
    }
    let connectors = &collected.snapshot.connectors;
    if connectors.iter().filter_map(|connector| connector.files.as_ref()).any(|files| files.failed_files() > 0) {
        return Ok(Exit::FileFailed);
    }
    // A transfer that was not read, or that AWS does not know, may hold a failed file: that is no success.
    let mut unread = connectors.iter().flat_map(|connector| &connector.transfers).filter(|t| t.up != Some(true));
    match unread.next() {
        Some(first) => {
            let others = unread.count();
            error!(transfer_id = %first.id, others, "transfers whose files are not known: a failure would go unseen");
            Ok(Exit::Failed)
        }
        None => Ok(Exit::Done),
    }
}
