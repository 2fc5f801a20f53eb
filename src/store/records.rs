//! Encodes records and decodes keys and records.

use serde::Serialize;
use serde::de::DeserializeOwned;

use model::{AccountName, ConnectorId, ConnectorKey, TransferKey, counted};

/// The format of the file. The encoding contains no field names, so a change of any record, key or
/// table needs the next number, and code that reads the previous one.
pub(super) const FORMAT: u32 = 1;

/// Bytes that cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error("failed to decode {what}: {detail}")]
pub(super) struct DecodeError {
    what: &'static str,
    detail: String,
}

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, postcard::Error> {
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

pub(super) fn connector_key(
    (account, connector): (&str, &str),
) -> Result<ConnectorKey, DecodeError> {
    Ok(ConnectorKey {
        account: AccountName::new(account),
        id: connector_id(connector)?,
    })
}

/// Decodes the key of a transfer. Keys are sorted, and many transfers belong to few connectors: a
/// key with the connector of `previous` shares its strings.
pub(super) fn transfer_key(
    (account, connector, transfer): (&str, &str, &str),
    previous: Option<&TransferKey>,
) -> Result<TransferKey, DecodeError> {
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
