//! A complete answer, as text, JSON, HTML or the result of an operation.

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::Value;

use crate::api::error::ApiError;
use crate::domain::Service;

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    /// The value of `x-amzn-errortype`.
    pub(crate) error: Option<&'static str>,
    /// The first half of the value of `x-amzn-query-error`.
    pub(crate) query_error: Option<&'static str>,
    /// The value of `content-security-policy`.
    pub(crate) policy: Option<&'static str>,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            error: None,
            query_error: None,
            policy: None,
            body: text.into(),
        }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "application/json",
            error: None,
            query_error: None,
            policy: None,
            body: value.to_string().into(),
        }
    }

    /// Creates a file whose type is known, such as a style sheet.
    pub(crate) fn file(content_type: &'static str, text: &'static str) -> Self {
        Self {
            content_type,
            ..Self::text(StatusCode::OK, text)
        }
    }

    /// Creates a page without scripts, and with the style sheets of this server only.
    pub(crate) fn page(html: String) -> Self {
        Self {
            content_type: "text/html; charset=utf-8",
            policy: Some(
                "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            ),
            ..Self::text(StatusCode::OK, html)
        }
    }

    /// Creates an answer from a value that has a JSON form.
    pub(crate) fn json_of(value: &impl serde::Serialize) -> Self {
        Self::json(&serde_json::to_value(value).unwrap_or_default())
    }

    pub(crate) fn html(status: StatusCode) -> Self {
        let body = format!(
            "<html>\n<head><title>{status}</title></head>\n<body><h1>{status}</h1></body>\n</html>\n"
        );
        Self {
            status,
            content_type: "text/html",
            error: None,
            query_error: None,
            policy: None,
            body: body.into(),
        }
    }

    pub(crate) fn api(service: Service, result: Result<Value, ApiError>) -> Self {
        let (status, error, query_error, value) = match result {
            Ok(value) => (StatusCode::OK, None, None, value),
            Err(error) => (
                error.status,
                Some(error.kind),
                error.query_error,
                error.body(),
            ),
        };
        Self {
            status,
            content_type: service.content_type(),
            error,
            query_error,
            policy: None,
            body: value.to_string().into(),
        }
    }
}
