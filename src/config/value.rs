//! Scalars: from what YAML says to what the schema wants.

use std::borrow::Cow;
use std::time::Duration;

use super::Secret;
use super::duration::{self, DurationFault};
use super::error::shown;

/// A scalar with its variables expanded.
#[derive(Debug)]
pub(super) enum Scalar<'n> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text {
        text: Cow<'n, str>,
        /// An environment variable is part of it: it may be any type and may be secret.
        from_env: bool,
    },
}

/// Why a scalar is not what the schema wants. The message holds no value; `shown` is the one that may follow it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: &'static str,
    pub(super) shown: Option<String>,
    pub(super) hint: Option<&'static str>,
}

/// A type that a scalar can be read as.
pub(super) trait FromScalar: Sized {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, Fault>;
}

impl Scalar<'_> {
    pub(super) fn holds_env(&self) -> bool {
        matches!(self, Self::Text { from_env: true, .. })
    }

    /// The text that a variable gave: read as any type.
    fn env_text(&self) -> Option<&str> {
        match self {
            Self::Text {
                text,
                from_env: true,
            } => Some(text.trim()),
            _ => None,
        }
    }

    /// A number or boolean as the message may show it; text only where the caller shows it itself.
    fn plain(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(i64::MAX | i64::MIN) | Self::Text { .. } => None,
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(format!("{value:?}")),
        }
    }

    fn fault(&self, message: &'static str, hint: &'static str) -> Fault {
        Fault {
            message,
            shown: self.plain(),
            hint: Some(hint),
        }
    }
}

impl FromScalar for String {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, Fault> {
        let fault = |message| Fault {
            message,
            shown: None,
            hint: Some("put the value in quotes"),
        };
        match scalar {
            Scalar::Text { text, .. } => Ok(text.clone().into_owned()),
            Scalar::Bool(_) => Err(fault("text is wanted, this is a boolean")),
            Scalar::Int(_) | Scalar::Float(_) => Err(fault("text is wanted, this is a number")),
        }
    }
}

impl FromScalar for Secret {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, Fault> {
        String::from_scalar(scalar).map(|text| Self::new(&text))
    }
}

impl FromScalar for bool {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, Fault> {
        match (scalar, scalar.env_text()) {
            (Scalar::Bool(value), _) => Ok(*value),
            (_, Some("true")) => Ok(true),
            (_, Some("false")) => Ok(false),
            _ => Err(scalar.fault(
                "neither `true` nor `false`",
                "write `true` or `false`, without quotes",
            )),
        }
    }
}

impl FromScalar for i64 {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, Fault> {
        let number = match scalar {
            Scalar::Int(value) => Some(*value),
            _ => scalar.env_text().and_then(|text| text.parse().ok()),
        };
        number.ok_or_else(|| {
            scalar.fault(
                "not a whole number",
                "write digits alone, without quotes or a fraction",
            )
        })
    }
}

impl FromScalar for f64 {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, Fault> {
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
            scalar.fault(
                "not a number",
                "write digits and perhaps a fraction, without quotes",
            )
        })
    }
}

impl FromScalar for Duration {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, Fault> {
        let read = match scalar {
            Scalar::Bool(_) => Err(DurationFault::Malformed),
            Scalar::Int(value) if *value < 0 => Err(DurationFault::Negative),
            Scalar::Float(value) if *value < 0.0 => Err(DurationFault::Negative),
            Scalar::Int(_) | Scalar::Float(_) => Err(DurationFault::NoUnit),
            Scalar::Text {
                text,
                from_env: true,
            } => duration::parse(text.trim()),
            Scalar::Text {
                text,
                from_env: false,
            } => duration::parse(text),
        };
        read.map_err(|fault| {
            let (message, hint) = match fault {
                DurationFault::NoUnit => (
                    "a duration without a unit",
                    "add one of `ms`, `s`, `m`, `h`, `d`: `10s`",
                ),
                DurationFault::Negative => {
                    ("a duration below zero", "write a length of time: `10s`")
                }
                DurationFault::TooLong => (
                    "a duration past all bounds",
                    "write a length of time: `10s`",
                ),
                DurationFault::Malformed => (
                    "not a duration",
                    "write whole numbers with `ms`, `s`, `m`, `h`, `d`: `500ms`, `10s`, `1h30m`",
                ),
            };
            let shown = match scalar {
                Scalar::Text {
                    text,
                    from_env: false,
                } => (!text.is_empty()).then(|| shown(text)),
                _ => scalar.plain(),
            };
            Fault {
                message,
                shown,
                hint: Some(hint),
            }
        })
    }
}
