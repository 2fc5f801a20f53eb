//! Records to bytes and back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use model::{AccountName, ConnectorId, ConnectorKey, TransferKey};

/// What the bytes of a file mean. A change of any record, of a key or of a table needs the next number here, and a reader
/// for the number before: the encoding tells no field by its name.
///
/// 2 has the table of failed files beside all that 1 has, so a file of 1 is read as it is: nothing is known of its
/// failed files.
pub(super) const FORMAT: u32 = 2;

/// Bytes that are no record.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be read: {detail}")]
pub(super) struct DecodeError {
    what: &'static str,
    detail: String,
}

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_allocvec(record)
}

/// The record, which has to take all of the bytes.
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
        Err(decode_error(format!("{} bytes too many", rest.len())))
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

/// The key after `before`: keys come sorted, and a hundred thousand transfers are of few connectors, so that these share
/// their names.
pub(super) fn transfer_key(
    (account, connector, transfer): (&str, &str, &str),
    before: Option<&TransferKey>,
) -> Result<TransferKey, DecodeError> {
    let transfer = transfer.parse().map_err(|error| DecodeError {
        what: "a transfer's id",
        detail: format!("{error}"),
    })?;
    if let Some(before) =
        before.filter(|key| key.account.as_str() == account && key.connector.as_str() == connector)
    {
        return Ok(TransferKey {
            transfer,
            ..before.clone()
        });
    }
    Ok(TransferKey {
        account: AccountName::new(account),
        connector: connector_id(connector)?,
        transfer,
    })
}

fn connector_id(text: &str) -> Result<ConnectorId, DecodeError> {
    text.parse().map_err(|error| DecodeError {
        what: "a connector's id",
        detail: format!("{error}"),
    })
}
