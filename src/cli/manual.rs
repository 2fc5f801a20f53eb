//! `man` and `completions`: what a package carries beside the program, made of the flags themselves.

use std::fmt::Write as _;

use clap::builder::PossibleValue;
use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::{Cli, Exit, output};

/// The program's name, and that of its files.
const NAME: &str = "aws-transfer-exporter";

/// Stands below the flags of `--help`.
pub(super) const AFTER_HELP: &str = "\
Examples:
  aws-transfer-exporter demo                        serve from the simulator, with no AWS account
  aws-transfer-exporter check --config.file=a.yml   print every problem of the configuration
  aws-transfer-exporter --config.file=a.yml         serve on :10922
  aws-transfer-exporter once --config.file=a.yml    one sweep, for cron

Exit codes:
  0  done
  1  failed, or a problem was found
  2  bad usage
  3  `once` saw a file that FAILED";

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut text);
    output::print(&text)?;
    Ok(Exit::Done)
}

/// Prints the manual page: one for the program with all its commands, since `man NAME` is what people try.
pub(super) fn page() -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    // Tells each command its whole name, and hands the global flags down.
    command.build();
    let mut text = Vec::new();
    let man = clap_mangen::Man::new(command.clone().version("").disable_help_subcommand(true));
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    synopsis().to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    sections(&command).to_writer(&mut text)?;
    output::print(&text)?;
    Ok(Exit::Done)
}

/// Where the flags and a command stand. clap's own lists every flag, and nobody reads that.
fn synopsis() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([
        bold(NAME),
        roman(" ["),
        italic("FLAG"),
        roman("]... ["),
        italic("COMMAND"),
        roman("]"),
    ]);
    roff
}

/// What follows the flags that all commands share.
fn sections(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    roff.text([roman("The flags above stand before or after a command.")]);
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        roff.control("SS", [usage(sub).as_str()]);
        roff.text([roman(
            sub.get_about().map(ToString::to_string).unwrap_or_default(),
        )]);
        for arg in sub
            .get_arguments()
            .filter(|arg| !arg.is_global_set() && arg.get_id() != "help")
        {
            roff.control("TP", []);
            roff.text(heading(arg));
            roff.text([roman(explanation(arg))]);
        }
    }
    list(&mut roff, "EXIT STATUS", EXIT_CODES);
    list(&mut roff, "SIGNALS", SIGNALS);
    list(&mut roff, "ENVIRONMENT", ENVIRONMENT);
    list(&mut roff, "FILES", FILES);
    list(&mut roff, "EXAMPLES", EXAMPLES);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("prometheus"),
        roman("(1), "),
        bold("promtool"),
        roman("(1), "),
        bold("systemctl"),
        roman("(1)"),
    ]);
    roff
}

const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "Done. A server: stopped by a signal."),
    (
        "1",
        "Failed, and standard error tells why; `check` found a problem; `healthcheck` got no good answer; `once` could not read a transfer.",
    ),
    ("2", "Bad usage."),
    ("3", "`once` saw a file that FAILED."),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGHUP",
        "Reloads the configuration, whole or not at all. The log and the metric aws_transfer_exporter_config_last_reload_successful tell which.",
    ),
    (
        "SIGTERM, SIGINT",
        "Stop the server; scrapes that wait are answered first.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "AWS_REGION, AWS_PROFILE, AWS_ACCESS_KEY_ID and so on",
        "Read as every AWS SDK does, for an account that configures none of its own.",
    ),
    (
        "Any name",
        "${NAME} in a value of the configuration takes the environment variable NAME.",
    ),
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "Certificates of the authorities that are trusted for connections to AWS.",
    ),
];

const FILES: &[(&str, &str)] = &[
    (
        "aws-transfer-exporter.yml",
        "The configuration, in the working folder, where --config.file names no other.",
    ),
    (
        "/etc/aws-transfer-exporter/aws-transfer-exporter.yml",
        "The configuration, where a package started the program.",
    ),
    (
        "~/.aws/config, ~/.aws/credentials",
        "Profiles of the AWS SDK.",
    ),
];

const EXAMPLES: &[(&str, &str)] = &[
    (
        "aws-transfer-exporter demo",
        "Serve with no AWS account, from the simulator.",
    ),
    (
        "aws-transfer-exporter check --config.file=a.yml",
        "Print every problem of a configuration with file, line and key.",
    ),
    (
        "aws-transfer-exporter --config.file=a.yml --web.listen-address=127.0.0.1:10922",
        "Serve on the loopback alone.",
    ),
    (
        "aws-transfer-exporter once --config.file=a.yml --output.file=aws_transfer.prom",
        "One sweep, for the textfile collector of node_exporter.",
    ),
];

/// A section of terms with a sentence each.
fn list(roff: &mut Roff, title: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, text) in rows {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*text)]);
    }
}

/// The command with the values that it takes by place: `results CONNECTOR_ID TRANSFER_ID`.
fn usage(command: &Command) -> String {
    let values = command
        .get_positionals()
        .map(|arg| arg.get_id().as_str().to_uppercase());
    std::iter::once(command.get_name().to_owned())
        .chain(values)
        .collect::<Vec<_>>()
        .join(" ")
}

/// `--flag=VALUE`, or the name of a value.
fn heading(arg: &Arg) -> Vec<Inline> {
    let value = arg
        .get_value_names()
        .and_then(<[_]>::first)
        .map(ToString::to_string);
    let value = value.unwrap_or_else(|| arg.get_id().as_str().to_uppercase());
    match arg.get_long() {
        Some(long) if arg.get_action().takes_values() => {
            vec![bold(format!("--{long}")), roman("="), italic(value)]
        }
        Some(long) => vec![bold(format!("--{long}"))],
        None => vec![italic(value)],
    }
}

/// What `--help` tells of a flag.
fn explanation(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if !text.ends_with('.') {
        text.push('.');
    }
    if !arg.get_action().takes_values() {
        return text;
    }
    let values = arg.get_possible_values();
    let values: Vec<_> = values
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(PossibleValue::get_name)
        .collect();
    if !values.is_empty() {
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    if !defaults.is_empty() {
        let _ = write!(text, " Default: {}.", defaults.join(", "));
    }
    text
}
