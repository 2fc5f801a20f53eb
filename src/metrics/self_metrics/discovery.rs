//! Discovery sources.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{CounterVec, GaugeVec};

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;
use model::Now;

/// Labels of a discovery source, which distinguish it from all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceLabels {
    /// `files`, `events`, `cloudtrail` or `connectors`.
    pub source: &'static str,
    /// Name of the source's account in the configuration; empty if it has none.
    pub account: String,
    /// Region of the source; empty if it has no account.
    pub region: String,
    /// What the source reads.
    pub target: String,
}

impl SourceLabels {
    /// Returns the values of `aws_account`, `aws_region`, `source` and `target`.
    fn values(&self) -> [&str; 4] {
        [&self.account, &self.region, self.source, &self.target]
    }

    /// Returns the values of `aws_account`, `aws_region` and `target`.
    fn target_values(&self) -> [&str; 3] {
        [&self.account, &self.region, &self.target]
    }
}

/// Instruments of discovery sources.
pub struct DiscoveryMetrics {
    up: GaugeVec,
    last_success: GaugeVec,
    duration: GaugeVec,
    transfers: CounterVec,
    messages: CounterVec,
    ignored_fields: CounterVec,
    queue_messages: GaugeVec,
    dead_letters: GaugeVec,
    last_polls: Mutex<BTreeMap<SourceLabels, bool>>,
}

impl DiscoveryMetrics {
    pub(super) fn new(registrar: &Registrar) -> Result<Self, InstrumentError> {
        Ok(Self {
            up: registrar.create(&families::DISCOVERY_UP)?,
            last_success: registrar.create(&families::DISCOVERY_LAST_SUCCESS)?,
            duration: registrar.create(&families::DISCOVERY_DURATION)?,
            transfers: registrar.create(&families::DISCOVERY_TRANSFERS)?,
            messages: registrar.create(&families::DISCOVERY_MESSAGES)?,
            ignored_fields: registrar.create(&families::DISCOVERY_IGNORED_FIELDS)?,
            queue_messages: registrar.create(&families::DISCOVERY_QUEUE_MESSAGES)?,
            dead_letters: registrar.create(&families::DISCOVERY_DEAD_LETTERS)?,
            last_polls: Mutex::default(),
        })
    }

    /// Records the end of a poll of a source. `succeeded_at` is `None` if it failed.
    pub fn record_poll(
        &self,
        source: &SourceLabels,
        succeeded_at: Option<Now>,
        duration: Duration,
    ) {
        self.lock_last_polls()
            .insert(source.clone(), succeeded_at.is_some());
        let labels = source.values();
        self.up
            .with_label_values(&labels)
            .set(f64::from(u8::from(succeeded_at.is_some())));
        self.duration
            .with_label_values(&labels)
            .set(duration.as_secs_f64());
        if let Some(now) = succeeded_at {
            self.last_success
                .with_label_values(&labels)
                .set(now.unix_seconds());
        }
    }

    /// Counts transfers first reported by a source. 0 creates the series.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of transfers is far below 2^53"
    )]
    pub fn count_discovered(&self, source: &SourceLabels, transfers: usize) {
        self.transfers
            .with_label_values(&source.values())
            .inc_by(transfers as f64);
    }

    /// Counts queue messages or CloudTrail records. 0 creates the series.
    pub fn count_messages(&self, source: &SourceLabels, outcome: &str, messages: u32) {
        let [account, region, target] = source.target_values();
        self.messages
            .with_label_values(&[account, region, target, outcome])
            .inc_by(f64::from(messages));
    }

    /// Counts optional fields of messages that cannot be used. 0 creates the series.
    pub fn count_ignored_fields(&self, source: &SourceLabels, field: &str, fields: u32) {
        let [account, region, target] = source.target_values();
        self.ignored_fields
            .with_label_values(&[account, region, target, field])
            .inc_by(f64::from(fields));
    }

    /// Sets the number of messages in a queue, or removes the series if it is unknown.
    pub fn set_queue_messages(&self, source: &SourceLabels, messages: Option<u64>) {
        set_or_remove(&self.queue_messages, source, messages);
    }

    /// Sets the number of messages in the dead-letter queue of a queue, or removes the series if it is
    /// unknown.
    pub fn set_dead_letters(&self, source: &SourceLabels, messages: Option<u64>) {
        set_or_remove(&self.dead_letters, source, messages);
    }

    /// Removes the gauges of a source that is no longer configured. Its counters stay.
    pub fn remove_source(&self, source: &SourceLabels) {
        self.lock_last_polls().remove(source);
        for gauge in [&self.up, &self.last_success, &self.duration] {
            // Fails if there is no such series.
            let _ = gauge.remove_label_values(&source.values());
        }
        if source.source == "events" {
            self.set_queue_messages(source, None);
            self.set_dead_letters(source, None);
        }
    }

    /// Returns whether the last poll of each source succeeded. State for the pages, which read no
    /// gauge.
    pub fn last_polls(&self) -> BTreeMap<SourceLabels, bool> {
        self.lock_last_polls().clone()
    }

    fn lock_last_polls(&self) -> MutexGuard<'_, BTreeMap<SourceLabels, bool>> {
        self.last_polls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets a number of messages, or removes the series.
#[expect(
    clippy::cast_precision_loss,
    reason = "a count of messages is far below 2^53"
)]
fn set_or_remove(gauge: &GaugeVec, source: &SourceLabels, messages: Option<u64>) {
    let labels = source.target_values();
    match messages {
        Some(messages) => gauge.with_label_values(&labels).set(messages as f64),
        // Fails if there is no such series.
        None => drop(gauge.remove_label_values(&labels)),
    }
}
