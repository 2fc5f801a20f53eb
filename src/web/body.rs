//! The body of an answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};

use crate::metrics::exposition::Body as Exposition;

/// Pieces that go out one by one.
pub(crate) struct Body {
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    /// Bytes that are left; `None` where they are made as they go out, and the answer is chunked.
    left: Option<u64>,
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let left = Some(bytes.len() as u64);
        Self {
            pieces: Box::new((!bytes.is_empty()).then_some(bytes).into_iter()),
            left,
        }
    }
}

impl From<Exposition> for Body {
    fn from(exposition: Exposition) -> Self {
        let left = match &exposition {
            Exposition::Whole(pieces) => Some(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Exposition::Streamed(_) => None,
        };
        Self {
            pieces: exposition.into_pieces(),
            left,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    /// A piece that is made here takes some ten microseconds.
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        let piece = body.pieces.next();
        if let (Some(left), Some(piece)) = (&mut body.left, &piece) {
            *left = left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
