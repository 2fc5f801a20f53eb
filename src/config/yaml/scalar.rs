//! Conversion of scalars to the types of the schema.

use std::borrow::Cow;
use std::time::Duration;

use super::duration::{DurationError, parse_duration};
use super::problem::escape;

/// A scalar with its variables expanded.
#[derive(Debug)]
pub(crate) enum Scalar<'n> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text {
        text: Cow<'n, str>,
        /// The text contains an environment variable: it is parsed as any type, and may be secret.
        from_env: bool,
    },
}

/// A scalar of the wrong type or format.
#[derive(Debug)]
pub(crate) struct ScalarError {
    /// What is wrong, without the value.
    pub(crate) message: &'static str,
    /// The value, if it may follow the message.
    pub(crate) shown: Option<String>,
    pub(crate) hint: Option<&'static str>,
}

/// A type that is written as a scalar.
pub(crate) trait FromScalar: Sized {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, ScalarError>;
}

impl Scalar<'_> {
    pub(crate) fn is_from_env(&self) -> bool {
        matches!(self, Self::Text { from_env: true, .. })
    }

    /// Returns the text of an environment variable, to be parsed as another type.
    fn env_text(&self) -> Option<&str> {
        match self {
            Self::Text {
                text,
                from_env: true,
            } => Some(text.trim()),
            _ => None,
        }
    }

    /// Returns a number or boolean for a message, and nothing for text.
    fn plain(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(i64::MAX | i64::MIN) | Self::Text { .. } => None,
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(format!("{value:?}")),
        }
    }

    fn error(&self, message: &'static str, hint: &'static str) -> ScalarError {
        ScalarError {
            message,
            shown: self.plain(),
            hint: Some(hint),
        }
    }
}

impl FromScalar for String {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, ScalarError> {
        let error = |message| ScalarError {
            message,
            shown: None,
            hint: Some("quote the value"),
        };
        match scalar {
            Scalar::Text { text, .. } => Ok(text.clone().into_owned()),
            Scalar::Bool(_) => Err(error("expected text, found a boolean")),
            Scalar::Int(_) | Scalar::Float(_) => Err(error("expected text, found a number")),
        }
    }
}

impl FromScalar for bool {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, ScalarError> {
        match (scalar, scalar.env_text()) {
            (Scalar::Bool(value), _) => Ok(*value),
            (_, Some("true")) => Ok(true),
            (_, Some("false")) => Ok(false),
            _ => Err(scalar.error("invalid boolean", "write `true` or `false`, without quotes")),
        }
    }
}

impl FromScalar for i64 {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, ScalarError> {
        let number = match scalar {
            Scalar::Int(value) => Some(*value),
            _ => scalar.env_text().and_then(|text| text.parse().ok()),
        };
        number.ok_or_else(|| {
            scalar.error(
                "invalid whole number",
                "write digits only, without quotes and without a fraction",
            )
        })
    }
}

impl FromScalar for f64 {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, ScalarError> {
        let number = match scalar {
            #[expect(
                clippy::cast_precision_loss,
                reason = "no bound of the schema is near 2^53"
            )]
            Scalar::Int(value) => Some(*value as Self),
            Scalar::Float(value) => Some(*value),
            _ => scalar.env_text().and_then(|text| text.parse().ok()),
        };
        number.ok_or_else(|| {
            scalar.error(
                "invalid number",
                "write digits, optionally with a fraction, without quotes",
            )
        })
    }
}

impl FromScalar for Duration {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, ScalarError> {
        let parsed = match scalar {
            Scalar::Bool(_) => Err(DurationError::Malformed),
            Scalar::Int(value) if *value < 0 => Err(DurationError::Negative),
            Scalar::Float(value) if *value < 0.0 => Err(DurationError::Negative),
            Scalar::Int(_) | Scalar::Float(_) => Err(DurationError::MissingUnit),
            Scalar::Text {
                text,
                from_env: true,
            } => parse_duration(text.trim()),
            Scalar::Text {
                text,
                from_env: false,
            } => parse_duration(text),
        };
        parsed.map_err(|error| {
            let (message, hint) = match error {
                DurationError::MissingUnit => (
                    "duration without a unit",
                    "add `ms`, `s`, `m`, `h`, `d` or `w`, for example `10s`",
                ),
                DurationError::Negative => {
                    ("negative duration", "write a positive duration such as `10s`")
                }
                DurationError::TooLong => {
                    ("duration is too long", "write a shorter duration such as `10s`")
                }
                DurationError::Malformed => (
                    "invalid duration",
                    "write whole numbers with `ms`, `s`, `m`, `h`, `d` or `w`, for example `500ms`, `10s` or `1h30m`",
                ),
            };
            let shown = match scalar {
                Scalar::Text {
                    text,
                    from_env: false,
                } => (!text.is_empty()).then(|| escape(text)),
                _ => scalar.plain(),
            };
            ScalarError {
                message,
                shown,
                hint: Some(hint),
            }
        })
    }
}
