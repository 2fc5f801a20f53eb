//! Snapshot to families, pure.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Scrape;
use super::families::{self, Family};
use super::text::{Exposition, Samples};
use crate::model::{
    ConnectorLabels, ConnectorView, DOCUMENTED_FAILURE_CODES, FileCounts, FileStatus, Finished, Snapshot,
    TransferState, TransferView,
};

type Label<'a> = (&'a str, &'a str);

/// Writes every family whose values come from sweeps.
pub(super) fn write(out: &mut Exposition<'_>, scrape: &Scrape<'_>) {
    let snapshot = scrape.snapshot;
    per_transfer(out, snapshot);
    out.family(&families::CONNECTOR_FILES, |samples| {
        for connector in snapshot.connectors() {
            if let Some(files) = &connector.files {
                write_files(samples, &connector_labels(&connector.labels), files);
            }
        }
    });
    out.family(&families::CONNECTOR_TRANSFERS, |samples| {
        for connector in snapshot.connectors() {
            for state in TransferState::ALL {
                let labels = connector_labels(&connector.labels).into_iter().chain([("state", state.as_label())]);
                samples.integer(labels, connector.states.of(state));
            }
        }
    });
    out.family(&families::FILES_FINISHED, |samples| {
        for connector in snapshot.connectors() {
            write_finished(samples, connector);
        }
    });
    write_times(out, snapshot, &families::OLDEST_UNFINISHED, |connector| connector.oldest_unfinished);
    write_times(out, snapshot, &families::LAST_COMPLETED, |connector| connector.last_completed);
    write_times(out, snapshot, &families::LAST_FAILED, |connector| connector.last_failed);
    out.family(&families::RESULTS_AGE, |samples| {
        for (connector, age) in &snapshot.results_ages {
            samples.float(connector_labels(connector), age.as_secs_f64());
        }
    });
    out.family(&families::CONNECTOR_INFO, |samples| {
        for connector in snapshot.connectors() {
            let title = connector.title.as_deref();
            let name = title.map_or(connector.labels.id.as_str(), |title| &title.name);
            let further = title.into_iter().flat_map(|title| &title.labels).map(|(k, v)| (k.as_str(), v.as_str()));
            samples.integer(connector_labels(&connector.labels).into_iter().chain([("name", name)]).chain(further), 1);
        }
    });
    out.family(&families::TRANSFERS, |samples| {
        for (origin, transfers) in &snapshot.origins {
            samples.integer([("origin", origin.as_label())], *transfers);
        }
    });
    out.family(&families::SCRAPE_COMPLETE, |samples| samples.integer([], u64::from(scrape.complete)));
    out.family(&families::CODES_FOLDED, |samples| samples.integer([], snapshot.folded_failure_codes));
}

fn per_transfer(out: &mut Exposition<'_>, snapshot: &Snapshot) {
    out.family(&families::FILES, |samples| {
        for transfer in snapshot.transfers() {
            if let Some(files) = &transfer.files {
                write_files(samples, &transfer_labels(transfer), files);
            }
        }
    });
    out.family(&families::RESULTS_UP, |samples| {
        for transfer in snapshot.transfers() {
            if let Some(up) = transfer.up {
                samples.integer(transfer_labels(transfer), u64::from(up));
            }
        }
    });
}

fn connector_labels(connector: &ConnectorLabels) -> [Label<'_>; 3] {
    [
        ("aws_account", connector.account.name.as_str()),
        ("aws_region", &connector.account.region),
        ("connector_id", connector.id.as_str()),
    ]
}

fn transfer_labels(transfer: &TransferView) -> [Label<'_>; 4] {
    let [account, region, id] = connector_labels(&transfer.connector);
    [account, region, id, ("transfer_id", transfer.id.as_str())]
}

fn write_files(samples: &mut Samples<'_>, labels: &[Label<'_>], files: &FileCounts) {
    let mut sample = |status: &str, code: &str, value| {
        samples.integer(labels.iter().copied().chain([("status", status), ("failure_code", code)]), u64::from(value));
    };
    let of_modelled = [files.queued, files.in_progress, files.completed, files.failed_without_code];
    for (status, value) in FileStatus::MODELLED.iter().zip(of_modelled) {
        sample(status.as_str(), "", value);
    }
    for (code, value) in &files.failed {
        sample(FileStatus::Failed.as_str(), code.as_str(), *value);
    }
    for (status, value) in &files.other {
        sample(status, "", *value);
    }
}

/// The series of COMPLETED, of FAILED without a code and of every documented code are always there.
fn write_finished(samples: &mut Samples<'_>, connector: &ConnectorView) {
    let mut sample = |status: &FileStatus, code: &str, value| {
        let labels = connector_labels(&connector.labels).into_iter();
        samples.integer(labels.chain([("status", status.as_str()), ("failure_code", code)]), value);
    };
    let seen = |end: &Finished| connector.finished.get(end).map_or(0, |seen| seen.files);
    sample(&FileStatus::Completed, "", seen(&Finished::Completed));
    sample(&FileStatus::Failed, "", seen(&Finished::Failed(None)));
    let coded = |end: &Finished| match end {
        Finished::Failed(Some(code)) => Some(code.clone()),
        _ => None,
    };
    for listed in DOCUMENTED_FAILURE_CODES {
        let value = connector
            .finished
            .iter()
            .find(|(end, _)| coded(end).is_some_and(|code| code.as_str() == listed))
            .map_or(0, |(_, seen)| seen.files);
        sample(&FileStatus::Failed, listed, value);
    }
    for (end, seen) in &connector.finished {
        if let Some(code) = coded(end).filter(|code| !code.is_documented()) {
            sample(&FileStatus::Failed, code.as_str(), seen.files);
        }
    }
}

fn write_times(
    out: &mut Exposition<'_>,
    snapshot: &Snapshot,
    family: &'static Family,
    time: impl Fn(&ConnectorView) -> Option<SystemTime>,
) {
    out.family(family, |samples| {
        for connector in snapshot.connectors() {
            if let Some(at) = time(connector) {
                let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
                samples.float(connector_labels(&connector.labels), seconds);
            }
        }
    });
}
