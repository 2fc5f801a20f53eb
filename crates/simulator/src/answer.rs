//! From a request to its answer, or to what the faults put in its place.

use std::pin::{Pin, pin};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::control::Asked;
use super::faults::{Disruption, Faults};
use super::operations::Call;
use super::service::{Operation, Service};
use super::sigv4::{self, Signed};
use super::wire::{self, ApiError};
use super::{Simulator, control, lock, punctual, sqs};

/// The longest that a receive waits for a message.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// A whole answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    /// The value of `x-amzn-errortype`.
    pub(super) error: Option<&'static str>,
    /// The first half of the value of `x-amzn-query-error`.
    pub(super) query_error: Option<&'static str>,
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
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            error: None,
            query_error: None,
            body: text.into(),
        }
    }

    pub(super) fn json(value: &Value) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "application/json",
            error: None,
            query_error: None,
            body: value.to_string().into(),
        }
    }

    fn html(status: StatusCode) -> Self {
        let body = format!(
            "<html>\n<head><title>{status}</title></head>\n<body><h1>{status}</h1></body>\n</html>\n"
        );
        Self {
            status,
            content_type: "text/html",
            error: None,
            query_error: None,
            body: body.into(),
        }
    }

    fn api(service: Service, result: Result<Value, ApiError>) -> Self {
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
            body: value.to_string().into(),
        }
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
    pub(super) async fn answer(
        &self,
        parts: &Parts,
        body: &[u8],
        stopping: impl Future<Output = ()>,
    ) -> Answer {
        // Some clients of SQS ask at the queue's URL.
        let is_call = |path: &str| path == "/" || path == self.queue_path();
        if parts.method == Method::POST && is_call(parts.uri.path()) {
            self.answer_call(parts, body, stopping).await
        } else {
            let (path, query) = (parts.uri.path(), parts.uri.query());
            Answer::Page(control::answer(
                self,
                &Asked {
                    method: &parts.method,
                    host: host(parts),
                    path,
                    query,
                },
                body,
            ))
        }
    }

    async fn answer_call(
        &self,
        parts: &Parts,
        body: &[u8],
        stopping: impl Future<Output = ()>,
    ) -> Answer {
        let target = parts
            .headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok());
        let operation = target.and_then(Operation::from_target);
        lock(&self.0.calls).begin(operation);
        let _under_way = UnderWay(self);
        let (faults, lot) = {
            let mut guard = lock(&self.0.faults);
            let (faults, dice) = &mut *guard;

            let service = operation.map_or(Service::Transfer, Operation::service);
            (
                faults.clone(),
                dice.roll(faults, service, self.now().instant),
            )
        };
        if !faults.latency.is_zero() {
            punctual::sleep(faults.latency).await;
        }
        let mut stopping = pin!(stopping);
        let answer = self
            .settle_or_wait(parts, body, operation, (&faults, lot), stopping.as_mut())
            .await;
        lock(&self.0.calls).count_outcome(outcome(&answer, lot));
        if matches!(answer, Answer::Stall) {
            stopping.await;
        }
        answer
    }

    /// Settles at once, but for a receive that finds no message: it is settled again whenever one may have come, until
    /// its time is over.
    async fn settle_or_wait(
        &self,
        parts: &Parts,
        body: &[u8],
        operation: Option<Operation>,
        (faults, lot): (&Faults, Option<Disruption>),
        mut stopping: Pin<&mut impl Future<Output = ()>>,
    ) -> Answer {
        if operation != Some(Operation::ReceiveMessage) {
            return self.settle(parts, body, operation, faults, lot);
        }
        let wait = sqs::wait_time(body).min(MAX_WAIT);
        let mut over = pin!(tokio::time::sleep(wait));
        loop {
            // Made before the look, so that nothing can come between.
            let arrival = self.0.arrivals.notified();
            let answer = self.settle(parts, body, operation, faults, lot);
            if wait.is_zero() || !is_without_message(&answer) {
                return answer;
            }
            tokio::select! {
                () = &mut over => return answer,
                () = &mut stopping => return answer,
                () = arrival => {}
                () = tokio::time::sleep(self.until_next_message()) => {}
            }
        }
    }

    fn until_next_message(&self) -> Duration {
        let next = self.state().next_message();
        let until = next.map(|next| next.duration_since(self.now().wall).unwrap_or_default());
        until
            .unwrap_or(MAX_WAIT)
            .clamp(Duration::from_millis(1), MAX_WAIT)
    }

    fn settle(
        &self,
        parts: &Parts,
        body: &[u8],
        operation: Option<Operation>,
        faults: &Faults,
        lot: Option<Disruption>,
    ) -> Answer {
        let service = operation.map_or(Service::Transfer, Operation::service);
        let api = |result| Page::api(service, result);
        let page = |lot| api(self.check_and_perform(parts, body, operation, faults, lot));
        match lot {
            Some(Disruption::Stall) => Answer::Stall,
            Some(Disruption::Reset) => Answer::Reset,
            Some(Disruption::Truncate) => Answer::Truncated(page(None)),
            Some(Disruption::BadGateway) => Answer::Page(Page::html(StatusCode::BAD_GATEWAY)),
            Some(Disruption::HtmlError) => {
                Answer::Page(Page::html(StatusCode::INTERNAL_SERVER_ERROR))
            }
            Some(Disruption::ServerError) => Answer::Page(api(Err(ApiError::internal()))),
            Some(Disruption::Unavailable) => Answer::Page(api(Err(ApiError::unavailable()))),
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
        let content_type = parts
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let operation = operation
            .filter(|operation| content_type.starts_with(operation.service().content_type()))
            .ok_or_else(|| {
                ApiError::front("UnknownOperationException", "The operation is not known.")
            })?;
        let signed = Signed {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body,
        };
        let now = self.now().wall;
        let region = sigv4::verify(&signed, operation.service(), &self.0.settings.keys, now)?;
        if faults.expired_token {
            let message = "The security token included in the request is expired";
            return Err(ApiError::front("ExpiredTokenException", message));
        }
        if lot == Some(Disruption::Throttle) {
            return Err(ApiError::throttled(faults.throttle_error.as_str()));
        }
        let expiry = faults.expiry.unwrap_or(self.0.settings.expiry);
        let call = Call {
            operation,
            body,
            region,
            host: host(parts),
            faults,
            expiry,
            now,
        };
        if faults.denies(operation) {
            return Err(self.denied(&call));
        }
        let answered = self.perform(&call)?;
        Ok(if lot == Some(Disruption::Mistype) {
            wire::mistyped(operation)
        } else {
            answered
        })
    }
}

fn host(parts: &Parts) -> &str {
    parts
        .headers
        .get("host")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// A receive that went well and brought nothing.
fn is_without_message(answer: &Answer) -> bool {
    matches!(answer, Answer::Page(page) if page.status.is_success() && *page.body == *b"{}")
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
