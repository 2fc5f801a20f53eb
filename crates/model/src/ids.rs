//! Validated names. A value of these types has passed the pattern that AWS documents for it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

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

/// 1 to 512 of `[0-9a-zA-Z./-]` (`TransferId` of the Transfer API).
///
/// AWS makes them UUIDs. One of up to 38 characters stands where the value stands, so that who goes through many of them
/// meets no other memory.
#[derive(Clone)]
pub struct TransferId(Text);

const INLINE: usize = 38;

#[derive(Clone)]
enum Text {
    Inline { length: u8, bytes: [u8; INLINE] },
    Shared(Arc<str>),
}

impl TransferId {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // All of it is ASCII, so it is never the default.
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

/// As `str` does it, for [`Borrow`].
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
                (Some(room), Ok(length)) => {
                    room.copy_from_slice(text.as_bytes());
                    Text::Inline { length, bytes }
                }
                _ => Text::Shared(text.into()),
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    #[test]
    fn a_connector_id_has_exactly_17_lowercase_hex_digits() {
        assert_eq!(
            "c-0123456789abcdef0"
                .parse::<ConnectorId>()
                .unwrap()
                .as_str(),
            "c-0123456789abcdef0"
        );
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
    fn transfer_ids_of_every_length_compare_and_hash_as_their_texts() {
        let hash = |value: &dyn Fn(&mut DefaultHasher)| {
            let mut hasher = DefaultHasher::new();
            value(&mut hasher);
            hasher.finish()
        };
        let texts: Vec<String> = ["a", "b", "a-"]
            .iter()
            .flat_map(|text| [1, 2, 36, 37, 38, 39, 40, 200].map(|length| text.repeat(length)))
            .collect();
        for one in &texts {
            let id: TransferId = one.parse().unwrap();
            assert_eq!(
                (id.as_str(), id.to_string(), format!("{id:?}")),
                (one.as_str(), one.clone(), format!("{one:?}"))
            );
            assert_eq!(
                hash(&|h| id.hash(h)),
                hash(&|h| one.as_str().hash(h)),
                "{one}"
            );
            for other in &texts {
                let other_id: TransferId = other.parse().unwrap();
                assert_eq!(id.cmp(&other_id), one.cmp(other), "{one} {other}");
                assert_eq!(id == other_id, one == other, "{one} {other}");
            }
        }
        assert_eq!(size_of::<TransferId>(), 40);
    }

    #[test]
    fn a_transfer_id_takes_slashes_and_dots_and_512_characters() {
        let longest = "a".repeat(512);
        for good in [
            "a",
            "4b1a8c1e-0000-4000-8000-000000000001",
            "a/b.c-D9",
            longest.as_str(),
        ] {
            assert!(good.parse::<TransferId>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a_b", "ä", "a\n", "a".repeat(513).as_str()] {
            assert_eq!(bad.parse::<TransferId>(), Err(IdError::Transfer), "{bad}");
        }
    }
}
