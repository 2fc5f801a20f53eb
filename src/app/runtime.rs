//! The active configuration and everything that was built from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::accounts::AccountClient;
use crate::collector::Targets;
use crate::config::Plan;
use crate::discovery::files::Files;
use crate::tracker::{TrackerLimits, TrackerSettings};
use model::{
    Account, AccountName, ConnectorGroups, ConnectorKey, ConnectorTitle, Origin, Shard, TransferKey,
};

/// The active plan with the clients of its accounts. A reload replaces it as a whole; nothing else
/// keeps a set of accounts, except what the collector derives from [`Runtime::targets`].
#[derive(Default)]
pub(super) struct Runtime {
    pub(super) plan: Plan,
    pub(super) accounts: BTreeMap<AccountName, AccountClient>,
    /// Connectors whose transfers belong to one shard; none if there is only one. If they change, sources
    /// report those transfers again that another shard has owned.
    pub(super) groups: Arc<ConnectorGroups>,
    /// Target files of `discovery.files`.
    pub(super) files: Option<Arc<Files>>,
}

impl Runtime {
    pub(super) fn account(&self, name: &AccountName) -> Option<&AccountClient> {
        self.accounts.get(name)
    }

    /// Returns the accounts, by name and Region, that `other` does not have.
    pub(super) fn accounts_not_in<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = &'a Account> {
        let accounts = self.accounts.values().map(|client| &client.api.account);
        accounts.filter(|account| {
            let kept = other.account(&account.name);
            kept.is_none_or(|client| client.api.account != **account)
        })
    }

    /// Returns the account that a request names. If it names none, returns the only account.
    pub(super) fn requested_account(&self, name: Option<&str>) -> Option<&AccountClient> {
        match name {
            Some(name) => self.accounts.get(&AccountName::new(name)),
            None if self.accounts.len() == 1 => self.accounts.values().next(),
            None => None,
        }
    }

    /// Returns what the collector polls.
    pub(super) fn targets(&self, shard: Shard) -> Targets {
        Targets {
            sources: sources(&self.plan),
            transfers: self.plan.transfers.clone(),
            connectors: known_connectors(&self.plan),
            listed: listed_accounts(&self.plan),
            flows: self.plan.flows.clone(),
            settings: tracker_settings(&self.plan, shard),
            accounts: self
                .accounts
                .values()
                .map(|client| client.api.clone())
                .collect(),
        }
    }
}

/// Returns what reports transfers of which account. A list of files without an account may name any.
fn sources(plan: &Plan) -> BTreeSet<(AccountName, Origin)> {
    let discovery = &plan.discovery;
    let files = discovery
        .files
        .iter()
        .flat_map(|files| match &files.account {
            Some(account) => vec![account],
            None => plan.accounts.iter().map(|account| &account.name).collect(),
        });
    let events = discovery.events.iter().map(|events| &events.account);
    let cloudtrail = discovery.cloudtrail.iter().map(|trail| &trail.account);
    let of = |origin| move |account: &AccountName| (account.clone(), origin);
    files
        .map(of(Origin::Files))
        .chain(events.map(of(Origin::Events)))
        .chain(cloudtrail.map(of(Origin::Cloudtrail)))
        .collect()
}

pub(super) fn tracker_settings(plan: &Plan, shard: Shard) -> TrackerSettings {
    TrackerSettings {
        min_refresh_interval: plan.collector.min_refresh_interval,
        max_refresh_interval: plan.collector.max_refresh_interval,
        gone_after: plan.collector.gone_after,
        keep_settled: plan.metrics.keep_settled,
        keep_unresolved: plan.metrics.keep_unresolved,
        limits: TrackerLimits {
            transfers: plan.limits.transfers,
            connectors: plan.limits.connectors,
        },
        shard,
        events: !plan.discovery.events.is_empty(),
        per_transfer: plan.metrics.per_transfer,
        max_transfers: plan.metrics.max_transfers,
    }
}

/// Returns the accounts whose connectors are listed.
fn listed_accounts(plan: &Plan) -> BTreeSet<AccountName> {
    let sources = plan.discovery.connectors.iter();
    sources.map(|source| source.account.clone()).collect()
}

/// Returns the connectors of the configured transfers and the named connectors. If there are
/// several accounts, the account of a named connector is unknown until one of its transfers is.
fn known_connectors(plan: &Plan) -> Vec<(ConnectorKey, Option<ConnectorTitle>)> {
    let mut keys: BTreeSet<ConnectorKey> = plan
        .transfers
        .iter()
        .map(TransferKey::connector_key)
        .collect();
    if let [only] = plan.accounts.as_slice() {
        keys.extend(plan.connectors.keys().map(|id| ConnectorKey {
            account: only.name.clone(),
            id: id.clone(),
        }));
    }
    keys.into_iter()
        .map(|key| {
            let title = plan.connectors.get(&key.id).cloned();
            (key, title)
        })
        .collect()
}
