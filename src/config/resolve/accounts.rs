//! `accounts`, and references to accounts.

use std::collections::{BTreeMap, HashMap};

use super::{EMPTY_LIST, REQUIRED, Resolver, check};
use crate::config::file::{AccountEntry, AssumeRoleEntry, ListOf};
use crate::config::plan::{AccountPlan, AssumeRole, DEFAULT_ACCOUNT, DEFAULT_SESSION_NAME};
use crate::config::yaml::{Field, Spanned, escape, suggest};
use model::AccountName;

/// The accounts, for references to them.
pub(super) struct AccountIndex {
    pub(super) plans: Vec<AccountPlan>,
    by_name: BTreeMap<String, NamedAccount>,
    /// All names are valid, so that an unknown name is a problem of its own.
    complete: bool,
    /// The account of an entry that names none; `None` if it must name one.
    pub(super) default: Option<AccountName>,
}

struct NamedAccount {
    name: AccountName,
    /// The name contains an environment variable and must not be shown.
    hidden: bool,
}

impl AccountIndex {
    /// Creates an index of resolved accounts.
    pub(super) fn new(plans: &[AccountPlan], default: Option<&AccountName>) -> Self {
        let mut index = Self {
            plans: plans.to_vec(),
            by_name: BTreeMap::new(),
            complete: true,
            default: default.cloned(),
        };
        for plan in plans {
            index.insert(plan.name.clone(), false);
        }
        index
    }

    fn insert(&mut self, name: AccountName, hidden: bool) {
        self.by_name
            .insert(name.to_string(), NamedAccount { name, hidden });
    }

    fn visible_names(&self) -> impl Iterator<Item = &str> {
        self.by_name
            .iter()
            .filter(|(_, account)| !account.hidden)
            .map(|(name, _)| name.as_str())
    }

    /// Returns a hint with the names that may be shown, if there are any.
    fn known_names(&self) -> Option<String> {
        let names: Vec<_> = self
            .visible_names()
            .take(20)
            .map(|name| format!("`{}`", escape(name)))
            .collect();
        (!names.is_empty()).then(|| format!("known accounts: {}", names.join(", ")))
    }

    /// Returns a hint for an unknown name.
    fn suggestion(&self, name: &Spanned<String>) -> Option<String> {
        let similar = suggest(&name.value, self.visible_names()).filter(|_| !name.hidden);
        match similar {
            Some(similar) => Some(format!("did you mean `{}`?", escape(similar))),
            None => self.known_names(),
        }
    }
}

impl Resolver {
    pub(super) fn accounts(&mut self, field: &Field<ListOf<AccountEntry>>) -> AccountIndex {
        if field.is_absent() {
            let plan = AccountPlan::default();
            let name = plan.name.clone();
            return AccountIndex::new(&[plan], Some(&name));
        }
        let entries = field.value().map_or(&[][..], |list| &list.value);
        if let Some(list) = field.value()
            && entries.is_empty()
        {
            self.report(list.line, "accounts", EMPTY_LIST)
                .with_hint("remove `accounts` to use the default credential chain");
        }
        let mut accounts = AccountIndex::new(&[], None);
        accounts.complete = !entries.is_empty() && field.items().count() == entries.len();
        // The line of each name.
        let mut first = HashMap::new();
        for (index, entry) in field.items() {
            let plan = self.account(index, entry, &mut accounts, &mut first);
            accounts.plans.push(plan);
        }
        if let ([plan], [_]) = (accounts.plans.as_slice(), entries) {
            accounts.default = Some(plan.name.clone());
        }
        accounts
    }

    fn account<'f>(
        &mut self,
        index: usize,
        entry: &'f Spanned<AccountEntry>,
        accounts: &mut AccountIndex,
        first: &mut HashMap<&'f str, usize>,
    ) -> AccountPlan {
        let Spanned {
            value: entry, line, ..
        } = entry;
        let (name, line, hidden) = match &entry.name {
            Field::Valid(name) => (name.value.as_str(), name.line, name.hidden),
            Field::Absent => (DEFAULT_ACCOUNT, *line, false),
            Field::Invalid => ("", *line, true),
        };
        let key = format!("accounts[{index}].name");
        if !check::is_printable(name, 256) {
            accounts.complete = false;
            if entry.name.value().is_some() {
                self.report(line, key, "invalid account name")
                    .with_hint("use 1 to 256 printable characters");
            }
        } else if let Some(earlier) = first.get(name) {
            let message = format!("duplicate account name, first used in line {earlier}");
            self.report(line, key, message)
                .with_hint("give each account a different `name`");
        } else {
            first.insert(name, line);
            accounts.insert(AccountName::new(name), hidden);
        }
        self.account_settings(index, entry, AccountName::new(name))
    }

    fn account_settings(
        &mut self,
        index: usize,
        entry: &AccountEntry,
        name: AccountName,
    ) -> AccountPlan {
        let key = |name: &str| format!("accounts[{index}].{name}");
        let region = self.checked(
            &entry.region,
            || key("region"),
            check::is_region,
            "invalid Region code",
            "use a code such as `eu-central-1` or `us-gov-west-1`",
        );
        let account_id = self.checked(
            &entry.account_id,
            || key("account_id"),
            check::is_account_id,
            "invalid AWS account ID",
            "use the 12 digits in quotes, such as `\"123456789012\"`",
        );
        let profile = self.checked(
            &entry.profile,
            || key("profile"),
            |text| check::is_printable(text, 256),
            "invalid profile name",
            "use the name of a profile in `~/.aws/config`",
        );
        let endpoint_url = self.endpoint_url(&entry.endpoint_url, &key("endpoint_url"));
        if endpoint_url.is_some() {
            for (field, name) in [(&entry.fips, "fips"), (&entry.dual_stack, "dual_stack")] {
                if let Some(Spanned {
                    value: true, line, ..
                }) = field.value()
                {
                    self.report(*line, key(name), "cannot be combined with `endpoint_url`")
                        .with_hint(
                            "remove one of the two: `endpoint_url` alone selects the endpoint",
                        );
                }
            }
        }
        if let Some(url) = entry.proxy_url.value()
            && let Err(message) = check::proxy_url(url.value.expose())
        {
            self.report(url.line, key("proxy_url"), message).with_hint(
                "use `http://` or `https://`, host and port, and percent-encode user and password",
            );
        }
        let ca_file = self.checked(
            &entry.ca_file,
            || key("ca_file"),
            |text| check::is_printable(text, 4096),
            "invalid path",
            "use the path of a file with certificates as PEM",
        );
        let role = entry.assume_role.value();
        AccountPlan {
            name,
            region,
            account_id,
            profile,
            assume_role: role.map(|role| self.assume_role(index, role)),
            endpoint_url,
            fips: entry.fips.value().map(|fips| fips.value),
            dual_stack: entry.dual_stack.value().map(|dual| dual.value),
            proxy_url: entry.proxy_url.value().map(|url| url.value.clone()),
            ca_file: ca_file.map(Into::into),
        }
    }

    fn assume_role(&mut self, index: usize, role: &Spanned<AssumeRoleEntry>) -> AssumeRole {
        let key = |name: &str| format!("accounts[{index}].assume_role.{name}");
        let arn_hint =
            "use the ARN of a role, such as `arn:aws:iam::123456789012:role/transfer-read`";
        if role.value.role_arn.is_absent() {
            self.report(role.line, key("role_arn"), REQUIRED)
                .with_hint(arn_hint);
        }
        let role_arn = self.checked(
            &role.value.role_arn,
            || key("role_arn"),
            check::is_role_arn,
            "invalid role ARN",
            arn_hint,
        );
        let external_id = role.value.external_id.value();
        if let Some(id) = external_id
            && !check::is_external_id(id.value.expose())
        {
            self.report(id.line, key("external_id"), "invalid external ID")
                .with_hint("use 2 to 1224 letters, digits and `_+=,.@:/-`");
        }
        let session_name = self.checked(
            &role.value.session_name,
            || key("session_name"),
            check::is_session_name,
            "invalid session name",
            "use 2 to 64 letters, digits and `_+=,.@-`",
        );
        AssumeRole {
            role_arn: role_arn.unwrap_or_default(),
            external_id: external_id.map(|id| id.value.clone()),
            session_name: session_name.unwrap_or_else(|| DEFAULT_SESSION_NAME.to_owned()),
        }
    }

    /// Checks a URL, and returns it even if it is invalid.
    pub(super) fn endpoint_url(&mut self, field: &Field<String>, key: &str) -> Option<String> {
        let url = field.value()?;
        if let Err(message) = check::endpoint_url(&url.value) {
            self.report(url.line, key, message)
                .with_hint("use scheme, host and port, such as `http://127.0.0.1:4777`");
        }
        Some(url.value.clone())
    }

    /// Resolves the `account` of an entry in `line`.
    pub(super) fn account_of(
        &mut self,
        field: &Field<String>,
        line: usize,
        key: String,
        accounts: &AccountIndex,
    ) -> Option<AccountName> {
        match field {
            Field::Valid(name) => {
                if let Some(account) = accounts.by_name.get(&name.value) {
                    return Some(account.name.clone());
                }
                if accounts.complete {
                    let problem = self.report(name.line, key, name.describe("unknown account"));
                    problem.hint = accounts.suggestion(name);
                }
                None
            }
            Field::Absent => {
                if accounts.default.is_none() && accounts.plans.len() > 1 {
                    let count = accounts.plans.len();
                    let message = format!("{REQUIRED}: {count} accounts are configured");
                    let problem = self.report(line, key, message);
                    problem.hint = accounts.known_names();
                }
                accounts.default.clone()
            }
            Field::Invalid => None,
        }
    }
}
