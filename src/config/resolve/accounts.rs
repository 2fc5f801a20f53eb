//! The accounts.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::Resolver;
use crate::config::check;
use crate::config::error::shown;
use crate::config::file::{AccountEntry, AssumeRoleEntry};
use crate::config::near::nearest;
use crate::config::plan::{DEFAULT_ACCOUNT, DEFAULT_SESSION_NAME};
use crate::config::reader::{At, Given};
use crate::config::{AccountPlan, AssumeRole};
use model::AccountName;

/// The accounts, and what the transfers need to know of them.
pub(super) struct Accounts {
    pub(super) plans: Vec<AccountPlan>,
    /// By name: whether the name may be shown.
    pub(super) known: BTreeMap<String, (AccountName, bool)>,
    /// Each account's name was sound: a name that is not known is wrong.
    pub(super) complete: bool,
    /// The name of the only account.
    pub(super) only: Option<AccountName>,
}

impl Accounts {
    /// Those of a plan; `only` is the account of what names none.
    pub(super) fn of(plans: &[AccountPlan], only: Option<&AccountName>) -> Self {
        let known = plans
            .iter()
            .map(|plan| (plan.name.to_string(), (plan.name.clone(), true)));
        Self {
            known: known.collect(),
            plans: plans.to_vec(),
            complete: true,
            only: only.cloned(),
        }
    }

    /// What may be shown of the names, for a hint.
    pub(super) fn shown(&self) -> String {
        let mut hint = String::new();
        for (name, _) in self.known.iter().filter(|(_, (_, shown))| *shown).take(20) {
            let _ = write!(
                hint,
                "{}`{}`",
                if hint.is_empty() {
                    "known here: "
                } else {
                    ", "
                },
                shown(name)
            );
        }
        hint
    }

    /// Which one may have been meant.
    pub(super) fn meant(&self, at: &At<String>) -> String {
        let literal = self
            .known
            .iter()
            .filter(|(_, (_, shown))| *shown)
            .map(|(name, _)| name.as_str());
        match nearest(&at.value, literal).filter(|_| !at.hidden) {
            Some(meant) => format!("did you mean `{}`?", shown(meant)),
            None => self.shown(),
        }
    }
}

impl Resolver {
    pub(super) fn accounts(&mut self, given: &Given<Vec<Option<AccountEntry>>>) -> Accounts {
        let mut accounts = Accounts {
            plans: Vec::new(),
            known: BTreeMap::new(),
            complete: true,
            only: None,
        };
        let entries = match given {
            Given::Value(at) if at.value.is_empty() => {
                self.fault(
                    at.line,
                    "accounts",
                    "an empty list",
                    "leave `accounts` out for the SDK's default chain",
                );
                &[]
            }
            Given::Value(at) => at.value.as_slice(),
            Given::Absent => {
                let plan = AccountPlan::default();
                accounts
                    .known
                    .insert(DEFAULT_ACCOUNT.to_owned(), (plan.name.clone(), true));
                accounts.only = Some(plan.name.clone());
                accounts.plans.push(plan);
                return accounts;
            }
            Given::Faulty => &[],
        };
        accounts.complete = !entries.is_empty();
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let Some(entry) = entry else {
                accounts.complete = false;
                continue;
            };
            let (name, line, shown) = match &entry.name {
                Given::Value(at) => (at.value.as_str(), at.line, !at.hidden),
                Given::Absent => (DEFAULT_ACCOUNT, entry.line, true),
                Given::Faulty => ("", entry.line, false),
            };
            let key = format!("accounts[{index}].name");
            if !check::printable(name, 256) {
                accounts.complete = false;
                if entry.name.value().is_some() {
                    self.fault(
                        line,
                        key,
                        "not an account's name",
                        "1 to 256 characters that can be printed",
                    );
                }
            } else if let Some(earlier) = first.get(name) {
                let message = format!("the name of another account too, in line {earlier}");
                self.fault(line, key, message, "give each account a `name` of its own");
            } else {
                first.insert(name, line);
                accounts
                    .known
                    .insert(name.to_owned(), (AccountName::new(name), shown));
            }
            let plan = self.account(index, entry, AccountName::new(name));
            accounts.plans.push(plan);
        }
        if let ([plan], [_]) = (accounts.plans.as_slice(), entries) {
            accounts.only = Some(plan.name.clone());
        }
        accounts
    }

    fn account(&mut self, index: usize, entry: &AccountEntry, name: AccountName) -> AccountPlan {
        let key = |name: &str| format!("accounts[{index}].{name}");
        let region_hint = "a Region's code such as `eu-central-1` or `us-gov-west-1`";
        let region = self.checked(
            &entry.region,
            || key("region"),
            check::region,
            "not the code of a Region",
            region_hint,
        );
        let profile = self.checked(
            &entry.profile,
            || key("profile"),
            |text| check::printable(text, 256),
            "not the name of a profile",
            "the name as it stands in `~/.aws/config`",
        );
        if let Some(at) = entry.endpoint_url.value() {
            if let Err(message) = check::endpoint_url(&at.value) {
                self.fault(
                    at.line,
                    key("endpoint_url"),
                    message,
                    "scheme, host and port: `http://127.0.0.1:4777`",
                );
            }
            for (given, name) in [(&entry.fips, "fips"), (&entry.dual_stack, "dual_stack")] {
                if let Some(At {
                    value: true, line, ..
                }) = given.value()
                {
                    let hint =
                        "the endpoint alone decides where calls go: take one of the two away";
                    self.fault(
                        *line,
                        key(name),
                        "has no effect together with `endpoint_url`",
                        hint,
                    );
                }
            }
        }
        AccountPlan {
            name,
            region,
            profile,
            assume_role: entry
                .assume_role
                .value()
                .map(|role| self.assume_role(index, role)),
            endpoint_url: entry.endpoint_url.value().map(|at| at.value.clone()),
            fips: entry.fips.value().is_some_and(|at| at.value),
            dual_stack: entry.dual_stack.value().is_some_and(|at| at.value),
        }
    }

    fn assume_role(&mut self, index: usize, role: &At<AssumeRoleEntry>) -> AssumeRole {
        let key = |name: &str| format!("accounts[{index}].assume_role.{name}");
        let arn_hint = "the role's ARN: `arn:aws:iam::123456789012:role/transfer-read`";
        if role.value.role_arn.is_absent() {
            self.fault(role.line, key("role_arn"), "missing", arn_hint);
        }
        let arn = &role.value.role_arn;
        let role_arn = self.checked(
            arn,
            || key("role_arn"),
            check::role_arn,
            "not the ARN of a role",
            arn_hint,
        );
        let external_id = role.value.external_id.value();
        if let Some(at) = external_id.filter(|at| !check::external_id(at.value.expose())) {
            let hint = "2 to 1224 characters of letters, digits and `_+=,.@:/-`";
            self.fault(at.line, key("external_id"), "not an external id", hint);
        }
        let session_name = self.checked(
            &role.value.session_name,
            || key("session_name"),
            check::session_name,
            "not the name of a role's session",
            "2 to 64 characters of letters, digits and `_+=,.@-`",
        );
        AssumeRole {
            role_arn: role_arn.unwrap_or_default(),
            external_id: external_id.map(|at| at.value.clone()),
            session_name: session_name.unwrap_or_else(|| DEFAULT_SESSION_NAME.to_owned()),
        }
    }
}
