//! Discovery sources.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{CounterVec, GaugeVec};

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;
use model::Now;

/// Instruments of discovery sources, by the labels `source` and `target`.
pub struct DiscoveryMetrics {
    up: GaugeVec,
    last_success: GaugeVec,
    duration: GaugeVec,
    transfers: CounterVec,
    messages: CounterVec,
    ignored_fields: CounterVec,
    queue_messages: GaugeVec,
    last_polls: Mutex<LastPolls>,
}

/// Whether the last poll succeeded, by source and target.
type LastPolls = BTreeMap<(&'static str, String), bool>;

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
            last_polls: Mutex::default(),
        })
    }

    /// Records the end of a poll of a source. `succeeded_at` is `None` if it failed.
    pub fn record_poll(
        &self,
        source: &'static str,
        target: &str,
        succeeded_at: Option<Now>,
        duration: Duration,
    ) {
        self.lock_last_polls()
            .insert((source, target.to_owned()), succeeded_at.is_some());
        let labels = [source, target];
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
    pub fn count_discovered(&self, source: &str, target: &str, transfers: usize) {
        self.transfers
            .with_label_values(&[source, target])
            .inc_by(transfers as f64);
    }

    /// Counts queue messages or CloudTrail records. 0 creates the series.
    pub fn count_messages(&self, target: &str, outcome: &str, messages: u32) {
        self.messages
            .with_label_values(&[target, outcome])
            .inc_by(f64::from(messages));
    }

    /// Counts optional fields of messages that cannot be used. 0 creates the series.
    pub fn count_ignored_fields(&self, target: &str, field: &str, fields: u32) {
        self.ignored_fields
            .with_label_values(&[target, field])
            .inc_by(f64::from(fields));
    }

    /// Sets the number of messages in a queue, or removes the series if it is unknown.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of messages is far below 2^53"
    )]
    pub fn set_queue_messages(&self, target: &str, messages: Option<u64>) {
        let gauge = &self.queue_messages;
        match messages {
            Some(messages) => gauge.with_label_values(&[target]).set(messages as f64),
            // Fails if there is no such series.
            None => drop(gauge.remove_label_values(&[target])),
        }
    }

    /// Removes the gauges of a source that is no longer configured. Its counters stay.
    pub fn remove_source(&self, source: &'static str, target: &str) {
        self.lock_last_polls().remove(&(source, target.to_owned()));
        for gauge in [&self.up, &self.last_success, &self.duration] {
            // Fails if there is no such series.
            let _ = gauge.remove_label_values(&[source, target]);
        }
        if source == "events" {
            self.set_queue_messages(target, None);
        }
    }

    /// Returns whether the last poll of each source succeeded, by source and target. State for the
    /// pages, which read no gauge.
    pub fn last_polls(&self) -> BTreeMap<(&'static str, String), bool> {
        self.lock_last_polls().clone()
    }

    fn lock_last_polls(&self) -> MutexGuard<'_, LastPolls> {
        self.last_polls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
