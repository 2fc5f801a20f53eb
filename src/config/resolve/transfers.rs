//! The pairs of connector and transfer.

use std::collections::HashMap;

use super::accounts::Accounts;
use super::{CONNECTOR_ID_HINT, Resolver};
use crate::config::file::TransferEntry;
use crate::config::reader::{At, Given};
use model::{ConnectorId, TransferId, TransferKey};

/// More pairs than these are a mistake.
const MOST_PAIRS: usize = 1_000_000;

const TRANSFER_ID_HINT: &str =
    "a transfer id is 1 to 512 characters of `0-9`, `a-z`, `A-Z`, `.`, `/` and `-`";

struct Pairs {
    keys: Vec<TransferKey>,
    /// Of each the entry's index and its line.
    first: HashMap<TransferKey, (usize, usize)>,
}

impl Resolver {
    pub(super) fn transfers(
        &mut self,
        given: &Given<Vec<Option<TransferEntry>>>,
        accounts: &Accounts,
        discovery: bool,
    ) -> Vec<TransferKey> {
        let hint = "list one pair of `connector_id` and `transfer_id` at least, or have them found by `discovery`";
        let at = match given {
            Given::Value(at) if at.value.is_empty() => {
                self.fault(
                    at.line,
                    "transfers",
                    "an empty list: there is nothing to export",
                    hint,
                );
                return Vec::new();
            }
            Given::Value(at) => at,
            Given::Absent if discovery => return Vec::new(),
            Given::Absent => {
                self.fault(1, "transfers", "missing: there is nothing to export", hint);
                return Vec::new();
            }
            Given::Faulty => return Vec::new(),
        };
        let mut pairs = Pairs {
            keys: Vec::new(),
            first: HashMap::new(),
        };
        for (index, entry) in at.value.iter().enumerate() {
            let Some(entry) = entry else { continue };
            self.transfer(index, entry, accounts, &mut pairs);
            if pairs.keys.len() > MOST_PAIRS {
                let hint = "the results of a transfer are gone after 7 days: list those alone";
                self.fault(at.line, "transfers", "more than 1,000,000 pairs", hint);
                break;
            }
        }
        pairs.keys
    }

    fn transfer(
        &mut self,
        index: usize,
        entry: &TransferEntry,
        accounts: &Accounts,
        pairs: &mut Pairs,
    ) {
        let key = |name: &str| format!("transfers[{index}].{name}");
        let account = self.account_of(&entry.account, entry.line, key("account"), accounts);
        let connector = match &entry.connector_id {
            Given::Absent => {
                self.fault(
                    entry.line,
                    key("connector_id"),
                    "missing",
                    CONNECTOR_ID_HINT,
                );
                None
            }
            given => given.value().and_then(|at| {
                let id = at.value.parse::<ConnectorId>().ok();
                if id.is_none() {
                    self.fault(
                        at.line,
                        key("connector_id"),
                        at.saying("not a connector id"),
                        CONNECTOR_ID_HINT,
                    );
                }
                id
            }),
        };
        let one_hint = "an entry has `transfer_id` for one or `transfer_ids` for a list";
        match (
            entry.transfer_id.is_absent(),
            entry.transfer_ids.is_absent(),
        ) {
            (true, true) => self.fault(entry.line, key("transfer_id"), "missing", one_hint),
            (false, false) => self.fault(
                entry.line,
                key("transfer_ids"),
                "given beside `transfer_id`",
                one_hint,
            ),
            _ => {}
        }
        if let Some(At { value, line, .. }) = entry.transfer_ids.value()
            && value.is_empty()
        {
            self.fault(
                *line,
                key("transfer_ids"),
                "an empty list",
                "list one id at least",
            );
        }
        let listed = entry.transfer_ids.value().map_or(&[][..], |at| &at.value);
        let single = entry.transfer_id.value().map(|at| (None, at));
        let listed = listed
            .iter()
            .enumerate()
            .filter_map(|(i, given)| given.value().map(|at| (Some(i), at)));
        for (position, at) in single.into_iter().chain(listed) {
            let key = || match position {
                None => key("transfer_id"),
                Some(position) => format!("transfers[{index}].transfer_ids[{position}]"),
            };
            let Ok(transfer) = at.value.parse::<TransferId>() else {
                self.fault(
                    at.line,
                    key(),
                    at.saying("not a transfer id"),
                    TRANSFER_ID_HINT,
                );
                continue;
            };
            let (Some(account), Some(connector)) = (account.clone(), connector.clone()) else {
                continue;
            };
            let pair = TransferKey {
                account,
                connector,
                transfer,
            };
            if let Some((earlier, line)) = pairs.first.get(&pair) {
                let message = format!("the same pair as in `transfers[{earlier}]`, line {line}");
                self.fault(
                    at.line,
                    key(),
                    message,
                    "list each pair of connector and transfer once",
                );
            } else {
                pairs.first.insert(pair.clone(), (index, at.line));
                pairs.keys.push(pair);
            }
        }
    }
}
