//! Bodies of requests in pieces that are worth keeping. What is gathered of a body costs a place in a list for
//! each piece, and who sends single bytes as pieces would get thirty times the memory of what they send.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};

/// A piece has so many bytes, but for the last one.
const PIECE: usize = 8 << 10;

/// The request with such a body.
pub fn joined(request: Request) -> Request {
    request.map(|body| {
        Body::new(Joined {
            body,
            piece: Vec::new(),
            ended: None,
        })
    })
}

type Polled = Option<Result<Frame<Bytes>, axum::Error>>;

struct Joined {
    body: Body,
    /// What has come of the next piece.
    piece: Vec<u8>,
    /// What comes behind it: the end, an error, or trailers.
    ended: Option<Polled>,
}

impl Joined {
    fn take(&mut self) -> Polled {
        let piece = std::mem::take(&mut self.piece);
        Some(Ok(Frame::data(piece.into())))
    }
}

impl hyper::body::Body for Joined {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Polled> {
        if let Some(ended) = self.ended.take() {
            return Poll::Ready(ended);
        }
        loop {
            let polled = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
            let other = match polled {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if self.piece.is_empty() && bytes.len() >= PIECE => {
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                    Ok(bytes) => {
                        self.piece.extend_from_slice(&bytes);
                        if self.piece.len() >= PIECE {
                            return Poll::Ready(self.take());
                        }
                        continue;
                    }
                    Err(trailers) => Some(Ok(trailers)),
                },
                ended => ended,
            };
            if self.piece.is_empty() {
                return Poll::Ready(other);
            }
            // What has come counts, whatever becomes of the rest.
            self.ended = Some(other);
            return Poll::Ready(self.take());
        }
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.ended.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (here, mut hint) = (self.piece.len() as u64, self.body.size_hint());
        match hint.exact() {
            Some(left) => hint.set_exact(left + here),
            None => hint.set_lower(hint.lower() + here),
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt;

    use super::*;

    /// A body that comes in these pieces.
    struct Pieces(VecDeque<Result<Bytes, axum::Error>>);

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Polled> {
            Poll::Ready(self.0.pop_front().map(|piece| piece.map(Frame::data)))
        }
    }

    /// The lengths of the pieces that arrive, and whether an error is at their end.
    async fn arrive(pieces: Vec<Result<Bytes, axum::Error>>) -> (Vec<usize>, bool) {
        let request = Request::new(Body::new(Pieces(pieces.into())));
        let mut body = joined(request).into_body();
        let mut lengths = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame.map(|frame| frame.into_data().unwrap_or_default()) {
                Ok(bytes) => lengths.push(bytes.len()),
                Err(_) => return (lengths, true),
            }
        }
        (lengths, false)
    }

    #[tokio::test]
    async fn c64_single_bytes_come_in_large_pieces() {
        let bytes = |length: usize| Ok(Bytes::from(vec![b'x'; length]));
        let single = (0..20_000).map(|_| bytes(1)).collect();
        assert_eq!(
            arrive(single).await,
            (vec![PIECE, PIECE, 20_000 - 2 * PIECE], false)
        );
        let large = vec![bytes(3 * PIECE), bytes(5), bytes(PIECE)];
        assert_eq!(arrive(large).await, (vec![3 * PIECE, PIECE + 5], false));
        // What came before a line broke is there.
        let broken = vec![bytes(5), Err(axum::Error::new(std::fmt::Error))];
        assert_eq!(arrive(broken).await, (vec![5], true));
        assert_eq!(arrive(vec![]).await, (vec![], false));
    }
}
