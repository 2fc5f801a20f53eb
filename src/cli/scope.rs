//! Which shared flags have an effect for which command. A flag that has none is refused, so that it
//! does not seem to be in force.

use std::ffi::OsString;

use clap::error::{ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use super::Cli;
use model::visible;

/// The commands for which each shared flag has an effect, besides serving.
const SCOPES: &[(&str, &[&str])] = &[
    ("config.file", &["check", "plan", "once", "results"]),
    ("config.auto-reload-interval", &[]),
    ("web.listen-address", &["demo", "healthcheck"]),
    ("web.config.file", &["demo", "check", "healthcheck"]),
    ("web.health-listen-address", &["demo", "healthcheck"]),
    ("web.systemd-socket", &["demo"]),
    ("web.enable-write-api", &["demo"]),
    ("web.enable-lifecycle", &["demo"]),
    ("web.enable-openmetrics2", &["demo"]),
    ("web.telemetry-path", &["demo"]),
    ("web.external-url", &["demo", "healthcheck"]),
    ("web.route-prefix", &["demo", "healthcheck"]),
    ("storage.path", &["demo", "once"]),
    ("storage.url", &["plan", "storage"]),
    ("storage.lease-duration", &["plan"]),
    ("shard.index", &["demo", "plan", "once", "storage"]),
    ("shard.total", &["demo", "plan", "once", "storage"]),
    ("log.level", LOGGING),
    ("log.format", LOGGING),
];

/// The flags of the feature `dynamodb`.
#[cfg(test)]
const SHARED_STORAGE: [&str; 2] = ["storage.url", "storage.lease-duration"];

const LOGGING: &[&str] = &["demo", "simulate", "check", "once", "results", "storage"];

/// Returns whether a shared flag has an effect for a command.
pub(super) fn has_effect(flag: &str, command: &str) -> bool {
    let mut scopes = SCOPES.iter();
    scopes.any(|(known, commands)| *known == flag && commands.contains(&command))
}

/// Returns the command line. Flags without effect are hidden in the help of a command.
pub(super) fn command() -> Command {
    let mut root = Cli::command();
    let shared: Vec<_> = root.get_arguments().cloned().collect();
    let commands: Vec<_> = root
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in commands {
        let hidden = shared.iter().filter(|flag| {
            let long = flag.get_long().unwrap_or_default();
            flag.is_global_set() && !has_effect(long, &name)
        });
        let hidden: Vec<_> = hidden.map(|flag| flag.clone().hide(true)).collect();
        root = root.mut_subcommand(name, |sub| sub.args(hidden));
    }
    root
}

/// Returns the command line for shell completions, which offer hidden flags too: each command has the
/// shared flags that have an effect, and no others.
pub(super) fn command_of_completions() -> Command {
    let mut root = Cli::command();
    let shared: Vec<_> = root
        .get_arguments()
        .filter(|flag| flag.is_global_set())
        .map(|flag| flag.clone().global(false))
        .collect();
    let commands: Vec<_> = root
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for flag in &shared {
        root = root.mut_arg(flag.get_id().as_str(), |flag| flag.global(false));
    }
    for name in commands {
        let effective = shared.iter().filter(|flag| {
            let long = flag.get_long().unwrap_or_default();
            has_effect(long, &name)
        });
        let effective: Vec<_> = effective.cloned().collect();
        root = root.mut_subcommand(name, |sub| sub.args(effective));
    }
    root
}

/// Parses the arguments of the process, the first of which is its name.
///
/// # Errors
/// A usage error, and the requested help or version.
pub fn parse<T>(arguments: impl IntoIterator<Item = T>) -> Result<Cli, clap::Error>
where
    T: Into<OsString> + Clone,
{
    let mut command = command();
    let matches = command
        .try_get_matches_from_mut(arguments)
        .map_err(with_visible_texts)?;
    refuse(&mut command, &matches)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Escapes invisible characters of the arguments that an error quotes.
fn with_visible_texts(mut error: clap::Error) -> clap::Error {
    let text = |text: &String| visible(text).to_string();
    let shown = |value: &ContextValue| match value {
        ContextValue::String(value) => Some(ContextValue::String(text(value))),
        ContextValue::Strings(values) => {
            let values = values.iter().map(text).collect();
            Some(ContextValue::Strings(values))
        }
        _ => None,
    };
    let context = error.context();
    let context: Vec<_> = context
        .filter_map(|(kind, value)| Some((kind, shown(value)?)))
        .collect();
    for (kind, value) in context {
        error.insert(kind, value);
    }
    error
}

/// Refuses the shared flags that were given and have no effect for the command.
fn refuse(command: &mut Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, sub)) = matches.subcommand() else {
        return Ok(());
    };
    let refused = command.get_arguments().find_map(|flag| {
        let id = flag.get_id().as_str();
        let long = flag.get_long().filter(|_| flag.is_global_set())?;
        let is_given = [matches, sub].iter().any(|matches| {
            matches.try_contains_id(id).is_ok()
                && matches.value_source(id) == Some(ValueSource::CommandLine)
        });
        (is_given && !has_effect(long, name)).then(|| long.to_owned())
    });
    match refused {
        None => Ok(()),
        Some(flag) => {
            let message = format!("the flag '--{flag}' has no effect for '{name}'");
            Err(command.error(ErrorKind::UnknownArgument, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Cli, clap::Error> {
        let program = ["aws-transfer-exporter"].iter().chain(arguments);
        parse(program.map(ToString::to_string))
    }

    #[test]
    fn each_shared_flag_has_a_scope_and_each_scope_names_a_command() {
        let command = command();
        let shared = command.get_arguments().filter(|flag| flag.is_global_set());
        let mut flags: Vec<_> = shared.filter_map(|flag| flag.get_long()).collect();
        let is_here = |flag: &&str| cfg!(feature = "dynamodb") || !SHARED_STORAGE.contains(flag);
        let scopes = SCOPES.iter().map(|(flag, _)| *flag);
        let mut scopes: Vec<_> = scopes.filter(is_here).collect();
        flags.sort_unstable();
        scopes.sort_unstable();
        assert_eq!(scopes, flags);
        let commands: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        for name in SCOPES.iter().flat_map(|(_, commands)| *commands) {
            let is_of_demo = cfg!(not(feature = "demo")) && ["demo", "simulate"].contains(name);
            let is_of_table = cfg!(not(feature = "dynamodb")) && *name == "storage";
            assert!(
                is_of_demo || is_of_table || commands.contains(name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_flag_without_effect_is_a_usage_error_before_and_after_the_command() {
        for arguments in [
            &["check", "--web.listen-address=:1"][..],
            &["--web.listen-address=:1", "check"],
            &["plan", "--storage.path=/tmp"],
            &["man", "--log.level=debug"],
            &["healthcheck", "--config.file=a"],
            &["results", "c-0123456789abcdef0", "t", "--shard.total=2"],
            &["once", "--config.auto-reload-interval=1m"],
        ] {
            let error = parsed(arguments).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
            let text = error.to_string();
            assert!(text.contains("has no effect for"), "{arguments:?}: {text}");
        }
    }

    #[test]
    fn a_flag_with_an_effect_is_accepted_before_and_after_the_command() {
        for arguments in [
            &["--config.file=a", "check"][..],
            &["check", "--config.file=a"],
            &["--log.level=debug", "once", "--storage.path=/tmp"],
            &["healthcheck", "--web.health-listen-address=:1"],
            &["--web.enable-lifecycle", "--shard.total=2"],
        ] {
            assert!(parsed(arguments).is_ok(), "{arguments:?}");
        }
        let cli = parsed(&["--config.file=a", "check"]).unwrap();
        assert_eq!(cli.config.file.to_str(), Some("a"));
        let cli = parsed(&["check", "--config.file=a"]).unwrap();
        assert_eq!(cli.config.file.to_str(), Some("a"));
    }

    #[test]
    fn an_error_shows_invisible_characters_of_the_argument() {
        for (argument, shown) in [
            ("--web.listen-address=a\u{202e}b", "'a\\u{202e}b'"),
            ("--log.level=\u{a0}info", "'\\u{a0}info'"),
            ("che\u{200b}ck", "'che\\u{200b}ck'"),
            ("--no\u{feff}thing", "'--no\\u{feff}thing'"),
            ("--shard.total=1\r\nx", "'1\\r\\nx'"),
        ] {
            let text = parsed(&[argument]).unwrap_err().to_string();
            assert!(text.contains(shown), "{argument:?}: {text}");
            let lines = text.replace('\n', "");
            assert!(!lines.contains(model::is_invisible), "{text:?}");
        }
    }

    #[test]
    fn completions_of_a_command_offer_flags_with_an_effect_only() {
        use clap_complete::Shell;
        let mut text = Vec::new();
        let mut command = command_of_completions();
        clap_complete::generate(Shell::Bash, &mut command, "ate", &mut text);
        let text = String::from_utf8(text).unwrap();
        let names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        for name in names.into_iter().filter(|name| *name != "help") {
            let section = text
                .split(&format!("ate__subcmd__{name})\n"))
                .nth(1)
                .unwrap();
            let offered: Vec<_> = section.lines().next().unwrap().split([' ', '"']).collect();
            for (flag, _) in SCOPES {
                let is_offered = offered.contains(&&*format!("--{flag}"));
                assert_eq!(is_offered, has_effect(flag, name), "{name} --{flag}");
            }
        }
        // Serving has all of them.
        let section = text.split("        ate)\n").nth(1).unwrap();
        for (flag, _) in SCOPES {
            assert!(section.contains(&format!("--{flag} ")), "--{flag}");
        }
    }

    #[test]
    fn help_of_a_command_lists_flags_with_an_effect_only() {
        let help = |command: &str| parsed(&[command, "--help"]).unwrap_err().to_string();
        let check = help("check");
        assert!(
            check.contains("--config.file") && check.contains("--log.level"),
            "{check}"
        );
        assert!(!check.contains("--web.listen-address"), "{check}");
        assert!(!help("man").contains("--config"), "{}", help("man"));
    }
}
