//! `man`: prints the manual page, generated from the flags.

use std::fmt::Write as _;

use clap::builder::PossibleValue;
use clap::{Arg, Command};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::{Exit, NAME, output, scope};

/// Prints one page with all commands, because users try `man aws-transfer-exporter`.
pub(super) fn run() -> anyhow::Result<Exit> {
    let mut command = scope::command();
    // Sets the full name of each command and passes the global flags down.
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

/// Returns the synopsis. clap's own lists every flag.
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

/// Returns the sections after the shared flags.
fn sections(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    roff.text([roman(
        "The flags above can be given before or after a command for which they have an effect. A \
         command refuses the others.",
    )]);
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
        roff.control("PP", []);
        roff.text(flags_above(sub));
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

/// Returns a line with the shared flags that have an effect for a command.
fn flags_above(command: &Command) -> Vec<Inline> {
    let flags = command.get_arguments();
    let flags = flags.filter(|flag| flag.is_global_set() && !flag.is_hide_set());
    let names: Vec<_> = flags.filter_map(Arg::get_long).collect();
    if names.is_empty() {
        return vec![roman("No flag above has an effect.")];
    }
    let mut line = vec![roman("Of the flags above: ")];
    for (at, name) in names.into_iter().enumerate() {
        if at > 0 {
            line.push(roman(", "));
        }
        line.push(bold(format!("--{name}")));
    }
    line.push(roman("."));
    line
}

const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "Done. A server: stopped by a signal."),
    (
        "1",
        "Failed, with the reason on standard error; `check` found a problem; `healthcheck` found \
         the exporter unhealthy; `once` could not read a transfer.",
    ),
    ("2", "Usage error."),
    ("3", "`once` saw a FAILED file."),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGHUP",
        "Reloads the configuration, as a whole or not at all. The log and the metric \
         aws_transfer_exporter_config_last_reload_successful report the result.",
    ),
    (
        "SIGTERM, SIGINT",
        "Stop the server after waiting scrapes are answered.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "AWS_REGION, AWS_PROFILE, AWS_ACCESS_KEY_ID and others",
        "As for every AWS SDK, for accounts that do not configure them.",
    ),
    (
        "Any name",
        "${NAME} in a configuration value expands to the environment variable NAME.",
    ),
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "CA certificates for connections to AWS.",
    ),
];

const FILES: &[(&str, &str)] = &[
    (
        "aws-transfer-exporter.yml",
        "Default configuration file, in the working directory.",
    ),
    (
        "/etc/aws-transfer-exporter/aws-transfer-exporter.yml",
        "Configuration file of the packaged service.",
    ),
    (
        "~/.aws/config, ~/.aws/credentials",
        "Profiles of the AWS SDK.",
    ),
];

const EXAMPLES: &[(&str, &str)] = &[
    (
        "aws-transfer-exporter demo",
        "Serve from the built-in simulator, without AWS.",
    ),
    (
        "aws-transfer-exporter check --config.file=a.yml",
        "Print every problem of the configuration with file, line and key.",
    ),
    (
        "aws-transfer-exporter --config.file=a.yml --web.listen-address=127.0.0.1:10922",
        "Serve on the loopback interface only.",
    ),
    (
        "aws-transfer-exporter once --config.file=a.yml --output.file=aws_transfer.prom",
        "Run one sweep for node_exporter's textfile collector.",
    ),
];

/// Adds a section of terms with a sentence each.
fn list(roff: &mut Roff, title: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, text) in rows {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*text)]);
    }
}

/// Returns a command with its positional values: `results CONNECTOR_ID TRANSFER_ID`.
fn usage(command: &Command) -> String {
    let values = command
        .get_positionals()
        .map(|arg| arg.get_id().as_str().to_uppercase());
    std::iter::once(command.get_name().to_owned())
        .chain(values)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns `--flag=VALUE`, or the name of a positional value.
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

/// Returns the help text of a flag with its possible values and default.
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
