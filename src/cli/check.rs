//! `check`: every problem of the configuration.

use std::path::Path;

use super::{Exit, output};

pub(super) fn run(file: &Path) -> anyhow::Result<Exit> {
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
            Ok(Exit::Done)
        }
        Err(problems) => {
            output::print(format!("{problems}\n").as_bytes())?;
            Ok(Exit::Failed)
        }
    }
}
