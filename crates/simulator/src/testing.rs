//! Helpers for tests.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::api::Call;
use crate::api::error::ApiError;
use crate::{ApiOperation, Expiry, Faults, Settings, Simulator};
use model::Now;

/// 2026-01-01T00:00:00Z, on both clocks.
pub(crate) fn now() -> Now {
    // An `Instant` can only come from the clock; its value does not matter.
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    Now {
        instant: *START,
        wall: UNIX_EPOCH + Duration::from_hours(24 * 20_454),
    }
}

/// Returns a simulator whose clock stands at [`now`].
pub(crate) fn simulator(settings: Settings) -> Simulator {
    Simulator::new(settings, Arc::new(now))
}

/// Performs one call without the checks of the front end.
pub(crate) fn perform_at(
    simulator: &Simulator,
    operation: ApiOperation,
    body: &Value,
    now: SystemTime,
    faults: &Faults,
) -> Result<Value, ApiError> {
    let (body, host) = (body.to_string(), "127.0.0.1:4777");
    let expiry = Expiry::NotFound;
    let call = Call {
        operation,
        body: body.as_bytes(),
        region: "eu-central-1",
        host,
        faults,
        expiry,
        now,
    };
    simulator.perform(&call)
}
