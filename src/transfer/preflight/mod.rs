//! The checks of `check --live`: the identity of the credentials, the connectors, the permissions
//! and the clock. They change nothing in AWS and receive no message from a queue.

mod account;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
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
/// Skew from which AWS rejects signatures
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
    /// What was checked: a permission as IAM spells it, or `clock`, `connector`, `credentials`,
    /// `profile`, `region`, `settings`, `sqs` and others.
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

    /// The result of comparing the clocks. If the SDK corrects the time of signatures
    /// (`is_corrected`), which it learns from the header `Date` of each response, AWS rejects only the
    /// first request of each client.
    fn clock(ClockSkew { by, ahead }: ClockSkew, is_corrected: bool) -> Self {
        let verdict = if by >= SKEW_LIMIT && !is_corrected {
            Verdict::Problem
        } else if by > SKEW_WARNING {
            Verdict::Warning
        } else {
            Verdict::Ok
        };
        let hint = match (verdict, is_corrected) {
            (Verdict::Ok, _) => "",
            (_, true) => {
                "; the SDK corrects the time of signatures, but deadlines and ages use this clock: run NTP"
            }
            (_, false) => "; AWS rejects signatures from 5 minutes on: run NTP",
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
    /// Number of calls that were made.
    calls: Arc<AtomicU64>,
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
            calls: Arc::default(),
        }
    }

    /// Returns the number of calls, which rises while the checks run.
    pub fn calls(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.calls)
    }

    /// Runs all checks of one account, one after the other at the configured rate.
    pub async fn account(&self, account: &AccountPlan) -> Vec<Finding> {
        match self.sessions.resolve(account).await {
            Ok(resolved) => {
                let session = self.sessions.session(&resolved);
                let mut findings = AccountChecks::new(self, account, session).run().await;
                let settings = resolved.settings_without_effect(&self.plan.discovery);
                if !settings.is_empty() {
                    let detail = format_args!("no effect: {}", settings.join(", "));
                    findings.push(Finding::new(Verdict::Warning, "settings", detail));
                }
                findings
            }
            Err(error) => {
                let detail = error.to_string().replace('\n', "");
                vec![Finding::new(Verdict::Problem, error.subject(), detail)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_is_a_warning_above_one_minute_and_a_problem_from_five_unless_corrected() {
        for (seconds, is_corrected, verdict) in [
            (0, false, Verdict::Ok),
            (60, false, Verdict::Ok),
            (61, false, Verdict::Warning),
            (299, false, Verdict::Warning),
            (300, false, Verdict::Problem),
            (60, true, Verdict::Ok),
            (61, true, Verdict::Warning),
            (300, true, Verdict::Warning),
        ] {
            let skew = ClockSkew {
                by: Duration::from_secs(seconds),
                ahead: true,
            };
            let finding = Finding::clock(skew, is_corrected);
            assert_eq!(finding.verdict, verdict, "{seconds}: {}", finding.detail);
        }
    }
}
