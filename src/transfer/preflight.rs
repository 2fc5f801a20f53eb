//! What `check --live` finds out by calls: who the credentials are, which connectors there are, which permission is
//! missing, and whether the clock is right. Nothing is changed in AWS, and no message is taken from a queue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::limiter::AccountLimiter;
use super::sdk::{ClockSkew, SdkCloudTrail, SdkConnectors, SdkIdentity, SdkQueue, SdkTransfer};
use super::session::Sessions;
use super::{Attempt, AttemptObserver, ErrorKind, Operation, TransferApi, TransferError};
use super::{CloudTrailApi, ConnectorsApi, QueueApi};
use crate::config::{AccountPlan, Plan};
use crate::metrics::self_metrics::ApiMetrics;
use model::{Clock, ConnectorId, TransferId};

/// Worth a warning: AWS refuses a signature whose time is 5 minutes off
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>).
const SKEWED: Duration = Duration::from_mins(1);
const REFUSED: Duration = Duration::from_mins(5);

/// What is asked for on a connector of which no transfer is configured. AWS gives no transfer such an id.
const NO_TRANSFER: &str = "00000000-0000-4000-8000-000000000000";

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The exporter works; see the detail.
    Warning,
    /// A permission is missing.
    Missing,
    /// Something else is wrong.
    Problem,
}

impl Verdict {
    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
            Self::Problem => "problem",
        }
    }

    /// True if the exporter cannot do all of its work.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Missing | Self::Problem)
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it came out.
    pub verdict: Verdict,
    /// What was checked: a permission as IAM spells it, `connector`, `clock` or `region`.
    pub what: &'static str,
    /// On which resource, and what was found.
    pub detail: String,
}

fn found(verdict: Verdict, what: &'static str, detail: impl fmt::Display) -> Finding {
    Finding {
        verdict,
        what,
        detail: detail.to_string(),
    }
}

/// Checks single accounts of a plan.
pub struct Preflight<'a> {
    plan: &'a Plan,
    sessions: &'a Sessions,
    metrics: Arc<ApiMetrics>,
    clock: Arc<dyn Clock>,
}

impl<'a> Preflight<'a> {
    /// Checks of `plan`, by `sessions`. What is counted goes to `metrics`, which nobody need read.
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

    /// All checks of one account, at most `requests_per_second`, one after the other.
    pub async fn account(&self, account: &AccountPlan) -> Vec<Finding> {
        let identity = match self.sessions.resolve(account).await {
            Ok(identity) => identity,
            Err(error) => {
                return vec![found(
                    Verdict::Problem,
                    "region",
                    error.to_string().replace('\n', ""),
                )];
            }
        };
        let session = self.sessions.session(&identity);
        let collector = &self.plan.collector;
        let look = AccountChecks {
            preflight: self,
            account,
            limits: AccountLimiter::new(1, collector.requests_per_second, Arc::clone(&self.clock)),
            identity: SdkIdentity::new(&session.base, Arc::clone(&self.clock)),
            connectors: SdkConnectors::new(
                &session.base,
                account.endpoint_url.as_deref(),
                Arc::clone(&self.metrics),
                Arc::clone(&self.clock),
            ),
        };
        let mut findings = Vec::new();
        let goes_on = look.caller(&mut findings).await;
        if goes_on {
            let transfer = SdkTransfer::new(
                session.config,
                Arc::new(Unobserved),
                Arc::clone(&self.clock),
            );
            look.connectors(&transfer, &mut findings).await;
            look.listing(&mut findings).await;
            for source in self
                .plan
                .discovery
                .cloudtrail
                .iter()
                .filter(|source| source.account == account.name)
            {
                let url = source.endpoint_url.as_deref();
                let trail = SdkCloudTrail::new(
                    &session.base,
                    url,
                    Arc::clone(&self.metrics),
                    Arc::clone(&self.clock),
                );
                look.limits.acquire().await;
                let looked = trail
                    .page(self.clock.now().wall - Duration::from_mins(1), None)
                    .await
                    .map(drop);
                findings.push(of_permission(
                    "cloudtrail:LookupEvents",
                    session.region.as_str(),
                    looked,
                ));
            }
            for source in self
                .plan
                .discovery
                .events
                .iter()
                .filter(|source| source.account == account.name)
            {
                let url = source.endpoint_url.as_deref();
                let (metrics, clock) = (Arc::clone(&self.metrics), Arc::clone(&self.clock));
                let queue = SdkQueue::new(&session.base, &source.queue_url, url, metrics, clock);
                look.limits.acquire().await;
                let looked = queue.depth().await.map(drop);
                let is_ok = looked.is_ok();
                findings.push(of_permission(
                    "sqs:GetQueueAttributes",
                    &source.queue_url,
                    looked,
                ));
                if is_ok {
                    let detail = format!(
                        "{}: sqs:ReceiveMessage and sqs:DeleteMessage are not tried, since each receive counts for \
                         the queue's redrive policy",
                        source.queue_url
                    );
                    findings.push(found(Verdict::Ok, "sqs", detail));
                }
            }
        }
        findings.extend(look.identity.skew().map(of_skew));
        findings
    }
}

/// The checks of one account.
struct AccountChecks<'a> {
    preflight: &'a Preflight<'a>,
    account: &'a AccountPlan,
    limits: Arc<AccountLimiter>,
    identity: SdkIdentity,
    connectors: SdkConnectors,
}

impl AccountChecks<'_> {
    /// False where no other call could come out better.
    async fn caller(&self, findings: &mut Vec<Finding>) -> bool {
        self.limits.acquire().await;
        match self.identity.caller().await {
            Ok(caller) => {
                let detail = format!("{} (AWS account {})", caller.arn, caller.account_id);
                findings.push(found(Verdict::Ok, "sts:GetCallerIdentity", detail));
                true
            }
            Err(error) => {
                let hopeless = error.kind.is_credential_error();
                let rest = if hopeless {
                    "; nothing else is tried"
                } else {
                    ""
                };
                // Without a way to STS the exporter works all the same, unless it assumes a role.
                let verdict = if hopeless {
                    Verdict::Problem
                } else {
                    Verdict::Warning
                };
                findings.push(found(
                    verdict,
                    "sts:GetCallerIdentity",
                    format!("{error}{rest}"),
                ));
                !hopeless
            }
        }
    }

    async fn connectors(&self, transfer: &SdkTransfer, findings: &mut Vec<Finding>) {
        let required = self
            .preflight
            .plan
            .discovery
            .connectors
            .iter()
            .any(|source| source.account == self.account.name);
        for (connector, known) in connectors(self.preflight.plan, self.account) {
            self.limits.acquire().await;
            findings.push(match self.connectors.describe(&connector).await {
                Ok(Some(details)) => found(Verdict::Ok, "connector", format!("{connector}: SFTP, {}", details.status)),
                Ok(None) => found(
                    Verdict::Problem,
                    "connector",
                    format!("{connector}: an AS2 connector, which has no results of file transfers"),
                ),
                Err(error) if error.kind == ErrorKind::NotFound => found(
                    Verdict::Problem,
                    "connector",
                    format!("{connector}: not in this AWS account and Region; correct the id, or `region`"),
                ),
                Err(error) if error.kind == ErrorKind::AccessDenied && !required => found(
                    Verdict::Warning,
                    "transfer:DescribeConnector",
                    format!("{connector}: denied, so it is not known whether it is there; the exporter does without"),
                ),
                Err(error) => of_permission("transfer:DescribeConnector", connector.as_str(), Err(error)),
            });
            let asked = known.cloned().or_else(|| NO_TRANSFER.parse().ok());
            let Some(asked) = asked else { continue };
            self.limits.acquire().await;
            let looked = transfer
                .file_results_page(&connector, &asked, None)
                .await
                .map(drop);
            let looked = looked.or_else(|error| {
                if error.kind == ErrorKind::NotFound {
                    Ok(())
                } else {
                    Err(error)
                }
            });
            findings.push(of_permission(
                "transfer:ListFileTransferResults",
                connector.as_str(),
                looked,
            ));
        }
    }

    async fn listing(&self, findings: &mut Vec<Finding>) {
        for _ in self
            .preflight
            .plan
            .discovery
            .connectors
            .iter()
            .filter(|source| source.account == self.account.name)
        {
            self.limits.acquire().await;
            let listed = self.connectors.page(None).await;
            let first = listed
                .as_ref()
                .ok()
                .and_then(|page| page.ids.first().cloned());
            findings.push(of_permission(
                "transfer:ListConnectors",
                "*",
                listed.map(drop),
            ));
            if let Some(first) = first {
                self.limits.acquire().await;
                let described = self.connectors.describe(&first).await.map(drop);
                findings.push(of_permission(
                    "transfer:DescribeConnector",
                    first.as_str(),
                    described,
                ));
            }
        }
    }
}

/// The configured connectors of an account, each with one of its configured transfers. A connector that has a name
/// alone belongs to the only account; where there are several, nothing says to which.
fn connectors<'a>(
    plan: &'a Plan,
    account: &AccountPlan,
) -> BTreeMap<ConnectorId, Option<&'a TransferId>> {
    let mut all: BTreeMap<_, _> = BTreeMap::new();
    if let [only] = plan.accounts.as_slice()
        && only.name == account.name
    {
        let named: BTreeSet<_> = plan.connectors.keys().collect();
        all.extend(named.into_iter().map(|id| (id.clone(), None)));
    }
    for key in plan
        .transfers
        .iter()
        .filter(|key| key.account == account.name)
    {
        all.insert(key.connector.clone(), Some(&key.transfer));
    }
    all
}

fn of_permission(
    permission: &'static str,
    resource: &str,
    called: Result<(), TransferError>,
) -> Finding {
    match called {
        Ok(()) => found(Verdict::Ok, permission, resource),
        Err(error) if error.kind == ErrorKind::AccessDenied => {
            found(Verdict::Missing, permission, format!("{resource}: {error}"))
        }
        Err(error) => found(Verdict::Problem, permission, format!("{resource}: {error}")),
    }
}

fn of_skew(ClockSkew { by, ahead }: ClockSkew) -> Finding {
    let seconds = by.as_secs();
    let side = if ahead { "ahead of" } else { "behind" };
    let verdict = match by {
        by if by >= REFUSED => Verdict::Problem,
        by if by > SKEWED => Verdict::Warning,
        _ => Verdict::Ok,
    };
    let hint = if verdict == Verdict::Ok {
        ""
    } else {
        "; AWS refuses signatures from 5 minutes on: run NTP"
    };
    found(verdict, "clock", format!("{seconds} s {side} AWS's{hint}"))
}

/// Nobody reads the metrics of a check.
struct Unobserved;

impl AttemptObserver for Unobserved {
    fn attempt_started(&self, _: Operation, _: bool) {}

    fn attempt_ended(&self, _: Attempt) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_bad_from_five_minutes_on_and_warned_of_from_one() {
        for (seconds, verdict) in [
            (0, Verdict::Ok),
            (60, Verdict::Ok),
            (61, Verdict::Warning),
            (299, Verdict::Warning),
            (300, Verdict::Problem),
        ] {
            let finding = of_skew(ClockSkew {
                by: Duration::from_secs(seconds),
                ahead: true,
            });
            assert_eq!(finding.verdict, verdict, "{seconds}: {}", finding.detail);
        }
    }
}
