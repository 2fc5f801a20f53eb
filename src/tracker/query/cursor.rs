//! Cursors for pagination.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use model::{AccountName, ConnectorId, TransferId};

/// A position in the order of transfers: newest first, then by account, connector and id. It
/// remains valid when transfers are added or removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(super) since: Reverse<i64>,
    pub(super) account: AccountName,
    pub(super) connector: ConnectorId,
    pub(super) transfer: TransferId,
}

/// A text that is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid cursor: use the `next_cursor` of the previous response unchanged")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            since: Reverse(since),
            account,
            connector,
            transfer,
        } = self;
        let plain = format!("{since}\n{connector}\n{transfer}\n{account}");
        plain.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let digit = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        };
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Vec<u8> = text
            .as_bytes()
            .chunks(2)
            .map(byte)
            .collect::<Option<_>>()
            .ok_or(CursorError)?;
        let plain = String::from_utf8(bytes).map_err(|_| CursorError)?;
        let mut parts = plain.splitn(4, '\n');
        let mut part = || parts.next().ok_or(CursorError);
        Ok(Self {
            since: Reverse(part()?.parse().map_err(|_| CursorError)?),
            connector: part()?.parse().map_err(|_| CursorError)?,
            transfer: part()?.parse().map_err(|_| CursorError)?,
            account: AccountName::new(part()?),
        })
    }
}
