//! The checks of one account.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Finding, Preflight, Verdict};
use crate::config::AccountPlan;
use crate::transfer::limiter::AccountLimiter;
use crate::transfer::observer::AttemptMetrics;
use crate::transfer::sdk::{SdkCloudTrail, SdkConnectors, SdkIdentity, SdkQueue, SdkTransfer};
use crate::transfer::session::{ClientBase, Session};
use crate::transfer::{CloudTrailApi, ConnectorsApi, ErrorKind, Operation, QueueApi, TransferApi};
use model::{ConnectorId, TransferId};

/// Stands for a transfer on a connector without a configured one. AWS assigns no such id.
const NO_TRANSFER: &str = "00000000-0000-4000-8000-000000000000";

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

    pub(super) async fn run(mut self) -> Vec<Finding> {
        if self.check_identity().await {
            self.check_configured_connectors().await;
            self.check_listing().await;
            self.check_cloudtrail().await;
            self.check_queues().await;
        }
        self.findings
            .extend(self.identity.skew().map(Finding::clock));
        self.findings
    }

    /// Returns false if no other call can succeed.
    async fn check_identity(&mut self) -> bool {
        self.limiter.acquire().await;
        let what = "sts:GetCallerIdentity";
        match self.identity.caller().await {
            Ok(caller) => {
                let detail = format!("{} (AWS account {})", caller.arn, caller.account_id);
                self.findings.push(Finding::new(Verdict::Ok, what, detail));
                true
            }
            Err(error) if error.kind.is_credential_error() => {
                let detail = format!("{error}; skipping the other checks");
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
            self.limiter.acquire().await;
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
        let is_required = self.lists_connectors();
        self.limiter.acquire().await;
        let finding = match self.connectors.describe(connector).await {
            Ok(Some(details)) => Finding::new(
                Verdict::Ok,
                "connector",
                format_args!("{connector}: SFTP, {}", details.status),
            ),
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
        if !self.lists_connectors() {
            return;
        }
        self.limiter.acquire().await;
        let page = self.connectors.page(None).await;
        let first = page
            .as_ref()
            .ok()
            .and_then(|page| page.ids.first().cloned());
        self.findings.push(Finding::permission(
            "transfer:ListConnectors",
            "*",
            page.map(drop),
        ));
        let Some(first) = first else { return };
        self.limiter.acquire().await;
        let details = self.connectors.describe(&first).await;
        self.findings.push(Finding::permission(
            "transfer:DescribeConnector",
            first.as_str(),
            details.map(drop),
        ));
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
            self.limiter.acquire().await;
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
            self.limiter.acquire().await;
            let result = queue.depth().await.map(drop);
            let is_ok = result.is_ok();
            self.findings
                .push(Finding::permission("sqs:GetQueueAttributes", url, result));
            if is_ok {
                let detail = format!(
                    "{url}: sqs:ReceiveMessage and sqs:DeleteMessage are not checked, because each \
                     receive counts for the queue's redrive policy"
                );
                self.findings.push(Finding::new(Verdict::Ok, "sqs", detail));
            }
        }
    }

    /// Returns whether the account's connectors are a source of discovery.
    fn lists_connectors(&self) -> bool {
        let mut sources = self.preflight.plan.discovery.connectors.iter();
        sources.any(|source| source.account == self.account.name)
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
