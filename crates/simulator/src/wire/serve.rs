//! Connections, and the ways in which one can break.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::dispatch::Answer;
use super::reply::Reply;
use crate::Simulator;

/// The largest request body that is read.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// A connection without a complete request head for this long is closed.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);
/// Time for answers in flight once the simulator stops.
const GRACE: Duration = Duration::from_secs(1);
/// Pause after a failed accept, for example when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type ResponseBody = Either<Full<Bytes>, CutShort>;

impl Simulator {
    /// Serves on `listener` until `shutdown` completes. Answers in flight get one more second.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        serve(self, listener, shutdown).await;
    }
}

async fn serve(simulator: Simulator, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let (stop, stopping) = watch::channel(false);
    let mut shutdown = pin!(shutdown);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(simulator.clone(), stream, stopping.clone()));
                }
                Err(error) => {
                    tracing::debug!(event = "accept_failed", %error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let _ = stop.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    // Dropping the set aborts the remaining connections.
    let _ = tokio::time::timeout(GRACE, drained).await;
}

/// Completes when the simulator stops.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn connection(simulator: Simulator, stream: TcpStream, stopping: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let is_reset = Arc::new(AtomicBool::new(false));
    let service = {
        let (is_reset, stopping) = (Arc::clone(&is_reset), stopping.clone());
        service_fn(move |request| {
            Box::pin(respond(
                simulator.clone(),
                request,
                Arc::clone(&is_reset),
                stopping.clone(),
            ))
        })
    };
    let mut served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut stop = Some(Box::pin(stopped(stopping)));
    // Polled by hand to get the socket back for a reset.
    let ended = poll_fn(|cx| {
        if let Some(stopping) = &mut stop
            && stopping.as_mut().poll(cx).is_ready()
        {
            stop = None;
            Pin::new(&mut served).graceful_shutdown();
        }
        served.poll_without_shutdown(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(event = "connection_ended", %error, "connection ended");
    }
    let mut stream = served.into_parts().io.into_inner();
    if is_reset.load(Ordering::Relaxed) {
        // With no time to linger, closing sends RST.
        let _ = stream.set_zero_linger();
    } else {
        let _ = stream.shutdown().await;
    }
}

async fn respond(
    simulator: Simulator,
    request: Request<Incoming>,
    is_reset: Arc<AtomicBool>,
    stopping: watch::Receiver<bool>,
) -> Result<Response<ResponseBody>, HungUp> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        let reply = Reply::text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is too large or broken off.\n",
        );
        return Ok(response(&simulator, reply, |body| {
            Either::Left(Full::new(body))
        }));
    };
    match simulator
        .answer(&parts, &body.to_bytes(), stopped(stopping))
        .await
    {
        Answer::Whole(reply) => Ok(response(&simulator, reply, |body| {
            Either::Left(Full::new(body))
        })),
        Answer::Truncated(reply) => Ok(response(&simulator, reply, |body| {
            Either::Right(CutShort::new(&body))
        })),
        Answer::Stall => Err(HungUp),
        Answer::Reset => {
            is_reset.store(true, Ordering::Relaxed);
            Err(HungUp)
        }
    }
}

fn response(
    simulator: &Simulator,
    reply: Reply,
    body: impl FnOnce(Bytes) -> ResponseBody,
) -> Response<ResponseBody> {
    let length = reply.body.len();
    let mut response = Response::new(body(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(CONTENT_LENGTH, length.into());
    if let Ok(id) = HeaderValue::try_from(simulator.request_id()) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    if let Some(Ok(error)) = reply
        .query_error
        .map(|error| HeaderValue::try_from(format!("{error};Sender")))
    {
        headers.insert(HeaderName::from_static("x-amzn-query-error"), error);
    }
    if let Some(policy) = reply.policy {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    if let Some(error) = reply.error {
        headers.insert(
            HeaderName::from_static("x-amzn-errortype"),
            HeaderValue::from_static(error),
        );
    }
    response
}

/// No answer is sent; hyper closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("no answer was given")]
struct HungUp;

/// Half of a body, followed by a premature end.
struct CutShort {
    half: Option<Bytes>,
    is_flushed: bool,
}

impl CutShort {
    fn new(body: &Bytes) -> Self {
        Self {
            half: Some(body.slice(..body.len() / 2)),
            is_flushed: false,
        }
    }
}

impl Body for CutShort {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.is_flushed {
            // hyper writes out what it has when a body is not ready.
            self.is_flushed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
    }
}

#[cfg(test)]
mod tests;
