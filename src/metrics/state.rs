//! Snapshot to families, pure.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Scrape;
use super::families::{self, Family};
use super::text::{Exposition, Samples};
use crate::model::{
    ConnectorView, DOCUMENTED_FAILURE_CODES, FileCounts, FileStatus, Finished, Snapshot, TransferState, TransferView,
};

/// Bounds on the per-transfer families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// False: the per-connector families alone.
    pub per_transfer: bool,
    /// At most so many transfers, the newest; the others show in the per-connector families alone.
    pub max_transfers: usize,
}

type Label<'a> = (&'a str, &'a str);

/// Writes every family whose values come from sweeps.
pub(super) fn write(out: &mut Exposition<'_>, scrape: &Scrape<'_>) {
    let snapshot = scrape.snapshot;
    per_transfer(out, snapshot, scrape.limits);
    out.family(&families::CONNECTOR_FILES, |samples| {
        for connector in &snapshot.connectors {
            if let Some(files) = &connector.files {
                write_files(samples, &connector_labels(connector), files);
            }
        }
    });
    out.family(&families::CONNECTOR_TRANSFERS, |samples| {
        for connector in &snapshot.connectors {
            for state in TransferState::ALL {
                let labels = connector_labels(connector).into_iter().chain([("state", state.as_label())]);
                samples.integer(labels, connector.states.of(state));
            }
        }
    });
    out.family(&families::FILES_FINISHED, |samples| {
        for connector in &snapshot.connectors {
            write_finished(samples, connector);
        }
    });
    write_times(out, snapshot, &families::OLDEST_UNFINISHED, |connector| connector.oldest_unfinished);
    write_times(out, snapshot, &families::LAST_COMPLETED, |connector| connector.last_completed);
    write_times(out, snapshot, &families::LAST_FAILED, |connector| connector.last_failed);
    out.family(&families::RESULTS_AGE, |samples| {
        for connector in &snapshot.connectors {
            if let Some(age) = connector.results_age {
                samples.float(connector_labels(connector), age.as_secs_f64());
            }
        }
    });
    out.family(&families::CONNECTOR_INFO, |samples| {
        for connector in &snapshot.connectors {
            let title = connector.title.as_deref();
            let name = title.map_or(connector.id.as_str(), |title| &title.name);
            let further = title.into_iter().flat_map(|title| &title.labels).map(|(k, v)| (k.as_str(), v.as_str()));
            samples.integer(connector_labels(connector).into_iter().chain([("name", name)]).chain(further), 1);
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

fn per_transfer(out: &mut Exposition<'_>, snapshot: &Snapshot, limits: Limits) {
    if !limits.per_transfer {
        return;
    }
    let newest = Newest::of(snapshot, limits.max_transfers);
    out.family(&families::FILES, |samples| {
        for (connector, transfer) in newest.transfers() {
            if let Some(files) = &transfer.files {
                write_files(samples, &transfer_labels(connector, transfer), files);
            }
        }
    });
    out.family(&families::RESULTS_UP, |samples| {
        for (connector, transfer) in newest.transfers() {
            if let Some(up) = transfer.up {
                samples.integer(transfer_labels(connector, transfer), u64::from(up));
            }
        }
    });
}

/// The transfers that the per-transfer families show: all of them, or the newest where the bound is lower.
struct Newest<'a> {
    snapshot: &'a Snapshot,
    /// `None`: all.
    chosen: Option<Vec<(&'a ConnectorView, &'a TransferView)>>,
}

impl<'a> Newest<'a> {
    fn of(snapshot: &'a Snapshot, bound: usize) -> Self {
        let total: usize = snapshot.connectors.iter().map(|connector| connector.transfers.len()).sum();
        let chosen = (total > bound).then(|| {
            let mut all: Vec<_> = every_transfer(snapshot).enumerate().collect();
            // Newest first; among equals the exposition's order, so that the choice is stable.
            all.sort_unstable_by(|(a, (_, x)), (b, (_, y))| y.since.cmp(&x.since).then(a.cmp(b)));
            all.truncate(bound);
            all.sort_unstable_by_key(|(at, _)| *at);
            all.into_iter().map(|(_, transfer)| transfer).collect()
        });
        Self { snapshot, chosen }
    }

    fn transfers(&self) -> Box<dyn Iterator<Item = (&'a ConnectorView, &'a TransferView)> + '_> {
        match &self.chosen {
            Some(chosen) => Box::new(chosen.iter().copied()),
            None => Box::new(every_transfer(self.snapshot)),
        }
    }
}

fn every_transfer(snapshot: &Snapshot) -> impl Iterator<Item = (&ConnectorView, &TransferView)> {
    snapshot
        .connectors
        .iter()
        .flat_map(|connector| connector.transfers.iter().map(move |transfer| (connector, transfer.as_ref())))
}

fn connector_labels(connector: &ConnectorView) -> [Label<'_>; 3] {
    [
        ("aws_account", connector.account.name.as_str()),
        ("aws_region", &connector.account.region),
        ("connector_id", connector.id.as_str()),
    ]
}

fn transfer_labels<'a>(connector: &'a ConnectorView, transfer: &'a TransferView) -> [Label<'a>; 4] {
    let [account, region, id] = connector_labels(connector);
    [account, region, id, ("transfer_id", transfer.id.as_str())]
}

fn write_files(samples: &mut Samples<'_>, labels: &[Label<'_>], files: &FileCounts) {
    let mut sample = |status: &str, code: &str, value| {
        samples.integer(labels.iter().copied().chain([("status", status), ("failure_code", code)]), value);
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
        let labels = connector_labels(connector).into_iter();
        samples.integer(labels.chain([("status", status.as_str()), ("failure_code", code)]), value);
    };
    let seen = |end: &Finished| connector.finished.get(end).copied().unwrap_or_default();
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
            .map_or(0, |(_, value)| *value);
        sample(&FileStatus::Failed, listed, value);
    }
    for (end, value) in &connector.finished {
        if let Some(code) = coded(end).filter(|code| !code.is_documented()) {
            sample(&FileStatus::Failed, code.as_str(), *value);
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
        for connector in &snapshot.connectors {
            if let Some(at) = time(connector) {
                let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
                samples.float(connector_labels(connector), seconds);
            }
        }
    });
}
