//! `healthcheck`: for images without a shell.

use anyhow::bail;

use super::Exit;
use super::args::WebFlags;
use crate::config;
use crate::web::healthcheck;

pub(super) async fn run(web: &WebFlags) -> anyhow::Result<Exit> {
    let addresses = if web.health_listen_address.is_empty() {
        // It has no client certificate and no password to show, and its own could be wrong ones.
        let plan = web
            .config_file
            .as_deref()
            .map(config::load_web)
            .transpose()?;
        if plan.is_some_and(|plan| plan.tls.is_some() || !plan.users.is_empty()) {
            bail!(
                "`healthcheck` asks in plain HTTP and without a password, and `--web.config.file` has TLS or users\n  \
                 hint: start the exporter and this with `--web.health-listen-address=127.0.0.1:10923`"
            );
        }
        &web.listen_address
    } else {
        &web.health_listen_address
    };
    for address in addresses {
        healthcheck::check(address).await?;
    }
    Ok(Exit::Done)
}
