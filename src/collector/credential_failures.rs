//! Deduplicates log records about credentials: one per account and error kind when it starts to
//! fail, one when the account recovers.

use std::collections::BTreeSet;

use crate::transfer::{AttemptOutcome, ErrorKind};
use model::AccountName;

/// An account and the label of the error kind.
type AccountFailure = (AccountName, &'static str);

/// The failures that have been logged.
#[derive(Default)]
pub(super) struct CredentialFailures(BTreeSet<AccountFailure>);

/// The changes that a round has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CredentialReport {
    /// Failures that have been logged before.
    pub(super) known: BTreeSet<AccountFailure>,
    /// Accounts that have recovered.
    pub(super) recovered: BTreeSet<AccountName>,
}

impl CredentialFailures {
    /// Records the failures of a round of the accounts `polled`.
    pub(super) fn record<'a>(
        &mut self,
        polled: &[&AccountName],
        failures: impl Iterator<Item = (&'a AccountName, ErrorKind)>,
    ) -> CredentialReport {
        let failures: Vec<_> = failures.collect();
        // A call without a response says nothing about the credentials.
        let unreachable: BTreeSet<_> = failures
            .iter()
            .filter(|(_, kind)| !is_response(*kind))
            .map(|(account, _)| *account)
            .collect();
        let current: BTreeSet<AccountFailure> = failures
            .iter()
            .filter(|(_, kind)| kind.is_credential_error())
            .map(|(account, kind)| ((*account).clone(), kind.as_label()))
            .collect();
        let known = current.intersection(&self.0).cloned().collect();
        let may_fail = |account: &AccountName| {
            unreachable.contains(account) || current.iter().any(|(failing, _)| failing == account)
        };
        let recovered: BTreeSet<_> = self
            .0
            .iter()
            .map(|(account, _)| account)
            .filter(|account| polled.contains(account) && !may_fail(account))
            .cloned()
            .collect();
        self.0.retain(|(account, _)| !recovered.contains(account));
        self.0.extend(current);
        CredentialReport { known, recovered }
    }
}

fn is_response(kind: ErrorKind) -> bool {
    !matches!(
        kind.outcome(),
        AttemptOutcome::Timeout
            | AttemptOutcome::Network
            | AttemptOutcome::ServerError
            | AttemptOutcome::Malformed
            | AttemptOutcome::NotSent
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_and_kind_is_logged_once_until_it_recovers() {
        use ErrorKind::{AccessDenied, CredentialsExpired, CredentialsMissing, Timeout};
        let (a, b) = (AccountName::new("a"), AccountName::new("b"));
        let mut logged = CredentialFailures::default();
        for (polled, failures, known, recovered, why) in [
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
                "logged before",
            ),
            (
                vec![&b],
                vec![(&b, AccessDenied)],
                vec![],
                vec![],
                "an account that is not polled keeps its state",
            ),
            (
                vec![&a],
                vec![(&a, Timeout)],
                vec![],
                vec![],
                "a call without a response changes nothing",
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
                "one account recovers, the other fails",
            ),
            (
                vec![&a],
                vec![(&a, CredentialsExpired)],
                vec![],
                vec![],
                "a failure after the recovery is new",
            ),
        ] {
            let report = logged.record(&polled, failures.into_iter());
            let names: Vec<_> = report
                .known
                .iter()
                .map(|(account, _)| account.as_str())
                .collect();
            assert_eq!(names, known, "{why}");
            assert_eq!(
                report
                    .recovered
                    .iter()
                    .map(AccountName::as_str)
                    .collect::<Vec<_>>(),
                recovered,
                "{why}"
            );
        }
    }
}
