//! The checks of one account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Finding, Preflight, Verdict};
use crate::config::{AccountPlan, ConnectorFilter, ConnectorsPlan};
use crate::transfer::limiter::AccountLimiter;
use crate::transfer::observer::AttemptMetrics;
use crate::transfer::sdk::{SdkCloudTrail, SdkConnectors, SdkIdentity, SdkQueue, SdkTransfer};
use crate::transfer::session::{ClientBase, Session};
use crate::transfer::{
    CloudTrailApi, ConnectorsApi, ErrorKind, Operation, QueueApi, TransferApi, TransferError,
};
use model::{ConnectorDetails, ConnectorId, TransferId, counted};

/// Stands for a transfer on a connector without a configured one. AWS assigns no such id.
const NO_TRANSFER: &str = "00000000-0000-4000-8000-000000000000";

/// More pages of connectors are not read.
const MAX_PAGES: usize = 1_000;

pub(super) struct AccountChecks<'a> {
    preflight: &'a Preflight<'a>,
    account: &'a AccountPlan,
    limiter: Arc<AccountLimiter>,
    identity: SdkIdentity,
    connectors: SdkConnectors,
    transfers: SdkTransfer,
    base: ClientBase,
    findings: Vec<Finding>,
}

impl<'a> AccountChecks<'a> {
    pub(super) fn new(
        preflight: &'a Preflight<'a>,
        account: &'a AccountPlan,
        session: Session,
    ) -> Self {
        let Session { config, base, .. } = session;
        let (metrics, clock) = (&preflight.metrics, &preflight.clock);
        let rate = preflight.plan.collector.requests_per_second;
        let observer = AttemptMetrics::new(
            base.account.clone(),
            Arc::clone(metrics),
            &[Operation::ListFileTransferResults],
        );
        Self {
            preflight,
            account,
            limiter: AccountLimiter::new(1, rate, Arc::clone(clock)),
            identity: SdkIdentity::new(&base, Arc::clone(clock)),
            connectors: SdkConnectors::new(
                &base,
                account.endpoint_url.as_deref(),
                Arc::clone(metrics),
                Arc::clone(clock),
            ),
            transfers: SdkTransfer::new(config, Arc::new(observer), Arc::clone(clock)),
            base,
            findings: Vec::new(),
        }
    }

    /// Waits for the rate limit before a call.
    async fn turn(&self) {
        self.limiter.acquire().await;
        self.preflight.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) async fn run(mut self) -> Vec<Finding> {
        if self.check_identity().await {
            self.check_configured_connectors().await;
            self.check_listing().await;
            self.check_cloudtrail().await;
            self.check_queues().await;
        }
        let is_corrected = self.base.sdk.disable_clock_skew_correction() != Some(true);
        let skew = self.identity.skew();
        self.findings
            .extend(skew.map(|skew| Finding::clock(skew, is_corrected)));
        self.findings
    }

    /// Returns false if no other call can succeed.
    async fn check_identity(&mut self) -> bool {
        self.turn().await;
        let what = "sts:GetCallerIdentity";
        match self.identity.caller().await {
            Ok(caller) => {
                let source = self.base.source.name();
                self.findings
                    .push(Finding::new(Verdict::Ok, "credentials", source));
                let detail = format!("{} (AWS account {})", caller.arn, caller.account_id);
                self.findings.push(Finding::new(Verdict::Ok, what, detail));
                true
            }
            Err(error) if error.kind.is_credential_error() => {
                let hint = error.kind.hint().unwrap_or_default();
                let detail = format!("{error}; skipping the other checks; {hint}");
                self.findings
                    .push(Finding::new(Verdict::Problem, what, detail));
                false
            }
            // Unless the exporter assumes a role, it works without access to STS.
            Err(error) => {
                self.findings
                    .push(Finding::new(Verdict::Warning, what, error));
                true
            }
        }
    }

    async fn check_configured_connectors(&mut self) {
        for (connector, transfer) in self.configured_connectors() {
            self.check_connector(&connector).await;
            let Some(transfer) = transfer.cloned().or_else(|| NO_TRANSFER.parse().ok()) else {
                continue;
            };
            self.turn().await;
            let result = self
                .transfers
                .file_results_page(&connector, &transfer, None)
                .await;
            let result = match result {
                Err(error) if error.kind != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
            let permission = "transfer:ListFileTransferResults";
            self.findings
                .push(Finding::permission(permission, connector.as_str(), result));
        }
    }

    async fn check_connector(&mut self, connector: &ConnectorId) {
        let permission = "transfer:DescribeConnector";
        // Discovery of connectors needs the permission; otherwise only this check uses it.
        let is_required = self.listing().is_some();
        self.turn().await;
        let finding = match self.connectors.describe(connector).await {
            Ok(Some(details)) => described(connector, &details),
            Ok(None) => Finding::new(
                Verdict::Problem,
                "connector",
                format_args!(
                    "{connector}: an AS2 connector, which has no results of file transfers"
                ),
            ),
            Err(error) if error.kind == ErrorKind::NotFound => Finding::new(
                Verdict::Problem,
                "connector",
                format_args!(
                    "{connector}: not in this AWS account and Region; correct the id, or `region`"
                ),
            ),
            Err(error) if error.kind == ErrorKind::AccessDenied && !is_required => Finding::new(
                Verdict::Warning,
                permission,
                format_args!(
                    "{connector}: denied, so the connector could not be verified; \
                     the exporter does not need this permission"
                ),
            ),
            Err(error) => Finding::permission(permission, connector.as_str(), Err(error)),
        };
        self.findings.push(finding);
    }

    async fn check_listing(&mut self) {
        let Some(source) = self.listing() else {
            return;
        };
        let permission = "transfer:ListConnectors";
        let ids = match self.list(&ConnectorFilter::new(&source.include)).await {
            Ok(ids) => ids,
            Err(error) => {
                let finding = Finding::permission(permission, "*", Err(error));
                return self.findings.push(finding);
            }
        };
        self.findings.push(Finding::new(
            Verdict::Ok,
            permission,
            format_args!("*: {}", counted(ids.len(), "selected connector")),
        ));
        let configured = self.configured_connectors();
        for id in ids.iter().filter(|id| !configured.contains_key(*id)) {
            self.turn().await;
            match self.connectors.describe(id).await {
                Ok(Some(details)) => {
                    let finding = described(id, &details);
                    let is_warning = finding.verdict != Verdict::Ok;
                    self.findings.extend(is_warning.then_some(finding));
                }
                Ok(None) => {}
                // Deleted since it was listed.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                // The others would most probably fail as well.
                Err(error) => {
                    let permission = "transfer:DescribeConnector";
                    let finding = Finding::permission(permission, id.as_str(), Err(error));
                    return self.findings.push(finding);
                }
            }
        }
        if !ids.is_empty() {
            let finding = Finding::permission("transfer:DescribeConnector", "*", Ok(()));
            self.findings.push(finding);
        }
    }

    /// Returns the ids of the selected connectors.
    async fn list(&self, filter: &ConnectorFilter) -> Result<BTreeSet<ConnectorId>, TransferError> {
        let mut ids = BTreeSet::new();
        let mut token = None;
        for _ in 0..MAX_PAGES {
            self.turn().await;
            let page = self.connectors.page(token.as_deref()).await?;
            ids.extend(
                page.ids
                    .into_iter()
                    .filter(|id| filter.matches(id.as_str())),
            );
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(ids)
    }

    async fn check_cloudtrail(&mut self) {
        let Preflight {
            plan,
            metrics,
            clock,
            ..
        } = self.preflight;
        let sources = plan.discovery.cloudtrail.iter();
        for source in sources.filter(|source| source.account == self.account.name) {
            let url = source.endpoint_url.as_deref();
            let cloudtrail =
                SdkCloudTrail::new(&self.base, url, Arc::clone(metrics), Arc::clone(clock));
            self.turn().await;
            let from = clock.now().wall - Duration::from_mins(1);
            let result = cloudtrail.page(from, None).await.map(drop);
            self.findings.push(Finding::permission(
                "cloudtrail:LookupEvents",
                &self.base.account.region,
                result,
            ));
        }
    }

    async fn check_queues(&mut self) {
        let Preflight {
            plan,
            metrics,
            clock,
            ..
        } = self.preflight;
        let sources = plan.discovery.events.iter();
        for source in sources.filter(|source| source.account == self.account.name) {
            let (url, endpoint) = (&source.queue_url, source.endpoint_url.as_deref());
            let queue = SdkQueue::new(
                &self.base,
                url,
                endpoint,
                Arc::clone(metrics),
                Arc::clone(clock),
            );
            self.check_depth(&queue, url).await;
        }
    }

    async fn check_depth(&mut self, queue: &SdkQueue, url: &str) {
        let permission = "sqs:GetQueueAttributes";
        self.turn().await;
        let depth = match queue.depth().await {
            Ok(depth) => depth,
            Err(error) => {
                let finding = Finding::permission(permission, url, Err(error));
                return self.findings.push(finding);
            }
        };
        let finding = Finding::permission(permission, url, Ok(()));
        self.findings.push(finding);
        let detail = format_args!(
            "{url}: sqs:ReceiveMessage and sqs:DeleteMessage are not checked, because each receive \
             counts for the queue's redrive policy"
        );
        let finding = Finding::new(Verdict::Ok, "sqs", detail);
        self.findings.push(finding);
        if let Some(arn) = &depth.dead_letter_queue {
            self.turn().await;
            let result = queue.dead_letters(arn).await;
            self.findings.push(dead_letters(permission, arn, result));
        }
    }

    /// Returns the source that lists the account's connectors.
    fn listing(&self) -> Option<&'a ConnectorsPlan> {
        let mut sources = self.preflight.plan.discovery.connectors.iter();
        sources.find(|source| source.account == self.account.name)
    }

    /// Returns the configured connectors of the account, each with one of its configured transfers.
    /// An entry of `connectors` names no account, so it is checked only if there is a single
    /// account.
    fn configured_connectors(&self) -> BTreeMap<ConnectorId, Option<&'a TransferId>> {
        let plan = self.preflight.plan;
        let mut all = BTreeMap::new();
        if plan.accounts.len() == 1 {
            all.extend(plan.connectors.keys().map(|id| (id.clone(), None)));
        }
        let transfers = plan.transfers.iter();
        for key in transfers.filter(|key| key.account == self.account.name) {
            all.insert(key.connector.clone(), Some(&key.transfer));
        }
        all
    }
}

/// Returns the finding of a connector: a warning if it is `ERRORED` or lacks a setting.
fn described(connector: &ConnectorId, details: &ConnectorDetails) -> Finding {
    let status = match &details.error_message {
        Some(message) => format!("{}: {message}", details.status),
        None => details.status.to_string(),
    };
    let warnings = details.warnings();
    let verdict = if warnings.is_empty() && &*details.status != "ERRORED" {
        Verdict::Ok
    } else {
        Verdict::Warning
    };
    let notes = [vec![status.as_str()], warnings].concat().join("; ");
    let detail = format_args!("{connector}: SFTP, {notes}");
    Finding::new(verdict, "connector", detail)
}

/// Returns the finding of a dead-letter queue. The exporter works without permission to read it.
fn dead_letters(
    permission: &'static str,
    arn: &str,
    result: Result<u64, TransferError>,
) -> Finding {
    match result {
        Ok(0) => Finding::permission(permission, arn, Ok(())),
        Ok(messages) => {
            let messages = counted(messages, "message");
            let detail = format_args!("{arn}: {messages} in the dead-letter queue");
            Finding::new(Verdict::Warning, "sqs", detail)
        }
        Err(error) => {
            let detail = format_args!(
                "{arn}: {error}; the exporter does not count dead letters without this permission"
            );
            Finding::new(Verdict::Warning, permission, detail)
        }
    }
}
