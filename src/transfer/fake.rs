//! A fake [`TransferApi`] for unit tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::{ApiFuture, ErrorKind, ResultsPage, TransferApi, TransferError};
use model::{ConnectorId, FileResult, FileStatus, TransferId};

type Responder = dyn Fn(FakeCall) -> ApiFuture<'static, ResultsPage> + Send + Sync;

/// Answers calls with a closure and records them. Clones share their state.
#[derive(Clone)]
pub(crate) struct FakeTransferApi(Arc<Shared>);

struct Shared {
    respond: Box<Responder>,
    calls: Mutex<Vec<FakeCall>>,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
}

/// A recorded call.
#[derive(Clone, Debug)]
pub(crate) struct FakeCall {
    /// Number of the call, from 1.
    pub(crate) number: usize,
    pub(crate) transfer: TransferId,
    pub(crate) started: Instant,
}

impl FakeTransferApi {
    /// Creates a fake that answers each call at once.
    pub(crate) fn new(
        respond: impl Fn(&FakeCall) -> Result<ResultsPage, ErrorKind> + Send + Sync + 'static,
    ) -> Self {
        Self::with_delay(Duration::ZERO, respond)
    }

    /// Creates a fake that answers each call after `delay`.
    pub(crate) fn with_delay(
        delay: Duration,
        respond: impl Fn(&FakeCall) -> Result<ResultsPage, ErrorKind> + Send + Sync + 'static,
    ) -> Self {
        let respond = Arc::new(respond);
        Self::with_future(move |call| {
            let respond = Arc::clone(&respond);
            Box::pin(async move {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                respond(&call).map_err(|kind| TransferError::new(kind, ""))
            })
        })
    }

    /// Creates a fake that answers each call with a future.
    pub(crate) fn with_future(
        respond: impl Fn(FakeCall) -> ApiFuture<'static, ResultsPage> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            respond: Box::new(respond),
            calls: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
        }))
    }

    /// Returns the fake as a port.
    pub(crate) fn port(&self) -> Arc<dyn TransferApi> {
        Arc::new(self.clone())
    }

    /// Returns all calls so far.
    pub(crate) fn calls(&self) -> Vec<FakeCall> {
        self.0.calls.lock().unwrap().clone()
    }

    /// Returns the transfers of all calls since the last time.
    pub(crate) fn take_transfers(&self) -> Vec<String> {
        let calls = std::mem::take(&mut *self.0.calls.lock().unwrap());
        calls
            .into_iter()
            .map(|call| call.transfer.to_string())
            .collect()
    }

    /// Returns the largest number of concurrent calls.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.0.max_in_flight.load(Ordering::Relaxed)
    }
}

impl TransferApi for FakeTransferApi {
    fn file_results_page<'a>(
        &'a self,
        _: &'a ConnectorId,
        transfer: &'a TransferId,
        _: Option<&'a str>,
    ) -> ApiFuture<'a, ResultsPage> {
        Box::pin(async move {
            let call = {
                let mut calls = self.0.calls.lock().unwrap();
                let call = FakeCall {
                    number: calls.len() + 1,
                    transfer: transfer.clone(),
                    started: Instant::now(),
                };
                calls.push(call.clone());
                call
            };
            let in_flight = self.0.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
            self.0.max_in_flight.fetch_max(in_flight, Ordering::Relaxed);
            let page = (self.0.respond)(call).await;
            self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
            page
        })
    }
}

/// Returns a last page with one file of the given status.
pub(crate) fn page_with_status(status: &str) -> ResultsPage {
    ResultsPage {
        files: vec![FileResult {
            path: "/f".into(),
            status: FileStatus::from_wire(status),
            failure_code: None,
            failure_message: None,
        }],
        next_token: None,
    }
}
