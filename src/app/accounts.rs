//! Clients of the accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tracing::warn;

use super::probe;
use super::runtime::Runtime;
use crate::collector::AccountApi;
use crate::config::{CollectorPlan, Plan};
use crate::discovery::routes::AccountId;
use crate::metrics::self_metrics::ApiMetrics;
use crate::transfer::ConnectionApi;
use crate::transfer::limiter::{AccountLimiter, RateLimited};
use crate::transfer::observer::AccountObserver;
use crate::transfer::sdk::{SdkConnection, SdkIdentity, SdkTransfer};
use crate::transfer::session::{
    ClientBase, ResolvedAccount, SessionError, Sessions, StaticCredentials, TimeOuts,
};
use crate::web::WorkQueue;
use model::{Account, AccountName, Clock};

/// The client of one account.
#[derive(Clone)]
pub(super) struct AccountClient {
    /// Transfer API, with its limiter.
    pub(super) api: AccountApi,
    /// Base of the clients of other AWS services.
    pub(super) base: ClientBase,
    /// AWS account ID, by which events are routed.
    pub(super) account_id: Arc<AccountId>,
    /// Credentials and Region.
    identity: ResolvedAccount,
    /// Queue of `/probe` requests.
    pub(super) probe_queue: WorkQueue,
    pub(super) clock: Arc<dyn Clock>,
    metrics: Arc<ApiMetrics>,
}

impl AccountClient {
    /// Returns a client that tests connections.
    pub(super) fn connection(&self) -> Arc<dyn ConnectionApi> {
        let endpoint = self.identity.account().endpoint_url.as_deref();
        let (metrics, clock) = (Arc::clone(&self.metrics), Arc::clone(&self.clock));
        Arc::new(SdkConnection::new(&self.base, endpoint, metrics, clock))
    }

    /// Applies concurrency and rate to the limiter, which survives reloads. The rate is for all shards
    /// together, of which the process owns a `share`.
    pub(super) fn apply_limits(&self, plan: &CollectorPlan, share: f64) {
        let limits = &self.api.limits;
        limits.change(plan.concurrency, plan.requests_per_second * share);
    }
}

/// Builds the clients of a plan.
pub(super) struct ClientBuilder<'a> {
    plan: &'a Plan,
    sessions: Sessions,
    metrics: &'a Arc<ApiMetrics>,
    clock: &'a Arc<dyn Clock>,
}

impl<'a> ClientBuilder<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        credentials: Option<StaticCredentials>,
        metrics: &'a Arc<ApiMetrics>,
        clock: &'a Arc<dyn Clock>,
    ) -> Self {
        let sessions = Sessions::new(TimeOuts::within(plan.collector.timeout), credentials);
        Self {
            plan,
            sessions,
            metrics,
            clock,
        }
    }

    /// Builds one client per account. An account whose entry is unchanged keeps its credentials,
    /// with their cache, and its limiter; it keeps its client unless `collector.timeout` changed.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub(super) async fn build(
        &self,
        previous: &Runtime,
    ) -> Result<BTreeMap<AccountName, AccountClient>, SessionError> {
        let same_timeout = previous.plan.collector.timeout == self.plan.collector.timeout;
        // All that can fail comes first: a client registers the series of its account.
        let mut resolved = Vec::with_capacity(self.plan.accounts.len());
        for entry in &self.plan.accounts {
            let unchanged = previous
                .account(&entry.name)
                .filter(|client| client.identity.account() == entry);
            let identity = match unchanged {
                Some(client) => client.identity.clone(),
                None => Box::pin(self.sessions.resolve(entry)).await?,
            };
            resolved.push((unchanged, identity));
        }
        let mut clients = BTreeMap::new();
        let mut without_effect = BTreeSet::new();
        let mut reported = BTreeSet::new();
        for (unchanged, identity) in resolved {
            if let Some(client) = unchanged {
                let discovery = &previous.plan.discovery;
                reported.extend(client.identity.settings_without_effect(discovery));
            }
            let client = match unchanged {
                Some(client) if same_timeout => self.keep_client(client),
                Some(client) => self.build_client(identity, Arc::clone(&client.api.limits)),
                None => self.build_client(identity, self.new_limits()),
            };
            let discovery = &self.plan.discovery;
            without_effect.extend(client.identity.settings_without_effect(discovery));
            clients.insert(client.api.account.name.clone(), client);
        }
        without_effect.retain(|setting| !reported.contains(setting));
        if !without_effect.is_empty() {
            let settings = Vec::from_iter(without_effect).join(", ");
            warn!(
                event = "settings_without_effect",
                settings, "AWS settings are present that have no effect"
            );
        }
        Ok(clients)
    }

    fn keep_client(&self, client: &AccountClient) -> AccountClient {
        let concurrency = self.plan.collector.concurrency;
        let mut kept = client.clone();
        if kept.api.concurrency != concurrency {
            kept.api.concurrency = concurrency;
            kept.probe_queue = probe::queue(concurrency);
        }
        kept
    }

    fn build_client(
        &self,
        identity: ResolvedAccount,
        limits: Arc<AccountLimiter>,
    ) -> AccountClient {
        let session = self.sessions.session(&identity);
        let account = Account {
            name: identity.account().name.clone(),
            region: session.region.as_str().into(),
        };
        let observer = AccountObserver::new(
            account.clone(),
            Arc::clone(self.metrics),
            Arc::clone(&limits),
        );
        let sdk = SdkTransfer::new(session.config, Arc::new(observer), Arc::clone(self.clock));
        let concurrency = self.plan.collector.concurrency;
        let account_id = identity.account().known_account_id().map_or_else(
            || {
                let api = SdkIdentity::new(&session.base, Arc::clone(self.clock));
                AccountId::unresolved(Arc::new(api))
            },
            AccountId::known,
        );
        AccountClient {
            account_id: Arc::new(account_id),
            api: AccountApi {
                account,
                api: Arc::new(RateLimited::new(sdk, Arc::clone(&limits))),
                limits,
                concurrency,
            },
            base: session.base,
            identity,
            probe_queue: probe::queue(concurrency),
            clock: Arc::clone(self.clock),
            metrics: Arc::clone(self.metrics),
        }
    }

    fn new_limits(&self) -> Arc<AccountLimiter> {
        let plan = &self.plan.collector;
        AccountLimiter::new(
            plan.concurrency,
            plan.requests_per_second,
            Arc::clone(self.clock),
        )
    }
}
