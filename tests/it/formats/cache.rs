//! What was made of a page serves as long as the page stays.

use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use aws_transfer_exporter::metrics::cache::SegmentCache;
use aws_transfer_exporter::metrics::format::Encoding;
use model::{Chunk, ConnectorView, FileCounts, Snapshot, TransferState, TransferView};

use super::snapshots::{labels, with_newest};
use super::{OPEN_METRICS, PROTOBUF, TEXT, rendered};

/// A page of one transfer, with series of both families of transfers.
fn page(n: usize, completed: u32) -> Chunk<TransferView> {
    Arc::from([TransferView {
        connector: labels(0, "default"),
        id: format!("t-{n}").parse().unwrap(),
        since: UNIX_EPOCH,
        state: TransferState::Completed,
        up: Some(true),
        files: Some(FileCounts {
            completed,
            ..FileCounts::default()
        }),
    }])
}

fn connectors() -> Vec<Chunk<ConnectorView>> {
    with_newest("a", UNIX_EPOCH).connectors.clone()
}

fn snapshot(
    connectors: &[Chunk<ConnectorView>],
    transfers: &[&Chunk<TransferView>],
) -> Arc<Snapshot> {
    let transfers = transfers.iter().map(|page| Arc::clone(page)).collect();
    Arc::new(Snapshot {
        connectors: connectors.to_vec(),
        transfers,
        ..Snapshot::default()
    })
}

#[test]
fn only_pages_that_changed_are_rendered_again() {
    let cache: Mutex<SegmentCache> = Mutex::default();
    let renders = |snapshot: &Arc<Snapshot>, kind, encoding| {
        let before = cache.lock().unwrap().renders();
        let bytes = rendered(snapshot, kind, encoding, &cache);
        (cache.lock().unwrap().renders() - before, bytes)
    };
    let connectors = connectors();
    let pages = [page(0, 1), page(1, 2), page(2, 3)];
    let all = snapshot(&connectors, &[&pages[0], &pages[1], &pages[2]]);
    // Two families of three pages; three of one page of connectors, for the others have no sample there.
    let (made, first) = renders(&all, TEXT, Encoding::Gzip);
    assert_eq!(made, 2 * 3 + 3);
    let (made, second) = renders(
        &snapshot(&connectors, &[&pages[0], &pages[1], &pages[2]]),
        TEXT,
        Encoding::Gzip,
    );
    assert!(made == 0 && first == second);

    let changed = page(1, 4);
    let (made, third) = renders(
        &snapshot(&connectors, &[&pages[0], &changed, &pages[2]]),
        TEXT,
        Encoding::Gzip,
    );
    assert!(made == 2 && third != first);

    // The page that went is forgotten; equal rows on another page are another page.
    assert_eq!(renders(&all, TEXT, Encoding::Gzip), (2, first));
}

#[test]
fn each_encoding_and_dialect_is_made_for_itself_and_gauges_are_the_same_in_both_texts() {
    let cache: Mutex<SegmentCache> = Mutex::default();
    let pages = [page(0, 1)];
    let all = snapshot(&connectors(), &[&pages[0]]);
    let mut last = 0;
    for (kind, encoding, made) in [
        (TEXT, Encoding::Gzip, 5),
        (OPEN_METRICS, Encoding::Gzip, 1),
        (TEXT, Encoding::Zstd, 5),
        (PROTOBUF, Encoding::Gzip, 5),
        // Lengths, for the heads.
        (PROTOBUF, Encoding::Identity, 5),
        (TEXT, Encoding::Identity, 0),
    ] {
        for made in [made, 0] {
            rendered(&all, kind, encoding, &cache);
            let renders = cache.lock().unwrap().renders();
            assert_eq!(renders - last, made, "{kind:?} {encoding:?}");
            last = renders;
        }
    }
}

#[test]
fn nothing_is_kept_of_pages_that_went() {
    let cache: Mutex<SegmentCache> = Mutex::default();
    let page = page(0, 1);
    let weak = Arc::downgrade(&page);
    rendered(
        &snapshot(&connectors(), &[&page]),
        TEXT,
        Encoding::Gzip,
        &cache,
    );
    assert!(cache.lock().unwrap().bytes() > 0);
    drop(page);
    rendered(&Arc::default(), TEXT, Encoding::Zstd, &cache);
    assert_eq!(cache.lock().unwrap().bytes(), 0);
    assert!(weak.upgrade().is_none());
}

#[test]
fn unused_formats_are_evicted_and_the_rest_is_kept() {
    let cache: Mutex<SegmentCache> = Mutex::default();
    let all = snapshot(&connectors(), &[&page(0, 1)]);
    rendered(&all, TEXT, Encoding::Gzip, &cache);
    let gzip = cache.lock().unwrap().bytes();
    rendered(&all, TEXT, Encoding::Zstd, &cache);
    let both = cache.lock().unwrap().bytes();
    assert!(both > gzip);
    for _ in 0..100 {
        rendered(&all, TEXT, Encoding::Gzip, &cache);
        assert_eq!(cache.lock().unwrap().bytes(), both);
    }
    rendered(&all, TEXT, Encoding::Gzip, &cache);
    assert_eq!(cache.lock().unwrap().bytes(), gzip);
    assert_eq!(cache.lock().unwrap().renders(), 10);
}
