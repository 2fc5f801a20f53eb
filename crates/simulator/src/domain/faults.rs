//! Faults on request, drawn per call from a seeded stream.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::operation::{ApiOperation, Service};
use super::random::SplitMix64;
use super::span;

/// EventBridge retries an event for at most a day.
const MAX_EVENT_DELAY: Duration = Duration::from_hours(24);
/// Quota of `LookupEvents` per second, account and Region.
const CLOUDTRAIL_CEILING: f64 = 2.0;

/// The answer of `ListFileTransferResults` for an unknown or expired transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// `ResourceNotFoundException`.
    #[default]
    NotFound,
    /// 200 and an empty list.
    EmptyList,
}

/// Error codes of throttling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThrottleError {
    /// In the API model of Transfer Family.
    #[default]
    ThrottlingException,
    /// From the front end of AWS services.
    Throttling,
    /// From API Gateway and Lambda.
    TooManyRequestsException,
    /// From EC2.
    RequestLimitExceeded,
}

impl ThrottleError {
    /// Returns the error code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ThrottlingException => "ThrottlingException",
            Self::Throttling => "Throttling",
            Self::TooManyRequestsException => "TooManyRequestsException",
            Self::RequestLimitExceeded => "RequestLimitExceeded",
        }
    }
}

/// Injected faults. Rates are shares of the calls, `0.0 ..= 1.0`. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Seed of the random stream, which restarts when faults are set.
    pub seed: u64,
    /// Delay of every answer.
    #[serde(with = "span")]
    pub latency: Duration,
    /// `InternalServiceError`, HTTP 500.
    pub server_error_rate: f64,
    /// `ServiceUnavailableException`, HTTP 503.
    pub unavailable_rate: f64,
    /// Random throttling.
    pub throttle_rate: f64,
    /// Throttling of Transfer Family above this rate per second.
    pub requests_per_second: Option<f64>,
    /// Burst of `requests_per_second`; by default the calls of one second.
    pub burst: Option<u32>,
    /// Error code of both.
    pub throttle_error: ThrottleError,
    /// Calls that are never answered.
    pub stall_rate: f64,
    /// Connections that are reset (RST) without an answer.
    pub reset_rate: f64,
    /// Connections that are closed in the middle of the body.
    pub truncated_rate: f64,
    /// HTTP 200 with members of the wrong types.
    pub mistyped_rate: f64,
    /// HTTP 500 or 502 with an HTML body.
    pub html_rate: f64,
    /// `AccessDeniedException` for every operation.
    pub access_denied: bool,
    /// `AccessDeniedException` for these operations.
    pub access_denied_operations: Vec<ApiOperation>,
    /// `ExpiredTokenException` for every call.
    pub expired_token: bool,
    /// Overrides [`Settings::expiry`](crate::Settings::expiry).
    pub expiry: Option<Expiry>,
    /// Throttling of `LookupEvents` above two calls per second, as in AWS.
    pub cloudtrail_quota: bool,
    /// Duplicated events.
    pub event_duplicate_rate: f64,
    /// Lost events.
    pub event_loss_rate: f64,
    /// Maximum random delay of each event, which also shuffles their order.
    #[serde(with = "span")]
    pub event_delay: Duration,
}

impl Faults {
    /// Parses JSON. Unknown members, rates outside `0.0 ..= 1.0` and rates per second that are not
    /// positive are errors.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let faults: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        faults.checked()
    }

    /// Returns the faults if their numbers are within bounds.
    pub(crate) fn checked(self) -> Result<Self, String> {
        let faults = self;
        let of_events = [
            ("event_duplicate_rate", faults.event_duplicate_rate),
            ("event_loss_rate", faults.event_loss_rate),
        ];
        for (name, rate) in faults.rates().into_iter().chain(of_events) {
            if !(0.0..=1.0).contains(&rate) {
                return Err(format!("`{name}`: {rate} is not between 0 and 1"));
            }
        }
        if faults.event_delay > MAX_EVENT_DELAY {
            return Err(format!(
                "`event_delay`: longer than {} s",
                MAX_EVENT_DELAY.as_secs()
            ));
        }
        match faults.requests_per_second {
            Some(ceiling) if ceiling <= 0.0 => {
                Err(format!("`requests_per_second`: {ceiling} is not positive"))
            }
            _ => Ok(faults),
        }
    }

    /// Returns whether the operation is denied.
    pub(crate) fn denies(&self, operation: ApiOperation) -> bool {
        self.access_denied || self.access_denied_operations.contains(&operation)
    }

    /// Returns the rates in the order in which they are drawn and take precedence.
    fn rates(&self) -> [(&'static str, f64); 8] {
        [
            ("stall_rate", self.stall_rate),
            ("reset_rate", self.reset_rate),
            ("truncated_rate", self.truncated_rate),
            ("html_rate", self.html_rate),
            ("server_error_rate", self.server_error_rate),
            ("unavailable_rate", self.unavailable_rate),
            ("throttle_rate", self.throttle_rate),
            ("mistyped_rate", self.mistyped_rate),
        ]
    }
}

/// The fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disruption {
    Stall,
    Reset,
    Truncate,
    BadGateway,
    HtmlError,
    ServerError,
    Unavailable,
    Throttle,
    Mistype,
}

/// Draws the fault of each call.
pub(crate) struct Dice {
    random: SplitMix64,
    transfer: Bucket,
    cloudtrail: Bucket,
}

impl Dice {
    pub(crate) fn new(faults: &Faults) -> Self {
        let random = SplitMix64::new(faults.seed);
        Self {
            random,
            transfer: Bucket::full(burst(faults)),
            cloudtrail: Bucket::full(CLOUDTRAIL_CEILING),
        }
    }

    /// Draws the fault of the next call. Each call draws the same number of values, so that one
    /// rate does not shift the draws of another.
    pub(crate) fn roll(
        &mut self,
        faults: &Faults,
        service: Service,
        now: Instant,
    ) -> Option<Disruption> {
        let hits = faults.rates().map(|(_, rate)| self.random.chance(rate));
        let is_bad_gateway = self.random.chance(0.5);
        let lots = [
            Disruption::Stall,
            Disruption::Reset,
            Disruption::Truncate,
            if is_bad_gateway {
                Disruption::BadGateway
            } else {
                Disruption::HtmlError
            },
            Disruption::ServerError,
            Disruption::Unavailable,
            Disruption::Throttle,
            Disruption::Mistype,
        ];
        let lot = lots
            .into_iter()
            .zip(hits)
            .find_map(|(lot, hit)| hit.then_some(lot));
        if matches!(lot, None | Some(Disruption::Mistype)) && !self.has_token(faults, service, now)
        {
            return Some(Disruption::Throttle);
        }
        lot
    }

    fn has_token(&mut self, faults: &Faults, service: Service, now: Instant) -> bool {
        match (service, faults.requests_per_second) {
            (Service::Transfer, Some(ceiling)) => self.transfer.take(ceiling, burst(faults), now),
            (Service::CloudTrail, _) if faults.cloudtrail_quota => {
                self.cloudtrail
                    .take(CLOUDTRAIL_CEILING, CLOUDTRAIL_CEILING, now)
            }
            (Service::Transfer | Service::CloudTrail | Service::Sqs, _) => true,
        }
    }
}

/// A token bucket.
struct Bucket {
    tokens: f64,
    refilled: Option<Instant>,
}

impl Bucket {
    fn full(burst: f64) -> Self {
        Self {
            tokens: burst,
            refilled: None,
        }
    }

    fn take(&mut self, ceiling: f64, burst: f64, now: Instant) -> bool {
        let idle = self
            .refilled
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.refilled = Some(now);
        self.tokens = idle.as_secs_f64().mul_add(ceiling, self.tokens).min(burst);
        let has_token = self.tokens >= 1.0;
        if has_token {
            self.tokens -= 1.0;
        }
        has_token
    }
}

fn burst(faults: &Faults) -> f64 {
    faults
        .burst
        .map_or_else(
            || faults.requests_per_second.unwrap_or(1.0).ceil(),
            f64::from,
        )
        .max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::now;

    fn lots(faults: &Faults, calls: usize) -> Vec<Option<Disruption>> {
        let mut dice = Dice::new(faults);
        (0..calls)
            .map(|_| dice.roll(faults, Service::Transfer, now().instant))
            .collect()
    }

    #[test]
    fn one_seed_hits_the_same_calls() {
        let faults = Faults {
            seed: 5,
            server_error_rate: 0.2,
            reset_rate: 0.1,
            ..Faults::default()
        };
        assert_eq!(lots(&faults, 500), lots(&faults, 500));
        assert_ne!(lots(&faults, 500), lots(&Faults { seed: 6, ..faults }, 500));
    }

    #[test]
    fn about_as_many_calls_are_hit_as_the_rate_says() {
        let faults = Faults {
            server_error_rate: 0.25,
            ..Faults::default()
        };
        let hits = lots(&faults, 4000).into_iter().flatten().count();
        assert!((900..1100).contains(&hits), "{hits}");
    }

    #[test]
    fn one_rate_does_not_shift_the_draws_of_another() {
        let hits = |faults: &Faults| -> Vec<usize> {
            let is_error = |lot: &Option<Disruption>| *lot == Some(Disruption::ServerError);
            lots(faults, 200)
                .iter()
                .enumerate()
                .filter(|(_, lot)| is_error(lot))
                .map(|(at, _)| at)
                .collect()
        };
        let alone = Faults {
            server_error_rate: 0.2,
            ..Faults::default()
        };
        let beside = Faults {
            unavailable_rate: 0.5,
            throttle_rate: 0.5,
            ..alone.clone()
        };
        assert_eq!(hits(&alone), hits(&beside));
    }

    #[test]
    fn the_ceiling_throttles_past_the_burst_and_refills() {
        let faults = Faults {
            requests_per_second: Some(2.0),
            burst: Some(3),
            ..Faults::default()
        };
        let mut dice = Dice::new(&faults);
        let start = now();
        let mut passes = |after: Duration| {
            dice.roll(&faults, Service::Transfer, start.after(after).instant)
                .is_none()
        };
        assert_eq!(
            [0; 4].map(|_| passes(Duration::ZERO)),
            [true, true, true, false]
        );
        let half = Duration::from_millis(500);
        assert_eq!([half, half].map(&mut passes), [true, false]);
        assert_eq!(
            [0; 4].map(|_| passes(Duration::from_mins(1))),
            [true, true, true, false]
        );
    }

    #[test]
    fn cloudtrail_has_a_quota_of_its_own() {
        let faults = Faults {
            cloudtrail_quota: true,
            requests_per_second: Some(1.0),
            ..Faults::default()
        };
        let mut dice = Dice::new(&faults);
        let mut lots = |service| [(); 3].map(|()| dice.roll(&faults, service, now().instant));
        let throttled = Some(Disruption::Throttle);
        assert_eq!(lots(Service::CloudTrail), [None, None, throttled]);
        assert_eq!(lots(Service::Transfer), [None, throttled, throttled]);
        assert_eq!(lots(Service::Sqs), [None; 3]);
    }

    #[test]
    fn faults_parse_from_json_and_reject_unknown_members() {
        let faults = Faults::from_json(
            br#"{"latency": "50ms", "throttle_error": "Throttling", "stall_rate": 1}"#,
        )
        .unwrap();
        assert_eq!(faults.latency, Duration::from_millis(50));
        assert_eq!(faults.throttle_error, ThrottleError::Throttling);
        assert_eq!(
            Faults::from_json(&serde_json::to_vec(&faults).unwrap()),
            Ok(faults)
        );
        for bad in [
            r#"{"latancy": 1}"#,
            r#"{"stall_rate": 1.5}"#,
            r#"{"reset_rate": -0.1}"#,
            r#"{"requests_per_second": 0}"#,
            r#"{"event_loss_rate": 2}"#,
            r#"{"event_delay": "forever"}"#,
            r#"{"throttle_error": "Slow"}"#,
            r#"{"access_denied_operations": ["CreateServer"]}"#,
            "[]x",
        ] {
            assert!(Faults::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
