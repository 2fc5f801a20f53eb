//! `once`: one sweep, for cron, CI and the textfile collector.

use std::path::Path;

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
    let failed = |files: &crate::model::FileCounts| files.failed_files() > 0;
    if collected.snapshot.connectors.iter().filter_map(|connector| connector.files.as_ref()).any(failed) {
        return Ok(Exit::FileFailed);
    }
    // What could not be read may hold a failed file: that is no success.
    Ok(if collected.complete { Exit::Done } else { Exit::Failed })
}
