//! `healthcheck`: checks a running exporter from container images without a shell.

use anyhow::bail;

use super::Exit;
use super::flags::WebFlags;
use crate::config;
use crate::web::healthcheck;

pub(super) async fn run(web: &WebFlags) -> anyhow::Result<Exit> {
    let addresses = if web.health_listen_address.is_empty() {
        // This client has no certificate and no password to authenticate with.
        let plan = web.config_file().map(config::load_web).transpose()?;
        if plan.is_some_and(|plan| plan.tls.is_some() || !plan.users.is_empty()) {
            bail!(
                "failed to check health: `--web.config.file` requires TLS or a password\n  \
                 hint: start the exporter and this command with \
                 `--web.health-listen-address=127.0.0.1:10923`"
            );
        }
        &web.listen_address
    } else {
        &web.health_listen_address
    };
    for address in addresses {
        healthcheck::check(address, web.paths().prefix()).await?;
    }
    Ok(Exit::Done)
}
