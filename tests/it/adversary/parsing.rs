//! No text from outside takes more than linear time, stops its neighbours, or holds up the end.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aws_transfer_exporter::config::{AccountPlan, ConfigFile, Plan, WebPlan, parse_targets};

use crate::program::{Running, config, program};
use crate::rig::{Exposition, get};

/// Bytes of each text.
const SIZE: usize = 200_000;

/// A debug build on a busy machine takes less than a second; quadratic time is minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is repeated up to the size.
const REPEATED: &[&str] = &[
    "[", "{", "[[]", "[{", "- ", "? ", "&a ", "*a ", "!t ", "\"", "a: ", "{a: ", "[\"]\",",
    "[']',", "# [\n", "|\n", "---\n", ": ", "\t", "\n", "[]", "-\n", "&a [*a, ", "{\"a\":", "0,",
    "a: b\n", "\0", "<<: *a\n", "]", "- [", "\"[\" [",
];

/// What stands before it.
const HEADS: &[&str] = &["", "x: ", "[", "- a 'b\n- "];

fn texts() -> impl Iterator<Item = (String, String)> {
    REPEATED.iter().flat_map(|part| {
        HEADS.iter().map(move |head| {
            let name = format!("{head:?} and {part:?}");
            (name, format!("{head}{}", part.repeat(SIZE / part.len())))
        })
    })
}

#[test]
fn every_repetition_is_refused_or_read_in_linear_time() {
    let accounts = [AccountPlan::default()];
    for (name, text) in texts() {
        let start = Instant::now();
        let read = Plan::resolve(ConfigFile::read("x.yml", &text, &|_| None));
        if let Err(problems) = read {
            let problems = problems.to_string();
            assert!(problems.starts_with("x.yml"), "{name}: {problems}");
        }
        let _ = WebPlan::read("x.yml", Path::new(""), &text);
        let _ = parse_targets("x.yml", &text, &accounts, None);
        let took = start.elapsed();
        assert!(took < PATIENCE, "{name} took {took:?}");
    }
}

/// A configuration that reads the target files of a folder.
fn watching(folder: &Path) -> String {
    format!(
        "accounts: [{{name: prod, region: eu-central-1, endpoint_url: 'http://127.0.0.1:9'}}]\n\
         discovery: {{files: [{{paths: ['{}/*.yml'], refresh_interval: 1s}}]}}\n",
        folder.display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_target_file_costs_neither_its_neighbour_nor_the_end() {
    let targets = tempfile::tempdir().unwrap();
    let bracketed = format!("x: {}", "[".repeat(200_000));
    fs::write(targets.path().join("a.yml"), bracketed).unwrap();
    let good = "- {connector_id: c-0123456789abcdef0, transfer_id: t}\n";
    fs::write(targets.path().join("b.yml"), good).unwrap();
    let (_folder, file) = config(&watching(targets.path()));
    let mut exporter = Running::start(program().args([
        &format!("--config.file={}", file.display()),
        "--web.listen-address=127.0.0.1:0",
    ]));
    let path = "/metrics?name[]=aws_transfer_exporter_transfers\
                &name[]=aws_transfer_exporter_discovery_up";
    let scrape = Exposition::parse(&get(exporter.address, path, "").await.2);
    let transfers = scrape.sum("aws_transfer_exporter_transfers", &["origin=\"files\""]);
    let up = scrape.sum("aws_transfer_exporter_discovery_up", &[]);
    assert_eq!((transfers, up), (1.0, 0.0), "{scrape:?}");
    exporter.signal("TERM");
    let start = Instant::now();
    assert_eq!(exporter.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// Makes a pipe at `path`, which blocks its reader for as long as a writer is silent.
fn make_pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Waits until the other process reads the pipe, and keeps it waiting.
async fn silent_writer(path: &Path) -> fs::File {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(path));
    let opened = tokio::time::timeout(Duration::from_secs(30), opened).await;
    opened.unwrap().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_never_ends_does_not_hold_up_the_end() {
    let targets = tempfile::tempdir().unwrap();
    for (pipe, at_start) in [
        ("exporter.yml", true),
        ("web.yml", true),
        ("exporter.yml", false),
        ("web.yml", false),
    ] {
        let (folder, file) = config(&watching(targets.path()));
        let web = folder.path().join("web.yml");
        fs::write(&web, "{}\n").unwrap();
        let pipe = folder.path().join(pipe);
        let mut command = program();
        command.args([
            &format!("--config.file={}", file.display()),
            &format!("--web.config.file={}", web.display()),
            "--web.listen-address=127.0.0.1:0",
        ]);
        let (mut exporter, _writer);
        if at_start {
            make_pipe(&pipe);
            exporter = Running::unready(&mut command);
            _writer = silent_writer(&pipe).await;
        } else {
            exporter = Running::start(&mut command);
            make_pipe(&pipe);
            exporter.signal("HUP");
            _writer = silent_writer(&pipe).await;
        }
        let start = Instant::now();
        exporter.signal("TERM");
        assert_eq!(exporter.wait().code(), Some(0), "{pipe:?}, {at_start}");
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "{pipe:?}, {at_start}"
        );
    }
}
