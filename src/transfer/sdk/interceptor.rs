//! The interceptor that reports attempts to an [`AttemptObserver`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_transfer::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_transfer::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_transfer::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use super::retry_pause::retry_after;
use crate::transfer::limiter::begin_attempt;
use crate::transfer::{Attempt, AttemptObserver, AttemptOutcome, ErrorKind, Operation, classify};
use model::Clock;

/// Reports every attempt of a client, retries included. The SDK runs `read_after_attempt` after a
/// timed-out attempt too.
#[derive(Clone)]
pub(super) struct MetricsInterceptor {
    observer: Arc<dyn AttemptObserver>,
    clock: Arc<dyn Clock>,
}

impl MetricsInterceptor {
    pub(super) fn new(observer: Arc<dyn AttemptObserver>, clock: Arc<dyn Clock>) -> Self {
        Self { observer, clock }
    }
}

impl fmt::Debug for MetricsInterceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetricsInterceptor")
    }
}

/// An attempt that has started. Dropped when its call is cancelled, which AWS has counted if it was
/// sent, and when the SDK panics.
struct RunningAttempt {
    interceptor: MetricsInterceptor,
    operation: Operation,
    retry: bool,
    start: Instant,
    sent: AtomicBool,
    ended: AtomicBool,
}

impl RunningAttempt {
    fn end(
        &self,
        outcome: AttemptOutcome,
        account_up: Option<bool>,
        retry_after: Option<Duration>,
    ) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let outcome = if self.sent.load(Ordering::Relaxed) {
            outcome
        } else {
            AttemptOutcome::NotSent
        };
        let MetricsInterceptor { observer, clock } = &self.interceptor;
        observer.attempt_ended(Attempt {
            operation: self.operation,
            retry: self.retry,
            outcome,
            account_up,
            duration: clock.now().since(self.start),
            retry_after,
        });
    }
}

impl Drop for RunningAttempt {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.end(AttemptOutcome::Malformed, Some(false), None);
        } else {
            self.end(AttemptOutcome::Timeout, None, None);
        }
    }
}

impl Storable for RunningAttempt {
    type Storer = StoreReplace<Self>;
}

impl fmt::Debug for RunningAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningAttempt")
    }
}

#[dyn_dispatch_hint]
impl Intercept for MetricsInterceptor {
    fn name(&self) -> &'static str {
        "MetricsInterceptor"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(operation) = operation(cfg) else {
            return Ok(());
        };
        let number = cfg
            .load::<RequestAttempts>()
            .map_or(1, RequestAttempts::attempts);
        begin_attempt(number);
        let attempt = RunningAttempt {
            interceptor: self.clone(),
            operation,
            retry: number > 1,
            start: self.clock.now().instant,
            sent: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        };
        cfg.interceptor_state().store_put(attempt);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(attempt) = cfg.load::<RunningAttempt>() {
            attempt.sent.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(attempt) = cfg.load::<RunningAttempt>() else {
            return Ok(());
        };
        let error = match context.output_or_error() {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(classify::attempt(error, context.response())),
            None => Some(ErrorKind::Network),
        };
        let outcome = error.map_or(AttemptOutcome::Ok, ErrorKind::outcome);
        let account_up = error.is_none_or(ErrorKind::leaves_account_up);
        let wait = context
            .response()
            .filter(|_| outcome == AttemptOutcome::Throttled)
            .and_then(retry_after);
        attempt.end(outcome, Some(account_up), wait);
        Ok(())
    }
}

/// Returns the operation of the call under way.
pub(super) fn operation(cfg: &ConfigBag) -> Option<Operation> {
    cfg.load::<Metadata>()
        .and_then(|metadata| Operation::from_name(metadata.name()))
}
