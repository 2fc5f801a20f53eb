//! Records as bytes, in the same form in every store: a table, a key and a value.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::tracker::persist::{Meta, PendingWrites, SavedState, TransferRecord};
use model::{AccountName, ConnectorId, ConnectorKey, Origin, TransferKey, counted};

/// The format of the records. Their encoding contains no field names, so a change of any record, key or
/// table needs the next number, and code that reads the previous one.
pub(super) const FORMAT: u32 = 1;

/// Separates the texts of a key. IDs of connectors and transfers do not contain it.
const SEPARATOR: u8 = 0;

/// Bytes that cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error("failed to decode {what}: {detail}")]
pub(super) struct DecodeError {
    what: &'static str,
    detail: String,
}

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Meta,
    Connectors,
    Transfers,
    Failures,
    Fates,
    Operations,
    Flows,
    Uncounted,
    ConnectionTests,
}

impl Table {
    pub(super) const ALL: [Self; 9] = [
        Self::Meta,
        Self::Connectors,
        Self::Transfers,
        Self::Failures,
        Self::Fates,
        Self::Operations,
        Self::Flows,
        Self::Uncounted,
        Self::ConnectionTests,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Connectors => "connectors",
            Self::Transfers => "transfers",
            Self::Failures => "failures",
            Self::Fates => "fates",
            Self::Operations => "operations",
            Self::Flows => "flows",
            Self::Uncounted => "uncounted",
            Self::ConnectionTests => "connection_tests",
        }
    }
}

pub(super) fn encode<T: Serialize + ?Sized>(record: &T) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_allocvec(record)
}

/// Decodes a record, which must use all of the bytes.
pub(super) fn decode<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, DecodeError> {
    let decode_error = |detail: String| DecodeError { what, detail };
    let (record, rest) =
        postcard::take_from_bytes(bytes).map_err(|error| decode_error(error.to_string()))?;
    if rest.is_empty() {
        Ok(record)
    } else {
        Err(decode_error(counted(rest.len(), "trailing byte")))
    }
}

/// Calls `write` with each changed record: its table, its key, and its value unless it is removed.
pub(super) fn for_each_change<E: From<postcard::Error>>(
    changes: &PendingWrites,
    mut write: impl FnMut(Table, &[u8], Option<&[u8]>) -> Result<(), E>,
) -> Result<(), E> {
    for (key, record) in &changes.transfers {
        let value = record.as_ref().map(encode).transpose()?;
        write(Table::Transfers, &transfer_bytes(key), value.as_deref())?;
    }
    for (key, records) in &changes.failures {
        let value = (!records.is_empty()).then(|| encode(records)).transpose()?;
        write(Table::Failures, &transfer_bytes(key), value.as_deref())?;
    }
    for (key, record) in &changes.connectors {
        let value = record.as_ref().map(encode).transpose()?;
        write(Table::Connectors, &connector_bytes(key), value.as_deref())?;
    }
    for (hash, fate) in &changes.fates {
        write(Table::Fates, &hash.to_be_bytes(), fate.as_deref())?;
    }
    for (hash, until) in &changes.operations {
        let value = until.map(u64::to_be_bytes);
        let value = value.as_ref().map(<[u8; 8]>::as_slice);
        write(Table::Operations, &hash.to_be_bytes(), value)?;
    }
    for (name, record) in &changes.flows {
        let value = record.as_ref().map(encode).transpose()?;
        write(Table::Flows, name.as_bytes(), value.as_deref())?;
    }
    for (transfer, record) in &changes.uncounted {
        let value = record.as_ref().map(encode).transpose()?;
        write(Table::Uncounted, &transfer.to_be_bytes(), value.as_deref())?;
    }
    for (key, record) in &changes.connection_tests {
        let value = record.as_ref().map(encode).transpose()?;
        write(
            Table::ConnectionTests,
            &connector_bytes(key),
            value.as_deref(),
        )?;
    }
    if changes.meta != Meta::default() {
        write(Table::Meta, b"tracker", Some(&encode(&changes.meta)?))?;
    }
    Ok(())
}

fn transfer_bytes(key: &TransferKey) -> Vec<u8> {
    joined(&[
        key.account.as_str(),
        key.connector.as_str(),
        key.transfer.as_str(),
    ])
}

fn connector_bytes(key: &ConnectorKey) -> Vec<u8> {
    joined(&[key.account.as_str(), key.id.as_str()])
}

fn joined(texts: &[&str]) -> Vec<u8> {
    let texts: Vec<_> = texts.iter().map(|text| text.as_bytes()).collect();
    texts.join(&SEPARATOR)
}

/// Reads records into the state of a tracker.
pub(super) struct Loader {
    saved: SavedState,
    /// How many transfers are loaded that the administrator has not named.
    most_transfers: usize,
    /// Of those, the number of the ones whose files are known.
    known: usize,
    /// The ones that a source may have invented, since no files of them are known. They are loaded if there
    /// is room.
    unknown: Vec<(TransferKey, TransferRecord)>,
    previous: Option<TransferKey>,
}

impl Loader {
    /// Creates a loader of at most so many transfers that the administrator has not named, those whose
    /// files are known first. So the memory of a start is bounded; the others stay in the store until there
    /// is room at a later start.
    pub(super) fn new(most_transfers: usize) -> Self {
        Self {
            saved: SavedState::default(),
            most_transfers,
            known: 0,
            unknown: Vec::new(),
            previous: None,
        }
    }

    /// Reads a record.
    pub(super) fn add(
        &mut self,
        table: Table,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), DecodeError> {
        match table {
            Table::Meta => self.saved.meta = decode("the metadata", value)?,
            Table::Connectors => {
                let record = decode("a connector", value)?;
                self.saved.connectors.push((connector_key(key)?, record));
            }
            Table::Transfers => {
                let record = decode("a transfer", value)?;
                self.add_transfer(key, record)?;
            }
            Table::Failures => {
                let records = decode("failed files", value)?;
                let key = self.transfer_key(key)?;
                self.saved.failures.push((key, records));
            }
            Table::Fates => self.saved.fates.push(hash(key)?, value),
            Table::Operations => self.saved.operations.push((hash(key)?, hash(value)?)),
            Table::Flows => {
                let record = decode("a flow", value)?;
                self.saved.flows.push((text(key)?.to_owned(), record));
            }
            Table::Uncounted => {
                let record = decode("uncounted files of flows", value)?;
                self.saved.uncounted.push((hash(key)?, record));
            }
            Table::ConnectionTests => {
                let record = decode("a test of a connection", value)?;
                self.saved
                    .connection_tests
                    .push((connector_key(key)?, record));
            }
        }
        Ok(())
    }

    fn add_transfer(&mut self, key: &[u8], record: TransferRecord) -> Result<(), DecodeError> {
        let is_named = is_named(&record);
        let is_known = record.files.is_some();
        let number = if is_known {
            self.known
        } else {
            self.unknown.len()
        };
        if !is_named && number >= self.most_transfers {
            return Ok(());
        }
        let key = self.transfer_key(key)?;
        if is_named || is_known {
            self.known += usize::from(!is_named);
            self.saved.transfers.push((key, record));
        } else {
            self.unknown.push((key, record));
        }
        Ok(())
    }

    /// Reads the key of a transfer. Keys are sorted, and many transfers belong to few connectors: a key with
    /// the connector of the previous one shares its strings.
    fn transfer_key(&mut self, key: &[u8]) -> Result<TransferKey, DecodeError> {
        let key = transfer_key(key, self.previous.as_ref())?;
        self.previous = Some(key.clone());
        Ok(key)
    }

    /// Returns what was read.
    pub(super) fn finish(self) -> SavedState {
        let Self {
            mut saved,
            mut unknown,
            ..
        } = self;
        unknown.truncate(self.most_transfers - self.known);
        saved.transfers.append(&mut unknown);
        saved
    }
}

/// Returns whether the administrator has named a transfer, for whom no limit holds.
fn is_named(record: &TransferRecord) -> bool {
    [Origin::Config, Origin::Files]
        .into_iter()
        .any(|origin| record.origins & 1 << origin as u8 != 0)
}

fn hash(bytes: &[u8]) -> Result<u64, DecodeError> {
    let bytes = bytes.try_into().map_err(|_| DecodeError {
        what: "a number",
        detail: format!("it has {}", counted(bytes.len(), "byte")),
    })?;
    Ok(u64::from_be_bytes(bytes))
}

fn text(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|error| DecodeError {
        what: "a key",
        detail: error.to_string(),
    })
}

/// Splits a key into texts.
fn split<const N: usize>(key: &[u8]) -> Result<[&str; N], DecodeError> {
    let mut texts = [""; N];
    let mut parts = key.rsplitn(N, |byte| *byte == SEPARATOR);
    for place in texts.iter_mut().rev() {
        let part = parts.next().ok_or_else(|| DecodeError {
            what: "a key",
            detail: format!("it has less than {N} parts"),
        })?;
        *place = text(part)?;
    }
    Ok(texts)
}

fn connector_key(key: &[u8]) -> Result<ConnectorKey, DecodeError> {
    let [account, connector] = split(key)?;
    Ok(ConnectorKey {
        account: AccountName::new(account),
        id: connector_id(connector)?,
    })
}

fn transfer_key(key: &[u8], previous: Option<&TransferKey>) -> Result<TransferKey, DecodeError> {
    let [account, connector, transfer] = split(key)?;
    let transfer = transfer.parse().map_err(|error| DecodeError {
        what: "a transfer id",
        detail: format!("{error}"),
    })?;
    if let Some(previous) = previous
        .filter(|key| key.account.as_str() == account && key.connector.as_str() == connector)
    {
        return Ok(TransferKey {
            transfer,
            ..previous.clone()
        });
    }
    Ok(TransferKey {
        account: AccountName::new(account),
        connector: connector_id(connector)?,
        transfer,
    })
}

fn connector_id(text: &str) -> Result<ConnectorId, DecodeError> {
    if text == ConnectorId::OTHER {
        return Ok(ConnectorId::other());
    }
    text.parse().map_err(|error| DecodeError {
        what: "a connector id",
        detail: format!("{error}"),
    })
}
