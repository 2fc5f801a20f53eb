//! The body of metrics. All other bodies are one buffer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use crate::metrics::exposition::Exposition;

/// Returns the body of a scrape's response. A plain exposition is rendered piece by piece while it
/// is sent.
pub(crate) fn exposition_body(exposition: Exposition) -> Body {
    let remaining = match &exposition {
        Exposition::Whole(pieces) => Some(pieces.iter().map(|piece| piece.len() as u64).sum()),
        Exposition::Streamed(_) => None,
    };
    Body::new(ExpositionBody {
        pieces: exposition.into_parts(),
        remaining,
    })
}

struct ExpositionBody {
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    /// Bytes not yet sent; `None` if the length is unknown, in which case HTTP/1.1 sends chunks.
    remaining: Option<u64>,
}

impl HttpBody for ExpositionBody {
    type Data = Bytes;
    type Error = Infallible;

    /// Rendering a piece takes some ten microseconds.
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let piece = this.pieces.next();
        if let (Some(remaining), Some(piece)) = (&mut this.remaining, &piece) {
            *remaining = remaining.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
