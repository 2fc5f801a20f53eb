//! Accounts whose credentials are not good: said once for each account and kind, and again when they are good.

use std::collections::BTreeSet;

use crate::transfer::{AttemptOutcome, ErrorKind};
use model::AccountName;

/// An account, and the label of what is wrong with its credentials.
type AccountFailure = (AccountName, &'static str);

/// What has been said.
#[derive(Default)]
pub(super) struct CredentialFailures(BTreeSet<AccountFailure>);

/// What a sweep makes of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Has been said before.
    pub(super) known: BTreeSet<AccountFailure>,
    /// Is over.
    pub(super) healed: BTreeSet<AccountName>,
}

impl CredentialFailures {
    /// Notes what failed in a sweep that looked at these accounts.
    pub(super) fn note<'a>(
        &mut self,
        looked_at: &[&AccountName],
        failures: impl Iterator<Item = (&'a AccountName, ErrorKind)>,
    ) -> Noted {
        let failures: Vec<_> = failures.collect();
        // Where nothing was answered, nothing is known of the credentials.
        let silent: BTreeSet<_> = failures
            .iter()
            .filter(|(_, kind)| !is_answer(*kind))
            .map(|(account, _)| *account)
            .collect();
        let now: BTreeSet<AccountFailure> = failures
            .iter()
            .filter(|(_, kind)| kind.is_credential_error())
            .map(|(account, kind)| ((*account).clone(), kind.as_label()))
            .collect();
        let known = now.intersection(&self.0).cloned().collect();
        let bad = |account: &AccountName| {
            silent.contains(account) || now.iter().any(|(bad, _)| bad == account)
        };
        let healed: BTreeSet<_> = self
            .0
            .iter()
            .map(|(account, _)| account)
            .filter(|account| looked_at.contains(account) && !bad(account))
            .cloned()
            .collect();
        self.0.retain(|(account, _)| !healed.contains(account));
        self.0.extend(now);
        Noted { known, healed }
    }
}

fn is_answer(kind: ErrorKind) -> bool {
    !matches!(
        kind.outcome(),
        AttemptOutcome::Timeout
            | AttemptOutcome::Network
            | AttemptOutcome::ServerError
            | AttemptOutcome::Malformed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_and_kind_is_said_once_until_it_heals() {
        use ErrorKind::{AccessDenied, CredentialsExpired, CredentialsMissing, Timeout};
        let (a, b) = (AccountName::new("a"), AccountName::new("b"));
        let mut refused = CredentialFailures::default();
        for (looked_at, failures, known, healed, why) in [
            (
                vec![&a, &b],
                vec![(&a, CredentialsExpired)],
                vec![],
                vec![],
                "new",
            ),
            (
                vec![&a, &b],
                vec![(&a, CredentialsExpired), (&b, AccessDenied)],
                vec!["a"],
                vec![],
                "said before",
            ),
            (
                vec![&b],
                vec![(&b, AccessDenied)],
                vec![],
                vec![],
                "not looked at: nothing is known of it",
            ),
            (
                vec![&a],
                vec![(&a, Timeout)],
                vec![],
                vec![],
                "no answer: nothing is known of it",
            ),
            (
                vec![&a],
                vec![(&a, CredentialsMissing)],
                vec![],
                vec![],
                "another kind",
            ),
            (
                vec![&a, &b],
                vec![(&b, CredentialsExpired)],
                vec![],
                vec!["a"],
                "one heals, the other falls",
            ),
            (
                vec![&a],
                vec![(&a, CredentialsExpired)],
                vec![],
                vec![],
                "the next time is new again",
            ),
        ] {
            let noted = refused.note(&looked_at, failures.into_iter());
            let names: Vec<_> = noted
                .known
                .iter()
                .map(|(account, _)| account.as_str())
                .collect();
            assert_eq!(names, known, "{why}");
            assert_eq!(
                noted
                    .healed
                    .iter()
                    .map(AccountName::as_str)
                    .collect::<Vec<_>>(),
                healed,
                "{why}"
            );
        }
    }
}
