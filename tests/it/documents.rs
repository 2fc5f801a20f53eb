//! Documents and generated files agree with the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_transfer_exporter::app::Options;
use aws_transfer_exporter::metrics::{families, reference};
use serde_json::Value;
use simulator::{LifeScript, Settings};

use crate::program::{output, program, text as utf8};
use crate::rig::{Exporter, account, connector, files, get, key, plan, simulator, transfer};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn metrics_md_is_generated_from_the_table_of_families() {
    let generated = reference::reference();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path("METRICS.md"), &generated).unwrap();
    }
    assert_eq!(
        text("METRICS.md"),
        generated,
        "`cargo xtask generate` updates it"
    );
}

/// The blocks of code of one language in a Markdown text.
fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    markdown
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(block, _)| block)
        .collect()
}

#[test]
fn the_policy_of_the_readme_is_what_plan_prints_for_its_configuration() {
    let readme = text("README.md");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aws-transfer-exporter.yml");
    fs::write(&file, blocks(&readme, "yaml")[0]).unwrap();
    let flag = format!("--config.file={}", file.display());
    let checked = output(program().args(["check", &flag]));
    assert_eq!(checked.status.code(), Some(0), "{}", utf8(&checked.stderr));
    let printed = output(program().args(["plan", "--iam-policy", &flag]));
    let policy = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    assert_eq!(
        policy(blocks(&readme, "json")[0]),
        policy(&utf8(&printed.stdout))
    );
}

#[test]
fn the_configurations_in_the_documents_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aws-transfer-exporter.yml");
    let flag = format!("--config.file={}", file.display());
    let mut configurations = 0;
    for page in pages() {
        let content = text(&page);
        for block in blocks(&content, "yaml") {
            let is_configuration = block
                .lines()
                .any(|line| ["transfers:", "discovery:"].contains(&line));
            // A block with placeholders shows the form of a section.
            if !is_configuration || block.contains(": <") {
                continue;
            }
            configurations += 1;
            fs::write(&file, block).unwrap();
            let checked = output(
                program()
                    .args(["check", &flag])
                    .env("TRANSFER_EXTERNAL_ID", "an-external-id"),
            );
            let problems = utf8(&checked.stderr);
            assert_eq!(
                checked.status.code(),
                Some(0),
                "{page}: {block}\n{problems}"
            );
        }
    }
    assert!(configurations > 4, "only {configurations} were found");
}

#[test]
fn every_dependency_has_its_reason() {
    let reasons = text("docs/contribute/dependencies.md");
    let mut dependencies = 0;
    for member in [".", "crates/model", "crates/simulator", "xtask"] {
        let manifest = text(&format!("{member}/Cargo.toml"));
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]")
                && let Some((name, _)) = line.split_once([' ', '.'])
                && !name.starts_with('#')
            {
                dependencies += 1;
                assert!(
                    reasons.contains(&format!("`{name}`")),
                    "docs/contribute/dependencies.md has no reason for {name}"
                );
            }
        }
    }
    assert!(
        dependencies > 20,
        "only {dependencies} dependencies were found"
    );
}

#[test]
fn the_readme_has_the_two_commands() {
    let readme = text("README.md");
    for command in ["cargo run --release -- demo", "tests/run"] {
        assert!(readme.contains(command), "README.md lacks `{command}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exposition_has_every_family_with_its_type_help_and_labels() {
    let (simulator, url) = simulator(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        storage: Some(folder.path().to_owned()),
        write_api: true,
        ..Options::default()
    };
    let exporter =
        Exporter::start_with(plan(vec![account("prod", &url)], Vec::new()), options).await;
    let lives = [
        LifeScript::completed(),
        LifeScript::failed("TIMEOUT_ERROR", "late"),
        LifeScript::stuck_queued(),
        LifeScript::stuck_in_progress(),
    ];
    let now = SystemTime::now();
    simulator.put_transfer(&connector(1), &transfer(1), files(lives), now);
    exporter
        .track(key("prod", &connector(1), &transfer(1)), now)
        .await;
    let (_, _, body) = get(exporter.address, "/metrics", "").await;
    let comments: Vec<_> = body.lines().filter(|line| line.starts_with('#')).collect();
    // Families of discovery, events, flows, TLS and the web configuration are absent here.
    let always = |family: &&&families::Family| {
        let absent = [
            "Absent without discovery.connectors",
            "Absent without discovery.events",
            "Absent without TLS",
            "Absent without --web.config.file",
            "Absent without --storage.url",
        ];
        family.group != families::Group::Probe
            && !family.name.contains("_discovery_")
            && !family.name.starts_with("aws_transfer_flow_")
            && !absent.iter().any(|absent| family.help.contains(absent))
    };
    let expected: Vec<_> = families::ALL
        .iter()
        .filter(always)
        .flat_map(|family| {
            let help = format!("# HELP {} {}", family.name, family.help);
            [
                help,
                format!("# TYPE {} {}", family.name, family.kind.as_str()),
            ]
        })
        .collect();
    assert_eq!(comments, expected);
    for family in families::ALL.iter().filter(always) {
        let labels = |line: &str| {
            let inner = line
                .split_once('{')
                .map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
            let names = inner
                .split("\",")
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, _)| name.to_owned());
            names.filter(|name| name != "le").collect::<BTreeSet<_>>()
        };
        let sample = body.lines().find(|line| {
            line.strip_prefix(family.name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']) || rest.starts_with("_count"))
        });
        let wanted = family
            .label_names()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(labels(sample.unwrap()), wanted, "{}", family.name);
    }
}

/// The generated files in packages, and the commands that print them.
const PRINTED: [(&str, &[&str]); 4] = [
    ("deploy/man/aws-transfer-exporter.1", &["man"]),
    (
        "deploy/completions/aws-transfer-exporter.bash",
        &["completions", "bash"],
    ),
    (
        "deploy/completions/aws-transfer-exporter.fish",
        &["completions", "fish"],
    ),
    (
        "deploy/completions/_aws-transfer-exporter",
        &["completions", "zsh"],
    ),
];

#[test]
fn the_manual_page_and_the_completions_equal_the_output_of_the_program() {
    for (file, command) in PRINTED {
        let printed = output(program().args(command));
        assert_eq!(printed.status.code(), Some(0), "{command:?}");
        let printed = utf8(&printed.stdout);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(path(file), &printed).unwrap();
        }
        assert!(
            text(file) == printed,
            "{file}: `cargo xtask generate` updates it"
        );
    }
}

#[test]
fn the_help_has_groups_and_exit_codes() {
    let help = utf8(&output(program().arg("--help")).stdout);
    let mut rest = help.as_str();
    for heading in [
        "Commands:",
        "Configuration:",
        "Web:",
        "Storage:",
        "Sharding:",
        "Logs:",
        "Examples:",
        "Exit codes:",
    ] {
        let at = rest
            .find(&format!("\n{heading}\n"))
            .unwrap_or_else(|| panic!("no `{heading}` in its place: {help}"));
        rest = &rest[at + 1..];
    }
    let reference = text("docs/reference/cli.md");
    for code in ["0", "1", "2", "3"] {
        assert!(
            rest.contains(&format!("\n  {code}  ")),
            "--help lacks exit code {code}"
        );
        assert!(
            reference.contains(&format!("\n| {code} | ")),
            "docs/reference/cli.md lacks exit code {code}"
        );
    }
}

#[test]
fn the_command_line_reference_has_every_command_and_flag() {
    let reference = text("docs/reference/cli.md");
    let commands = [
        "demo",
        "simulate",
        "check",
        "plan",
        "once",
        "results",
        "healthcheck",
        "completions",
        "man",
    ];
    for command in commands {
        assert!(reference.contains(&format!("| `{command}")), "{command}");
        let help = utf8(&output(program().args([command, "--help"])).stdout);
        let flags = help
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("--"))
            .map(|flag| flag.split([' ', '=']).next().unwrap());
        for flag in flags {
            let is_there = reference.contains(&format!("`--{flag}`"))
                || reference.contains(&format!("`--{flag}="));
            assert!(
                is_there,
                "docs/reference/cli.md lacks --{flag} of {command}"
            );
        }
    }
}

#[test]
fn the_list_of_licenses_has_every_locked_package_and_no_other() {
    let locked: BTreeSet<_> = text("Cargo.lock")
        .split("[[package]]")
        .skip(1)
        .filter(|package| package.contains("\nsource = "))
        .map(|package| {
            let value = |key: &str| {
                let line = package
                    .lines()
                    .find_map(|line| line.strip_prefix(key))
                    .unwrap();
                line.trim_matches([' ', '=', '"']).to_owned()
            };
            format!("{} {}", value("name"), value("version"))
        })
        .collect();
    let list = text("deploy/licenses/THIRD-PARTY.txt");
    let (table, _) = list.split_once("\n====").unwrap();
    let listed: BTreeSet<_> = table
        .lines()
        .filter(|line| line.starts_with("- "))
        .map(|line| line[2..].split(": ").next().unwrap().to_owned())
        .collect();
    let differ: Vec<_> = locked.symmetric_difference(&listed).collect();
    assert!(
        differ.is_empty(),
        "`cargo xtask licences` updates it: {differ:?}"
    );
    assert!(
        locked.len() > 100,
        "only {} packages were found",
        locked.len()
    );
    assert!(!table.contains(": unknown"), "a package names no licence");
}

/// Markdown files at the root and below `docs/`.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    let mut folders = vec![String::new(), "docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(path(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let below = format!("{folder}/{name}")
                .trim_start_matches('/')
                .to_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !folder.is_empty() {
                folders.push(below);
            } else if kind.is_file()
                && Path::new(&name)
                    .extension()
                    .is_some_and(|extension| extension == "md")
            {
                pages.push(below);
            }
        }
    }
    pages
}

#[test]
fn the_links_and_metrics_of_the_documents_exist() {
    let pages = pages();
    assert!(pages.len() > 40, "only {} pages were found", pages.len());
    for page in pages {
        let content = text(&page);
        let folder = path(&page).parent().unwrap().to_owned();
        for target in content
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
        {
            let local = !target.is_empty() && !target.contains("://");
            assert!(
                !local || folder.join(target).exists(),
                "{page}: {target} is not there"
            );
        }
        for word in content.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c))) {
            // A recorded series has colons, and so has a module's path.
            let is_metric = word.starts_with("aws_transfer_")
                && !word.contains(':')
                && !["aws_transfer_exporter", "aws_transfer_exporter_"].contains(&word);
            let known = families::ALL.iter().any(|family| {
                word.strip_prefix(family.name)
                    .is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            });
            assert!(!is_metric || known, "{page}: `{word}` is no family");
        }
    }
}

#[test]
fn the_security_model_names_tests_that_exist() {
    for page in [
        "docs/operate/security.md",
        "docs/operate/troubleshooting.md",
    ] {
        let content = text(page);
        for word in content.split(|c: char| !(c.is_ascii_alphanumeric() || "_./-".contains(c))) {
            let word = word.trim_end_matches(['.', '-']);
            if word.starts_with("tests/") || word.starts_with("src/") {
                assert!(path(word).exists(), "{page}: {word} is not there");
            }
        }
    }
}

#[test]
fn every_documented_log_event_is_logged() {
    let mut sources = String::new();
    let mut folders = vec![path("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(entry).unwrap());
            }
        }
    }
    let reference = text("docs/reference/log-events.md");
    let events: Vec<_> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .flat_map(|row| row.split(" |").next().unwrap().split(", "))
        .map(|event| event.trim_matches('`'))
        .collect();
    assert!(events.len() > 20, "only {} events were found", events.len());
    for event in events {
        assert!(
            sources.contains(&format!("event = \"{event}\"")),
            "docs/reference/log-events.md: no record has the event {event}"
        );
    }
}

#[test]
fn the_index_of_decisions_lists_every_decision() {
    let index = text("docs/adr/index.md");
    for page in pages() {
        if let Some(name) = page
            .strip_prefix("docs/adr/")
            .filter(|name| *name != "index.md")
        {
            assert!(
                index.contains(&format!("]({name})")),
                "docs/adr/index.md lacks {name}"
            );
        }
    }
}
