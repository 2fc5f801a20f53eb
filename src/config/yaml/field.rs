//! What is written for a key.

use std::fmt;

use super::problem::escape;

/// What is written for a key.
#[derive(Debug, Default)]
pub(crate) enum Field<T> {
    /// The key is absent.
    #[default]
    Absent,
    /// The value is invalid, which has been reported.
    Invalid,
    /// A value of the right type.
    Valid(Spanned<T>),
}

impl<T> Field<T> {
    pub(crate) fn value(&self) -> Option<&Spanned<T>> {
        match self {
            Self::Valid(spanned) => Some(spanned),
            Self::Absent | Self::Invalid => None,
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T> Field<Vec<Field<T>>> {
    /// Returns the valid items of a list with their index, and nothing if there is no list.
    pub(crate) fn items(&self) -> impl Iterator<Item = (usize, &Spanned<T>)> {
        let items = self.value().map_or(&[][..], |list| &list.value);
        items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| Some((index, item.value()?)))
    }
}

/// A value with its line.
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
    /// The value contains an environment variable and must not be shown.
    pub(crate) hidden: bool,
}

impl<T> Spanned<T> {
    pub(crate) fn new(value: T, line: usize) -> Self {
        Self {
            value,
            line,
            hidden: false,
        }
    }
}

impl Spanned<String> {
    /// Returns `message`, followed by the value unless it must not be shown.
    pub(crate) fn describe(&self, message: &str) -> String {
        if self.hidden || self.value.is_empty() {
            message.to_owned()
        } else {
            format!("{message}: {}", escape(&self.value))
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if self.hidden {
            f.write_str("(from the environment)")
        } else {
            self.value.fmt(f)
        }
    }
}
