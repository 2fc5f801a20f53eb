//! Counts the attempts at the services that tell of transfers. They have limits of their own, so no rate is kept here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aws_sdk_transfer::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_transfer::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_transfer::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use super::{Outcome, classify};
use crate::metrics::self_metrics::ApiMetrics;
use model::{Account, Clock};

/// Counts every attempt of a client, retries included, under the name of its operation.
#[derive(Clone)]
pub(super) struct Counted {
    account: Account,
    metrics: Arc<ApiMetrics>,
    clock: Arc<dyn Clock>,
}

impl Counted {
    /// Every outcome's series of `operations` stands at 0 from here on.
    pub(super) fn new(
        account: Account,
        metrics: Arc<ApiMetrics>,
        clock: Arc<dyn Clock>,
        operations: &[&str],
    ) -> Self {
        for operation in operations {
            for outcome in Outcome::ALL {
                metrics.count_attempts(&account, operation, outcome.as_label(), 0);
            }
        }
        Self {
            account,
            metrics,
            clock,
        }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

/// An attempt that has started. A call that is given up drops it, and AWS has counted it all the same.
struct Running {
    counted: Counted,
    operation: String,
    start: Instant,
    ended: AtomicBool,
}

impl Running {
    fn end(&self, outcome: Outcome) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            let Counted {
                account,
                metrics,
                clock,
            } = &self.counted;
            metrics.count_attempts(account, &self.operation, outcome.as_label(), 1);
            metrics.observe_duration(&self.operation, clock.now().since(self.start));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Outcome::Timeout);
    }
}

impl Storable for Running {
    type Storer = StoreReplace<Self>;
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

impl Intercept for Counted {
    fn name(&self) -> &'static str {
        "Counted"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = cfg.load::<Metadata>().map_or("", Metadata::name).to_owned();
        let (counted, start) = (self.clone(), self.clock.now().instant);
        cfg.interceptor_state().store_put(Running {
            counted,
            operation,
            start,
            ended: AtomicBool::new(false),
        });
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(running) = cfg.load::<Running>() else {
            return Ok(());
        };
        running.end(match context.output_or_error() {
            Some(Ok(_)) => Outcome::Ok,
            Some(Err(error)) => classify::attempt(error, context.response()).outcome(),
            None => Outcome::Network,
        });
        Ok(())
    }
}
