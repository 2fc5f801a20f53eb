//! Renewal of the web configuration: its file and the certificates that it names are checked for
//! changes while the server runs.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info};

use crate::metrics::self_metrics::HttpMetrics;
use crate::web::WebConfigState;

/// How often the files are read.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Applies changes of the files, forever.
pub(super) async fn watch(web_config: Arc<WebConfigState>, metrics: Arc<HttpMetrics>) {
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let (web_config, metrics) = (Arc::clone(&web_config), Arc::clone(&metrics));
        // A poll that panics changes nothing.
        let _ = tokio::task::spawn_blocking(move || poll(&web_config, &metrics)).await;
    }
}

fn poll(web_config: &WebConfigState, metrics: &HttpMetrics) {
    let staged = match web_config.stage() {
        Ok(Some(staged)) => staged,
        Ok(None) => return,
        Err(problems) => {
            let reasons = problems.to_string();
            if web_config.record_failure(&reasons, Some(metrics)) {
                error!(
                    event = "web_config_reload_failed",
                    %reasons,
                    "failed to reload the web configuration, the previous one stays in effect"
                );
            }
            return;
        }
    };
    if !web_config.is_in_effect(&staged) {
        staged.warn_if_expiring();
        web_config.apply(Some(staged), Some(metrics));
        info!(
            event = "web_config_reloaded",
            "reloaded the web configuration and its certificates"
        );
    } else if web_config.has_failed() {
        web_config.apply(Some(staged), Some(metrics));
        info!(
            event = "web_config_recovered",
            "web configuration is valid again and unchanged"
        );
    }
}
