//! Dispatches a request to an operation, a control route or a fault.

use std::pin::{Pin, pin};
use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::control::{self, ControlRequest};
use super::credential;
use super::reply::Reply;
use crate::api::error::{self, ApiError};
use crate::api::{Call, sqs};
use crate::domain::{ApiOperation, Disruption, Faults, Service};
use crate::{Simulator, lock};

/// The longest wait of a receive for a message.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Reply),
    /// Announces the length of the reply and sends half of it.
    Truncated(Reply),
    /// No answer.
    Stall,
    /// The connection is reset.
    Reset,
}

/// Counts a call as in flight until it is dropped.
struct InFlight<'a>(&'a Simulator);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        lock(&self.0.0.calls).end();
    }
}

impl Simulator {
    /// Answers one request, API or control. `stopping` completes when the simulator stops; a
    /// stalled call ends then.
    pub(crate) async fn answer(
        &self,
        parts: &Parts,
        body: &[u8],
        stopping: impl Future<Output = ()>,
    ) -> Answer {
        self.catch_up();
        // Some SQS clients post to the queue URL.
        let is_call = |path: &str| path == "/" || path == self.queue_path();
        if parts.method == Method::POST && is_call(parts.uri.path()) {
            self.answer_call(parts, body, stopping).await
        } else {
            let (path, query) = (parts.uri.path(), parts.uri.query());
            Answer::Whole(control::answer(
                self,
                &ControlRequest {
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
        let operation = target.and_then(ApiOperation::from_target);
        lock(&self.0.calls).begin(operation);
        let _in_flight = InFlight(self);
        let (faults, disruption) = {
            let mut guard = lock(&self.0.faults);
            let (faults, dice) = &mut *guard;

            let service = operation.map_or(Service::Transfer, ApiOperation::service);
            (
                faults.clone(),
                dice.roll(faults, service, self.0.clock.machine_now().instant),
            )
        };
        if !faults.latency.is_zero() {
            self.0.settings.timer.sleep(faults.latency).await;
        }
        let mut stopping = pin!(stopping);
        let answer = self
            .answer_or_wait(
                parts,
                body,
                operation,
                (&faults, disruption),
                stopping.as_mut(),
            )
            .await;
        let outcome = outcome(&answer, disruption);
        lock(&self.0.calls).count_outcome(outcome);
        tracing::debug!(
            event = "call",
            operation = operation.map_or("unknown", ApiOperation::as_str),
            outcome,
            "answered a call"
        );
        if matches!(answer, Answer::Stall) {
            stopping.await;
        }
        answer
    }

    /// Answers at once, except for a receive that finds no message: it is repeated whenever a
    /// message may have arrived, until its wait time is over.
    async fn answer_or_wait(
        &self,
        parts: &Parts,
        body: &[u8],
        operation: Option<ApiOperation>,
        (faults, disruption): (&Faults, Option<Disruption>),
        mut stopping: Pin<&mut impl Future<Output = ()>>,
    ) -> Answer {
        if operation != Some(ApiOperation::ReceiveMessage) {
            return self.answer_once(parts, body, operation, faults, disruption);
        }
        let wait = sqs::wait_time(body).min(MAX_WAIT);
        let mut over = pin!(tokio::time::sleep(wait));
        loop {
            // Registered before the queue is read, so that no arrival is missed.
            let arrival = self.0.arrivals.notified();
            let answer = self.answer_once(parts, body, operation, faults, disruption);
            if wait.is_zero() || !is_without_message(&answer) {
                return answer;
            }
            tokio::select! {
                () = &mut over => return answer,
                () = &mut stopping => return answer,
                () = arrival => {}
                () = tokio::time::sleep(self.until_next_message()) => {}
            }
            self.catch_up();
        }
    }

    fn until_next_message(&self) -> Duration {
        let next = self.state().next_message();
        let until = next.map(|next| next.duration_since(self.now().wall).unwrap_or_default());
        until
            .and_then(|until| self.0.clock.on_the_machine(until))
            .unwrap_or(MAX_WAIT)
            .clamp(Duration::from_millis(1), MAX_WAIT)
    }

    fn answer_once(
        &self,
        parts: &Parts,
        body: &[u8],
        operation: Option<ApiOperation>,
        faults: &Faults,
        disruption: Option<Disruption>,
    ) -> Answer {
        let service = operation.map_or(Service::Transfer, ApiOperation::service);
        let api = |result| Reply::api(service, result);
        let page =
            |disruption| api(self.check_and_perform(parts, body, operation, faults, disruption));
        match disruption {
            Some(Disruption::Stall) => Answer::Stall,
            Some(Disruption::Reset) => Answer::Reset,
            Some(Disruption::Truncate) => Answer::Truncated(page(None)),
            Some(Disruption::BadGateway) => Answer::Whole(Reply::html(StatusCode::BAD_GATEWAY)),
            Some(Disruption::HtmlError) => {
                Answer::Whole(Reply::html(StatusCode::INTERNAL_SERVER_ERROR))
            }
            Some(Disruption::ServerError) => Answer::Whole(api(Err(ApiError::internal()))),
            Some(Disruption::Unavailable) => Answer::Whole(api(Err(ApiError::unavailable()))),
            Some(Disruption::Throttle | Disruption::Mistype) | None => {
                Answer::Whole(page(disruption))
            }
        }
    }

    /// Checks a call in the order of the AWS front end: operation, credential, rate, permission,
    /// members.
    fn check_and_perform(
        &self,
        parts: &Parts,
        body: &[u8],
        operation: Option<ApiOperation>,
        faults: &Faults,
        disruption: Option<Disruption>,
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
        // Clients sign by their clock, which is the machine's.
        let region = credential::check(
            &parts.headers,
            operation.service(),
            &self.0.settings.keys,
            self.0.clock.machine_now().wall,
        )?;
        if faults.expired_token {
            let message = "The security token included in the request is expired";
            return Err(ApiError::front("ExpiredTokenException", message));
        }
        if disruption == Some(Disruption::Throttle) {
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
            now: self.now().wall,
        };
        if faults.denies(operation) {
            return Err(self.denied(&call));
        }
        let answered = self.perform(&call)?;
        Ok(if disruption == Some(Disruption::Mistype) {
            error::mistyped(operation)
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

/// True for a successful receive without messages.
fn is_without_message(answer: &Answer) -> bool {
    matches!(answer, Answer::Whole(reply) if reply.status.is_success() && *reply.body == *b"{}")
}

/// Returns the outcome under which an answer is counted.
fn outcome(answer: &Answer, disruption: Option<Disruption>) -> &'static str {
    match answer {
        Answer::Stall => "stall",
        Answer::Reset => "reset",
        Answer::Truncated(_) => "truncated",
        Answer::Whole(reply) => match reply.error {
            Some(error) => error,
            None if !reply.status.is_success() => "html",
            None if disruption == Some(Disruption::Mistype) => "mistyped",
            None => "ok",
        },
    }
}
