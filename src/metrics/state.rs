//! Snapshot to samples: the samples of a row in each family, and the families that change with
//! every scrape.

use super::Scrape;
use super::encode::{Encoder, unix_seconds};
use super::families::{self, Family};
use model::{
    Chunk, ConnectorView, DOCUMENTED_FAILURE_CODES, FileCounts, FileStatus, Finished, Snapshot,
    TransferState, TransferView,
};

/// A family whose samples come from rows, independently of each other.
pub(super) struct RowFamily<T: 'static> {
    pub(super) descriptor: &'static Family,
    /// Writes the samples of one row, if any.
    pub(super) write: fn(&T, &mut Encoder),
}

/// A row of a snapshot's chunks.
pub(super) trait Row: Sized + 'static {
    const FAMILIES: &'static [RowFamily<Self>];

    fn chunks(snapshot: &Snapshot) -> &[Chunk<Self>];
}

impl Row for TransferView {
    const FAMILIES: &'static [RowFamily<Self>] = &[
        RowFamily {
            descriptor: &families::FILES,
            write: |transfer, out| {
                if let Some(files) = &transfer.files {
                    out.transfer_row(&transfer.connector, &transfer.id);
                    write_files(files, out);
                }
            },
        },
        RowFamily {
            descriptor: &families::RESULTS_UP,
            write: |transfer, out| {
                if let Some(up) = transfer.up {
                    out.transfer_row(&transfer.connector, &transfer.id);
                    out.gauge(u64::from(up));
                }
            },
        },
    ];

    fn chunks(snapshot: &Snapshot) -> &[Chunk<Self>] {
        &snapshot.transfers
    }
}

impl Row for ConnectorView {
    const FAMILIES: &'static [RowFamily<Self>] = &[
        RowFamily {
            descriptor: &families::CONNECTOR_FILES,
            write: |connector, out| {
                if let Some(files) = &connector.files {
                    out.connector_row(&connector.labels);
                    write_files(files, out);
                }
            },
        },
        RowFamily {
            descriptor: &families::CONNECTOR_TRANSFERS,
            write: |connector, out| {
                out.connector_row(&connector.labels);
                for (state, labels) in TransferState::ALL
                    .into_iter()
                    .zip(&out.encoded_labels().states)
                {
                    out.gauge_of(labels, connector.states.of(state));
                }
            },
        },
        RowFamily {
            descriptor: &families::FILES_FINISHED,
            write: write_finished,
        },
        RowFamily {
            descriptor: &families::BYTES,
            write: |connector, out| {
                for (direction, moved) in &connector.moved {
                    out.connector_row(&connector.labels);
                    out.counter_with(
                        &[("operation", direction.as_str())],
                        moved.bytes,
                        connector.known_since,
                        None,
                    );
                }
            },
        },
        RowFamily {
            descriptor: &families::FILE_DURATION,
            write: |connector, out| {
                for (direction, moved) in &connector.moved {
                    out.connector_row(&connector.labels);
                    out.label("operation", direction.as_str());
                    out.durations(&moved.durations, connector.known_since);
                }
            },
        },
        RowFamily {
            descriptor: &families::OPERATIONS,
            write: write_operations,
        },
        RowFamily {
            descriptor: &families::OLDEST_UNFINISHED,
            write: |connector, out| write_time(connector, connector.oldest_unfinished, out),
        },
        RowFamily {
            descriptor: &families::LAST_COMPLETED,
            write: |connector, out| write_time(connector, connector.last_completed, out),
        },
        RowFamily {
            descriptor: &families::LAST_FAILED,
            write: |connector, out| write_time(connector, connector.last_failed, out),
        },
        RowFamily {
            descriptor: &families::CONNECTOR_INFO,
            write: |connector, out| {
                out.connector_row(&connector.labels);
                let title = connector.title.as_deref();
                out.label(
                    "name",
                    title.map_or(connector.labels.id.as_str(), |title| &title.name),
                );
                if let Some(details) = &connector.details {
                    out.label("url", &details.url);
                    out.label("egress_type", &details.egress_type);
                    out.label("status", &details.status);
                }
                for (name, value) in title.into_iter().flat_map(|title| &title.labels) {
                    out.label(name, value);
                }
                out.gauge(1_u64);
            },
        },
    ];

    fn chunks(snapshot: &Snapshot) -> &[Chunk<Self>] {
        &snapshot.connectors
    }
}

/// Writes a family that changes with every scrape. Writes nothing for any other.
pub(super) fn write(scrape: &Scrape<'_>, family: &'static Family, out: &mut Encoder) {
    let snapshot = &scrape.snapshot;
    if *family == families::RESULTS_AGE {
        for (connector, age) in &snapshot.results_ages {
            out.connector_row(connector);
            out.gauge(age.as_secs_f64());
        }
    } else if *family == families::TRANSFERS {
        for (origin, transfers) in &snapshot.origins {
            out.row();
            out.label("origin", origin.as_label());
            out.gauge(*transfers);
        }
    } else if *family == families::SCRAPE_COMPLETE {
        out.gauge(u64::from(scrape.complete));
    } else if *family == families::CODES_FOLDED {
        let since = snapshot.folded_since.unwrap_or(scrape.started);
        out.counter(snapshot.folded_failure_codes, since);
    }
}

fn write_files(files: &FileCounts, out: &mut Encoder) {
    let documented = [
        files.queued,
        files.in_progress,
        files.completed,
        files.failed_without_code,
    ];
    for (labels, value) in out.encoded_labels().statuses.iter().zip(documented) {
        out.gauge_of(labels, value);
    }
    for (code, value) in &files.failed {
        out.gauge_with(
            &[
                ("status", FileStatus::Failed.as_str()),
                ("failure_code", code.as_str()),
            ],
            *value,
        );
    }
    for (status, value) in &files.other {
        out.gauge_with(&[("status", status), ("failure_code", "")], *value);
    }
}

/// Writes COMPLETED, FAILED without a code and each documented code always, other codes if seen.
fn write_finished(connector: &ConnectorView, out: &mut Encoder) {
    out.connector_row(&connector.labels);
    let since = connector.known_since;
    let [_, _, completed, failed] = &out.encoded_labels().statuses;
    for (end, labels) in [
        (Finished::Completed, completed),
        (Finished::Failed(None), failed),
    ] {
        let seen = connector.finished.get(&end);
        let newest = seen.and_then(|seen| seen.newest.as_ref());
        out.counter_of(labels, seen.map_or(0, |seen| seen.files), since, newest);
    }
    let coded = || {
        connector
            .finished
            .iter()
            .filter_map(|(end, seen)| match end {
                Finished::Failed(Some(code)) => Some((code, seen)),
                _ => None,
            })
    };
    for (listed, labels) in DOCUMENTED_FAILURE_CODES
        .iter()
        .zip(&out.encoded_labels().codes)
    {
        let seen = coded()
            .find(|(code, _)| code.as_str() == *listed)
            .map(|(_, seen)| seen);
        let newest = seen.and_then(|seen| seen.newest.as_ref());
        out.counter_of(labels, seen.map_or(0, |seen| seen.files), since, newest);
    }
    for (code, seen) in coded().filter(|(code, _)| !code.is_documented()) {
        let labels = [
            ("status", FileStatus::Failed.as_str()),
            ("failure_code", code.as_str()),
        ];
        out.counter_with(&labels, seen.files, since, seen.newest.as_ref());
    }
}

fn write_operations(connector: &ConnectorView, out: &mut Encoder) {
    for ((operation, end), count) in &connector.operations {
        let (status, code) = match end {
            Finished::Completed => (FileStatus::Completed, ""),
            Finished::Failed(code) => (
                FileStatus::Failed,
                code.as_ref().map_or("", |code| code.as_str()),
            ),
        };
        let labels = [
            ("operation", operation.as_str()),
            ("status", status.as_str()),
            ("failure_code", code),
        ];
        out.connector_row(&connector.labels);
        out.counter_with(&labels, *count, connector.known_since, None);
    }
}

fn write_time(connector: &ConnectorView, time: Option<std::time::SystemTime>, out: &mut Encoder) {
    if let Some(at) = time {
        out.connector_row(&connector.labels);
        out.gauge(unix_seconds(at));
    }
}
