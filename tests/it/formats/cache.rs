//! The segment cache: what is rendered again, and what is evicted.

use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use aws_transfer_exporter::metrics::cache::SegmentCache;
use aws_transfer_exporter::metrics::format::Encoding;
use model::{Chunk, ConnectorView, FileCounts, Snapshot, TransferState, TransferView};

use super::fixtures::{labels, with_newest};
use super::{OPEN_METRICS, PROTOBUF, TEXT, rendered};

/// Families of which a connector without files has samples, and how many of them are counters.
const CONNECTOR_FAMILIES: u64 = 7;
const CONNECTOR_COUNTERS: u64 = 2;
/// The same and the two of transfers.
const FAMILIES: u64 = CONNECTOR_FAMILIES + 2;

/// Returns a chunk of one transfer that has series in both families.
fn chunk(n: usize, completed: u32) -> Chunk<TransferView> {
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
    let transfers = transfers.iter().map(|chunk| Arc::clone(chunk)).collect();
    Arc::new(Snapshot {
        connectors: connectors.to_vec(),
        transfers,
        ..Snapshot::default()
    })
}

#[test]
fn only_changed_chunks_are_rendered_again() {
    let cache: Mutex<SegmentCache> = Mutex::default();
    let renders = |snapshot: &Arc<Snapshot>, kind, encoding| {
        let before = cache.lock().unwrap().renders();
        let bytes = rendered(snapshot, kind, encoding, &cache);
        (cache.lock().unwrap().renders() - before, bytes)
    };
    let connectors = connectors();
    let chunks = [chunk(0, 1), chunk(1, 2), chunk(2, 3)];
    let all = snapshot(&connectors, &[&chunks[0], &chunks[1], &chunks[2]]);
    // Two families of three chunks of transfers; those of one chunk of connectors.
    let (count, first) = renders(&all, TEXT, Encoding::Gzip);
    assert_eq!(count, 2 * 3 + CONNECTOR_FAMILIES);
    let (count, second) = renders(
        &snapshot(&connectors, &[&chunks[0], &chunks[1], &chunks[2]]),
        TEXT,
        Encoding::Gzip,
    );
    assert!(count == 0 && first == second);

    let changed = chunk(1, 4);
    let (count, third) = renders(
        &snapshot(&connectors, &[&chunks[0], &changed, &chunks[2]]),
        TEXT,
        Encoding::Gzip,
    );
    assert!(count == 2 && third != first);

    // The previous chunk was evicted. Equal rows in another chunk are rendered again.
    assert_eq!(renders(&all, TEXT, Encoding::Gzip), (2, first));
}

#[test]
fn segments_are_kept_by_encoding_and_dialect_and_text_formats_share_gauges() {
    let cache: Mutex<SegmentCache> = Mutex::default();
    let chunks = [chunk(0, 1)];
    let all = snapshot(&connectors(), &[&chunks[0]]);
    let mut last = 0;
    for (kind, encoding, first) in [
        (TEXT, Encoding::Gzip, FAMILIES),
        (OPEN_METRICS, Encoding::Gzip, CONNECTOR_COUNTERS),
        (TEXT, Encoding::Zstd, FAMILIES),
        (PROTOBUF, Encoding::Gzip, FAMILIES),
        // Lengths, for the heads.
        (PROTOBUF, Encoding::Identity, FAMILIES),
        (TEXT, Encoding::Identity, 0),
    ] {
        for expected in [first, 0] {
            rendered(&all, kind, encoding, &cache);
            let renders = cache.lock().unwrap().renders();
            assert_eq!(renders - last, expected, "{kind:?} {encoding:?}");
            last = renders;
        }
    }
}

#[test]
fn a_chunk_is_evicted_when_no_snapshot_has_it() {
    let cache: Mutex<SegmentCache> = Mutex::default();
    let chunk = chunk(0, 1);
    let weak = Arc::downgrade(&chunk);
    rendered(
        &snapshot(&connectors(), &[&chunk]),
        TEXT,
        Encoding::Gzip,
        &cache,
    );
    assert!(cache.lock().unwrap().bytes() > 0);
    drop(chunk);
    rendered(&Arc::default(), TEXT, Encoding::Zstd, &cache);
    assert_eq!(cache.lock().unwrap().bytes(), 0);
    assert!(weak.upgrade().is_none());
}

#[test]
fn segments_of_an_unused_encoding_are_evicted() {
    let cache: Mutex<SegmentCache> = Mutex::default();
    let all = snapshot(&connectors(), &[&chunk(0, 1)]);
    rendered(&all, TEXT, Encoding::Gzip, &cache);
    let gzip = cache.lock().unwrap().bytes();
    rendered(&all, TEXT, Encoding::Zstd, &cache);
    let both = cache.lock().unwrap().bytes();
    assert!(both > gzip);
    for _ in 0..100 {
        rendered(&all, TEXT, Encoding::Gzip, &cache);
        assert_eq!(cache.lock().unwrap().bytes(), both);
    }
    for _ in 0..20 {
        rendered(&all, TEXT, Encoding::Gzip, &cache);
    }
    assert_eq!(cache.lock().unwrap().bytes(), gzip);
    assert_eq!(cache.lock().unwrap().renders(), 2 * FAMILIES);
}
