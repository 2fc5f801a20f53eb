//! The checks of `check --live`: the identity of the credentials, the connectors, the permissions
//! and the clock. They change nothing in AWS and receive no message from a queue.

mod account;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::account::AccountChecks;
use super::sdk::ClockSkew;
use super::session::Sessions;
use super::{ErrorKind, TransferError};
use crate::config::{AccountPlan, Plan};
use crate::metrics::self_metrics::ApiMetrics;
use model::Clock;

/// Skew that is worth a warning.
const SKEW_WARNING: Duration = Duration::from_mins(1);
/// Skew at which AWS rejects signatures
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>).
const SKEW_LIMIT: Duration = Duration::from_mins(5);

/// Result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Passed.
    Ok,
    /// The exporter works; the detail says what to look at.
    Warning,
    /// A permission is missing.
    Missing,
    /// Failed for another reason.
    Problem,
}

impl Verdict {
    /// Returns the word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
            Self::Problem => "problem",
        }
    }

    /// Returns whether the exporter cannot do all of its work.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Missing | Self::Problem)
    }
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The result.
    pub verdict: Verdict,
    /// What was checked: a permission as IAM spells it, `connector`, `clock`, `region` or `sqs`.
    pub what: &'static str,
    /// The resource, and what was found.
    pub detail: String,
}

impl Finding {
    fn new(verdict: Verdict, what: &'static str, detail: impl fmt::Display) -> Self {
        Self {
            verdict,
            what,
            detail: detail.to_string(),
        }
    }

    /// The result of a call that needs `permission` on `resource`.
    fn permission(
        permission: &'static str,
        resource: &str,
        result: Result<(), TransferError>,
    ) -> Self {
        match result {
            Ok(()) => Self::new(Verdict::Ok, permission, resource),
            Err(error) => {
                let verdict = if error.kind == ErrorKind::AccessDenied {
                    Verdict::Missing
                } else {
                    Verdict::Problem
                };
                Self::new(verdict, permission, format_args!("{resource}: {error}"))
            }
        }
    }

    fn clock(ClockSkew { by, ahead }: ClockSkew) -> Self {
        let verdict = if by >= SKEW_LIMIT {
            Verdict::Problem
        } else if by > SKEW_WARNING {
            Verdict::Warning
        } else {
            Verdict::Ok
        };
        let hint = if verdict == Verdict::Ok {
            ""
        } else {
            "; AWS rejects signatures from 5 minutes on: run NTP"
        };
        let side = if ahead { "ahead of" } else { "behind" };
        let seconds = by.as_secs();
        Self::new(
            verdict,
            "clock",
            format_args!("{seconds} s {side} AWS{hint}"),
        )
    }
}

/// Checks the accounts of a plan.
pub struct Preflight<'a> {
    plan: &'a Plan,
    sessions: &'a Sessions,
    metrics: Arc<ApiMetrics>,
    clock: Arc<dyn Clock>,
}

impl<'a> Preflight<'a> {
    /// Creates the checks. Their calls are counted in `metrics`.
    pub fn new(
        plan: &'a Plan,
        sessions: &'a Sessions,
        metrics: Arc<ApiMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            plan,
            sessions,
            metrics,
            clock,
        }
    }

    /// Runs all checks of one account, one after the other at the configured rate.
    pub async fn account(&self, account: &AccountPlan) -> Vec<Finding> {
        match self.sessions.resolve(account).await {
            Ok(resolved) => {
                let session = self.sessions.session(&resolved);
                AccountChecks::new(self, account, session).run().await
            }
            Err(error) => {
                let detail = error.to_string().replace('\n', "");
                vec![Finding::new(Verdict::Problem, "region", detail)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_is_a_warning_above_one_minute_and_a_problem_from_five() {
        for (seconds, verdict) in [
            (0, Verdict::Ok),
            (60, Verdict::Ok),
            (61, Verdict::Warning),
            (299, Verdict::Warning),
            (300, Verdict::Problem),
        ] {
            let finding = Finding::clock(ClockSkew {
                by: Duration::from_secs(seconds),
                ahead: true,
            });
            assert_eq!(finding.verdict, verdict, "{seconds}: {}", finding.detail);
        }
    }
}
