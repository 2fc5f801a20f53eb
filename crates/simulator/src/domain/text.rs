//! IDs and directions as text, in JSON and YAML.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use model::{ConnectorId, Direction, TransferId};

/// The ID of a connector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectorIdText(pub(crate) ConnectorId);

impl<'de> Deserialize<'de> for ConnectorIdText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parsed(from).map(Self)
    }
}

fn parsed<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err = model::IdError>,
{
    let text = Cow::<str>::deserialize(from)?;
    text.parse()
        .map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
}

fn direction<E: Error>(text: &str) -> Result<Direction, E> {
    match text {
        "send" => Ok(Direction::Send),
        "retrieve" => Ok(Direction::Retrieve),
        _ => Err(E::unknown_variant(text, &["send", "retrieve"])),
    }
}

/// A connector.
pub(crate) mod id {
    use super::{ConnectorId, Deserializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ConnectorId, D::Error> {
        super::parsed(from)
    }
}

/// An optional connector.
pub(crate) mod optional_id {
    use serde::Serializer;

    use super::{ConnectorId, Deserializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<ConnectorId>, D::Error> {
        super::parsed(from).map(Some)
    }

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        id: &Option<ConnectorId>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(id.as_ref().map_or("", ConnectorId::as_str))
    }
}

/// An optional transfer.
pub(crate) mod optional_transfer {
    use super::{Deserializer, TransferId};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<TransferId>, D::Error> {
        super::parsed(from).map(Some)
    }
}

/// A direction: `send` or `retrieve`.
pub(crate) mod required_direction {
    use super::{Cow, Deserialize, Deserializer, Direction};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Direction, D::Error> {
        super::direction(&Cow::<str>::deserialize(from)?)
    }
}

/// An optional direction.
pub(crate) mod optional_direction {
    use serde::Serializer;

    use super::{Deserializer, Direction, required_direction};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Direction>, D::Error> {
        required_direction::deserialize(from).map(Some)
    }

    #[expect(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference to the field"
    )]
    pub(crate) fn serialize<S: Serializer>(
        direction: &Option<Direction>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(match direction {
            Some(Direction::Retrieve) => "retrieve",
            Some(Direction::Send) | None => "send",
        })
    }
}
