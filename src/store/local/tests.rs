use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use redb::{Database, ReadableTableMetadata, TableDefinition};

use super::*;
use crate::store::records::encode;
use crate::tracker::persist::ConnectorRecord;
use crate::tracker::{PollResult, Tracker, TrackerLimits, TrackerSettings};
use model::{
    Account, AccountName, ConnectorKey, Fact, FailureCode, FileResult, FileStatus, Now, Origin,
    Shard, TransferKey, TransferStart,
};

const SETTINGS: TrackerSettings = TrackerSettings {
    min_refresh_interval: std::time::Duration::from_secs(10),
    max_refresh_interval: std::time::Duration::from_mins(5),
    gone_after: std::time::Duration::from_mins(15),
    keep_settled: std::time::Duration::from_hours(1),
    keep_unresolved: std::time::Duration::from_hours(168),
    limits: TrackerLimits::NONE,
    per_transfer: model::PerTransfer::All,
    max_transfers: 100,
    shard: Shard::ONLY,
    events: false,
};

#[test]
fn a_link_to_nothing_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join(FILE_NAME);
    std::os::unix::fs::symlink("/nowhere/state.redb", &link).unwrap();
    let error = LocalStore::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("it is a link to a file that does not exist"),
        "{error}"
    );
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

fn now() -> Now {
    let wall = std::time::UNIX_EPOCH + std::time::Duration::from_hours(500_000);
    Now {
        instant: std::time::Instant::now() + std::time::Duration::from_hours(1_000),
        wall,
    }
}

fn key(n: usize) -> TransferKey {
    TransferKey {
        account: AccountName::new("prod"),
        connector: format!("c-{:017x}", n % 20).parse().unwrap(),
        transfer: format!("t-{n}").parse().unwrap(),
    }
}

fn tracker(saved: SavedState, now: Now) -> Tracker {
    let mut tracker = Tracker::new(SETTINGS, now.wall);
    tracker.configure(
        SETTINGS,
        [Account {
            name: AccountName::new("prod"),
            region: "eu-central-1".into(),
        }],
        now,
    );
    tracker.restore(saved, now);
    tracker
}

fn answer(status: &str, code: &str) -> PollResult {
    let file = |path: &str, status: &str, code: &str| FileResult {
        path: path.into(),
        status: FileStatus::from_wire(status),
        failure_code: FailureCode::new(code),
        failure_message: None,
    };
    PollResult::Files(vec![file("/a", status, code), file("/b", "COMPLETED", "")])
}

/// Tracks a transfer with a known number of files, so that it settles at the first answer.
fn start_of_two_files(tracker: &mut Tracker, n: usize, now: Now) {
    let start = TransferStart {
        key: key(n),
        started_at: Some(now.wall),
        reported_at: None,
        files: Some(2),
    };
    tracker.ingest(&Fact::Started(start), Origin::Api, now);
}

/// Adds the transfers `from..to` to the store, a third of them running, the rest settled.
fn fill(store: &LocalStore, from: usize, to: usize, now: Now) -> Tracker {
    let mut tracker = tracker(store.load().unwrap(), now);
    for n in from..to {
        start_of_two_files(&mut tracker, n, now);
        let (status, code) = [
            ("QUEUED", ""),
            ("COMPLETED", ""),
            ("FAILED", "TIMEOUT_ERROR"),
        ][n % 3];
        tracker.record_poll(&key(n), &answer(status, code), now);
    }
    store.save(&tracker.take_changes(now)).unwrap();
    tracker
}

fn text(saved: &SavedState) -> String {
    format!("{saved:?}")
}

#[test]
fn written_state_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er");
    let now = now();
    let before = {
        let store = LocalStore::open(&path).unwrap();
        fill(&store, 0, 300, now);
        store.load().unwrap()
    };
    assert_eq!((before.transfers.len(), before.connectors.len()), (300, 20));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::metadata(path.join(FILE_NAME))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    let store = LocalStore::open(&path).unwrap();
    let after = store.load().unwrap();
    assert_eq!(text(&after), text(&before));
    let mut again = tracker(after, now);
    assert_eq!(again.due(now).len(), 100, "the settled ones are not due");
    assert!(again.take_changes(now).is_empty(), "nothing has changed");
}

#[test]
fn a_folder_that_every_user_can_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let set = |mode| fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
    for (mode, is_accepted) in [
        (0o700, true),
        (0o755, true),
        (0o770, true),
        (0o775, true),
        (0o2775, true),
        (0o702, false),
        (0o777, false),
        (0o1777, false),
        (0o2777, false),
    ] {
        set(mode);
        let opened = LocalStore::open(folder.path());
        match opened {
            Ok(_) => assert!(is_accepted, "{mode:o}"),
            Err(error) => {
                assert!(!is_accepted, "{mode:o}: {error}");
                assert!(error.to_string().contains("chmod o-w"), "{error}");
            }
        }
    }
    set(0o777);
    assert!(LocalStore::open(&folder.path().join("state")).is_ok());
}

#[test]
fn dropped_transfers_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let now = now();
    let store = LocalStore::open(folder.path()).unwrap();
    let mut tracker = fill(&store, 0, 30, now);
    let later = now.after(SETTINGS.keep_settled);
    tracker.expire(later);
    store.save(&tracker.take_changes(later)).unwrap();
    let saved = store.load().unwrap();
    assert_eq!((saved.transfers.len(), saved.fates.len()), (10, 20));
}

#[test]
fn a_second_process_is_refused_with_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let _first = LocalStore::open(folder.path()).unwrap();
    let refused = LocalStore::open(folder.path()).unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .contains(folder.path().to_str().unwrap()),
        "{refused}"
    );
}

#[test]
fn a_newer_format_is_refused_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    fill(&LocalStore::open(folder.path()).unwrap(), 0, 30, now());
    let file = folder.path().join(FILE_NAME);
    let formats: TableDefinition<'_, &str, u32> = TableDefinition::new("format");
    {
        let database = Database::open(&file).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction
            .open_table(formats)
            .unwrap()
            .insert("tracker", 7)
            .unwrap();
        transaction.commit().unwrap();
    }
    for _ in 0..2 {
        let refused = LocalStore::open(folder.path()).unwrap_err();
        assert!(
            matches!(
                refused,
                StoreError::Newer {
                    found: 7,
                    supported: 1,
                    ..
                }
            ),
            "{refused}"
        );
        assert!(
            refused.to_string().contains(file.to_str().unwrap()),
            "{refused}"
        );
    }
    let database = Database::open(&file).unwrap();
    let transaction = redb::ReadableDatabase::begin_read(&database).unwrap();
    let transfers: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("transfers");
    assert_eq!(
        transaction.open_table(transfers).unwrap().len().unwrap(),
        30
    );
}

#[test]
fn other_files_are_refused_and_not_changed() {
    let longer = vec![b'x'; 100_000];
    for content in [&b""[..], b"accounts: []\n", longer.as_slice()] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        fs::write(&file, content).unwrap();
        let refused = LocalStore::open(folder.path()).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
        assert!(
            refused.to_string().contains(file.to_str().unwrap()),
            "{refused}"
        );
        assert_eq!(fs::read(&file).unwrap(), content);
    }
}

/// Every changed byte is either irrelevant or detected: a different state is never loaded, and a
/// refused file is not changed.
#[test]
fn a_damaged_file_is_refused_or_loads_the_written_state() {
    let folder = tempfile::tempdir().unwrap();
    let now = now();
    {
        let store = LocalStore::open(folder.path()).unwrap();
        fill(&store, 0, 60, now);
        fill(&store, 60, 90, now);
    }
    let file = folder.path().join(FILE_NAME);
    let whole = fs::read(&file).unwrap();
    let expected = text(&LocalStore::open(folder.path()).unwrap().load().unwrap());
    let (mut refused, mut unharmed) = (0, 0);
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let step = used.len() / 300 + 1;
    for at in (0..320).chain(used.into_iter().step_by(step)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        fs::write(&file, &bytes).unwrap();
        match LocalStore::open(folder.path()).and_then(|store| store.load()) {
            Ok(saved) => {
                assert_eq!(text(&saved), expected, "byte {at}");
                unharmed += 1;
            }
            Err(error) => {
                assert!(
                    matches!(error, StoreError::Damaged { .. }),
                    "byte {at}: {error}"
                );
                assert!(
                    fs::read(&file).unwrap() == bytes,
                    "byte {at}: the file was changed: {error}"
                );
                refused += 1;
            }
        }
    }
    assert!(
        refused > 50 && unharmed > 50,
        "{refused} refused, {unharmed} unharmed"
    );
    for length in [0, 100, 4_096, whole.len() / 2, whole.len() - 4_096] {
        fs::write(&file, &whole[..length]).unwrap();
        let error = LocalStore::open(folder.path()).unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{length} bytes: {error}"
        );
        assert_eq!(fs::read(&file).unwrap(), &whole[..length]);
    }
}

#[test]
fn a_removed_file_is_recreated_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let now = now();
    let store = LocalStore::open(folder.path()).unwrap();
    let mut tracker = fill(&store, 0, 30, now);
    let before = store.load().unwrap();
    fs::remove_file(folder.path().join(FILE_NAME)).unwrap();
    tracker.mark_all_dirty();
    assert!(matches!(
        store.save(&tracker.take_changes(now)),
        Err(StoreError::Recreated { .. })
    ));
    tracker.mark_all_dirty();
    store.save(&tracker.take_changes(now)).unwrap();
    drop(store);
    assert_eq!(
        text(&LocalStore::open(folder.path()).unwrap().load().unwrap()),
        text(&before)
    );
}

#[test]
fn a_file_put_in_its_place_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let now = now();
    let store = LocalStore::open(folder.path()).unwrap();
    let mut tracker = fill(&store, 0, 30, now);
    let file = folder.path().join(FILE_NAME);
    let aside = folder.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    // A copy can be opened.
    for foreign in [b"not ours".to_vec(), fs::read(&aside).unwrap()] {
        fs::write(&file, &foreign).unwrap();
        for _ in 0..3 {
            tracker.mark_all_dirty();
            assert!(matches!(
                store.save(&tracker.take_changes(now)),
                Err(StoreError::Write { .. })
            ));
        }
        assert_eq!(fs::read(&file).unwrap(), foreign);
    }
    fs::rename(&aside, &file).unwrap();
    tracker.mark_all_dirty();
    store.save(&tracker.take_changes(now)).unwrap();
}

#[test]
fn requeued_changes_and_removals_are_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let now = now();
    let store = LocalStore::open(folder.path()).unwrap();
    let mut tracker = fill(&store, 0, 30, now);
    let later = now.after(SETTINGS.keep_settled);
    tracker.expire(later);
    tracker.track(key(77), Origin::Api, None, later);
    let unwritten = tracker.take_changes(later);
    assert!(tracker.take_changes(later).is_empty());
    tracker.requeue(&unwritten);
    let again = tracker.take_changes(later);
    store.save(&again).unwrap();
    let saved = store.load().unwrap();
    assert_eq!((saved.transfers.len(), saved.fates.len()), (11, 20));
}

/// Transfers and the fates of those that have left are replaced by new ones, and the file keeps its
/// size.
#[test]
fn the_file_does_not_grow_while_transfers_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    let mut now = now();
    let mut tracker = tracker(store.load().unwrap(), now);
    let mut sizes = Vec::new();
    for round in 0..40 {
        for n in round * 500..(round + 1) * 500 {
            start_of_two_files(&mut tracker, n, now);
            tracker.record_poll(&key(n), &answer("COMPLETED", ""), now);
            if n % 50 == 0 {
                store.save(&tracker.take_changes(now)).unwrap();
            }
        }
        now = now.after(std::time::Duration::from_hours(30));
        tracker.expire(now);
        store.save(&tracker.take_changes(now)).unwrap();
        sizes.push(store.size());
    }
    assert!(store.load().unwrap().fates.len() < 7_000);
    let (early, last) = (sizes[25], sizes[39]);
    assert!(last <= early, "{sizes:?}");
}

#[test]
fn a_mostly_empty_file_is_compacted_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let key = |n: usize| ConnectorKey {
        account: AccountName::new("prod"),
        id: format!("c-{n:017x}").parse().unwrap(),
    };
    let large = ConnectorRecord {
        region: "x".repeat(300_000),
        ..ConnectorRecord::default()
    };
    let store = LocalStore::open(folder.path()).unwrap();
    fill(&store, 0, 300, now());
    let before = text(&store.load().unwrap());
    let put = |record: Option<ConnectorRecord>| {
        let connectors = (100..180).map(|n| (key(n), record.clone())).collect();
        store
            .save(&PendingWrites {
                connectors,
                ..PendingWrites::default()
            })
            .unwrap();
    };
    put(Some(large));
    put(None);
    let large = store.size();
    drop(store);
    let store = LocalStore::open(folder.path()).unwrap();
    assert!(
        store.size() < large / 4,
        "{large} bytes, then {}",
        store.size()
    );
    assert_eq!(text(&store.load().unwrap()), before);
}

/// If this fails, existing files would be misread: the changed records need a new `records::FORMAT`.
#[test]
fn the_encoding_of_records_does_not_change() {
    use model::{ConnectorDetails, Direction, FileEnd, Finished};
    let wall = std::time::UNIX_EPOCH + std::time::Duration::from_hours(500_000);
    let now = Now { wall, ..now() };
    let mut tracker = tracker(SavedState::default(), now);
    tracker.configure(
        TrackerSettings {
            events: true,
            ..SETTINGS
        },
        [Account {
            name: AccountName::new("prod"),
            region: "eu-central-1".into(),
        }],
        now,
    );
    let fact = Fact::FileEnded(FileEnd {
        key: key(1),
        file_transfer_id: "t-1/1".into(),
        direction: Direction::Send,
        path: "/a".into(),
        end: Finished::Failed(FailureCode::new("TIMEOUT_ERROR")),
        message: None,
        bytes: 300,
        duration: Some(std::time::Duration::from_secs(3)),
        ended_at: wall,
    });
    tracker.ingest(&fact, Origin::Events, now);
    tracker.record_poll(&key(1), &answer("FAILED", "TIMEOUT_ERROR"), now);
    let details = ConnectorDetails {
        url: "sftp://a".into(),
        error_message: Some("b".into()),
        labels: [("c".to_owned(), "d".to_owned())].into(),
        max_concurrent_connections: Some(5),
        trusted_host_keys: 2,
        secret_version_stages: vec!["e".to_owned()],
        ..ConnectorDetails::default()
    };
    let listed = [(key(1).connector, Some(details.into()))].into();
    tracker.set_listed_connectors(&key(1).account, &listed, true, now);
    let changes = tracker.take_changes(now);
    let hex = |bytes: Vec<u8>| {
        bytes
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    };
    let (_, transfer) = &changes.transfers[0];
    let (_, connector) = &changes.connectors[0];
    let transfer = hex(encode(transfer.as_ref().unwrap()).unwrap());
    // Path, code, no message, time.
    let failures = hex(encode(&changes.failures[0].1).unwrap());
    let connector = hex(encode(connector.as_ref().unwrap()).unwrap());
    insta::assert_snapshot!(
        "encoding",
        format!("transfer {transfer}\nfailures {failures}\nconnector {connector}")
    );
}
