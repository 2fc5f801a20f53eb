//! Whether throttling depends on the rate of requests. Pure: no clock.
//!
//! AWS may throttle a share of the requests at any rate, for example because others use the same
//! quota. A lower rate does not help then. A limit is different: at half the rate, nothing is throttled
//! beyond that share, the background.
//!
//! Each decision is a sequential test of two shares (Wald 1945; repeated, it is Page's CUSUM, 1954).
//! The logarithms of the likelihood ratios of the responses are added up until they reach that of a
//! probability of error. So no sample is too small: the test goes on.
//!
//! - **Excess**: the share is higher than the background. The rate is reduced: by half for a trial, or
//!   by a tenth near a known limit.
//! - **Trial**: at half the rate, is the share that of the background, or does it remain? A share that
//!   remains is the new background. When its time is over, the likelier answer holds.
//! - **Shortfall**: the share is far below the background, which is lowered.
//!
//! Only requests at a reduced rate raise the background. Near a limit, those it throttles would.

use std::time::Duration;

/// Probability that chance looks like an excess, for each request. It is higher near a remembered
/// limit, where an excess is expected: for each request, and at most for each second. Of many requests
/// a second, a few more that are throttled cost little, and make an answer surer.
const EXCESS_ERROR: f64 = 2e-7;
const EXCESS_ERROR_NEAR_LIMIT: f64 = 5e-5;
const EXCESS_ERRORS_PER_SECOND: f64 = 5e-4;
/// Probability that chance looks like a shortfall, for each request.
const SHORTFALL_ERROR: f64 = 1e-6;
/// An excess is at least this much more than the background.
const EXCESS: f64 = 0.02;
/// Probability that a trial takes a limit for background.
const BACKGROUND_ERROR: f64 = 0.001;
/// Probability that a trial takes background for a limit. The rate then climbs again, but each later
/// stray may lower it.
const LIMIT_ERROR: f64 = 0.001;
/// Least background, as a sample: what is known before anything was throttled.
const PRIOR: Sample = Sample {
    requests: 500.0,
    throttled: 0.5,
};
/// Requests of the sample that is remembered. The older part of a larger one is scaled.
const REMEMBERED: f64 = 3_000.0;
/// A larger share is that of a limit, also of one below half the rate: in a trial, and of the few
/// requests before it, of which chance throttles more.
const MAX_BACKGROUND: f64 = 0.15;
const MAX_SHARE_BEFORE: f64 = 0.25;
/// A share that needs no further sample.
const MOST: f64 = 0.5;
/// Shortest sample that shows a background: two windows of a limit that is enforced for each second.
const LEAST_TRIAL: Duration = Duration::from_secs(2);

/// What follows from a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThrottlingVerdict {
    /// Nothing yet.
    Keep,
    /// More is throttled than the background.
    Excess,
    /// A trial found that throttling does not depend on the rate.
    Background,
    /// A trial found a limit.
    Limit,
}

/// Where the rate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Just reduced.
    Reduced,
    /// Below a remembered limit.
    Climb,
    /// Near a remembered limit.
    NearLimit,
    /// Anywhere else.
    Unknown,
}

/// Requests, and how many of them were throttled.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    requests: f64,
    throttled: f64,
}

impl Sample {
    fn record(&mut self, throttled: bool) {
        self.requests += 1.0;
        self.throttled += f64::from(u8::from(throttled));
    }

    fn share(self) -> f64 {
        self.throttled / self.requests.max(1.0)
    }

    /// Returns a share that the true one exceeds, although the sample was chosen because its share is
    /// high: by three standard deviations, which are a half each of the root of a Poisson number.
    fn least_share(self) -> f64 {
        let root = (self.throttled - 1.0).max(0.0).sqrt();
        (root - 1.5).max(0.0).powi(2) / (self.requests - 1.0).max(1.0)
    }

    /// Returns the share if the sample ended because of its last request, which was throttled.
    fn share_before_last(self) -> f64 {
        (self.throttled - 1.0).max(0.0) / (self.requests - 1.0).max(1.0)
    }

    /// Returns both samples together, the older one scaled so that the sum is bounded.
    fn and(self, newer: Self) -> Self {
        let kept =
            (REMEMBERED - newer.requests).max(0.0).min(self.requests) / self.requests.max(1.0);
        Self {
            requests: kept * self.requests + newer.requests,
            throttled: kept * self.throttled + newer.throttled,
        }
    }
}

/// Returns the logarithm of how much likelier a response is with a share of `other` than of `share`.
fn log_likelihood_ratio(throttled: bool, share: f64, other: f64) -> f64 {
    if throttled {
        (other / share).ln()
    } else {
        ((1.0 - other) / (1.0 - share)).ln()
    }
}

/// A test that begins again whenever the first share is likelier, and the sample since then.
#[derive(Clone, Copy, Debug, Default)]
struct ChangeTest {
    log_ratio: f64,
    sample: Sample,
}

impl ChangeTest {
    /// Records a response. Returns whether the share is `other`.
    fn record(&mut self, throttled: bool, share: f64, other: f64, error: f64) -> bool {
        self.log_ratio += log_likelihood_ratio(throttled, share, other);
        if self.log_ratio <= 0.0 {
            *self = Self::default();
            return false;
        }
        self.sample.record(throttled);
        self.log_ratio >= -error.ln()
    }
}

/// A test at a reduced rate.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// The share before, as far as its few requests show it.
    before: f64,
    /// What it was at least.
    least_before: f64,
    /// Whether the rate is half of what it was. Otherwise it is just below a remembered limit, which
    /// may have become lower: a share that remains is then no background yet.
    is_half: bool,
    log_ratio: f64,
    sample: Sample,
}

/// The background, and the tests of responses.
#[derive(Debug)]
pub(super) struct ThrottlingShare {
    background: Sample,
    excess: ChangeTest,
    shortfall: ChangeTest,
    trial: Option<Trial>,
    /// Requests since the rate was reduced.
    reduced: Sample,
    /// Whether it was reduced near a limit, and is below it.
    is_below_limit: bool,
}

impl ThrottlingShare {
    pub(super) fn new() -> Self {
        Self {
            background: PRIOR,
            excess: ChangeTest::default(),
            shortfall: ChangeTest::default(),
            trial: None,
            reduced: Sample::default(),
            is_below_limit: false,
        }
    }

    /// Returns the share that is throttled at any rate.
    fn background(&self) -> f64 {
        self.background.share().max(PRIOR.share())
    }

    /// Returns whether a trial is under way.
    pub(super) fn is_in_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Begins a trial. The rate has been reduced because of an excess, by half if `is_half` is true.
    pub(super) fn begin_trial(&mut self, is_half: bool) {
        self.trial = Some(Trial {
            before: self.excess.sample.share_before_last(),
            least_before: self.excess.sample.least_share(),
            is_half,
            log_ratio: 0.0,
            sample: Sample::default(),
        });
        self.restart();
    }

    /// Ends a trial, with the likelier of both answers if its time is over. Just below a remembered
    /// limit, only a sure answer is one against the limit.
    pub(super) fn end_trial(&mut self) -> ThrottlingVerdict {
        let remains = |trial: &Trial| {
            let least = if trial.is_half {
                0.0
            } else {
                -BACKGROUND_ERROR.ln()
            };
            trial.log_ratio > least
        };
        match self.trial.take() {
            Some(trial) if remains(&trial) => self.share_remained(trial),
            Some(trial) => self.share_vanished(trial),
            None => ThrottlingVerdict::Keep,
        }
    }

    fn share_vanished(&mut self, trial: Trial) -> ThrottlingVerdict {
        self.background = self.background.and(trial.sample);
        self.restart();
        ThrottlingVerdict::Limit
    }

    fn share_remained(&mut self, trial: Trial) -> ThrottlingVerdict {
        let share = trial.sample.share_before_last();
        let is_limit = trial.before > MAX_SHARE_BEFORE || share > MAX_BACKGROUND;
        if !trial.is_half || is_limit {
            self.excess.sample = trial.sample;
            return ThrottlingVerdict::Excess;
        }
        self.background = trial.sample;
        self.restart();
        ThrottlingVerdict::Background
    }

    /// Restarts the tests at a rate that was reduced near a limit.
    pub(super) fn restart_below_limit(&mut self) {
        self.restart();
        self.is_below_limit = true;
    }

    /// Restarts the tests at a changed rate.
    pub(super) fn restart(&mut self) {
        self.excess = ChangeTest::default();
        self.shortfall = ChangeTest::default();
        self.reduced = Sample::default();
        self.is_below_limit = false;
    }

    /// Records the response to a request that was sent at the current rate, in requests per second,
    /// `elapsed` after the rate was reduced.
    pub(super) fn record(
        &mut self,
        throttled: bool,
        rate: f64,
        phase: Phase,
        elapsed: Duration,
    ) -> ThrottlingVerdict {
        if self.trial.is_some() {
            return self.record_trial(throttled, elapsed);
        }
        if phase == Phase::Reduced && self.is_below_limit {
            self.reduced.record(throttled);
        } else if self.reduced.requests > 0.0 {
            self.background = self.background.and(std::mem::take(&mut self.reduced));
        }
        let share = self.background();
        let is_raised = share > PRIOR.share();
        if is_raised
            && self
                .shortfall
                .record(throttled, share, share / 3.0, SHORTFALL_ERROR)
        {
            self.background = PRIOR.and(self.shortfall.sample);
            self.restart();
            return ThrottlingVerdict::Keep;
        }
        let other = share + EXCESS.max(1.5 * share);
        let error = match phase {
            Phase::NearLimit => EXCESS_ERROR_NEAR_LIMIT.min(EXCESS_ERRORS_PER_SECOND / rate),
            _ => EXCESS_ERROR,
        };
        // For each request, and thus 1/share as much for each throttled one, which begins a test.
        let is_excess = self.excess.record(throttled, share, other, error / share);
        if is_excess && throttled {
            ThrottlingVerdict::Excess
        } else {
            ThrottlingVerdict::Keep
        }
    }

    fn record_trial(&mut self, throttled: bool, elapsed: Duration) -> ThrottlingVerdict {
        let background = self.background();
        let Some(trial) = &mut self.trial else {
            return ThrottlingVerdict::Keep;
        };
        trial.sample.record(throttled);
        let least = background + background.max(EXCESS / 2.0);
        let before = if trial.before > MAX_SHARE_BEFORE {
            trial.before / 2.0
        } else {
            trial.least_before
        };
        let other = before.min(MAX_SHARE_BEFORE).max(least);
        trial.log_ratio += log_likelihood_ratio(throttled, background, other);
        let is_short = trial.sample.share_before_last() < MOST && elapsed < LEAST_TRIAL;
        let is_over = trial.log_ratio <= LIMIT_ERROR.ln()
            || (trial.log_ratio > -BACKGROUND_ERROR.ln() && !is_short);
        if is_over {
            self.end_trial()
        } else {
            ThrottlingVerdict::Keep
        }
    }
}
