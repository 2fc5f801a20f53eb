//! `transfers`, and the files of `discovery.files`.

use std::collections::{HashMap, HashSet};

use super::accounts::AccountIndex;
use super::{EMPTY_LIST, REQUIRED, Resolver};
use crate::config::file::{ListOf, TransferEntry};
use crate::config::yaml::{Field, Spanned};
use model::{ConnectorId, TransferId, TransferKey};

/// Maximum number of transfers.
const MAX_TRANSFERS: usize = 100_000;

const TRANSFERS_HINT: &str =
    "add a `connector_id` with a `transfer_id`, or use `discovery` to find transfers";
const TRANSFER_ID_HINT: &str =
    "a transfer ID is 1 to 512 characters of `0-9`, `a-z`, `A-Z`, `.`, `/` and `-`";
const ONE_ID_HINT: &str = "use `transfer_id` for one transfer, or `transfer_ids` for a list";

#[derive(Default)]
pub(super) struct FoundTransfers {
    keys: Vec<TransferKey>,
    /// One of each, which its transfers share.
    connectors: HashSet<ConnectorId>,
    /// The index of the entry and the line where each transfer is listed.
    first: HashMap<TransferKey, (usize, usize)>,
}

impl FoundTransfers {
    pub(super) fn keys(self) -> Vec<TransferKey> {
        self.keys
    }

    fn is_full(&self) -> bool {
        self.keys.len() > MAX_TRANSFERS
    }

    fn shared(&mut self, connector: ConnectorId) -> ConnectorId {
        if let Some(known) = self.connectors.get(&connector) {
            return known.clone();
        }
        self.connectors.insert(connector.clone());
        connector
    }
}

impl Resolver {
    pub(super) fn transfers(
        &mut self,
        field: &Field<ListOf<TransferEntry>>,
        accounts: &AccountIndex,
        has_discovery: bool,
    ) -> Vec<TransferKey> {
        if field.is_absent() && !has_discovery {
            let message = format!("{REQUIRED}: there is nothing to export");
            self.report(1, "transfers", message)
                .with_hint(TRANSFERS_HINT);
        }
        let Some(list) = field.value() else {
            return Vec::new();
        };
        if list.value.is_empty() {
            let message = format!("{EMPTY_LIST}: there is nothing to export");
            self.report(list.line, "transfers", message)
                .with_hint(TRANSFERS_HINT);
        }
        let mut found = FoundTransfers::default();
        for (index, entry) in field.items() {
            self.transfer(index, entry, accounts, &mut found);
            if found.is_full() {
                self.report_too_many(list.line);
                break;
            }
        }
        found.keys
    }

    /// Adds an entry of a target file, unless the list is full.
    pub(super) fn listed_transfer(
        &mut self,
        index: usize,
        entry: &Spanned<TransferEntry>,
        accounts: &AccountIndex,
        found: &mut FoundTransfers,
    ) {
        if found.is_full() {
            return;
        }
        self.transfer(index, entry, accounts, found);
        if found.is_full() {
            self.report_too_many(entry.line);
        }
    }

    fn report_too_many(&mut self, line: usize) {
        self.report(line, "transfers", "more than 100,000 transfers")
            .with_hint("remove transfers older than 7 days: AWS has deleted their results");
    }

    fn transfer(
        &mut self,
        index: usize,
        entry: &Spanned<TransferEntry>,
        accounts: &AccountIndex,
        found: &mut FoundTransfers,
    ) {
        let Spanned {
            value: entry, line, ..
        } = entry;
        let key = |name: &str| format!("transfers[{index}].{name}");
        let account = self.account_of(&entry.account, *line, key("account"), accounts);
        let connector = self
            .connector_id(&entry.connector_id, *line, &key("connector_id"))
            .map(|(connector, _)| found.shared(connector));
        self.check_one_id(index, entry, *line);
        let single = entry.transfer_id.value().map(|id| (None, id));
        let listed = entry.transfer_ids.items().map(|(i, id)| (Some(i), id));
        for (position, id) in single.into_iter().chain(listed) {
            let key = || match position {
                None => key("transfer_id"),
                Some(position) => format!("transfers[{index}].transfer_ids[{position}]"),
            };
            let Ok(transfer) = id.value.parse::<TransferId>() else {
                self.report(id.line, key(), id.describe("invalid transfer ID"))
                    .with_hint(TRANSFER_ID_HINT);
                continue;
            };
            let (Some(account), Some(connector)) = (account.clone(), connector.clone()) else {
                continue;
            };
            let transfer = TransferKey {
                account,
                connector,
                transfer,
            };
            if let Some((earlier, line)) = found.first.get(&transfer) {
                let message = format!(
                    "duplicate transfer, first listed in `transfers[{earlier}]`, line {line}"
                );
                self.report(id.line, key(), message)
                    .with_hint("list each transfer of a connector once");
            } else {
                found.first.insert(transfer.clone(), (index, id.line));
                found.keys.push(transfer);
            }
        }
    }

    /// Checks that an entry has exactly one of `transfer_id` and `transfer_ids`.
    fn check_one_id(&mut self, index: usize, entry: &TransferEntry, line: usize) {
        let key = |name: &str| format!("transfers[{index}].{name}");
        match (
            entry.transfer_id.is_absent(),
            entry.transfer_ids.is_absent(),
        ) {
            (true, true) => self
                .report(line, key("transfer_id"), REQUIRED)
                .with_hint(ONE_ID_HINT),
            (false, false) => self
                .report(
                    line,
                    key("transfer_ids"),
                    "cannot be combined with `transfer_id`",
                )
                .with_hint(ONE_ID_HINT),
            _ => {}
        }
        if let Some(ids) = entry.transfer_ids.value()
            && ids.value.is_empty()
        {
            self.report(ids.line, key("transfer_ids"), EMPTY_LIST)
                .with_hint("list at least one ID");
        }
    }
}
