//! Default command: serves metrics.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tracing::info;

use super::flags::{ConfigFlags, WebFlags};
use super::{Exit, shutdown};
use crate::app::reload::{self, Reloader};
use crate::app::{self, App, Options};
use crate::config::{self, ConfigText, Plan};
use crate::web::WebConfigState;

/// How long the start waits for the target files: the first scrape then has their transfers.
const FIRST_READ: Duration = Duration::from_secs(2);

pub(super) async fn run(
    flags: &ConfigFlags,
    web: &WebFlags,
    mut options: Options,
) -> anyhow::Result<Exit> {
    // First, because the default action of these signals ends the process.
    let mut shutdown = Box::pin(shutdown::requested()?);
    let hangups = reload::hangups()?;
    let start = async {
        let (text, plan, web_config) = load(flags, web).await?;
        options.web_config = web_config;
        options.first_read = Some(FIRST_READ);
        info!(
            event = "starting",
            version = env!("CARGO_PKG_VERSION"),
            accounts = plan.accounts.len(),
            transfers = plan.transfers.len(),
            shard = %options.sharding,
            "starting"
        );
        super::warn_without_storage(&options);
        let app = App::new(plan, options, app::system_clock()).await?;
        Ok::<_, anyhow::Error>((text, app))
    };
    let (text, app) = tokio::select! {
        started = start => started?,
        () = &mut shutdown => return Ok(Exit::Done),
    };
    let listeners = web.listeners().await?;
    let reloader = Reloader::new(Arc::clone(&app), flags.file.clone(), &text);
    // The reloader keeps its hash only.
    drop(text);
    let reloads = tokio::spawn(reloader.run(hangups, flags.auto_reload_interval));
    app.serve(listeners, web.paths(), shutdown).await;
    reloads.abort();
    Ok(Exit::Done)
}

/// Loads both configuration files on a blocking thread: a read may never end.
async fn load(
    flags: &ConfigFlags,
    web: &WebFlags,
) -> anyhow::Result<(ConfigText, Plan, Option<Arc<WebConfigState>>)> {
    let (file, web) = (flags.file.clone(), web.clone());
    let loading = tokio::task::spawn_blocking(move || {
        let text = config::read(&file)?;
        let plan = super::resolve(&text)?;
        Ok((text, plan, web.web_config()?))
    });
    loading.await.context("failed to load the configuration")?
}
