//! Snapshots: arbitrary ones, and small ones for single tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{
    Account, AccountName, ConnectorLabels, ConnectorTitle, ConnectorView, DOCUMENTED_FAILURE_CODES,
    FailureCode, FileCounts, FileStatus, Finished, FinishedFiles, Origin, Snapshot, StateCounts,
    TransferState, TransferView,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::rig::connector;

/// Texts with characters to escape and with separators of labels.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof!["[\\\\\"\n,={} é漢🚀]{0,12}", "[A-Z_]{1,8}"]
}

fn time() -> impl Strategy<Value = SystemTime> {
    (0..2_000_000_000_000_u64).prop_map(|ms| UNIX_EPOCH + Duration::from_millis(ms))
}

fn code() -> impl Strategy<Value = Option<FailureCode>> {
    let listed =
        (0..DOCUMENTED_FAILURE_CODES.len()).prop_map(|n| DOCUMENTED_FAILURE_CODES[n].to_owned());
    prop_oneof![listed, hostile()].prop_map(|code| FailureCode::new(&code))
}

fn counts() -> impl Strategy<Value = FileCounts> {
    let status = prop_oneof![
        (0..4_usize).prop_map(|n| FileStatus::MODELLED[n].clone()),
        hostile().prop_map(|name| FileStatus::Other(name.as_str().into())),
    ];
    vec((status, code()), 0..12).prop_map(|files| {
        let mut counts = FileCounts::default();
        for (status, code) in &files {
            counts.add_file(status, code.as_ref());
        }
        counts
    })
}

fn finished() -> impl Strategy<Value = BTreeMap<Finished, FinishedFiles>> {
    let end = prop_oneof![Just(Finished::Completed), code().prop_map(Finished::Failed)];
    let newest = option::of(("[0-9a-zA-Z./-]{1,140}", time()));
    let newest = newest.prop_map(|newest| newest.map(|(id, at)| (id.parse().unwrap(), at)));
    let seen = (0..u64::from(u32::MAX), newest)
        .prop_map(|(files, newest)| FinishedFiles { files, newest });
    btree_map(end, seen, 0..5)
}

fn title() -> impl Strategy<Value = Option<Arc<ConnectorTitle>>> {
    let labels = btree_map("[a-z]{1,5}_x", hostile(), 0..3);
    option::of((hostile(), labels).prop_map(|(name, labels)| {
        Arc::new(ConnectorTitle {
            name: name.into(),
            labels,
        })
    }))
}

fn view(labels: Arc<ConnectorLabels>) -> impl Strategy<Value = ConnectorView> {
    let times = vec(option::of(time()), 6);
    let counts_of_transfers = (0..u64::from(u32::MAX), 0..10_u64, 0..10_u64);
    let states = vec(0..5_usize, 0..5);
    (
        title(),
        time(),
        option::of(counts()),
        states,
        finished(),
        times,
        counts_of_transfers,
    )
        .prop_map(
            move |(
                title,
                known_since,
                files,
                in_states,
                finished,
                times,
                (started, unreadable, consecutive_failures),
            )| {
                let mut states = StateCounts::default();
                for state in in_states {
                    states.add(TransferState::ALL[state]);
                }
                ConnectorView {
                    title,
                    files,
                    states,
                    unreadable,
                    started,
                    last_started: times[0],
                    oldest_queued: times[1],
                    oldest_in_progress: times[2],
                    consecutive_failures,
                    unresolved_failures: finished
                        .iter()
                        .filter(|(end, seen)| **end != Finished::Completed && seen.files > 0)
                        .map(|(end, seen)| (end.clone(), seen.files))
                        .collect(),
                    finished,
                    oldest_unfinished: times[3],
                    last_completed: times[4],
                    last_failed: times[5],
                    ..ConnectorView::new(Arc::clone(&labels), known_since)
                }
            },
        )
}

fn row(connectors: Vec<Arc<ConnectorLabels>>) -> impl Strategy<Value = TransferView> {
    let id = "[0-9a-zA-Z./-]{1,40}";
    (
        0..connectors.len(),
        id,
        option::of(any::<bool>()),
        option::of(counts()),
    )
        .prop_map(move |(at, id, up, files)| TransferView {
            connector: Arc::clone(&connectors[at]),
            id: id.parse().unwrap(),
            since: UNIX_EPOCH,
            state: TransferState::Running,
            up,
            files,
        })
}

pub(super) fn labels(n: usize, account: &str) -> Arc<ConnectorLabels> {
    let account = Arc::new(Account {
        name: AccountName::new(account),
        region: "eu-central-1".into(),
    });
    Arc::new(ConnectorLabels {
        account,
        id: connector(n),
    })
}

/// Any snapshot of up to three connectors, in chunks of two rows.
pub(super) fn snapshots() -> impl Strategy<Value = Arc<Snapshot>> {
    let connectors = vec(hostile(), 1..4).prop_map(|accounts| {
        accounts
            .iter()
            .enumerate()
            .map(|(n, account)| labels(n, account))
            .collect::<Vec<_>>()
    });
    let ages = vec(0..1_000_000_u64, 3);
    let shard = option::of(0..40_u32);
    (connectors, ages, any_counts(), shard).prop_flat_map(|(connectors, ages, counts, shard)| {
        let (config, folded) = counts;
        let views: Vec<_> = connectors.iter().cloned().map(view).collect();
        let rows = vec(row(connectors.clone()), 0..8);
        (views, rows).prop_map(move |(views, rows)| {
            let ages = connectors.iter().zip(&ages).skip(1);
            Arc::new(Snapshot {
                shard: shard.map(|index| index.to_string().into()),
                connectors: views.chunks(2).map(Arc::from).collect(),
                transfers: rows.chunks(2).map(Arc::from).collect(),
                flows: Vec::new(),
                oldest_results: ages
                    .map(|(labels, ms)| {
                        (Arc::clone(labels), UNIX_EPOCH + Duration::from_millis(*ms))
                    })
                    .collect(),
                origins: config.map(|n| (Origin::Config, n)).into_iter().collect(),
                folded_failure_codes: folded,
                folded_since: None,
            })
        })
    })
}

fn any_counts() -> impl Strategy<Value = (Option<u64>, u64)> {
    (option::of(0..100_u64), 0..100_u64)
}

/// Returns a connector with 7 completed files, the last of transfer `id` at `at`.
pub(super) fn with_newest(id: &str, at: SystemTime) -> Arc<Snapshot> {
    let seen = FinishedFiles {
        files: 7,
        newest: Some((id.parse().unwrap(), at)),
    };
    let view = ConnectorView {
        finished: BTreeMap::from([(Finished::Completed, seen)]),
        ..ConnectorView::new(
            labels(0, "default"),
            UNIX_EPOCH + Duration::from_secs(1_000),
        )
    };
    Arc::new(Snapshot {
        connectors: vec![Arc::from([view])],
        ..Snapshot::default()
    })
}

/// Returns transfers in chunks of 512.
pub(super) fn many(transfers: u32) -> Arc<Snapshot> {
    let connectors = [labels(0, "default"), labels(1, "default")];
    let rows: Vec<_> = (0..transfers)
        .map(|n| TransferView {
            connector: Arc::clone(&connectors[n as usize % 2]),
            id: format!("t-{n}").parse().unwrap(),
            since: UNIX_EPOCH,
            state: TransferState::Completed,
            up: Some(n % 3 == 0),
            files: Some(FileCounts {
                completed: n,
                ..FileCounts::default()
            }),
        })
        .collect();
    Arc::new(Snapshot {
        transfers: rows.chunks(512).map(Arc::from).collect(),
        ..Snapshot::default()
    })
}
