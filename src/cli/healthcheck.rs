//! `healthcheck`: for images without a shell.

use super::Exit;
use super::args::WebFlags;
use crate::web::healthcheck;

pub(super) async fn run(web: &WebFlags) -> anyhow::Result<Exit> {
    for address in &web.listen_address {
        healthcheck::ask(address).await?;
    }
    Ok(Exit::Done)
}
