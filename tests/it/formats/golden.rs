//! The text of the formats for a small fleet, as snapshots.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_transfer_exporter::metrics::exposition::render;
use aws_transfer_exporter::metrics::families::{self, Group};
use aws_transfer_exporter::metrics::format::{Encoding, Format, FormatKind};
use aws_transfer_exporter::metrics::{NameFilter, Scrape, ScrapeRequest};
use model::{
    ConnectorTitle, ConnectorView, Direction, FailureCode, FileCounts, FileStatus, Finished,
    FinishedFiles, FlowState, FlowTitle, FlowView, FlowWindow, MovedFiles, Origin, RemoteOperation,
    Snapshot, StateCounts, TransferState, TransferView,
};

use super::{OPEN_METRICS, OPEN_METRICS_2, TEXT, fixtures, self_metrics, started};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
}

/// Returns one connector with a running and a failed transfer.
fn fleet() -> Arc<Snapshot> {
    let labels = fixtures::labels(0, "prod");
    let code = FailureCode::new("TIMEOUT_ERROR");
    let mut running = FileCounts::default();
    running.add_file(&FileStatus::InProgress, None);
    let mut failed = FileCounts::default();
    failed.add_file(&FileStatus::Completed, None);
    failed.add_file(&FileStatus::Failed, code.as_ref());
    let mut files = running.clone();
    files.add(&failed);
    let mut states = StateCounts::default();
    states.add(TransferState::Running);
    states.add(TransferState::Failed);
    let finished = |files, seconds| FinishedFiles {
        files,
        newest: Some(("t-2".parse().unwrap(), at(seconds))),
    };
    let mut sent = MovedFiles {
        bytes: 4_096,
        ..MovedFiles::default()
    };
    sent.durations.observe(1.5);
    sent.queue_waits.observe(20.0);
    sent.sizes.observe(4_096.0);
    let connector = ConnectorView {
        title: Some(Arc::new(ConnectorTitle {
            name: "acme".into(),
            labels: BTreeMap::from([("partner".to_owned(), "Acme \"EU\"".to_owned())]),
        })),
        files: Some(files),
        states,
        unreadable: 1,
        started: 2,
        last_started: Some(at(20)),
        oldest_queued: Some(at(10)),
        oldest_in_progress: Some(at(15)),
        consecutive_failures: 1,
        unresolved_failures: BTreeMap::from([(Finished::Failed(code.clone()), 1)]),
        finished: BTreeMap::from([
            (Finished::Completed, finished(1, 30)),
            (Finished::Failed(code.clone()), finished(1, 60)),
        ]),
        moved: BTreeMap::from([(Direction::Send, sent)]),
        operations: BTreeMap::from([((RemoteOperation::List, Finished::Completed), 2)]),
        oldest_unfinished: Some(at(10)),
        last_completed: Some(at(30)),
        last_failed: Some(at(60)),
        ..ConnectorView::new(Arc::clone(&labels), at(0))
    };
    let transfer = |id: &str, state, files| TransferView {
        connector: Arc::clone(&labels),
        id: id.parse().unwrap(),
        since: at(10),
        state,
        up: Some(true),
        files: Some(files),
    };
    Arc::new(Snapshot {
        shard: None,
        connectors: vec![Arc::from([connector])],
        transfers: vec![Arc::from([
            transfer("t-1", TransferState::Running, running),
            transfer("t-2", TransferState::Failed, failed),
        ])],
        flows: vec![Arc::from([flow(code.as_ref())])],
        oldest_results: vec![(labels, UNIX_EPOCH + Duration::from_secs(1_790_000_002))],
        origins: BTreeMap::from([(Origin::Config, 2)]),
        folded_failure_codes: 0,
        folded_since: None,
    })
}

/// A flow whose delivery is late.
fn flow(code: Option<&FailureCode>) -> FlowView {
    let outcomes = FlowState::OUTCOMES.into_iter();
    FlowView {
        title: Arc::new(FlowTitle {
            name: "prices".into(),
            connectors: vec!["acme".to_owned(), "c-1".to_owned()],
            expect: "by 06:00 UTC".to_owned(),
            ..FlowTitle::default()
        }),
        known_since: at(0),
        finished: BTreeMap::from([
            (Finished::Completed, 7),
            (Finished::Failed(None), 0),
            (Finished::Failed(code.cloned()), 1),
        ]),
        bytes: BTreeMap::from([(Direction::Send, 0), (Direction::Retrieve, 4_096)]),
        last_completed: Some(at(30)),
        unresolved_failures: 1,
        duplicates: 2,
        window: Some(FlowWindow {
            opens: at(0),
            deadline: at(40),
            closes: at(90),
            state: FlowState::Late,
            files: 1,
        }),
        outcomes: outcomes.clone().map(|state| (state, 3)).collect(),
        corrected: outcomes.map(|state| (state, 0)).collect(),
        listing: Some((5, true)),
    }
}

/// Renders the families about transfers and connectors.
fn rendered(kind: FormatKind) -> String {
    let names = families::ALL
        .iter()
        .filter(|family| family.group == Group::Sweep)
        .map(|family| format!("name[]={}", family.name));
    let request = ScrapeRequest {
        filter: NameFilter::from_query(&names.collect::<Vec<_>>().join("&")),
        format: Format {
            kind,
            escaping: None,
        },
        encoding: Encoding::Identity,
    };
    let scrape = Scrape {
        snapshots: vec![fleet()],
        complete: true,
        metrics: &self_metrics(),
        started: started(),
        server: false,
    };
    let exposition = render(&scrape, &request, &Mutex::default()).unwrap();
    String::from_utf8(exposition.into_parts().flatten().collect()).unwrap()
}

#[test]
fn the_text_format_of_a_small_fleet() {
    insta::assert_snapshot!(rendered(TEXT));
}

#[test]
fn open_metrics_of_a_small_fleet() {
    insta::assert_snapshot!(rendered(OPEN_METRICS));
}

#[test]
fn open_metrics_2_of_a_small_fleet() {
    insta::assert_snapshot!(rendered(OPEN_METRICS_2));
}
