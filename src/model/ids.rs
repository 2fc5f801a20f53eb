//! Validated names. A value of these types has passed the pattern that AWS documents for it.

use std::str::FromStr;

/// Why a string is not an id. The text never repeats the string.
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
            /// The text itself.
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
    /// The name that the configuration gives an AWS account; the value of the label `aws_account`.
    AccountName
}

name! {
    /// `c-` and 17 hex digits (`ConnectorId` of the Transfer API, `c-([0-9a-f]{17})`).
    ConnectorId
}

name! {
    /// 1 to 512 of `[0-9a-zA-Z./-]` (`TransferId` of the Transfer API).
    TransferId
}

impl AccountName {
    /// Any text: the name is the user's own.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
}

impl FromStr for ConnectorId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        match text.as_bytes() {
            [b'c', b'-', digits @ ..] if digits.len() == 17 && digits.iter().all(hex) => Ok(Self(text.into())),
            _ => Err(IdError::Connector),
        }
    }
}

impl FromStr for TransferId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'-');
        if (1..=512).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Transfer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_id_has_exactly_17_lowercase_hex_digits() {
        assert_eq!("c-0123456789abcdef0".parse::<ConnectorId>().unwrap().as_str(), "c-0123456789abcdef0");
        for bad in [
            "",
            "c-",
            "c-0123456789abcdef",
            "c-0123456789abcdef01",
            "c-0123456789ABCDEF0",
            "d-0123456789abcdef0",
            "c-0123456789abcdeg0",
            "c-0123456789abcdéf",
        ] {
            assert_eq!(bad.parse::<ConnectorId>(), Err(IdError::Connector), "{bad}");
        }
    }

    #[test]
    fn a_transfer_id_takes_slashes_and_dots_and_512_characters() {
        let longest = "a".repeat(512);
        for good in ["a", "4b1a8c1e-0000-4000-8000-000000000001", "a/b.c-D9", longest.as_str()] {
            assert!(good.parse::<TransferId>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a_b", "ä", "a\n", "a".repeat(513).as_str()] {
            assert_eq!(bad.parse::<TransferId>(), Err(IdError::Transfer), "{bad}");
        }
    }
}
