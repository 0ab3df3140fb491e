//! Large answers: a few at once, in memory until they are taken, and none of them kept for good by who
//! takes it slowly.
//!
//! Invariant: whatever is asked, by whomever, the answers that lie in memory have bounds: [`PLACES`], and
//! [`LARGEST`] for each, and one support bundle beside them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::failure::Failure;
use crate::lifetime::Lifetime;

/// Large answers at once.
const PLACES: usize = 4;
/// Largest answer, in bytes.
pub const LARGEST: usize = 4 << 20;
/// Most that a page shows of a log, in bytes: written as HTML, it may be five times as long.
pub const PAGE: usize = 1 << 20;
/// How long somebody waits for a place.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that must be taken within the time of a connection.
const PIECE: usize = 256 << 10;

/// The places.
pub struct Large(Arc<Semaphore>);

/// One place; it is free again when the answer was taken, or when who asked has gone.
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Default for Large {
    fn default() -> Self {
        Self::of(PLACES)
    }
}

impl Large {
    pub fn of(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// A place for an answer.
    ///
    /// # Errors
    /// All are taken, and stay so.
    pub async fn place(&self) -> Result<Place, Failure> {
        let place = timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        let place = place.ok().and_then(Result::ok);
        place.map(|_permit| Place { _permit }).ok_or_else(|| {
            Failure::machine(
                "too many long answers are being sent at this moment; try again in a minute",
                "trop de longues réponses sont en cours d’envoi ; réessayez dans une minute",
            )
        })
    }
}

/// An answer that is larger than it may be.
pub fn too_large() -> Failure {
    Failure::new(
        "the answer is too large; ask for fewer lines",
        "la réponse est trop grande ; demandez moins de lignes",
    )
}

/// Texts of which the newest are kept, as many as there is room for.
pub struct Newest {
    pub texts: VecDeque<String>,
    bytes: usize,
    most: (usize, usize),
}

impl Newest {
    /// At most so many, of at most so many bytes together.
    pub fn of(count: usize, bytes: usize) -> Self {
        Self {
            texts: VecDeque::new(),
            bytes: 0,
            most: (count, bytes),
        }
    }

    /// Keeps one more; older ones go for it.
    pub fn push(&mut self, text: &str) {
        self.bytes += text.len();
        self.texts.push_back(text.to_owned());
        let (count, bytes) = self.most;
        while self.texts.len() > count || self.bytes > bytes {
            let Some(gone) = self.texts.pop_front() else {
                break;
            };
            self.bytes -= gone.len();
        }
    }
}

/// An answer that has its place until it was taken, in pieces: each that is taken gives its connection time
/// for the next.
pub fn sent(answer: Response, lifetime: &Lifetime, place: Place) -> Response {
    let lifetime = lifetime.clone();
    answer.map(|whole| {
        Body::new(Sent {
            whole,
            rest: Bytes::new(),
            lifetime,
            _place: place,
        })
    })
}

struct Sent {
    whole: Body,
    /// What has come of it, and is not taken.
    rest: Bytes,
    lifetime: Lifetime,
    _place: Place,
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.whole).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        self.lifetime.renew();
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.whole.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut hint) = (self.rest.len() as u64, self.whole.size_hint());
        match hint.exact() {
            Some(left) => hint.set_exact(left + rest),
            None => hint.set_lower(hint.lower() + rest),
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::body::Body as _;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn c64_large_answers_have_few_places_and_give_them_back() {
        let large = Large::default();
        let mut taken = Vec::new();
        for _ in 0..PLACES {
            taken.push(large.place().await.expect("a place"));
        }
        let begun = Instant::now();
        assert!(large.place().await.is_err());
        assert!(begun.elapsed() >= PATIENCE);
        let place = taken.pop().expect("one of them");
        let answer = Response::new(Body::from(vec![b'x'; PIECE + 1]));
        let answer = sent(answer, &Lifetime::begin(), place);
        assert_eq!(answer.body().size_hint().exact(), Some(PIECE as u64 + 1));
        let all = answer.into_body().collect().await.expect("sent").to_bytes();
        assert_eq!(all.len(), PIECE + 1);
        assert!(large.place().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_it_goes_on_and_who_does_not_is_cut() {
        let large = Large::default();
        let lifetime = Lifetime::begin();
        let place = large.place().await.expect("a place");
        let answer = Response::new(Body::from(vec![b'x'; 5 * PIECE]));
        let mut sent = sent(answer, &lifetime, place).into_body();
        let over = tokio::spawn(async move { lifetime.over().await });
        for _ in 0..5 {
            sleep(Duration::from_secs(50)).await;
            assert!(sent.frame().await.is_some() && !over.is_finished());
        }
        sleep(Duration::from_secs(70)).await;
        assert!(over.is_finished());
    }

    #[test]
    fn c64_lines_of_a_log_are_bounded_by_their_bytes() {
        let mut newest = Newest::of(20_000, LARGEST);
        for number in 0..20_000 {
            newest.push(&format!("{number} {}", "x".repeat(4096)));
        }
        let bytes: usize = newest.texts.iter().map(String::len).sum();
        assert!(bytes <= LARGEST && bytes > LARGEST - 8192, "{bytes}");
        assert!(
            newest
                .texts
                .back()
                .is_some_and(|last| last.starts_with("19999 "))
        );
        let mut two = Newest::of(2, LARGEST);
        for text in ["a", "b", "c"] {
            two.push(text);
        }
        assert_eq!(two.texts, ["b", "c"]);
    }
}
