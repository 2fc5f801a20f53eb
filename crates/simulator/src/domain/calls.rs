//! Counts of calls, which tests and benchmarks compare an exporter with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::operation::ApiOperation;
use model::{ConnectorId, TransferId};

/// Maximum number of transfers with a page count of their own.
const MAX_COUNTED_TRANSFERS: usize = 100_000;

/// Calls since the start or the last reset, including those with faults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls by operation, counted on arrival.
    pub operations: BTreeMap<ApiOperation, u64>,
    /// Answers by outcome: `ok`, the name of an error, or the fault.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Successful pages of `ListFileTransferResults` by connector and transfer.
    pub pages: BTreeMap<ConnectorId, BTreeMap<TransferId, u64>>,
    /// Calls in flight.
    pub in_flight: u64,
    /// Maximum number of concurrent calls.
    pub peak_in_flight: u64,
    /// Transfers that have an entry in `pages`.
    counted_transfers: usize,
}

impl Calls {
    /// Returns the calls of one operation.
    pub fn of(&self, operation: ApiOperation) -> u64 {
        self.operations.get(&operation).copied().unwrap_or_default()
    }

    /// Returns the answers with an outcome: `ok`, the name of an error, or the fault.
    pub fn outcome(&self, said: &str) -> u64 {
        self.outcomes.get(said).copied().unwrap_or_default()
    }

    /// Returns the successful pages for one transfer.
    pub fn pages_of(&self, connector: &ConnectorId, transfer: &TransferId) -> u64 {
        self.pages
            .get(connector)
            .and_then(|of| of.get(transfer))
            .copied()
            .unwrap_or_default()
    }

    /// Returns the counts as JSON.
    pub(crate) fn to_json(&self) -> Value {
        let operations: BTreeMap<_, _> = self
            .operations
            .iter()
            .map(|(of, calls)| (of.as_str(), calls))
            .collect();
        let named = |of: &BTreeMap<TransferId, u64>| -> BTreeMap<String, u64> {
            of.iter()
                .map(|(transfer, pages)| (transfer.to_string(), *pages))
                .collect()
        };
        let pages: BTreeMap<_, _> = self
            .pages
            .iter()
            .map(|(connector, of)| (connector.as_str(), named(of)))
            .collect();
        json!({
            "operations": operations,
            "outcomes": self.outcomes,
            "pages": pages,
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
        })
    }

    pub(crate) fn begin(&mut self, operation: Option<ApiOperation>) {
        if let Some(operation) = operation {
            *self.operations.entry(operation).or_default() += 1;
        }
        self.in_flight += 1;
        self.peak_in_flight = self.peak_in_flight.max(self.in_flight);
    }

    pub(crate) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(crate) fn count_outcome(&mut self, said: &'static str) {
        *self.outcomes.entry(said).or_default() += 1;
    }

    pub(crate) fn count_page(&mut self, connector: &ConnectorId, transfer: &TransferId) {
        let of = self.pages.entry(connector.clone()).or_default();
        match of.get_mut(transfer) {
            Some(pages) => *pages += 1,
            None if self.counted_transfers < MAX_COUNTED_TRANSFERS => {
                self.counted_transfers += 1;
                of.insert(transfer.clone(), 1);
            }
            None => {}
        }
    }

    /// Resets all counts except the calls in flight.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            in_flight: self.in_flight,
            peak_in_flight: self.in_flight,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_most_calls_at_once() {
        let mut calls = Calls::default();
        calls.begin(Some(ApiOperation::ListConnectors));
        calls.begin(None);
        calls.end();
        calls.begin(Some(ApiOperation::ListConnectors));
        assert_eq!((calls.in_flight, calls.peak_in_flight), (2, 2));
        assert_eq!(calls.of(ApiOperation::ListConnectors), 2);
        calls.end();
        calls.reset();
        assert_eq!(
            (
                calls.in_flight,
                calls.peak_in_flight,
                calls.of(ApiOperation::ListConnectors)
            ),
            (1, 1, 0)
        );
    }
}
