//! Renewal of the web configuration: its file and the certificates that it names are checked for
//! changes while the server runs.
//!
//! | observation | effect |
//! | --- | --- |
//! | changed files, alike in two reads | they take effect |
//! | the same, but with less protection: no TLS, no client certificates, no users | refused until a restart or an explicit reload confirms it |
//! | an invalid or unreadable file | the previous configuration stays in effect |

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tracing::{debug, error, info, warn};

use crate::config::Problems;
use crate::metrics::self_metrics::HttpMetrics;
use crate::web::{EffectiveWebConfig, WebConfigState};

/// How often the files are read.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Time between the two reads of an explicit reload, which waits for them.
const RELOAD_PAUSE: Duration = Duration::from_millis(100);

/// Reads of an explicit reload, while the files keep changing.
const RELOAD_READS: usize = 5;

/// Applies changes of the files, forever.
pub(super) async fn watch(web_config: Arc<WebConfigState>, metrics: Arc<HttpMetrics>) {
    let mut seen = None;
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let (web_config, metrics) = (Arc::clone(&web_config), Arc::clone(&metrics));
        let before = seen.take();
        let polled = tokio::task::spawn_blocking(move || poll(&web_config, &metrics, before));
        // A poll that panics changes nothing.
        seen = polled.await.ok().flatten();
    }
}

/// Reads the files, and applies a change that `before` shows too. Returns a change that has to be
/// seen a second time.
fn poll(
    web_config: &WebConfigState,
    metrics: &HttpMetrics,
    before: Option<EffectiveWebConfig>,
) -> Option<EffectiveWebConfig> {
    let staged = match web_config.stage() {
        Ok(staged) => staged?,
        Err(problems) => {
            metrics.set_web_config_unconfirmed(false);
            let reasons = problems.to_string();
            if web_config.record_failure(&reasons, Some(metrics)) {
                error!(
                    event = "web_config_reload_failed",
                    %reasons,
                    "failed to reload the web configuration, the previous one stays in effect"
                );
            }
            return None;
        }
    };
    if web_config.is_in_effect(&staged) {
        if web_config.has_failed() {
            web_config.apply(Some(staged), Some(metrics));
            info!(
                event = "web_config_recovered",
                "web configuration is valid again and unchanged"
            );
        }
        return None;
    }
    if !before.is_some_and(|before| before.is_same(&staged)) {
        debug!(
            event = "web_config_unsettled",
            "web configuration has changed, reading it again"
        );
        return Some(staged);
    }
    let lowered = web_config.protection_lowered_by(&staged);
    if lowered.is_empty() {
        staged.warn_if_expiring();
        web_config.apply(Some(staged), Some(metrics));
        info!(
            event = "web_config_reloaded",
            "reloaded the web configuration and its certificates"
        );
        return None;
    }
    refuse(web_config, metrics, &lowered);
    Some(staged)
}

/// Records a change that lowers protection. The previous configuration stays in effect.
fn refuse(web_config: &WebConfigState, metrics: &HttpMetrics, lowered: &[&'static str]) {
    let lowered = lowered.join(", ");
    let reason = format!("the change lowers protection: {lowered}");
    metrics.set_web_config_unconfirmed(true);
    if web_config.record_failure(&reason, Some(metrics)) {
        warn!(
            event = "web_config_unconfirmed",
            lowered,
            "refused a change of the web configuration that lowers protection; confirm it with \
             SIGHUP, POST /-/reload or a restart"
        );
    }
}

/// Reads the files for a reload of the configuration: until two reads are alike, unless nothing has
/// changed. A change that lowers protection is only returned if the reload is `explicit`.
pub(super) async fn stage(
    web_config: &Arc<WebConfigState>,
    metrics: &Arc<HttpMetrics>,
    explicit: bool,
) -> anyhow::Result<Option<EffectiveWebConfig>> {
    let Some(mut staged) = read(web_config, metrics).await? else {
        return Ok(None);
    };
    let mut reads = 1;
    while !web_config.is_in_effect(&staged) {
        tokio::time::sleep(RELOAD_PAUSE).await;
        let Some(again) = read(web_config, metrics).await? else {
            return Ok(None);
        };
        let is_settled = again.is_same(&staged);
        staged = again;
        reads += 1;
        if is_settled {
            break;
        }
        anyhow::ensure!(
            reads < RELOAD_READS,
            "the web configuration keeps changing while it is read\n  hint: reload again once its \
             files are written"
        );
    }
    let lowered = web_config.protection_lowered_by(&staged);
    if lowered.is_empty() {
        return Ok(Some(staged));
    }
    if !explicit {
        refuse(web_config, metrics, &lowered);
        return Ok(None);
    }
    warn!(
        event = "web_config_protection_lowered",
        lowered = lowered.join(", "),
        "a reload confirms a web configuration that lowers protection"
    );
    Ok(Some(staged))
}

async fn read(
    web_config: &Arc<WebConfigState>,
    metrics: &Arc<HttpMetrics>,
) -> anyhow::Result<Option<EffectiveWebConfig>> {
    let (web_config, metrics) = (Arc::clone(web_config), Arc::clone(metrics));
    let read = tokio::task::spawn_blocking(move || -> Result<_, Problems> {
        web_config.stage_reload(&metrics)
    });
    Ok(read
        .await
        .context("failed to read the web configuration")??)
}

#[cfg(test)]
mod tests;
