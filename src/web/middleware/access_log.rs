//! The access log: one record for each request, written when its response has been sent or dropped.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Extension;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Middleware;
use crate::web::routes::RouteInfo;
use crate::web::server::service::RequestContext;

/// Counts the request and logs it once its response has been sent.
pub(super) async fn record(
    State(middleware): State<Middleware>,
    Extension(context): Extension<RequestContext>,
    Extension(route): Extension<RouteInfo>,
    request: Request,
    next: Next,
) -> Response {
    let method = method_name(request.method());
    let handler = route.handler(request.method());
    let response = next.run(request).await;
    let status = response.status();
    if let Some(metrics) = &middleware.metrics {
        metrics.count_request(handler, status.as_str());
    }
    let record = AccessLogRecord {
        method,
        handler,
        status,
        peer: context.peer,
        started: context.started,
    };
    response.map(|body| Body::new(AccessLogBody::new(body, record)))
}

/// What is logged of a request. Path, query and headers are not: they may hold secrets.
struct AccessLogRecord {
    method: &'static str,
    handler: &'static str,
    status: StatusCode,
    peer: SocketAddr,
    started: Instant,
}

/// A body that counts its bytes and logs the request when dropped.
struct AccessLogBody {
    body: Body,
    bytes: usize,
    record: AccessLogRecord,
}

impl AccessLogBody {
    fn new(body: Body, record: AccessLogRecord) -> Self {
        Self {
            body,
            bytes: 0,
            record,
        }
    }
}

impl HttpBody for AccessLogBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.bytes += frame.data_ref().map_or(0, Bytes::len);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AccessLogBody {
    fn drop(&mut self) {
        let AccessLogRecord {
            method,
            handler,
            status,
            peer,
            started,
        } = self.record;
        let bytes = self.bytes;
        let duration_seconds = started.elapsed().as_secs_f64();
        macro_rules! log {
            ($level:ident) => {
                $level!(
                    event = "request_served",
                    method,
                    handler,
                    status = status.as_u16(),
                    duration_seconds,
                    bytes,
                    %peer,
                    "request served"
                )
            };
        }
        match status.as_u16() {
            // That of a standby is no fault.
            503 if handler == "ready" => log!(debug),
            500.. => log!(warn),
            400.. => log!(info),
            _ => log!(debug),
        }
    }
}

/// Returns the name of the method, or `OTHER`: an unknown name is text of the client and is not
/// logged.
pub(crate) fn method_name(method: &Method) -> &'static str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
        Method::TRACE,
        Method::CONNECT,
    ];
    const NAMES: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT",
    ];
    KNOWN
        .iter()
        .position(|known| known == method)
        .map_or("OTHER", |at| NAMES[at])
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_level_of_a_request_follows_its_status() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&log);
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false);
        let subscriber = subscriber
            .with_writer(move || Log(Arc::clone(&writer)))
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        for (status, level) in [
            (200, "DEBUG"),
            (304, "DEBUG"),
            (400, "INFO"),
            (429, "INFO"),
            (499, "INFO"),
            (500, "WARN"),
            (503, "WARN"),
        ] {
            let record = AccessLogRecord {
                method: "GET",
                handler: "metrics",
                status: StatusCode::from_u16(status).unwrap(),
                peer: ([127, 0, 0, 1], 9).into(),
                started: Instant::now(),
            };
            drop(AccessLogBody::new(Body::empty(), record));
            let text = String::from_utf8(std::mem::take(&mut *log.lock().unwrap())).unwrap();
            assert_eq!(text.lines().count(), 1, "{status}: {text}");
            assert!(
                text.contains(&format!(" {level} ")) && text.contains(&format!("status={status} ")),
                "{text}"
            );
        }
    }
}
