//! Validated ids. A value of these types matches the pattern that AWS documents.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// Why a string is not a valid id. The text never repeats the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not `c-` and 17 lowercase hex digits.
    #[error("a connector id is `c-` and 17 of `0-9a-f`, 19 characters in all")]
    Connector,
    /// Not 1 to 512 of `[0-9a-zA-Z./-]`.
    #[error("a transfer id is 1 to 512 characters of `0-9`, `a-z`, `A-Z`, `.`, `/` and `-`")]
    Transfer,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(::std::sync::Arc<str>);

        impl $name {
            /// Returns the string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl ::std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(super) use name;

name! {
    /// The configured name of an AWS account; the label `aws_account`.
    AccountName
}

name! {
    /// `c-` and 17 hex digits (`ConnectorId` of the Transfer API, `c-([0-9a-f]{17})`).
    ConnectorId
}

/// 1 to 512 of `[0-9a-zA-Z./-]` (`TransferId` of the Transfer API).
///
/// AWS generates UUIDs. Up to 38 characters are stored inline, so that a scan over many ids reads
/// no other memory.
#[derive(Clone)]
pub struct TransferId(Text);

const INLINE: usize = 38;

#[derive(Clone)]
enum Text {
    Inline { length: u8, bytes: [u8; INLINE] },
    Shared(Arc<str>),
}

impl TransferId {
    /// Returns the string.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Always ASCII, so never the default.
            Text::Inline { length, bytes } => {
                str::from_utf8(&bytes[..usize::from(*length)]).unwrap_or_default()
            }
            Text::Shared(text) => text,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Text::Shared(text) => text.as_bytes(),
        }
    }
}

impl PartialEq for TransferId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for TransferId {}

impl PartialOrd for TransferId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TransferId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

/// Hashes like `str`, as [`Borrow`] requires.
impl Hash for TransferId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for TransferId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl ConnectorId {
    /// The id under which files and operations of connectors beyond a limit are counted. No
    /// connector of AWS has it.
    pub const OTHER: &str = "OTHER";

    /// Returns [`ConnectorId::OTHER`], which cannot be parsed: no source may report it.
    pub fn other() -> Self {
        Self(Self::OTHER.into())
    }

    /// Returns whether it is [`ConnectorId::OTHER`].
    pub fn is_other(&self) -> bool {
        &*self.0 == Self::OTHER
    }
}

impl AccountName {
    /// Accepts any string.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
}

impl FromStr for ConnectorId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        match text.as_bytes() {
            [b'c', b'-', digits @ ..] if digits.len() == 17 && digits.iter().all(hex) => {
                Ok(Self(text.into()))
            }
            _ => Err(IdError::Connector),
        }
    }
}

impl FromStr for TransferId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'-');
        if !(1..=512).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(IdError::Transfer);
        }
        let mut bytes = [0; INLINE];
        Ok(Self(
            match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
                (Some(prefix), Ok(length)) => {
                    prefix.copy_from_slice(text.as_bytes());
                    Text::Inline { length, bytes }
                }
                _ => Text::Shared(text.into()),
            },
        ))
    }
}

/// One connector of one account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorKey {
    /// The account.
    pub account: AccountName,
    /// The connector's id.
    pub id: ConnectorId,
}

/// One transfer of one connector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferKey {
    /// The account.
    pub account: AccountName,
    /// The connector.
    pub connector: ConnectorId,
    /// The id that `StartFileTransfer` returned.
    pub transfer: TransferId,
}

impl TransferKey {
    /// Returns the key of the transfer's connector.
    pub fn connector_key(&self) -> ConnectorKey {
        ConnectorKey {
            account: self.account.clone(),
            id: self.connector.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
