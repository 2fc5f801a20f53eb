//! Configuration files against snapshots of their plans or problems, and the documentation against
//! the schema.

use std::fs;
use std::path::{Path, PathBuf};

use super::{AccountPlan, ConfigFile, Plan, load};
use model::{AccountName, TransferKey};

pub(super) mod docs;
mod limits;
mod secrets;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAIR: &str = "transfers: [{connector_id: c-0123456789abcdef0, transfer_id: a}]\n";

fn env(name: &str) -> Option<String> {
    let value = match name {
        "REGION" => "eu-central-1",
        "CONCURRENCY" => "4",
        "RATE" => "2.5",
        "TIMEOUT" => "20s",
        "FALSE" => "false",
        "PER_TRANSFER" => "configured",
        "EXTERNAL_ID" => "s3cr3t-external-id",
        "PARTNER" => "a: b\nc: [",
        "SECRET" => CANARY,
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

const CANARY: &str = "CANARY hunter2";

fn read(text: &str) -> Result<Plan, String> {
    Plan::resolve(ConfigFile::read("x.yml", text, &env)).map_err(|problems| problems.to_string())
}

fn problems_of(text: &str) -> String {
    read(text).expect_err(text)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(Path::new(ROOT).join("tests/config").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yml"))
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Compares `actual` with the snapshot beside the file.
fn assert_snapshot(path: &Path, actual: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(path.parent().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    settings.bind(|| insta::assert_snapshot!(name, actual));
}

fn resolve(path: &Path) -> Result<Plan, String> {
    let name = path.file_name().unwrap().to_string_lossy();
    let text = fs::read_to_string(path).unwrap();
    Plan::resolve(ConfigFile::read(&name, &text, &env)).map_err(|problems| problems.to_string())
}

#[test]
fn valid_files_resolve_to_their_plan() {
    for path in files("good") {
        let plan = resolve(&path).unwrap_or_else(|problems| panic!("{problems}"));
        assert_snapshot(&path, &format!("{plan:#?}"));
    }
}

#[test]
fn invalid_files_report_their_problems() {
    for path in files("bad") {
        let problems = resolve(&path).expect_err(&path.display().to_string());
        assert_snapshot(&path, &problems);
    }
}

#[test]
fn problems_are_ordered_by_line() {
    let text = "metrics: {max_transfers: 0}\ncollector:\n  timeout: 10\n";
    let problems = Plan::resolve(ConfigFile::read("x.yml", text, &env)).unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .map(|problem| (problem.line, problem.key.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            (Some(1), "transfers"),
            (Some(1), "metrics.max_transfers"),
            (Some(3), "collector.timeout")
        ]
    );
    assert_eq!(problems.count(), 3);
    assert_eq!((&problems).into_iter().count(), 3);
}

#[test]
fn the_default_plan_has_one_account_and_no_transfers() {
    let plan = Plan::default();
    assert_eq!(plan.accounts.len(), 1);
    assert_eq!(plan.accounts[0].name.as_str(), "default");
    let mut written = read(PAIR).unwrap();
    assert_eq!(written.transfers.len(), 1);
    written.transfers.clear();
    assert_eq!(written, plan);
}

#[test]
fn line_numbers_are_right_for_every_yaml_style() {
    for (head, line) in [
        ("", 3),
        ("# a comment\n\n", 5),
        ("---\n", 4),
        (
            "connectors:\n- id: c-0123456789abcdef1\n  labels:\n    x: |-\n      a\n",
            8,
        ),
        (
            "connectors:\n- id: c-0123456789abcdef1\n  name: >-\n    a\n    b\n",
            8,
        ),
        (
            "connectors:\n- id: c-0123456789abcdef1\n  name: \"a\n    b\"\n",
            7,
        ),
        (
            "connectors:\n- id: c-0123456789abcdef1\n  name: a\n    b\n",
            7,
        ),
        (
            "connectors: [\n  {id: c-0123456789abcdef1,\n   name: x}\n]\n",
            7,
        ),
        ("connectors:\n- &c\n  id: c-0123456789abcdef1\n", 6),
        ("collector: {timeout: 10s, # why\n  concurrency: 3}\n", 5),
        ("collector: {\n  timeout: 10s,\n  concurrency: 3,\n}\n", 7),
        ("connectors:\n- id:\tc-0123456789abcdef1\t# a tab\n", 5),
        (
            "connectors:\n-   id: c-0123456789abcdef1\n    name: 'it''s\n      50% \"x\"'\n",
            7,
        ),
        (
            "\"connectors\":\n  -\n    ? id\n    : c-0123456789abcdef1\n",
            7,
        ),
        (
            "connectors:\n- {id: c-0123456789abcdef1, labels: {\n  a: http://x:1/y#z,\n  b: x}}\n",
            7,
        ),
        (
            "connectors:\n- id: c-0123456789abcdef1\n  labels: {\"a\":\"b\"}\n\n\n  # c\n",
            9,
        ),
        ("connectors: !!seq\n- id: !!str c-0123456789abcdef1\n", 5),
        (
            "connectors: [{id: c-0123456789abcdef1, name: \"\\u00e9 \\x41 \\\n  b\"}]\n",
            5,
        ),
        (
            "connectors:\n- name: h\u{f6}\u{1f600}\n  id: c-0123456789abcdef1\n",
            6,
        ),
        ("%YAML 1.2\n---\n", 5),
    ] {
        let plain = format!("{head}{PAIR}metrics:\n  max_transfers: 0\n");
        let windows = plain.replace('\n', "\r\n");
        for text in [
            &plain,
            &windows,
            &format!("\u{feff}{plain}"),
            &format!("\u{feff}{windows}"),
        ] {
            let problems = problems_of(text);
            assert!(
                problems.starts_with(&format!("x.yml:{line}: `metrics.max_transfers`")),
                "{head}: {problems}"
            );
            assert_eq!(problems.matches("x.yml:").count(), 1, "{head}: {problems}");
        }
    }
}

#[test]
fn quoted_text_that_continues_without_indentation_is_not_yaml() {
    let head = "\ncollector:\n  timeout: 10\n";
    let problems = problems_of(&format!(
        "{head}connectors:\n- id: x\n  name: \"a\nb\"\n{PAIR}"
    ));
    assert!(problems.starts_with("x.yml:"), "{problems}");
    assert_eq!(problems.matches("x.yml:").count(), 1, "{problems}");
}

#[test]
fn unreadable_files_are_reported_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("latin1.yml"), b"# fine\ntransfers: \xe9\n").unwrap();
    fs::File::create(at("large.yml"))
        .unwrap()
        .set_len((12 << 20) + 1)
        .unwrap();
    fs::write(at("good.yml"), PAIR).unwrap();
    for (path, expected) in [
        (
            at("none.yml"),
            ": failed to read the file: no such file\n  hint: create it from `example.yml`, or pass another file with `--config.file`",
        ),
        (
            at(""),
            ": failed to read the file: it is a directory\n  hint: pass a file in it with `--config.file`",
        ),
        (
            at("latin1.yml"),
            ":2: the file is not UTF-8\n  hint: save the file as UTF-8",
        ),
        (
            at("large.yml"),
            ": the file is larger than 12 MiB\n  hint: pass a configuration file with `--config.file`",
        ),
    ] {
        let problems = load(&path, &env).unwrap_err().to_string();
        assert_eq!(problems, format!("{}{expected}", path.display()));
    }
    assert_eq!(load(&at("good.yml"), &env).unwrap().transfers.len(), 1);
}

#[test]
fn bounds_are_inclusive() {
    for (section, key, good, bad) in [
        (
            "collector",
            "concurrency",
            &["1", "1024"][..],
            &["0", "1025", "-1", "1.0", "1e3", "99999999999999999999"][..],
        ),
        (
            "collector",
            "requests_per_second",
            &["0.01", "10000", "1", "2.5"],
            &["0", "0.009", "10000.1", "-1", ".nan", ".inf"],
        ),
        (
            "collector",
            "timeout_offset",
            &["0s", "9999ms"],
            &["10s", "11s", "-1s", "0"],
        ),
        (
            "collector",
            "max_scrape_timeout",
            &["10s", "10m", "2m"],
            &["0s", "99ms", "9s", "10m1s", "600"],
        ),
        (
            "collector",
            "min_refresh_interval",
            &["1ms", "24h", "1d"],
            &["0s", "24h1ms"],
        ),
        (
            "collector",
            "max_refresh_interval",
            &["10s", "24h", "5m"],
            &["0s", "9s", "24h1ms"],
        ),
        (
            "collector",
            "gone_after",
            &["1s", "14d", "2w"],
            &["999ms", "14d1s"],
        ),
        ("metrics", "keep_settled", &["1m", "365d"], &["59s", "366d"]),
        (
            "metrics",
            "keep_unresolved",
            &["1m", "365d"],
            &["59s", "366d"],
        ),
        (
            "metrics",
            "max_transfers",
            &["1", "10000000"],
            &["0", "10000001"],
        ),
        (
            "metrics",
            "per_transfer",
            &["all", "open", "configured", "none", "'open'"],
            &["true", "1", "OPEN", "''"],
        ),
    ] {
        for value in good {
            assert!(
                read(&format!("{section}: {{{key}: {value}}}\n{PAIR}")).is_ok(),
                "{key}: {value}"
            );
        }
        for value in bad {
            let problems = problems_of(&format!("{section}: {{{key}: {value}}}\n{PAIR}"));
            assert!(
                problems.starts_with(&format!("x.yml:1: `{section}.{key}`: ")),
                "{problems}"
            );
            assert_eq!(problems.matches("x.yml:").count(), 1, "{problems}");
        }
    }
    for (timeout, good) in [
        ("100ms", true),
        ("10m", true),
        ("99ms", false),
        ("601s", false),
    ] {
        let text = format!("collector: {{timeout: {timeout}, timeout_offset: 10ms}}\n{PAIR}");
        assert_eq!(read(&text).is_ok(), good, "{timeout}");
    }
}

#[test]
fn target_files_are_lists_like_transfers_in_yaml_or_json() {
    let accounts = ["prod", "lab"].map(|name| AccountPlan {
        name: AccountName::new(name),
        ..AccountPlan::default()
    });
    let prod = AccountName::new("prod");
    let read = |text: &str| {
        super::parse_targets("t.yml", text, &accounts, Some(&prod)).map_err(|e| e.to_string())
    };
    for text in ["[]", "# none\n[]\n", "---\n[]"] {
        assert_eq!(read(text), Ok(Vec::new()), "{text:?}");
    }
    for text in ["", " \n", "# none\n", "---\n", "null"] {
        let problems = read(text).unwrap_err();
        assert!(
            problems.ends_with("the file is empty\n  hint: write `[]` for an empty list"),
            "{problems}"
        );
    }
    let yaml = "- {connector_id: c-0123456789abcdef0, transfer_ids: [a, b]}\n\
                - {account: lab, connector_id: c-0123456789abcdef0, transfer_id: a}\n";
    let json = r#"[{"connector_id": "c-0123456789abcdef0", "transfer_ids": ["a", "b"]},
                   {"account": "lab", "connector_id": "c-0123456789abcdef0", "transfer_id": "a"}]"#;
    let named = |keys: Vec<TransferKey>| {
        keys.iter()
            .map(|k| format!("{}/{}", k.account, k.transfer))
            .collect::<Vec<_>>()
    };
    assert_eq!(named(read(yaml).unwrap()), ["prod/a", "prod/b", "lab/a"]);
    assert_eq!(read(yaml), read(json));
    assert_eq!(
        read("- {connector_id: c-1, transfer_id: a, account: prot}\n- transfer: ${HOME}\n")
            .unwrap_err(),
        "t.yml:1: `[0].account`: unknown account: prot\n  hint: did you mean `prod`?\n\
         t.yml:1: `[0].connector_id`: invalid connector ID: c-1\n  \
         hint: a connector ID is `c-` followed by 17 of `0-9a-f`\n\
         t.yml:2: `[1].transfer`: unknown key `transfer`\n  \
         hint: known keys: `account`, `connector_id`, `transfer_id`, `transfer_ids`\n\
         t.yml:2: `[1].connector_id`: required key is missing\n  \
         hint: a connector ID is `c-` followed by 17 of `0-9a-f`\n\
         t.yml:2: `[1].transfer_id`: required key is missing\n  \
         hint: use `transfer_id` for one transfer, or `transfer_ids` for a list"
    );
    assert!(
        read("- {connector_id: c-0123456789abcdef0, transfer_id: '${HOME}'}")
            .unwrap_err()
            .contains("is not set")
    );
    assert!(
        read("transfers: []")
            .unwrap_err()
            .contains("expected a list")
    );
    assert!(read("- [").is_err());
}
