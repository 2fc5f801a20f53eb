//! Difference of two plans for the log: names and counts, no values, since those may be secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::config::Plan;
use model::AccountName;

/// The difference of two plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New accounts.
    pub accounts_added: Vec<AccountName>,
    /// Removed accounts.
    pub accounts_removed: Vec<AccountName>,
    /// Accounts whose entries changed. All others keep their credentials.
    pub accounts_changed: Vec<AccountName>,
    /// Number of new configured transfers.
    pub transfers_added: usize,
    /// Number of removed configured transfers.
    pub transfers_removed: usize,
    /// Other sections that changed.
    pub sections: Vec<&'static str>,
}

impl Changes {
    /// Compares two plans.
    pub fn between(before: &Plan, after: &Plan) -> Self {
        let entries = |plan: &Plan| -> BTreeMap<AccountName, _> {
            plan.accounts
                .iter()
                .map(|account| (account.name.clone(), account.clone()))
                .collect()
        };
        let (old, new) = (entries(before), entries(after));
        let missing_in = |names: &BTreeMap<AccountName, _>, other: &BTreeMap<AccountName, _>| {
            other
                .keys()
                .filter(|name| !names.contains_key(*name))
                .cloned()
                .collect()
        };
        let transfers = |plan: &Plan| plan.transfers.iter().cloned().collect::<BTreeSet<_>>();
        let (old_keys, new_keys) = (transfers(before), transfers(after));
        // Each part of a plan is named, so that none is forgotten.
        let Plan {
            accounts: _,
            transfers: _,
            connectors,
            discovery,
            flows,
            collector,
            metrics,
            limits,
            probe,
        } = after;
        let sections = [
            ("connectors", before.connectors != *connectors),
            ("discovery", before.discovery != *discovery),
            ("flows", before.flows != *flows),
            ("collector", before.collector != *collector),
            ("metrics", before.metrics != *metrics),
            ("limits", before.limits != *limits),
            ("probe", before.probe != *probe),
        ];
        Self {
            accounts_added: missing_in(&old, &new),
            accounts_removed: missing_in(&new, &old),
            accounts_changed: new
                .iter()
                .filter(|(name, entry)| old.get(*name).is_some_and(|old| old != *entry))
                .map(|(name, _)| name.clone())
                .collect(),
            transfers_added: new_keys.difference(&old_keys).count(),
            transfers_removed: old_keys.difference(&new_keys).count(),
            sections: sections
                .into_iter()
                .filter(|(_, differs)| *differs)
                .map(|(name, _)| name)
                .collect(),
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (names, what) in [
            (&self.accounts_added, "accounts added"),
            (&self.accounts_removed, "accounts removed"),
            (&self.accounts_changed, "accounts changed"),
        ] {
            if !names.is_empty() {
                let names: Vec<_> = names.iter().map(AccountName::as_str).collect();
                parts.push(format!("{what}: {}", names.join(", ")));
            }
        }
        if self.transfers_added + self.transfers_removed > 0 {
            parts.push(format!(
                "transfers: +{} -{}",
                self.transfers_added, self.transfers_removed
            ));
        }
        if !self.sections.is_empty() {
            parts.push(format!("sections: {}", self.sections.join(", ")));
        }
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{AccountPlan, AssumeRole, Secret};
    use model::TransferKey;

    #[test]
    fn changes_are_shown_as_names_and_counts_without_secrets() {
        let account = |name: &str, external_id: &str| AccountPlan {
            name: AccountName::new(name),
            assume_role: Some(AssumeRole {
                role_arn: "arn:aws:iam::123456789012:role/r".into(),
                external_id: Some(Secret::new(external_id)),
                session_name: "s".into(),
            }),
            ..AccountPlan::default()
        };
        let key = |transfer: &str| TransferKey {
            account: AccountName::new("a"),
            connector: "c-0123456789abcdef0".parse().unwrap(),
            transfer: transfer.parse().unwrap(),
        };
        let before = Plan {
            accounts: vec![
                account("a", "hush-one"),
                account("b", "x"),
                account("c", "x"),
            ],
            transfers: vec![key("1"), key("2")],
            ..Plan::default()
        };
        let mut after = Plan {
            accounts: vec![
                account("c", "x"),
                account("a", "hush-two"),
                account("d", "x"),
            ],
            transfers: vec![key("2"), key("3"), key("4")],
            ..Plan::default()
        };
        after.metrics.per_transfer = model::PerTransfer::None;
        after.limits.connectors += 1;
        after.probe.connection = Some(Duration::from_mins(5));
        let text = Changes::between(&before, &after).to_string();
        assert_eq!(
            text,
            "accounts added: d; accounts removed: b; accounts changed: a; transfers: +2 -1; \
             sections: metrics, limits, probe"
        );
        assert_eq!(Changes::between(&before, &before).to_string(), "nothing");
    }
}
