//! `once`: runs one sweep and prints the metrics.

use std::path::{Path, PathBuf};

use clap::Args;
use tracing::error;

use super::{Exit, output};
use crate::app::{self, App, Options};
use crate::metrics::ScrapeRequest;
use model::FileCounts;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OnceArgs {
    /// Write to this file atomically instead of to standard output, for node_exporter's textfile
    /// collector.
    #[arg(long = "output.file", value_name = "FILE")]
    output_file: Option<PathBuf>,
}

pub(super) async fn run(file: &Path, args: OnceArgs, options: Options) -> anyhow::Result<Exit> {
    let app = App::new(super::load(file)?, options, app::system_clock()).await?;
    app.discover_once().await;
    let collected = app.sweep().await;
    // node_exporter exports its own `process_*` metrics.
    let process = false;
    let text: Vec<u8> = app
        .exposition(&collected, &ScrapeRequest::everything(), process)?
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
    // An unread or unknown transfer may have a failed file, so this is not a success.
    let mut unread = 0;
    for connector in collected
        .snapshot
        .connectors()
        .filter(|connector| connector.unread > 0)
    {
        let (id, transfers) = (&connector.labels.id, connector.unread);
        error!(
            event = "transfers_unread",
            connector_id = %id,
            transfers,
            "failed to read all transfers, a failed file may be missing"
        );
        unread += transfers;
    }
    Ok(if unread == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}
