//! `completions`: prints shell completions.

use clap::Args;
use clap_complete::Shell;

use super::{Exit, NAME, output, scope};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Shell to print completions for.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut scope::command_of_completions(),
        NAME,
        &mut text,
    );
    output::print(&text)?;
    Ok(Exit::Done)
}
