//! The members of a request: types first (`SerializationException`), then the constraints of the
//! API's model (`InvalidRequestException`, all violations in one text).

use serde_json::{Map, Value};

use crate::api::error::ApiError;
use model::ConnectorId;

/// A pattern as AWS writes it, and its check.
type Pattern = (&'static str, fn(&str) -> bool);

/// Length limits and pattern of a string, from the API model.
pub(crate) struct TextRule {
    min: usize,
    max: usize,
    pattern: Option<Pattern>,
}

/// `ConnectorId`.
pub(crate) const CONNECTOR_ID: TextRule = TextRule {
    min: 19,
    max: 19,
    pattern: Some(("^c-([0-9a-f]{17})$", |text| {
        text.parse::<ConnectorId>().is_ok()
    })),
};
/// `TransferId`.
pub(crate) const TRANSFER_ID: TextRule = TextRule {
    min: 1,
    max: 512,
    pattern: Some(("^[0-9a-zA-Z./-]+$", |text| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'-'))
            && !text.is_empty()
    })),
};
/// `FilePath`.
pub(crate) const FILE_PATH: TextRule = TextRule {
    min: 1,
    max: 1024,
    pattern: Some(("^(.)+$", |text| {
        !text.is_empty() && !text.contains(['\n', '\r'])
    })),
};
/// `AccessRole` and `LoggingRole`.
pub(crate) const ROLE: TextRule = TextRule {
    min: 20,
    max: 2048,
    pattern: Some((r"^arn:.*role/\S+$", |text| {
        text.starts_with("arn:")
            && text
                .split_once("role/")
                .is_some_and(|(_, name)| !name.is_empty() && !name.contains(char::is_whitespace))
    })),
};
/// `SecurityPolicyName` of a connector.
pub(crate) const SECURITY_POLICY: TextRule = TextRule {
    min: 0,
    max: 50,
    pattern: Some((
        "^TransferSFTPConnectorSecurityPolicy-[A-Za-z0-9-]+$",
        |text| {
            let suffix = text.strip_prefix("TransferSFTPConnectorSecurityPolicy-");
            suffix.is_some_and(|suffix| {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
                !suffix.is_empty() && suffix.bytes().all(allowed)
            })
        },
    )),
};
/// `Url`.
pub(crate) const URL: TextRule = TextRule {
    min: 0,
    max: 255,
    pattern: None,
};
/// `UserSecretId`, and the members of `TrustedHostKeys` and `OrderedUserSecretVersionStages`.
pub(crate) const LONG_TEXT: TextRule = TextRule {
    min: 1,
    max: 2048,
    pattern: None,
};
/// `NextToken`.
pub(crate) const NEXT_TOKEN: TextRule = TextRule {
    min: 1,
    max: 6144,
    pattern: None,
};
/// `MaxResults`.
const MAX_RESULTS: std::ops::RangeInclusive<i64> = 1..=1000;
/// `FilePaths`.
const FILE_PATHS: std::ops::RangeInclusive<usize> = 1..=10;

/// The members of a request, and the violations found so far.
pub(crate) struct Input {
    members: Map<String, Value>,
    /// The name of the structure that has the members, with a dot.
    prefix: String,
    violations: Vec<String>,
}

impl Input {
    /// Parses a body. An empty body is a request without members.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let members = match body {
            [] => Map::new(),
            text => match serde_json::from_slice(text) {
                Ok(Value::Object(members)) => members,
                Ok(_) => {
                    return Err(ApiError::serialization(
                        "Unexpected token: the body is no JSON object",
                    ));
                }
                Err(_) => return Err(ApiError::serialization("Unable to parse the body as JSON")),
            },
        };
        Ok(Self {
            members,
            prefix: String::new(),
            violations: Vec::new(),
        })
    }

    /// Returns the members of a structure, or `None` if it is absent or null.
    pub(crate) fn structure(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        match self.taken(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self {
                members,
                prefix: format!("{}{}.", self.prefix, camel(name)),
                violations: Vec::new(),
            })),
            Some(other) => Err(mismatch(&other, "Structure")),
        }
    }

    /// Adds the violations in a structure to those of the request.
    pub(crate) fn absorb(&mut self, structure: Self) {
        self.violations.extend(structure.violations);
    }

    /// Returns a list of constrained strings, or `None` if it is absent or null.
    pub(crate) fn texts(
        &mut self,
        name: &str,
        length: std::ops::RangeInclusive<usize>,
        rule: &TextRule,
    ) -> Result<Option<Vec<String>>, ApiError> {
        let Some(values) = self.list(name)? else {
            return Ok(None);
        };
        let texts: Vec<String> = values
            .into_iter()
            .map(|value| match value {
                Value::String(text) => Ok(text),
                other => Err(mismatch(&other, "String")),
            })
            .collect::<Result<_, _>>()?;
        let at = camel(name);
        let shown = format!("[{}]", texts.join(", "));
        if texts.len() < *length.start() {
            let must = format!(
                "Member must have length greater than or equal to {}",
                length.start()
            );
            self.violate_quoted(&shown, &at, &must);
        } else if texts.len() > *length.end() {
            let must = format!(
                "Member must have length less than or equal to {}",
                length.end()
            );
            self.violate_quoted(&shown, &at, &must);
        }
        for (index, text) in texts.iter().enumerate() {
            self.check_text(text, &format!("{at}.{}.member", index + 1), rule);
        }
        Ok(Some(texts))
    }

    /// Returns a constrained string, or `None` if it is absent or null.
    pub(crate) fn text(&mut self, name: &str, rule: &TextRule) -> Result<Option<String>, ApiError> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => {
                self.check_text(&text, &camel(name), rule);
                Ok(Some(text))
            }
            Some(other) => Err(mismatch(&other, "String")),
        }
    }

    /// Returns a required constrained string.
    pub(crate) fn required_text(
        &mut self,
        name: &str,
        rule: &TextRule,
    ) -> Result<String, ApiError> {
        let text = self.text(name, rule)?;
        if text.is_none() {
            self.violate("null", &camel(name), "Member must not be null");
        }
        Ok(text.unwrap_or_default())
    }

    /// Returns `MaxResults`, or `default` if it is absent.
    pub(crate) fn max_results(&mut self, default: usize) -> Result<usize, ApiError> {
        let value = match self.members.remove("MaxResults") {
            None | Some(Value::Null) => return Ok(default),
            Some(value) => value,
        };
        let number = value.as_i64().ok_or_else(|| mismatch(&value, "Integer"))?;
        if number < *MAX_RESULTS.start() {
            self.violate_quoted(
                &number.to_string(),
                "maxResults",
                "Member must have value greater than or equal to 1",
            );
        } else if number > *MAX_RESULTS.end() {
            self.violate_quoted(
                &number.to_string(),
                "maxResults",
                "Member must have value less than or equal to 1000",
            );
        }
        Ok(usize::try_from(number).unwrap_or(default))
    }

    /// Returns a number of at least 1, or `None` if it is absent or null.
    pub(crate) fn at_least_one(&mut self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(number) = self.integer(name)? else {
            return Ok(None);
        };
        if number < 1 {
            let must = "Member must have value greater than or equal to 1";
            self.violate_quoted(&number.to_string(), &camel(name), must);
        }
        Ok(u64::try_from(number).ok())
    }

    /// Returns whether the member is present.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Returns any string, or `None` if it is absent or null.
    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.taken(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(mismatch(&other, "String")),
        }
    }

    /// Returns any integer, or `None` if it is absent or null.
    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.taken(name) else {
            return Ok(None);
        };
        value
            .as_i64()
            .map(Some)
            .ok_or_else(|| mismatch(&value, "Integer"))
    }

    /// Returns any number, or `None` if it is absent or null.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, ApiError> {
        let Some(value) = self.taken(name) else {
            return Ok(None);
        };
        value
            .as_f64()
            .map(Some)
            .ok_or_else(|| mismatch(&value, "Timestamp"))
    }

    /// Returns a list, or `None` if it is absent or null.
    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
        match self.taken(name) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(other) => Err(mismatch(&other, "List")),
        }
    }

    fn taken(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Returns a list of file paths, or `None` if it is absent or null.
    pub(crate) fn paths(&mut self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        self.texts(name, FILE_PATHS, &FILE_PATH)
    }

    /// Returns all violations in one error. Unknown members are ignored, as AWS does.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        match self.violations.len() {
            0 => Ok(()),
            1 => Err(ApiError::invalid_request(&format!(
                "1 validation error detected: {}",
                self.violations[0]
            ))),
            more => {
                let text = format!(
                    "{more} validation errors detected: {}",
                    self.violations.join("; ")
                );
                Err(ApiError::invalid_request(&text))
            }
        }
    }

    fn check_text(&mut self, text: &str, at: &str, rule: &TextRule) {
        let length = text.chars().count();
        if length > rule.max {
            let must = format!("Member must have length less than or equal to {}", rule.max);
            self.violate_quoted(text, at, &must);
        }
        if length < rule.min {
            let must = format!(
                "Member must have length greater than or equal to {}",
                rule.min
            );
            self.violate_quoted(text, at, &must);
        }
        if let Some((pattern, holds)) = rule.pattern
            && !holds(text)
        {
            self.violate_quoted(
                text,
                at,
                &format!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    fn violate_quoted(&mut self, value: &str, at: &str, must: &str) {
        self.violate(&format!("'{value}'"), at, must);
    }

    fn violate(&mut self, value: &str, at: &str, must: &str) {
        self.violations.push(format!(
            "Value {value} at '{}{at}' failed to satisfy constraint: {must}",
            self.prefix
        ));
    }
}

/// Returns the member's name as AWS writes it in a message: with a lower-case first letter.
fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_ascii_lowercase().to_string() + letters.as_str()
    })
}

fn mismatch(value: &Value, wanted: &str) -> ApiError {
    let found = match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) | Value::Object(_) => {
            return ApiError::serialization("Start of structure or map found where not expected.");
        }
    };
    ApiError::serialization(&format!("{found} can not be converted to a {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<(), ApiError>) -> String {
        result.unwrap_err().body()["Message"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_violation_reads_as_aws_words_it() {
        let mut input = Input::parse(br#"{"ConnectorId": "c-0123456789ABCDEF0"}"#).unwrap();
        input.text("ConnectorId", &CONNECTOR_ID).unwrap();
        assert_eq!(
            message(input.finish()),
            "1 validation error detected: Value 'c-0123456789ABCDEF0' at 'connectorId' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: ^c-([0-9a-f]{17})$"
        );
    }

    #[test]
    fn all_violations_are_reported_at_once() {
        let mut input = Input::parse(br#"{"MaxResults": 0, "TransferId": ""}"#).unwrap();
        input.required_text("ConnectorId", &CONNECTOR_ID).unwrap();
        input.required_text("TransferId", &TRANSFER_ID).unwrap();
        input.max_results(10).unwrap();
        let text = message(input.finish());
        assert!(
            text.starts_with("4 validation errors detected: Value null at 'connectorId'"),
            "{text}"
        );
        assert!(text.ends_with("Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1"), "{text}");
    }

    #[test]
    fn lengths_are_checked_at_both_ends() {
        for (name, rule, good, bad) in [
            ("TransferId", &TRANSFER_ID, "a".repeat(512), "a".repeat(513)),
            ("NextToken", &NEXT_TOKEN, "a".repeat(6144), "a".repeat(6145)),
            ("FilePath", &FILE_PATH, "ä".repeat(1024), "ä".repeat(1025)),
            ("FilePath", &FILE_PATH, "/a".to_owned(), "/a\nb".to_owned()),
        ] {
            for (text, passes) in [(good, true), (bad, false)] {
                let mut input =
                    Input::parse(serde_json::json!({ name: text }).to_string().as_bytes()).unwrap();
                input.text(name, rule).unwrap();
                assert_eq!(
                    input.finish().is_ok(),
                    passes,
                    "{name} of {} bytes",
                    text.len()
                );
            }
        }
    }

    #[test]
    fn ten_paths_are_the_most_and_one_the_least() {
        for (count, passes) in [(0, false), (1, true), (10, true), (11, false)] {
            let body = serde_json::json!({ "SendFilePaths": vec!["/a"; count] }).to_string();
            let mut input = Input::parse(body.as_bytes()).unwrap();
            input.paths("SendFilePaths").unwrap();
            assert_eq!(input.finish().is_ok(), passes, "{count}");
        }
    }

    #[test]
    fn wrong_types_and_broken_json_are_serialization_errors() {
        for body in ["{", "[]", "7", "null", "\u{0}"] {
            assert_eq!(
                Input::parse(body.as_bytes()).err().unwrap().kind,
                "SerializationException",
                "{body}"
            );
        }
        let read = |body: &str| Input::parse(body.as_bytes()).unwrap();
        let errors = [
            read(r#"{"TransferId": 7}"#)
                .text("TransferId", &TRANSFER_ID)
                .unwrap_err(),
            read(r#"{"MaxResults": "7"}"#).max_results(10).unwrap_err(),
            read(r#"{"MaxResults": 1.5}"#).max_results(10).unwrap_err(),
            read(r#"{"SendFilePaths": "/a"}"#)
                .paths("SendFilePaths")
                .unwrap_err(),
            read(r#"{"SendFilePaths": [{}]}"#)
                .paths("SendFilePaths")
                .unwrap_err(),
        ];
        assert!(
            errors
                .iter()
                .all(|error| error.kind == "SerializationException")
        );
    }
}
