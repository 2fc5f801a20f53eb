//! `completions`: prints shell completions.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Exit, NAME, output};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Shell to print completions for.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut text);
    output::print(&text)?;
    Ok(Exit::Done)
}
