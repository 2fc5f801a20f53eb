//! `dynamodb://TABLE[?region=...&endpoint=...&prefix=...]`.

use std::fmt;
use std::str::FromStr;

const SCHEME: &str = "dynamodb://";

/// A table, as `--storage.url` names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableUrl {
    /// Its name.
    pub table: String,
    /// Its Region. Default: that of the environment or the profile.
    pub region: Option<String>,
    /// Another endpoint than that of the Region.
    pub endpoint: Option<String>,
    /// What the partition keys begin with, for several exporters in one table.
    pub prefix: String,
}

/// Why a URL is no table's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableUrlError {
    /// It has another scheme.
    #[error("expected `dynamodb://TABLE`, or `dynamodb://TABLE?region=REGION`")]
    Scheme,
    /// The name is no table's.
    #[error("the name of a table has 3 to 255 of `0-9`, `a-z`, `A-Z`, `_`, `-` and `.`")]
    Table,
    /// There is no such parameter.
    #[error("the parameters are `region`, `endpoint` and `prefix`, each at most once")]
    Parameter,
    /// The endpoint is no URL.
    #[error("`endpoint` is not an http or https URL without a user")]
    Endpoint,
    /// The Region is none.
    #[error("`region` is not a Region's code, such as `eu-central-1`")]
    Region,
    /// The prefix is too long, or invisible.
    #[error("`prefix` has at most 200 printable characters")]
    Prefix,
}

impl FromStr for TableUrl {
    type Err = TableUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix(SCHEME).ok_or(TableUrlError::Scheme)?;
        let (table, query) = rest.split_once('?').unwrap_or((rest, ""));
        // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
        let is_name = |c: u8| c.is_ascii_alphanumeric() || b"_-.".contains(&c);
        if !(3..=255).contains(&table.len()) || !table.bytes().all(is_name) {
            return Err(TableUrlError::Table);
        }
        let mut url = Self {
            table: table.to_owned(),
            ..Self::default()
        };
        let mut prefix = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "region" => &mut url.region,
                "endpoint" => &mut url.endpoint,
                "prefix" => &mut prefix,
                _ => return Err(TableUrlError::Parameter),
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(TableUrlError::Parameter);
            }
        }
        let is_url = |url: &String| {
            let host = url
                .strip_prefix("http://")
                .or_else(|| url.strip_prefix("https://"));
            // A password would be shown where the URL is.
            let is_plain = |c: u8| c.is_ascii_graphic() && c != b'@';
            host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_plain))
        };
        if !url.endpoint.as_ref().is_none_or(is_url) {
            return Err(TableUrlError::Endpoint);
        }
        let is_region = |code: &String| {
            let is_code = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            !code.is_empty() && code.bytes().all(is_code)
        };
        if !url.region.as_ref().is_none_or(is_region) {
            return Err(TableUrlError::Region);
        }
        url.prefix = prefix.unwrap_or_default();
        if url.prefix.chars().count() > 200 || url.prefix.chars().any(char::is_control) {
            return Err(TableUrlError::Prefix);
        }
        Ok(url)
    }
}

impl fmt::Display for TableUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.table)?;
        let mut query = form_urlencoded::Serializer::new(String::new());
        let prefix = (!self.prefix.is_empty()).then_some(&self.prefix);
        for (name, value) in [
            ("region", self.region.as_ref()),
            ("endpoint", self.endpoint.as_ref()),
            ("prefix", prefix),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        let separator = if query.is_empty() { "" } else { "?" };
        write!(f, "{separator}{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_name_a_region_an_endpoint_and_a_prefix() {
        let parse = |text: &str| text.parse::<TableUrl>();
        let full = "dynamodb://state?region=eu-central-1&endpoint=http%3A%2F%2Flocalhost%3A4567&prefix=blue%2F";
        let url = parse(full).unwrap();
        let expected = TableUrl {
            table: "state".into(),
            region: Some("eu-central-1".into()),
            endpoint: Some("http://localhost:4567".into()),
            prefix: "blue/".into(),
        };
        assert_eq!(url, expected);
        assert_eq!(url.to_string(), full);
        let plain = parse("dynamodb://aws-transfer.state_1").unwrap();
        assert_eq!(plain.to_string(), "dynamodb://aws-transfer.state_1");
        // As it is usually written, without escapes.
        let endpoint = parse("dynamodb://state?endpoint=http://localhost:4567").unwrap();
        assert_eq!(endpoint.endpoint.as_deref(), Some("http://localhost:4567"));
        for (text, error) in [
            ("/var/lib", TableUrlError::Scheme),
            ("s3://bucket", TableUrlError::Scheme),
            ("dynamodb://", TableUrlError::Table),
            ("dynamodb://ab", TableUrlError::Table),
            ("dynamodb://host/table", TableUrlError::Table),
            ("dynamodb://state?regoin=x", TableUrlError::Parameter),
            (
                "dynamodb://state?region=a&region=b",
                TableUrlError::Parameter,
            ),
            ("dynamodb://state?region=", TableUrlError::Region),
            ("dynamodb://state?region=EU Central", TableUrlError::Region),
            (
                "dynamodb://state?endpoint=localhost:1",
                TableUrlError::Endpoint,
            ),
            (
                "dynamodb://state?endpoint=http://a:b@localhost:1",
                TableUrlError::Endpoint,
            ),
            ("dynamodb://state?prefix=%0a", TableUrlError::Prefix),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
