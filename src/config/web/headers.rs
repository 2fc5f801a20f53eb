//! `http_server_config.headers`.

use crate::config::yaml::{
    Field, FromScalar, NamedValues, ProblemList, Scalar, ScalarError, escape,
};

/// The headers that can be set, with their allowed values if there are few
/// (<https://github.com/prometheus/exporter-toolkit/blob/v0.20.0/web/handler.go>).
const HEADERS: &[(&str, &[&str])] = &[
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// The value of a header; `X-XSS-Protection: 1` needs no quotes in the toolkit.
#[derive(Debug)]
pub(super) struct HeaderText(String);

impl FromScalar for HeaderText {
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, ScalarError> {
        match scalar {
            Scalar::Int(value) => Ok(Self(value.to_string())),
            other => String::from_scalar(other).map(Self),
        }
    }
}

pub(super) fn resolve(
    field: &Field<NamedValues<HeaderText>>,
    problems: &mut ProblemList,
) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    let Some(written) = field.value() else {
        return headers;
    };
    for header in &written.value.0 {
        let key = || format!("http_server_config.headers.{}", escape(&header.name));
        let known = HEADERS.iter().find(|(name, _)| *name == header.name);
        let Some((name, allowed)) = known else {
            let names: Vec<_> = HEADERS
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            problems
                .report(header.line, key(), "header is not supported")
                .with_hint(format!("supported headers: {}", names.join(", ")));
            continue;
        };
        let Some(value) = header.value.value() else {
            continue;
        };
        let HeaderText(text) = &value.value;
        if !allowed.is_empty() && !allowed.contains(&text.as_str()) {
            let message = format!("invalid value of the header: {}", escape(text));
            problems
                .report(value.line, key(), message)
                .with_hint(format!("allowed: {}", allowed.join(", ")));
        } else if text.is_empty() || !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            problems
                .report(value.line, key(), "invalid characters in the header")
                .with_hint("use visible ASCII characters and spaces");
        } else {
            headers.push((*name, text.clone()));
        }
    }
    headers
}
