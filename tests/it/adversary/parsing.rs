//! No text from outside takes more than linear time, stops its neighbours, or holds up the end.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use aws_transfer_exporter::config::{AccountPlan, ConfigFile, Plan, WebPlan, parse_targets};

use crate::program::{Running, config, peer, program};
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

/// Takes a lease on a file: an open of it waits, as on a file system that hangs, until the lease
/// is given back or the kernel breaks it after `fs.lease-break-time`, 45 s. Prints `held`, and
/// `asked` once an open waits.
const LEASE: &str = "
import fcntl, os, signal, sys, time
file = os.open(sys.argv[1], os.O_RDWR)
signal.signal(signal.SIGIO, lambda *_: print('asked', flush=True))
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
while True:
    time.sleep(1)
";

/// The process that holds a lease, and its output.
struct Lease {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Lease {
    fn take(path: &Path) -> Self {
        let mut child = Command::new(peer("TEST_PYTHON", "python3"))
            .args(["-c", LEASE])
            .arg(path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lease = Self { child, lines };
        lease.wait_for("held");
        lease
    }

    fn wait_for(&mut self, expected: &str) {
        assert_eq!(self.lines.next().unwrap().unwrap(), expected);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs Python; tests/run provides it"]
fn a_read_that_never_ends_does_not_hold_up_the_end() {
    let targets = tempfile::tempdir().unwrap();
    for (name, at_start) in [
        ("exporter.yml", true),
        ("web.yml", true),
        ("exporter.yml", false),
        ("web.yml", false),
    ] {
        let (folder, file) = config(&watching(targets.path()));
        let web = folder.path().join("web.yml");
        fs::write(&web, "{}\n").unwrap();
        let hanging = folder.path().join(name);
        let mut command = program();
        command.args([
            &format!("--config.file={}", file.display()),
            &format!("--web.config.file={}", web.display()),
            "--web.listen-address=127.0.0.1:0",
        ]);
        let (mut exporter, mut lease);
        if at_start {
            lease = Lease::take(&hanging);
            exporter = Running::unready(&mut command);
        } else {
            exporter = Running::start(&mut command);
            lease = Lease::take(&hanging);
            exporter.signal("HUP");
        }
        lease.wait_for("asked");
        let start = Instant::now();
        exporter.signal("TERM");
        assert_eq!(exporter.wait().code(), Some(0), "{name}, {at_start}");
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "{name}, {at_start}"
        );
    }
}
