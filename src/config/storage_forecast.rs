//! Estimates what a shared table costs.

use std::time::Duration;

use serde::Serialize;

const DAY: Duration = Duration::from_hours(24);
/// Dollars for a million write request units in us-east-1, in November 2026
/// (<https://aws.amazon.com/dynamodb/pricing/on-demand/>).
pub const WRITE_PRICE: f64 = 0.625;
/// The same for read request units.
pub const READ_PRICE: f64 = 0.125;

/// Renewals of a lease, and signs of life, in its lifetime.
const RENEWALS: f64 = 3.0;
/// Looks at a lease and at the other exporters in the lifetime of a lease.
const LOOKS: f64 = 5.0;
/// Units of an eventually consistent read.
const WEAK_READ: f64 = 0.5;
/// Seconds between two reads of an inbox.
const INBOX_INTERVAL: f64 = 1.0;
/// Units for a transfer of five files, as measured: each change is written once to the log, and about once
/// to snapshots.
const WRITES_OF_TRANSFER: f64 = 0.8;

/// Exporters that share a table.
#[derive(Clone, Copy, Debug)]
pub struct SharedExporters {
    /// Their number.
    pub exporters: u32,
    /// The number of shards.
    pub shards: u32,
    /// Whether they share the shards automatically.
    pub is_automatic: bool,
    /// For how long a renewal of a lease holds.
    pub lease_duration: Duration,
}

/// The estimate for a day in which no exporter fails.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StorageForecast {
    /// Write request units without transfers.
    pub write_units_day: f64,
    /// Read request units.
    pub read_units_day: f64,
    /// Write request units for each transfer of five files.
    pub write_units_transfer: f64,
    /// Dollars without transfers.
    pub dollars_day: f64,
}

/// Returns the estimate.
pub fn storage_forecast(shared: SharedExporters) -> StorageForecast {
    let lifetimes = DAY.as_secs_f64() / shared.lease_duration.as_secs_f64();
    let (shards, exporters) = (f64::from(shared.shards), f64::from(shared.exporters));
    let renewals = shards * RENEWALS * lifetimes;
    // Each shard is watched by all that do not own it.
    let looks = shards * (exporters - 1.0) * LOOKS * lifetimes;
    let (signs, others, inboxes) = if shared.is_automatic {
        (
            exporters * RENEWALS * lifetimes,
            exporters * LOOKS * lifetimes * WEAK_READ,
            shards * DAY.as_secs_f64() / INBOX_INTERVAL * WEAK_READ,
        )
    } else {
        (0.0, 0.0, 0.0)
    };
    let writes = renewals + signs;
    let reads = looks + others + inboxes;
    StorageForecast {
        write_units_day: writes.round(),
        read_units_day: reads.round(),
        write_units_transfer: WRITES_OF_TRANSFER,
        dollars_day: (writes * WRITE_PRICE + reads * READ_PRICE) / 1e6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_a_pair_costs_a_few_cents() {
        let pair = storage_forecast(SharedExporters {
            exporters: 2,
            shards: 1,
            is_automatic: false,
            lease_duration: Duration::from_secs(15),
        });
        // 720 renewals and 1,200 looks an hour.
        let units = (pair.write_units_day, pair.read_units_day);
        assert_eq!(units, (17_280.0, 28_800.0));
        assert!((0.014..0.015).contains(&pair.dollars_day), "{pair:?}");
        let shared = storage_forecast(SharedExporters {
            exporters: 3,
            shards: 5,
            is_automatic: true,
            lease_duration: Duration::from_secs(15),
        });
        let units = (shared.write_units_day, shared.read_units_day);
        assert_eq!(units, (138_240.0, 547_200.0));
    }
}
