//! Default command: serves metrics.

use std::sync::Arc;

use tracing::info;

use super::flags::{ConfigFlags, WebFlags};
use super::{Exit, shutdown};
use crate::app::reload::{self, Reloader};
use crate::app::{self, App, Options};
use crate::config;

pub(super) async fn run(
    flags: &ConfigFlags,
    web: &WebFlags,
    mut options: Options,
) -> anyhow::Result<Exit> {
    // First, because the default action of these signals ends the process.
    let shutdown = shutdown::requested()?;
    let hangups = reload::hangups()?;
    let text = config::read(&flags.file)?;
    let plan = super::resolve(&text)?;
    options.web_config = web.web_config()?;
    info!(
        event = "starting",
        version = env!("CARGO_PKG_VERSION"),
        accounts = plan.accounts.len(),
        transfers = plan.transfers.len(),
        shard = %options.shard,
        "starting"
    );
    super::warn_without_storage(&options);
    let app = App::new(plan, options, app::system_clock()).await?;
    let listeners = web.listeners().await?;
    let reloader = Reloader::new(Arc::clone(&app), flags.file.clone(), &text);
    // The reloader keeps its hash only.
    drop(text);
    let reloads = tokio::spawn(reloader.run(hangups, flags.auto_reload_interval));
    app.serve(listeners, &web.telemetry_path, shutdown).await;
    reloads.abort();
    Ok(Exit::Done)
}
