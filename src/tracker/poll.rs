//! What a result of `ListFileTransferResults` changes.

use super::flow_files::PolledRow;
use super::{FailedFile, Tracker};
use model::{FileResult, Now, TransferKey};

/// The result of one poll of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollResult {
    /// All files of the transfer. An empty list means the same as [`PollResult::Unknown`]: it is
    /// not documented which of the two AWS returns for an unknown or expired transfer.
    Files(Vec<FileResult>),
    /// AWS does not know the transfer.
    Unknown,
    /// The call failed; the state of the transfer is not known.
    Failed,
}

/// What a poll changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollEffects {
    /// Files seen as FAILED for the first time, in the order of the result.
    pub failed: Vec<FailedFile>,
    /// Whether the transfer settled.
    pub settled: bool,
    /// Whether the transfer is now considered gone.
    pub gone: bool,
}

impl Tracker {
    /// Records the result of a poll. Results for transfers that are not tracked, settled or gone
    /// are ignored.
    pub fn record_poll(&mut self, key: &TransferKey, result: &PollResult, now: Now) -> PollEffects {
        let Some(slot) = self.slot(key) else {
            return PollEffects::default();
        };
        if !self.transfers[slot].is_open() {
            return PollEffects::default();
        }
        self.follow_clock(now);
        let gone_after = self.settings.gone_after;
        match result {
            PollResult::Files(files) if !files.is_empty() => {
                self.record_files(slot, key, files, now)
            }
            PollResult::Files(_) | PollResult::Unknown => {
                let gone =
                    self.update(slot, |transfer, _| transfer.record_unknown(gone_after, now));
                PollEffects {
                    gone,
                    ..PollEffects::default()
                }
            }
            PollResult::Failed => {
                self.update(slot, |transfer, _| {
                    transfer.record_failed_poll(gone_after, now);
                });
                PollEffects::default()
            }
        }
    }

    fn record_files(
        &mut self,
        slot: u32,
        key: &TransferKey,
        files: &[FileResult],
        now: Now,
    ) -> PollEffects {
        let number = self.transfers[slot].connector();
        self.confirm_connector(number);
        let earliest = self.earliest_end(slot, now);
        let new_ends = self.update(slot, |transfer, label_guard| {
            transfer.record_files(files, label_guard, now)
        });
        if !new_ends.finished.is_empty() {
            let connector = &mut self.connectors[number];
            for end in &new_ends.finished {
                connector.counters.count(end, &key.transfer, now.wall);
                connector.count_recent(end, now.wall, now.wall);
            }
            self.mark_connector(number);
        }
        if !new_ends.rows.is_empty() && self.has_flows() {
            let row = PolledRow {
                key,
                slot,
                earliest,
            };
            for (at, is_counted) in &new_ends.rows {
                self.record_row_of_flow(&row, &files[*at], *is_counted, now);
            }
        }
        let since = self.transfers[slot].since();
        for file in &new_ends.failed {
            self.keep_failure(key, since, file, now.wall);
        }
        for at in &new_ends.completed {
            self.complete_path(key, &files[*at].path, since);
        }
        PollEffects {
            failed: new_ends.failed,
            settled: !self.transfers[slot].is_open(),
            gone: false,
        }
    }
}
