//! Faults on request: what each call suffers, decided by a seed in the order of the calls.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::random::SplitMix64;
use super::wire::Operation;
use super::{Expiry, span};

/// The names under which AWS services throttle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThrottleError {
    /// The one of the Transfer API's model.
    #[default]
    ThrottlingException,
    /// The shared front end's.
    Throttling,
    /// API Gateway's and Lambda's.
    TooManyRequestsException,
    /// EC2's.
    RequestLimitExceeded,
}

impl ThrottleError {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ThrottlingException => "ThrottlingException",
            Self::Throttling => "Throttling",
            Self::TooManyRequestsException => "TooManyRequestsException",
            Self::RequestLimitExceeded => "RequestLimitExceeded",
        }
    }
}

/// What goes wrong. Rates are shares of the calls, `0.0 ..= 1.0`; the default is no fault at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Decides which calls are hit; setting faults starts its stream again.
    pub seed: u64,
    /// Every answer comes this much later.
    #[serde(with = "span")]
    pub latency: Duration,
    /// `InternalServiceError`, HTTP 500.
    pub server_error_rate: f64,
    /// `ServiceUnavailableException`, HTTP 503.
    pub unavailable_rate: f64,
    /// Throttled at random.
    pub throttle_rate: f64,
    /// Throttled above this many calls per second.
    pub requests_per_second: Option<f64>,
    /// Calls that may come at once under `requests_per_second`; left out: one second's worth.
    pub burst: Option<u32>,
    /// The name under which both throttle.
    pub throttle_error: ThrottleError,
    /// Accepted and never answered, until the client goes or the simulator stops.
    pub stall_rate: f64,
    /// The connection is reset (RST) without an answer.
    pub reset_rate: f64,
    /// The connection is closed before the announced length of the body has been sent.
    pub truncated_rate: f64,
    /// HTTP 200 and JSON whose members have the wrong types.
    pub mistyped_rate: f64,
    /// HTTP 500 or 502 with a page of HTML.
    pub html_rate: f64,
    /// `AccessDeniedException` for every operation.
    pub access_denied: bool,
    /// `AccessDeniedException` for these operations.
    pub access_denied_operations: Vec<Operation>,
    /// `ExpiredTokenException` for every call whose signature is good.
    pub expired_token: bool,
    /// In place of [`Settings::expiry`](super::Settings::expiry).
    pub expiry: Option<Expiry>,
}

impl Faults {
    /// Reads JSON; an unknown member, a rate outside `0.0 ..= 1.0` or a ceiling that is not positive is an error.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let faults: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        for (name, rate) in faults.rates() {
            if !(0.0..=1.0).contains(&rate) {
                return Err(format!("`{name}`: {rate} is not between 0 and 1"));
            }
        }
        match faults.requests_per_second {
            Some(ceiling) if ceiling <= 0.0 => Err(format!("`requests_per_second`: {ceiling} is not positive")),
            _ => Ok(faults),
        }
    }

    /// True if the operation is denied.
    pub(super) fn denies(&self, operation: Operation) -> bool {
        self.access_denied || self.access_denied_operations.contains(&operation)
    }

    /// The rates, in the order in which they are drawn and win.
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

/// What one call suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disruption {
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

/// Decides what each call suffers.
pub(super) struct Dice {
    random: SplitMix64,
    tokens: f64,
    refilled: Option<Instant>,
}

impl Dice {
    pub(super) fn new(faults: &Faults) -> Self {
        Self { random: SplitMix64::new(faults.seed), tokens: burst(faults), refilled: None }
    }

    /// The lot of the next call. Each call draws the same number of times, so that one rate does not move another's
    /// hits.
    pub(super) fn roll(&mut self, faults: &Faults, now: Instant) -> Option<Disruption> {
        let hits = faults.rates().map(|(_, rate)| self.random.chance(rate));
        let is_bad_gateway = self.random.chance(0.5);
        let lots = [
            Disruption::Stall,
            Disruption::Reset,
            Disruption::Truncate,
            if is_bad_gateway { Disruption::BadGateway } else { Disruption::HtmlError },
            Disruption::ServerError,
            Disruption::Unavailable,
            Disruption::Throttle,
            Disruption::Mistype,
        ];
        let lot = lots.into_iter().zip(hits).find_map(|(lot, hit)| hit.then_some(lot));
        if matches!(lot, None | Some(Disruption::Mistype)) && !self.has_token(faults, now) {
            return Some(Disruption::Throttle);
        }
        lot
    }

    /// The token bucket under `requests_per_second`.
    fn has_token(&mut self, faults: &Faults, now: Instant) -> bool {
        let Some(ceiling) = faults.requests_per_second else {
            return true;
        };
        let idle = self.refilled.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.refilled = Some(now);
        self.tokens = idle.as_secs_f64().mul_add(ceiling, self.tokens).min(burst(faults));
        let has_token = self.tokens >= 1.0;
        if has_token {
            self.tokens -= 1.0;
        }
        has_token
    }
}

fn burst(faults: &Faults) -> f64 {
    faults.burst.map_or_else(|| faults.requests_per_second.unwrap_or(1.0).ceil(), f64::from).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::testing::now;

    fn lots(faults: &Faults, calls: usize) -> Vec<Option<Disruption>> {
        let mut dice = Dice::new(faults);
        (0..calls).map(|_| dice.roll(faults, now().instant)).collect()
    }

    #[test]
    fn one_seed_hits_the_same_calls() {
        let faults = Faults { seed: 5, server_error_rate: 0.2, reset_rate: 0.1, ..Faults::default() };
        assert_eq!(lots(&faults, 500), lots(&faults, 500));
        assert_ne!(lots(&faults, 500), lots(&Faults { seed: 6, ..faults }, 500));
    }

    #[test]
    fn about_as_many_calls_are_hit_as_the_rate_says() {
        let faults = Faults { server_error_rate: 0.25, ..Faults::default() };
        let hits = lots(&faults, 4000).into_iter().flatten().count();
        assert!((900..1100).contains(&hits), "{hits}");
    }

    #[test]
    fn one_rate_does_not_move_the_hits_of_another() {
        let hits = |faults: &Faults| -> Vec<usize> {
            let is_error = |lot: &Option<Disruption>| *lot == Some(Disruption::ServerError);
            lots(faults, 200).iter().enumerate().filter(|(_, lot)| is_error(lot)).map(|(at, _)| at).collect()
        };
        let alone = Faults { server_error_rate: 0.2, ..Faults::default() };
        let beside = Faults { unavailable_rate: 0.5, throttle_rate: 0.5, ..alone.clone() };
        assert_eq!(hits(&alone), hits(&beside));
    }

    #[test]
    fn the_ceiling_throttles_past_the_burst_and_refills() {
        let faults = Faults { requests_per_second: Some(2.0), burst: Some(3), ..Faults::default() };
        let mut dice = Dice::new(&faults);
        let start = now();
        let mut passes = |after: Duration| dice.roll(&faults, start.after(after).instant).is_none();
        assert_eq!([0; 4].map(|_| passes(Duration::ZERO)), [true, true, true, false]);
        let half = Duration::from_millis(500);
        assert_eq!([half, half].map(&mut passes), [true, false]);
        assert_eq!([0; 4].map(|_| passes(Duration::from_mins(1))), [true, true, true, false]);
    }

    #[test]
    fn faults_read_from_json_and_refuse_what_they_do_not_know() {
        let faults =
            Faults::from_json(br#"{"latency": "50ms", "throttle_error": "Throttling", "stall_rate": 1}"#).unwrap();
        assert_eq!(faults.latency, Duration::from_millis(50));
        assert_eq!(faults.throttle_error, ThrottleError::Throttling);
        assert_eq!(Faults::from_json(&serde_json::to_vec(&faults).unwrap()), Ok(faults));
        for bad in [
            r#"{"latancy": 1}"#,
            r#"{"stall_rate": 1.5}"#,
            r#"{"reset_rate": -0.1}"#,
            r#"{"requests_per_second": 0}"#,
            r#"{"throttle_error": "Slow"}"#,
            r#"{"access_denied_operations": ["CreateServer"]}"#,
            "[]x",
        ] {
            assert!(Faults::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
