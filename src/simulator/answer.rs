//! From a request to its answer, or to what the faults put in its place.

use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::faults::{Disruption, Faults};
use super::operations::Call;
use super::sigv4::{self, Signed};
use super::wire::{self, ApiError, CONTENT_TYPE, Operation};
use super::{Simulator, control, lock, punctual};

/// A whole answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    /// The value of `x-amzn-errortype`.
    pub(super) error: Option<&'static str>,
    pub(super) body: Bytes,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Page(Page),
    /// Announces the page's length and sends half of it.
    Truncated(Page),
    /// Never.
    Stall,
    /// The connection is reset.
    Reset,
}

impl Page {
    pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", error: None, body: text.into() }
    }

    pub(super) fn json(value: &Value) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", error: None, body: value.to_string().into() }
    }

    fn html(status: StatusCode) -> Self {
        let body = format!("<html>\n<head><title>{status}</title></head>\n<body><h1>{status}</h1></body>\n</html>\n");
        Self { status, content_type: "text/html", error: None, body: body.into() }
    }

    fn api(result: Result<Value, ApiError>) -> Self {
        let (status, error, value) = match result {
            Ok(value) => (StatusCode::OK, None, value),
            Err(error) => (error.status, Some(error.kind), error.body()),
        };
        Self { status, content_type: CONTENT_TYPE, error, body: value.to_string().into() }
    }
}

/// Counts a call as under way for as long as it lives.
struct UnderWay<'a>(&'a Simulator);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.0.0.calls).end();
    }
}

impl Simulator {
    /// Answers one request, API or control. `stopping` completes when the simulator stops; a stalled call ends then.
    pub(super) async fn answer(&self, parts: &Parts, body: &[u8], stopping: impl Future<Output = ()>) -> Answer {
        if parts.method == Method::POST && parts.uri.path() == "/" {
            self.answer_call(parts, body, stopping).await
        } else {
            Answer::Page(control::answer(self, &parts.method, parts.uri.path(), parts.uri.query(), body))
        }
    }

    async fn answer_call(&self, parts: &Parts, body: &[u8], stopping: impl Future<Output = ()>) -> Answer {
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(Operation::from_target);
        lock(&self.0.calls).begin(operation);
        let _under_way = UnderWay(self);
        let (faults, lot) = {
            let mut guard = lock(&self.0.faults);
            let (faults, dice) = &mut *guard;
            (faults.clone(), dice.roll(faults, self.now().instant))
        };
        if !faults.latency.is_zero() {
            punctual::sleep(faults.latency).await;
        }
        let answer = self.settle(parts, body, operation, &faults, lot);
        lock(&self.0.calls).count_outcome(outcome(&answer, lot));
        if matches!(answer, Answer::Stall) {
            stopping.await;
        }
        answer
    }

    fn settle(
        &self,
        parts: &Parts,
        body: &[u8],
        operation: Option<Operation>,
        faults: &Faults,
        lot: Option<Disruption>,
    ) -> Answer {
        let page = |lot| Page::api(self.check_and_perform(parts, body, operation, faults, lot));
        match lot {
            Some(Disruption::Stall) => Answer::Stall,
            Some(Disruption::Reset) => Answer::Reset,
            Some(Disruption::Truncate) => Answer::Truncated(page(None)),
            Some(Disruption::BadGateway) => Answer::Page(Page::html(StatusCode::BAD_GATEWAY)),
            Some(Disruption::HtmlError) => Answer::Page(Page::html(StatusCode::INTERNAL_SERVER_ERROR)),
            Some(Disruption::ServerError) => Answer::Page(Page::api(Err(ApiError::internal()))),
            Some(Disruption::Unavailable) => Answer::Page(Page::api(Err(ApiError::unavailable()))),
            Some(Disruption::Throttle | Disruption::Mistype) | None => Answer::Page(page(lot)),
        }
    }

    /// The gates in the order in which AWS's front end has them: operation, signature, rate, permission, members.
    fn check_and_perform(
        &self,
        parts: &Parts,
        body: &[u8],
        operation: Option<Operation>,
        faults: &Faults,
        lot: Option<Disruption>,
    ) -> Result<Value, ApiError> {
        let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let operation = operation
            .filter(|_| content_type.starts_with(CONTENT_TYPE))
            .ok_or_else(|| ApiError::front("UnknownOperationException", "The operation is not known."))?;
        let signed = Signed {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body,
        };
        let now = self.now().wall;
        let region = sigv4::verify(&signed, &self.0.settings.keys, now)?;
        if faults.expired_token {
            let message = "The security token included in the request is expired";
            return Err(ApiError::front("ExpiredTokenException", message));
        }
        if lot == Some(Disruption::Throttle) {
            return Err(ApiError::throttled(faults.throttle_error.as_str()));
        }
        let expiry = faults.expiry.unwrap_or(self.0.settings.expiry);
        let call = Call { operation, body, region, expiry, now };
        if faults.denies(operation) {
            return Err(self.denied(&call));
        }
        let answered = self.perform(&call)?;
        Ok(if lot == Some(Disruption::Mistype) { wire::mistyped(operation) } else { answered })
    }
}

/// What an answer counts as.
fn outcome(answer: &Answer, lot: Option<Disruption>) -> &'static str {
    match answer {
        Answer::Stall => "stall",
        Answer::Reset => "reset",
        Answer::Truncated(_) => "truncated",
        Answer::Page(page) => match page.error {
            Some(error) => error,
            None if !page.status.is_success() => "html",
            None if lot == Some(Disruption::Mistype) => "mistyped",
            None => "ok",
        },
    }
}
