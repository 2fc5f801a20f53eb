//! The exporter.

use std::path::Path;
use std::sync::Arc;

use tracing::info;

use super::Exit;
use super::args::WebFlags;
use crate::app::{self, App, Options};
use crate::{reload, shutdown};

pub(super) async fn run(file: &Path, web: &WebFlags, mut options: Options) -> anyhow::Result<Exit> {
    // Before anything else, so that no signal finds the default in place.
    let shutdown = shutdown::requested()?;
    let hangups = reload::hangups()?;
    let plan = super::load(file)?;
    options.security = web.security()?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        accounts = plan.accounts.len(),
        transfers = plan.transfers.len(),
        shard = %options.shard,
        "starting"
    );
    super::tell_storage(&options);
    let app = App::new(plan, options, app::system_clock()).await?;
    let listeners = web.listeners().await?;
    let file = file.to_owned();
    let reloads = tokio::spawn(reload::run(Arc::clone(&app), hangups, move || super::load(&file)));
    app.serve(listeners, &web.telemetry_path, shutdown).await;
    reloads.abort();
    Ok(Exit::Done)
}
