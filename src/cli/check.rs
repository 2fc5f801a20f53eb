//! `check`: every problem of the configuration.

use std::path::Path;

use super::args::WebFlags;
use super::{Exit, output};

pub(super) fn run(file: &Path, web: &WebFlags) -> anyhow::Result<Exit> {
    let secured = self::web(web)?;
    match super::load(file) {
        Ok(plan) => {
            let text = format!(
                "{}: good; accounts: {}, transfers: {}, named connectors: {}\n",
                file.display(),
                plan.accounts.len(),
                plan.transfers.len(),
                plan.connectors.len()
            );
            output::print(text.as_bytes())?;
            Ok(if secured { Exit::Done } else { Exit::Failed })
        }
        Err(problems) => {
            output::print(format!("{problems}\n").as_bytes())?;
            Ok(Exit::Failed)
        }
    }
}

/// Prints what is wrong with the web configuration file and the certificates that it names; false if anything is.
fn web(flags: &WebFlags) -> anyhow::Result<bool> {
    let Some(file) = &flags.config_file else { return Ok(true) };
    let (text, good) = match flags.security() {
        Ok(security) => {
            let tls = if security.as_ref().is_some_and(|security| security.has_tls()) { "HTTPS" } else { "HTTP" };
            let users = security.map_or(0, |security| security.users());
            (format!("{}: good; {tls}, users: {users}\n", file.display()), true)
        }
        Err(problems) => (format!("{problems}\n"), false),
    };
    output::print(text.as_bytes())?;
    Ok(good)
}
