//! The greatest resident memory that the largest accepted text of each kind costs.

#![expect(clippy::print_stdout, reason = "figures for the log of tests/run")]

use std::fmt::Write as _;
use std::fs;

use aws_transfer_exporter::config::{AccountPlan, ConfigFile, Plan, WebPlan, parse_targets};
use aws_transfer_exporter::discovery::ConnectorFilter;
use aws_transfer_exporter::discovery::message::{
    AccountRoute, MessageRouting, MessageTimes, parse_message,
};
use model::{Account, AccountName};

use crate::support;

/// Memory that any text may cost, in MiB: the allowance for small ones, and the allocator's.
const FREE: f64 = 24.0;

/// Memory for each byte of a text.
const FACTOR: f64 = 10.0;

const VARIABLE: &str = "TEST_MEMORY_KIND";

fn pairs(start: &str, count: usize, pair: impl Fn(usize) -> String, end: &str) -> String {
    let mut text = start.to_owned();
    for n in 0..count {
        text.push_str(&pair(n));
    }
    text + end
}

fn id(n: usize) -> String {
    format!("{n:08x}-89ab-cdef-0123-456789abcdef")
}

fn yaml(n: usize) -> String {
    format!(
        "- connector_id: c-0123456789abcdef0\n  transfer_id: {}\n",
        id(n)
    )
}

fn json(n: usize) -> String {
    let comma = if n == 0 { "" } else { ",\n" };
    format!(
        "{comma}{{\"connector_id\": \"c-0123456789abcdef0\", \"transfer_id\": \"{}\"}}",
        id(n)
    )
}

fn message(n: usize) -> String {
    let comma = if n == 0 { "" } else { "," };
    format!(
        "{comma}{{\"ConnectorId\":\"c-0123456789abcdef0\",\"TransferId\":\"{}\"}}",
        id(n)
    )
}

/// Texts by name. Those with `refused` are refused, at a cost that is bounded as well.
fn text(kind: &str) -> String {
    match kind {
        "targets, JSON, 100,000 pairs" => pairs("[", 100_000, json, "]"),
        "targets, YAML, 100,000 pairs" => pairs("", 100_000, yaml, ""),
        "targets, YAML, one entry" | "configuration, one entry" => {
            let head = "- connector_id: c-0123456789abcdef0\n  transfer_ids:\n";
            let list = pairs(head, 100_000, |n| format!("  - {}\n", id(n)), "");
            let top = if kind.starts_with("conf") {
                "transfers:\n"
            } else {
                ""
            };
            format!("{top}{list}")
        }
        "targets, refused [0,0," => format!("[{}0]", "0,".repeat(1 << 20)),
        "targets, refused x: [0,0," => format!("x: [{}0]", "0,".repeat(1 << 20)),
        "targets, refused [a,0," => format!("[a,{}0]", "0,".repeat(1 << 20)),
        "targets, refused {a,0," => format!("{{a,{}0}}", "0,".repeat(1 << 20)),
        "targets, refused [[[[" => "[".repeat(2 << 20),
        "targets, refused - a" => "- a\n".repeat(1 << 19),
        "targets, refused numbers" => "- 12345678\n".repeat(1 << 18),
        "configuration, 100,000 pairs" => pairs("transfers:\n", 100_000, yaml, ""),
        "configuration, JSON, 100,000 pairs" => pairs("{\"transfers\": [", 100_000, json, "]}"),
        "configuration, refused names" => format!("transfers: [{}]", "aaaaaa, ".repeat(9_000)),
        "web configuration, refused users" => pairs(
            "basic_auth_users:\n",
            100_000,
            |n| format!("  user{n}: x\n"),
            "",
        ),
        "message, 1 MiB of starts" => pairs("[", 10_000, message, "]"),
        "message, refused [0,0," => format!("[{}0]", "0,".repeat(1 << 19)),
        "message, refused {}" => format!("[{}{{}}]", "{},".repeat(1 << 18)),
        _ => unreachable!("{kind}"),
    }
}

const KINDS: &[&str] = &[
    "targets, JSON, 100,000 pairs",
    "targets, YAML, 100,000 pairs",
    "targets, YAML, one entry",
    "targets, refused [0,0,",
    "targets, refused x: [0,0,",
    "targets, refused [a,0,",
    "targets, refused {a,0,",
    "targets, refused [[[[",
    "targets, refused - a",
    "targets, refused numbers",
    "configuration, 100,000 pairs",
    "configuration, JSON, 100,000 pairs",
    "configuration, one entry",
    "configuration, refused names",
    "web configuration, refused users",
    "message, 1 MiB of starts",
    "message, refused [0,0,",
    "message, refused {}",
];

/// Returns a line of `/proc/self/status`, in KiB.
pub(super) fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let number = line.split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

/// Parses a text, and returns whether it is accepted.
fn is_accepted(kind: &str, text: &str) -> bool {
    let account = AccountPlan::default();
    if kind.starts_with("targets") {
        parse_targets(
            "x",
            text,
            std::slice::from_ref(&account),
            Some(&account.name),
        )
        .is_ok()
    } else if kind.starts_with("configuration") {
        Plan::resolve(ConfigFile::read("x", text, &|_| None)).is_ok()
    } else if kind.starts_with("web") {
        WebPlan::read("x", "".as_ref(), text).is_ok()
    } else {
        let queue = AccountRoute {
            account: Account {
                name: AccountName::new("prod"),
                region: "eu-central-1".into(),
            },
            id: None,
        };
        let connectors = ConnectorFilter::default();
        let routing = MessageRouting {
            queue: &queue,
            others: &[],
            connectors: &connectors,
        };
        let now = std::time::SystemTime::now();
        parse_message(text, routing, MessageTimes { now, sent_at: None }).is_ok()
    }
}

#[tokio::test]
async fn the_memory_of_parsing_is_at_most_ten_times_the_text() {
    const NAME: &str = "adversary::memory::the_memory_of_parsing_is_at_most_ten_times_the_text";
    if support::is_in_process() {
        let kind = std::env::var(VARIABLE).unwrap();
        let text = text(&kind);
        // Resets the peak.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = status("VmRSS");
        assert_eq!(
            is_accepted(&kind, &text),
            !kind.contains("refused"),
            "{kind}"
        );
        let peak = status("VmHWM").saturating_sub(before);
        return support::report(&format!("{} {peak}", text.len()));
    }
    let mut table = String::from("text | MiB | peak MiB | factor\n");
    let mut exceeded = Vec::new();
    for kind in KINDS {
        let home = tempfile::tempdir().unwrap();
        let report = support::in_process(NAME, home.path(), &[(VARIABLE, kind)]).await;
        let (size, peak) = report.split_once(' ').unwrap();
        let size: f64 = size.parse::<f64>().unwrap() / f64::from(1 << 20);
        let peak: f64 = peak.parse::<f64>().unwrap() / 1024.0;
        writeln!(table, "{kind} | {size:.1} | {peak:.1} | {:.1}", peak / size).unwrap();
        if peak > FREE + FACTOR * size {
            exceeded.push(*kind);
        }
    }
    println!("{table}");
    assert!(exceeded.is_empty(), "{exceeded:?}\n{table}");
}
