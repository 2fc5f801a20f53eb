//! Documents that are too large, and arbitrary bytes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{problems_of, read};

#[test]
fn documents_that_would_exhaust_memory_are_rejected() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{items}]").unwrap();
    }
    let text = format!(
        "a: &a {:?}\nb: &b [{}]\nc: [{}]\n",
        "x".repeat(1 << 20),
        ["*a"; 60].join(","),
        ["*b"; 60].join(",")
    );
    for (document, needle) in [
        (laughs.as_str(), "aliases"),
        (text.as_str(), "aliases expanded"),
        ("a: &a [*a]\n", "64 levels"),
        (&"[".repeat(1_000_000), "64 levels"),
        (&"{a: ".repeat(1000), "64 levels"),
        (&"- ".repeat(1000), "64 levels"),
    ] {
        let problems = problems_of(document);
        assert!(problems.contains(needle), "{problems}");
        assert_eq!(problems.matches("x.yml:").count(), 1, "{problems}");
    }
}

#[test]
fn a_hundred_thousand_transfers_load() {
    let mut text = String::from("transfers:\n");
    for pair in 0..50_000 {
        writeln!(
            text,
            "  - connector_id: c-0123456789abcdef0\n    transfer_id: one-{pair:08}"
        )
        .unwrap();
    }
    text.push_str("  - connector_id: c-0123456789abcdef0\n    transfer_ids:\n");
    for pair in 0..50_000 {
        writeln!(text, "      - many-{pair:08}").unwrap();
    }
    let start = Instant::now();
    assert_eq!(read(&text).unwrap().transfers.len(), 100_000);
    // A debug build takes a second or two; quadratic time would take minutes.
    assert!(
        start.elapsed() < Duration::from_mins(1),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn more_than_a_hundred_thousand_transfers_are_rejected() {
    let entry = "- connector_id: c-0123456789abcdef0\n  transfer_ids:\n";
    let ids = |from, to| {
        (from..to).fold(String::from(entry), |mut text, pair| {
            writeln!(text, "  - t{pair}").unwrap();
            text
        })
    };
    let accepted = format!("transfers:\n{}{}", ids(0, 50_000), ids(50_000, 100_000));
    assert!(read(&accepted).is_ok());
    let rejected = format!("transfers:\n{}{}", ids(0, 50_000), ids(50_000, 100_001));
    let expected = "x.yml:1: `transfers`: more than 100,000 transfers";
    assert!(problems_of(&rejected).starts_with(expected));
    let list = format!("transfers:\n{}", ids(0, 100_001));
    let expected = "x.yml:3: `transfers[0].transfer_ids`: more than 100,000 items";
    assert_eq!(problems_of(&list).lines().next(), Some(expected));
}

#[test]
fn more_than_a_thousand_problems_are_counted_instead_of_printed() {
    let text = format!("transfers: [{}]\n", vec!["1"; 1003].join(", "));
    let problems = problems_of(&text);
    assert!(
        problems.ends_with("\nand 3 more problems"),
        "{}",
        &problems[problems.len() - 100..]
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn arbitrary_yaml_tokens_do_not_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "accounts:", "transfers:", "collector:", "name:", "timeout:", "- ", "[", "]", "{", "}", ", ", "\n", "\n  ",
            "\n    ", "&a ", "*a", "!t ", "!!int ", "|\n", ">-\n", "'", "\"", "# x\n", "? ", ": ", "---\n", "...\n",
            "${SECRET}", "${", "$${", "<<: ", "~", "1", "1.5", "-1", "10s", "\r\n", "\r", "\t", "\u{feff}", "\u{85}",
            "\u{2028}", "c-0123456789abcdef0", "x", "%YAML 1.2\n", "%TAG ! x\n", "@", "`", "\\", "\0",
        ]), 0..40))
    {
        if let Err(problems) = read(&words.concat()) {
            prop_assert!(!problems.contains("hunter2"));
        }
    }
}
