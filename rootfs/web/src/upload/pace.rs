//! Bytes of whoever sends a package: how slowly they may come, and how long somebody is listened to who was
//! refused.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::multipart::Field;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::receive::{Refused, refused};

/// Within each such time …
pub const WINDOW: Duration = Duration::from_secs(30);
/// … at least so many bytes must come, or the connection is given up; the upload can be resumed.
const AT_LEAST: u64 = 128 << 10;
/// A client that was refused is listened to for so long, so that it hears the answer: most read
/// none before they have sent all.
pub const LINGER: Duration = Duration::from_secs(5);

/// What comes next.
pub enum Came {
    /// More of it.
    Bytes(Bytes),
    /// There is no more.
    End,
    /// The client has gone in the middle, or has sent what is none.
    Broken,
}

/// Bytes that come in pieces.
pub trait Pieces {
    /// The next piece. Nothing is lost where it is not waited for to its end.
    fn piece(&mut self) -> impl Future<Output = Came> + Send;
}

impl Pieces for Body {
    async fn piece(&mut self) -> Came {
        loop {
            match self.frame().await {
                None => return Came::End,
                Some(Err(_)) => return Came::Broken,
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Came::Bytes(bytes);
                    }
                }
            }
        }
    }
}

impl Pieces for Field<'_> {
    async fn piece(&mut self) -> Came {
        match self.chunk().await {
            Ok(Some(bytes)) => Came::Bytes(bytes),
            Ok(None) => Came::End,
            Err(_) => Came::Broken,
        }
    }
}

/// Sees to it that bytes come fast enough.
pub struct Pace {
    end: Instant,
    came: u64,
}

impl Pace {
    /// From now on.
    pub fn begin() -> Self {
        Self {
            end: Instant::now() + WINDOW,
            came: 0,
        }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// Too few came.
    pub async fn next(&mut self, pieces: &mut impl Pieces) -> Result<Came, Refused> {
        loop {
            if Instant::now() >= self.end {
                if self.came < AT_LEAST {
                    return Err(too_slow());
                }
                *self = Self::begin();
            }
            let Ok(came) = timeout_at(self.end, pieces.piece()).await else {
                continue;
            };
            if let Came::Bytes(bytes) = &came {
                self.came += bytes.len() as u64;
            }
            return Ok(came);
        }
    }
}

fn too_slow() -> Refused {
    refused(
        StatusCode::REQUEST_TIMEOUT,
        "too few bytes came; the upload can be gone on with",
        "trop peu d’octets sont venus ; l’envoi peut être repris",
    )
}

/// Listens on to who was refused, for a while.
pub async fn linger(body: &mut Body) {
    let end = Instant::now() + LINGER;
    while let Ok(Some(Ok(_))) = timeout_at(end, body.frame()).await {}
}
