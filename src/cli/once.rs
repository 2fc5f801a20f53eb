//! `once`: one sweep, for cron, CI and the textfile collector.

use std::path::Path;

use tracing::error;

use super::args::OnceArgs;
use super::{Exit, output};
use crate::app::{self, App, Options};
use crate::metrics::ScrapeRequest;
use model::FileCounts;

pub(super) async fn run(file: &Path, args: OnceArgs, options: Options) -> anyhow::Result<Exit> {
    let app = App::new(super::load(file)?, options, app::system_clock()).await?;
    app.discover_once().await;
    let collected = app.sweep().await;
    // node_exporter has `process_*` of its own.
    let text: Vec<u8> = app
        .exposition(&collected, &ScrapeRequest::everything(), false)?
        .into_parts()
        .flatten()
        .collect();
    match &args.output_file {
        Some(path) => output::write_atomically(path, &text)?,
        None => output::print(&text)?,
    }
    let failed = |files: &FileCounts| files.failed_files() > 0;
    if collected
        .snapshot
        .connectors()
        .any(|connector| connector.files.as_ref().is_some_and(failed))
    {
        return Ok(Exit::FileFailed);
    }
    // A transfer that was not read, or that AWS does not know, may hold a failed file: that is no success.
    let mut unread = 0;
    for connector in collected
        .snapshot
        .connectors()
        .filter(|connector| connector.unread > 0)
    {
        let (id, transfers) = (&connector.labels.id, connector.unread);
        error!(connector_id = %id, transfers, "transfers whose files are not known: a failure would go unseen");
        unread += transfers;
    }
    Ok(if unread == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}
