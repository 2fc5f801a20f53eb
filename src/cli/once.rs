//! `once`: runs one sweep and prints the metrics.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tracing::error;

use super::progress::{Progress, bar};
use super::{Exit, output};
use crate::app::{self, App, Options};
use crate::metrics::ScrapeRequest;
use model::FileCounts;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OnceArgs {
    /// Write to this file atomically, for node_exporter's textfile collector. `-` is standard output.
    #[arg(long = "output.file", value_name = "FILE")]
    output_file: Option<PathBuf>,
    /// Show no progress on a terminal.
    #[arg(long)]
    quiet: bool,
}

pub(super) async fn run(file: &Path, args: OnceArgs, options: Options) -> anyhow::Result<Exit> {
    let app = App::new(super::load(file)?, options, app::system_clock()).await?;
    let discovered = app.discover_once().await;
    let progress = Progress::start(args.quiet, polled_transfers(Arc::clone(&app)));
    let collected = app.sweep().await;
    drop(progress);
    // node_exporter exports its own `process_*` metrics.
    let server = false;
    let text: Vec<u8> = app
        .exposition(&collected, &ScrapeRequest::everything(), server)?
        .into_parts()
        .flatten()
        .collect();
    match &args.output_file {
        Some(path) => output::write(path, &text)?,
        None => output::print(&text)?,
    }
    let failed = |files: &FileCounts| files.failed_files() > 0;
    let connectors = || {
        let snapshots = collected.iter().map(|of_shard| &of_shard.snapshot);
        snapshots.flat_map(|snapshot| snapshot.connectors())
    };
    if connectors().any(|connector| connector.files.as_ref().is_some_and(failed)) {
        return Ok(Exit::FileFailed);
    }
    // An unread or unknown transfer may have a failed file, so this is not a success.
    let mut unread = 0;
    for connector in connectors().filter(|connector| connector.unread > 0) {
        let (id, transfers) = (&connector.labels.id, connector.unread);
        error!(
            event = "transfers_unread",
            connector_id = %id,
            transfers,
            "failed to read all transfers, a failed file may be missing"
        );
        unread += transfers;
    }
    // Nor is it one if a source may have more transfers; the log has the reason.
    Ok(if unread == 0 && discovered {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Returns the line of progress of a sweep.
fn polled_transfers(app: Arc<App>) -> impl FnMut() -> String {
    let mut most = 0;
    move || {
        let unread = app.unread_transfers();
        most = most.max(unread);
        bar(most - unread, most, "transfer")
    }
}
