//! What is written for people agrees with the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_transfer_exporter::app::Options;
use aws_transfer_exporter::metrics::{families, reference};
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
fn the_metrics_reference_is_what_the_table_says() {
    let generated = reference::reference();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path("METRICS.md"), &generated).unwrap();
    }
    assert_eq!(
        text("METRICS.md"),
        generated,
        "`UPDATE_GOLDEN=1 cargo test` writes it anew"
    );
}

#[test]
fn the_readme_names_every_family_and_no_other() {
    let readme = text("README.md");
    for family in families::ALL
        .iter()
        .filter(|family| family.source != families::Source::Process)
    {
        assert!(
            readme.contains(&format!("`{}`", family.name)),
            "README.md lacks {}",
            family.name
        );
    }
    for word in readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let is_metric = word.starts_with("aws_transfer_")
            && word != "aws_transfer_exporter_"
            && word != "aws_transfer_exporter";
        let known = families::ALL.iter().any(|family| {
            let rest = word.strip_prefix(family.name);
            rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
        });
        assert!(
            !is_metric || known,
            "README.md names `{word}`, which is no family"
        );
    }
}

#[test]
fn every_dependency_has_its_reason_in_the_architecture() {
    let architecture = text("ARCHITECTURE.md");
    let manifest = text("Cargo.toml");
    let mut section = "";
    let mut dependencies = 0;
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && let Some((name, _)) = line.split_once([' ', '.'])
        {
            dependencies += 1;
            assert!(
                architecture.contains(&format!("`{name}`")),
                "ARCHITECTURE.md has no reason for {name}"
            );
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
async fn the_exposition_has_every_family_of_the_table_in_its_order_with_its_type_and_help() {
    let (simulator, url) = simulator(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        storage: Some(folder.path().to_owned()),
        ..Options::default()
    };
    let exporter =
        Exporter::start_with(plan(vec![account("prod", &url)], Vec::new()), options).await;
    let lives = [
        LifeScript::completed(),
        LifeScript::failed("TIMEOUT_ERROR", "late"),
        LifeScript::stuck_queued(),
    ];
    let now = SystemTime::now();
    simulator.put_transfer(&connector(1), &transfer(1), files(lives), now);
    exporter
        .app
        .track_demo(key("prod", &connector(1), &transfer(1)), now);
    let (_, _, body) = get(exporter.address, "/metrics", "").await;
    let comments: Vec<_> = body.lines().filter(|line| line.starts_with('#')).collect();
    // Families of a discovery stand where there is one, those of a web configuration too.
    let always = |family: &&&families::Family| {
        let absent = [
            "Absent without a queue of events",
            "Absent without TLS",
            "Absent without --web.config.file",
        ];
        family.source != families::Source::Probe
            && !family.name.contains("_discovery_")
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
        let wanted = family.labels.iter().map(ToString::to_string).collect();
        assert_eq!(labels(sample.unwrap()), wanted, "{}", family.name);
    }
}

/// Each file that packages carry, and the command that prints it.
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
fn the_manual_page_and_the_completions_are_what_the_program_prints() {
    for (file, command) in PRINTED {
        let printed = output(program().args(command));
        assert_eq!(printed.status.code(), Some(0), "{command:?}");
        let printed = utf8(&printed.stdout);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(path(file), &printed).unwrap();
        }
        assert!(
            text(file) == printed,
            "{file}: `UPDATE_GOLDEN=1 cargo test` writes it anew"
        );
    }
}

#[test]
fn the_help_is_in_groups_and_tells_the_exit_codes() {
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
    let readme = text("README.md");
    for code in ["0", "1", "2", "3"] {
        assert!(
            rest.contains(&format!("\n  {code}  ")),
            "--help lacks exit code {code}"
        );
        assert!(
            readme.contains(&format!("\n| {code} | ")),
            "README.md lacks exit code {code}"
        );
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
        "`deploy/licenses/generate` writes it anew: {differ:?}"
    );
    assert!(
        locked.len() > 100,
        "only {} packages were found",
        locked.len()
    );
    assert!(!table.contains(": unknown"), "a package names no licence");
}

/// Documents whose metrics, links and tests have to be there.
const OPERATED: [&str; 3] = ["docs/operate/security.md", "docs/operate/troubleshooting.md", "SECURITY.md"];

#[test]
fn the_documents_for_operators_name_files_and_metrics_that_exist() {
    for document in OPERATED {
        let content = text(document);
        let folder = path(document).parent().unwrap().to_owned();
        for target in content
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
        {
            let local = !target.is_empty() && !target.contains("://");
            assert!(
                !local || folder.join(target).exists(),
                "{document}: {target} is not there"
            );
        }
        for word in content.split(|c: char| !(c.is_ascii_alphanumeric() || "_./-".contains(c))) {
            let word = word.trim_end_matches(['.', '-']);
            if word.starts_with("tests/") || word.starts_with("src/") {
                assert!(path(word).exists(), "{document}: {word} is not there");
            }
            let is_metric = word.starts_with("aws_transfer_") && word != "aws_transfer_exporter";
            let known = families::ALL.iter().any(|family| {
                word.strip_prefix(family.name)
                    .is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            });
            assert!(!is_metric || known, "{document}: `{word}` is no family");
        }
    }
}
