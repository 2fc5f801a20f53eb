//! Text that must not be shown.

use std::fmt;
use std::sync::Arc;

use super::yaml::{FromScalar, Scalar, ScalarError};

/// Text that logs, errors and `Debug` do not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl FromScalar for Secret {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, ScalarError> {
        String::from_scalar(scalar).map(|text| Self::new(&text))
    }
}
