//! The end of a file, in JSON and YAML: a word, or a map with one key. A derived implementation would
//! expect a tag in YAML.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::script::End;

const VARIANTS: &[&str] = &["completed", "failed", "never", "status"];

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(EndVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

struct EndVisitor;

impl<'de> Visitor<'de> for EndVisitor {
    type Value = End;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`completed`, `never`, or a map with the key `failed` or `status`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<End, E> {
        match text {
            "completed" => Ok(End::Completed),
            "never" => Ok(End::Never),
            _ => Err(E::unknown_variant(text, VARIANTS)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<End, A::Error> {
        let Some(key) = map.next_key::<String>()? else {
            return Err(A::Error::invalid_length(0, &self));
        };
        let end = match key.as_str() {
            "failed" => {
                let Failure { code, message } = map.next_value()?;
                End::Failed { code, message }
            }
            "status" => End::Status(map.next_value()?),
            _ => return Err(A::Error::unknown_variant(&key, VARIANTS)),
        };
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::invalid_length(2, &self));
        }
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_word_or_a_map_with_one_key() {
        let read = |json: &str| serde_json::from_str::<End>(json);
        assert_eq!(read("\"never\"").unwrap(), End::Never);
        assert_eq!(
            read(r#"{"status": "PAUSED"}"#).unwrap(),
            End::Status("PAUSED".to_owned())
        );
        let failed = read(r#"{"failed": {"code": "X"}}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&failed).unwrap(),
            r#"{"failed":{"code":"X","message":null}}"#
        );
        for bad in [
            "7",
            "\"failed\"",
            "{}",
            r#"{"failed": {"reason": "X"}}"#,
            r#"{"lost": 1}"#,
            r#"{"status": "A", "failed": {}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
