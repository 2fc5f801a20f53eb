//! An answer on its way: when it has gone, or has been given up, the request is one record of the log.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use hyper::{Method, StatusCode};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::web::body::Body;
use crate::web::server::pool::SendGuard;

/// What is logged of a request. No path, no query and no header: they may hold what is not for a log.
pub(crate) struct AccessLogRecord {
    pub(crate) method: &'static str,
    pub(crate) handler: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) peer: SocketAddr,
    pub(crate) begun: Instant,
}

/// A body that is watched.
pub(crate) struct AccessLogBody {
    body: Body,
    bytes: usize,
    sending: SendGuard,
    record: AccessLogRecord,
}

impl AccessLogBody {
    pub(crate) fn new(body: Body, sending: SendGuard, record: AccessLogRecord) -> Self {
        Self {
            body,
            bytes: 0,
            sending,
            record,
        }
    }
}

impl HttpBody for AccessLogBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let sent = self.get_mut();
        let polled = Pin::new(&mut sent.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            sent.bytes += frame.data_ref().map_or(0, Bytes::len);
            sent.sending.progressed();
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
            begun,
        } = self.record;
        let (status, bytes, duration_seconds) =
            (status.as_u16(), self.bytes, begun.elapsed().as_secs_f64());
        macro_rules! request {
            ($level:ident) => {
                $level!(method, handler, status, duration_seconds, bytes, %peer, "request")
            };
        }
        match status {
            500.. => request!(warn),
            400.. => request!(info),
            _ => request!(debug),
        }
    }
}

/// The method's name; one that HTTP does not know is a client's text, and not shown.
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
    use crate::web::server::pool::ConnectionPool;

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
    fn the_level_of_a_request_follows_its_status() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&log);
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false);
        let subscriber = subscriber
            .with_writer(move || Log(Arc::clone(&writer)))
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let place = Arc::new(ConnectionPool::new(1).enter().unwrap());
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
                begun: Instant::now(),
            };
            drop(AccessLogBody::new(
                Bytes::new().into(),
                place.sending(),
                record,
            ));
            let said = String::from_utf8(std::mem::take(&mut *log.lock().unwrap())).unwrap();
            assert_eq!(said.lines().count(), 1, "{status}: {said}");
            assert!(
                said.contains(&format!(" {level} ")) && said.contains(&format!("status={status} ")),
                "{said}"
            );
        }
    }
}
