use std::time::UNIX_EPOCH;

use super::*;
use model::{Account, AccountName};

fn failure(path: &str, second: u64) -> KeptFailure {
    let account = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    let id = "c-0123456789abcdef0".parse().unwrap();
    KeptFailure {
        connector: Arc::new(ConnectorLabels {
            account: Arc::new(account),
            id,
        }),
        transfer: "t".parse().unwrap(),
        since: UNIX_EPOCH,
        path: path.into(),
        code: None,
        message: None,
        at: UNIX_EPOCH + Duration::from_secs(second),
        resolution: Resolution::Unresolved,
    }
}

#[test]
fn long_texts_are_cut_at_a_character_boundary_with_a_note() {
    assert_eq!(&*cut("/a"), "/a");
    assert_eq!(
        &*cut(&"x".repeat(MAX_TEXT_BYTES)),
        "x".repeat(MAX_TEXT_BYTES)
    );
    // A three-byte character spans the limit.
    let long = format!("a{}", "漢".repeat(40_000));
    let short = cut(&long);
    assert_eq!(
        &*short,
        format!("a{}… (cut: 120001 bytes in all)", "漢".repeat(341))
    );
}

#[test]
fn the_oldest_failed_files_of_all_transfers_are_evicted() {
    let mut failures = Failures::default();
    let mut insert = |path: &str, second| {
        let label = Finished::Failed(None);
        let changed = failures.insert(failure(path, second), label, None);
        let paths = changed.iter().map(|failure| failure.path.to_string());
        paths.collect::<Vec<_>>()
    };
    for n in 0..MAX_FAILURES as u64 {
        let path = format!("/{n}");
        assert_eq!(insert(&path, 1_000 + n), [path]);
    }
    assert_eq!(insert("/new", 999_999), ["/new", "/0"]);
    assert_eq!(insert("/older", 0), ["/older", "/older"]);
    let unresolved: u64 = failures
        .unresolved
        .values()
        .flat_map(BTreeMap::values)
        .sum();
    assert_eq!(
        (
            failures.by_time.len(),
            failures.by_transfer.len(),
            unresolved
        ),
        (MAX_FAILURES, MAX_FAILURES, MAX_FAILURES as u64)
    );
}
