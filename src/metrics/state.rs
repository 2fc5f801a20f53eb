//! Snapshot to samples, pure: what each row of a page says in each family, and the families that are told anew for each
//! scrape.

use super::Scrape;
use super::encoder::{Encoder, unix_seconds};
use super::families::{self, Family};
use model::{
    Chunk, ConnectorView, DOCUMENTED_FAILURE_CODES, FileCounts, FileStatus, Finished, Snapshot,
    TransferState, TransferView,
};

/// A family whose samples come from the rows of pages, each row's by itself.
pub(super) struct PagedFamily<T: 'static> {
    pub(super) descriptor: &'static Family,
    /// Writes the samples of one row, of which there may be none.
    pub(super) write: fn(&T, &mut Encoder),
}

/// Rows of a snapshot's pages.
pub(super) trait Row: Sized + 'static {
    const FAMILIES: &'static [PagedFamily<Self>];

    fn pages(snapshot: &Snapshot) -> &[Chunk<Self>];
}

impl Row for TransferView {
    const FAMILIES: &'static [PagedFamily<Self>] = &[
        PagedFamily {
            descriptor: &families::FILES,
            write: |transfer, out| {
                if let Some(files) = &transfer.files {
                    out.transfer_row(&transfer.connector, &transfer.id);
                    write_files(files, out);
                }
            },
        },
        PagedFamily {
            descriptor: &families::RESULTS_UP,
            write: |transfer, out| {
                if let Some(up) = transfer.up {
                    out.transfer_row(&transfer.connector, &transfer.id);
                    out.gauge(u64::from(up));
                }
            },
        },
    ];

    fn pages(snapshot: &Snapshot) -> &[Chunk<Self>] {
        &snapshot.transfers
    }
}

impl Row for ConnectorView {
    const FAMILIES: &'static [PagedFamily<Self>] = &[
        PagedFamily {
            descriptor: &families::CONNECTOR_FILES,
            write: |connector, out| {
                if let Some(files) = &connector.files {
                    out.connector_row(&connector.labels);
                    write_files(files, out);
                }
            },
        },
        PagedFamily {
            descriptor: &families::CONNECTOR_TRANSFERS,
            write: |connector, out| {
                out.connector_row(&connector.labels);
                for (state, labels) in TransferState::ALL.into_iter().zip(&out.ready().states) {
                    out.gauge_of(labels, connector.states.of(state));
                }
            },
        },
        PagedFamily {
            descriptor: &families::FILES_FINISHED,
            write: write_finished,
        },
        PagedFamily {
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
        PagedFamily {
            descriptor: &families::FILE_DURATION,
            write: |connector, out| {
                for (direction, moved) in &connector.moved {
                    out.connector_row(&connector.labels);
                    out.label("operation", direction.as_str());
                    out.durations(&moved.durations, connector.known_since);
                }
            },
        },
        PagedFamily {
            descriptor: &families::OPERATIONS,
            write: write_operations,
        },
        PagedFamily {
            descriptor: &families::OLDEST_UNFINISHED,
            write: |connector, out| write_time(connector, connector.oldest_unfinished, out),
        },
        PagedFamily {
            descriptor: &families::LAST_COMPLETED,
            write: |connector, out| write_time(connector, connector.last_completed, out),
        },
        PagedFamily {
            descriptor: &families::LAST_FAILED,
            write: |connector, out| write_time(connector, connector.last_failed, out),
        },
        PagedFamily {
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

    fn pages(snapshot: &Snapshot) -> &[Chunk<Self>] {
        &snapshot.connectors
    }
}

/// Writes a family that is told anew for each scrape; nothing for one that is not of this kind.
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
        out.counter(snapshot.folded_failure_codes, scrape.started);
    }
}

fn write_files(files: &FileCounts, out: &mut Encoder) {
    let of_modelled = [
        files.queued,
        files.in_progress,
        files.completed,
        files.failed_without_code,
    ];
    for (labels, value) in out.ready().statuses.iter().zip(of_modelled) {
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

/// The series of COMPLETED, of FAILED without a code and of every documented code are always there.
fn write_finished(connector: &ConnectorView, out: &mut Encoder) {
    out.connector_row(&connector.labels);
    let since = connector.known_since;
    let [_, _, completed, failed] = &out.ready().statuses;
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
    for (listed, labels) in DOCUMENTED_FAILURE_CODES.iter().zip(&out.ready().codes) {
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
