//! Snapshot to samples: the samples of a row in each family, and the families that change with
//! every scrape.

mod flow;

use super::Scrape;
use super::encode::{Encoder, ExtraLabels, unix_seconds};
use super::families::{self, Family};
use model::{
    Chunk, ConnectorView, DOCUMENTED_FAILURE_CODES, FileCounts, FileStatus, Finished,
    FinishedFiles, Histogram, MovedFiles, Snapshot, TransferState, TransferView,
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
                    let transfers = connector.states.of(state);
                    if transfers > 0 || connector.confirmed {
                        out.gauge_of(labels, transfers);
                    }
                }
            },
        },
        RowFamily {
            descriptor: &families::TRANSFERS_UNREADABLE,
            write: |connector, out| {
                if connector.unreadable > 0 || connector.confirmed {
                    out.connector_row(&connector.labels);
                    out.gauge(connector.unreadable);
                }
            },
        },
        RowFamily {
            descriptor: &families::TRANSFERS_STARTED,
            write: |connector, out| {
                if connector.started > 0 || connector.confirmed {
                    out.connector_row(&connector.labels);
                    out.counter(connector.started, connector.known_since);
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
            write: |connector, out| write_histograms(connector, |moved| &moved.durations, out),
        },
        RowFamily {
            descriptor: &families::QUEUE_WAIT,
            write: |connector, out| write_histograms(connector, |moved| &moved.queue_waits, out),
        },
        RowFamily {
            descriptor: &families::FILE_SIZE,
            write: |connector, out| write_histograms(connector, |moved| &moved.sizes, out),
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
            descriptor: &families::OLDEST_QUEUED,
            write: |connector, out| write_time(connector, connector.oldest_queued, out),
        },
        RowFamily {
            descriptor: &families::OLDEST_IN_PROGRESS,
            write: |connector, out| write_time(connector, connector.oldest_in_progress, out),
        },
        RowFamily {
            descriptor: &families::LAST_STARTED,
            write: |connector, out| write_time(connector, connector.last_started, out),
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
            descriptor: &families::UNRESOLVED_FAILURES,
            write: |connector, out| {
                out.connector_row(&connector.labels);
                let without_code = Finished::Failed(None);
                let unresolved = &connector.unresolved_failures;
                let number = unresolved.get(&without_code).copied().unwrap_or(0);
                if number > 0 || connector.confirmed {
                    out.gauge_with(&[("failure_code", "")], number);
                }
                for (end, number) in unresolved {
                    if let Finished::Failed(Some(code)) = end {
                        out.gauge_with(&[("failure_code", code.as_str())], *number);
                    }
                }
            },
        },
        RowFamily {
            descriptor: &families::CONSECUTIVE_FAILURES,
            write: |connector, out| {
                if connector.consecutive_failures > 0 || connector.confirmed {
                    out.connector_row(&connector.labels);
                    out.gauge(connector.consecutive_failures);
                }
            },
        },
        RowFamily {
            descriptor: &families::CONNECTOR_INFO,
            write: |connector, out| {
                out.connector_row(&connector.labels);
                out.label("name", connector.name());
                let details = connector.details.as_deref();
                if let Some(details) = details {
                    out.label("url", &details.url);
                    out.label("egress_type", &details.egress_type);
                    out.label("status", &details.status);
                    out.label("security_policy", &details.security_policy);
                    out.label("ip_address_type", &details.ip_address_type);
                }
                let configured = connector.title.as_deref().map(|title| &title.labels);
                let of_tags = details.into_iter().flat_map(|details| &details.labels);
                // The configuration has precedence.
                for (name, value) in of_tags
                    .filter(|(name, _)| configured.is_none_or(|all| !all.contains_key(*name)))
                {
                    out.label(name, value);
                }
                for (name, value) in configured.into_iter().flatten() {
                    out.label(name, value);
                }
                out.gauge(1_u64);
            },
        },
        RowFamily {
            descriptor: &families::MAX_CONCURRENT_CONNECTIONS,
            write: |connector, out| {
                let details = connector.details.as_deref();
                if let Some(most) = details.and_then(|it| it.max_concurrent_connections) {
                    out.connector_row(&connector.labels);
                    out.gauge(u64::from(most));
                }
            },
        },
    ];

    fn chunks(snapshot: &Snapshot) -> &[Chunk<Self>] {
        &snapshot.connectors
    }
}

/// Returns the status and the failure code of an end.
fn end_labels(end: &Finished) -> (&'static str, &str) {
    match end {
        Finished::Completed => ("COMPLETED", ""),
        Finished::Failed(code) => ("FAILED", code.as_ref().map_or("", |code| code.as_str())),
    }
}

/// Writes a histogram of each direction.
fn write_histograms(
    connector: &ConnectorView,
    of: fn(&MovedFiles) -> &Histogram,
    out: &mut Encoder,
) {
    for (direction, moved) in &connector.moved {
        out.connector_row(&connector.labels);
        out.label("operation", direction.as_str());
        out.native_histogram(of(moved), connector.known_since);
    }
}

/// Writes a family that changes with every scrape. Writes nothing for any other.
pub(super) fn write(scrape: &Scrape<'_>, family: &'static Family, out: &mut Encoder) {
    if *family == families::SCRAPE_COMPLETE {
        return out.gauge(u64::from(scrape.complete));
    }
    for snapshot in &scrape.snapshots {
        out.shard(snapshot.shard.as_ref());
        if *family == families::OLDEST_RESULT {
            for (connector, at) in &snapshot.oldest_results {
                out.connector_row(connector);
                out.gauge(unix_seconds(*at));
            }
        } else if *family == families::TRANSFERS {
            for (origin, transfers) in &snapshot.origins {
                out.row();
                out.label("origin", origin.as_label());
                out.gauge(*transfers);
            }
        } else if *family == families::CODES_FOLDED {
            let since = snapshot.folded_since.unwrap_or(scrape.started);
            out.counter(snapshot.folded_failure_codes, since);
        }
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

/// Writes COMPLETED, FAILED without a code and each documented code always if the connector exists,
/// other codes if seen.
fn write_finished(connector: &ConnectorView, out: &mut Encoder) {
    out.connector_row(&connector.labels);
    let since = connector.known_since;
    let [_, _, completed, failed] = &out.encoded_labels().statuses;
    for (end, labels) in [
        (Finished::Completed, completed),
        (Finished::Failed(None), failed),
    ] {
        let seen = connector.finished.get(&end);
        write_count(connector, labels, seen, out);
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
        write_count(connector, labels, seen, out);
    }
    for (code, seen) in coded().filter(|(code, _)| !code.is_documented()) {
        let labels = [
            ("status", FileStatus::Failed.as_str()),
            ("failure_code", code.as_str()),
        ];
        out.counter_with(&labels, seen.files, since, seen.newest.as_ref());
    }
}

/// Writes the number of files with one end, which is left out at 0 if the connector may not exist.
fn write_count(
    connector: &ConnectorView,
    labels: &ExtraLabels,
    seen: Option<&FinishedFiles>,
    out: &mut Encoder,
) {
    if seen.is_none() && !connector.confirmed {
        return;
    }
    let newest = seen.and_then(|seen| seen.newest.as_ref());
    let files = seen.map_or(0, |seen| seen.files);
    out.counter_of(labels, files, connector.known_since, newest);
}

fn write_operations(connector: &ConnectorView, out: &mut Encoder) {
    for ((operation, end), count) in &connector.operations {
        let (status, code) = end_labels(end);
        let labels = [
            ("operation", operation.as_str()),
            ("status", status),
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
