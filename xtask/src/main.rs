//! Tasks of the repository. `cargo xtask` lists them.

mod generate;
mod prose;
mod publisher;
mod release;
mod sign_offs;

use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};

const USAGE: &str = "\
Usage: cargo xtask TASK

Tasks:
  generate                    write METRICS.md, the manual page, completions and snapshots
  licences                    list the licences of the dependencies in deploy/licenses
  sbom [TARGET]               write the software bill of materials
  publisher [--write]         check, or write, the names of deploy/publisher.toml everywhere
  publisher --release OWNER/NAME
                              refuse to release for another repository, or with a placeholder
  release --dry-run [OPTIONS] make and check what a release publishes, as far as this machine can
      --binaries TARGET=DIR   use the binaries in DIR, and compile nothing; repeatable
      --output DIR            directory of the artefacts (target/release-rehearsal)
      --debian DIR            a clean Debian to install in (made by debootstrap)
      --offline               report missing tools instead of installing them
      --fast                  compress the Debian package less
  release pack TARGET BINARIES DIR
                              make the packages of one target
  release assemble DIR        make everything else from the archives in DIR
  sign-offs A..B              check that each commit has the sign-off of its author
  lint-prose [--commits A..B] check words, headings, HELP texts and commit subjects";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["generate"] => generate::run_tests_that_write(),
        ["licences"] => run(&mut Command::new("deploy/licenses/generate")),
        ["sbom", target @ ..] => run(Command::new("deploy/sbom").args(target)),
        ["publisher"] => publisher::report(),
        ["publisher", "--write"] => publisher::write(),
        ["publisher", "--release", repository] => publisher::check_release(repository),
        ["release", arguments @ ..] => release::task(arguments),
        ["sign-offs", range] => sign_offs::check(range),
        ["lint-prose"] => prose::run(None),
        ["lint-prose", "--commits", range] => prose::run(Some(range)),
        _ => {
            print(USAGE);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs a command from the root of the repository.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let program = program.to_string_lossy();
    let status = command
        .current_dir(root())
        .status()
        .with_context(|| format!("failed to start {program}"))?;
    ensure!(status.success(), "{program} failed: {status}");
    Ok(())
}

/// Returns what a command prints, run from the root of the repository.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_owned();
    let program = program.to_string_lossy();
    let output = command
        .current_dir(root())
        .output()
        .with_context(|| format!("failed to start {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).context("failed to read the output as UTF-8")
}

/// The root of the repository.
fn root() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/..")
}

#[expect(clippy::print_stderr, reason = "a task reports to its caller")]
fn print(text: &str) {
    eprintln!("{text}");
}
