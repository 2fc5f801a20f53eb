//! The exporter.

use std::sync::Arc;

use tracing::info;

use super::Exit;
use super::args::{ConfigFlag, WebFlags};
use crate::app::{self, App, Options};
use crate::reload::{self, Reloader};
use crate::{config, shutdown};

pub(super) async fn run(
    flags: &ConfigFlag,
    web: &WebFlags,
    mut options: Options,
) -> anyhow::Result<Exit> {
    // Before anything else, so that no signal finds the default in place.
    let shutdown = shutdown::requested()?;
    let hangups = reload::hangups()?;
    let text = config::read(&flags.file)?;
    let plan = super::resolve(&text)?;
    options.web_config = web.web_config()?;
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
    let staging = Arc::clone(&app);
    let reloader =
        Reloader::new(Arc::clone(&app), flags.file.clone(), &text).with(Box::new(move || {
            Ok(Box::new(staging.stage_web()?) as reload::Commit)
        }));
    // It is compared by its digest from here on.
    drop(text);
    let reloads = tokio::spawn(reloader.run(hangups, flags.auto_reload_interval));
    app.serve(listeners, &web.telemetry_path, shutdown).await;
    reloads.abort();
    Ok(Exit::Done)
}
