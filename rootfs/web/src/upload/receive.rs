//! Bytes into the file of an upload. The package is judged as soon as its head is there, and all
//! of it when it is complete, by the updater.

use std::io::{self, SeekFrom};

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;

use super::pace::{Came, Pace, linger};
use super::range::Part;
use super::store::{Name, Store, Writing};
use crate::failure::Failure;
use crate::updater::Updater;

/// Where a package's head is complete, if it is one: 10 bytes, a comment of at most 60,000, a NUL
/// (update/FORMAT.md). It may be complete before.
pub const HEAD: u64 = 10 + 60_000 + 1;
/// Fixed bytes before the comment; they may hold NULs.
const FIXED: usize = 10;
/// The room is looked at again after so many bytes.
pub(super) const LOOK_AGAIN: u64 = 16 << 20;

/// How a request to upload ended, apart from success.
#[derive(Debug)]
pub struct Refused {
    /// For the answer.
    pub status: StatusCode,
    /// Why.
    pub why: Failure,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A part; more is to come.
    Part {
        /// Bytes that are here.
        offset: u64,
        /// Which package it is, when its head is complete.
        package: Option<String>,
    },
    /// All, and it is a package for this machine.
    Whole {
        /// The version that it installs; none where that was told before.
        version: Option<String>,
    },
}

/// Where uploads go and who judges them.
#[derive(Clone)]
pub struct Receiver {
    /// The files.
    pub store: Store,
    /// The judge.
    pub updater: Updater,
}

/// A request for an upload, its headers understood.
pub struct Sent<'a> {
    /// Which upload.
    pub name: &'a Name,
    /// Which part.
    pub part: Part,
    /// The package that the client says it goes on with.
    pub package: Option<&'a str>,
}

pub(super) fn refused(status: StatusCode, english: &str, french: &str) -> Refused {
    Refused {
        status,
        why: Failure::new(english, french),
    }
}

fn elsewhere() -> Refused {
    refused(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "the upload goes on at another byte; ask where (HEAD)",
        "l’envoi continue à un autre octet ; demandez lequel (HEAD)",
    )
}

fn another_package() -> Refused {
    refused(
        StatusCode::PRECONDITION_FAILED,
        "another package was being sent here; begin again with this one",
        "un autre paquet était envoyé ici ; recommencez avec celui-ci",
    )
}

/// The file is not what its head says.
pub(super) fn not_as_long() -> Refused {
    refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "the file is not as long as the package that it begins as; copy it again",
        "le fichier n’a pas la longueur du paquet qu’il commence ; copiez-le de nouveau",
    )
}

/// It does not fit on the state volume.
pub fn no_room() -> Refused {
    refused(
        StatusCode::INSUFFICIENT_STORAGE,
        "there is not enough room on the state volume; remove packages that are not needed, or use a stick",
        "il n’y a pas assez de place sur le volume d’état ; supprimez des paquets inutiles, ou prenez une clé USB",
    )
}

pub(super) fn disk(error: &io::Error) -> Refused {
    eprintln!("vigie-web: an upload could not be written: {error}");
    let status = match error.kind() {
        io::ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let (en, fr) = (
        "the upload could not be written; check the state volume",
        "l’envoi n’a pas pu être écrit ; vérifiez le volume d’état",
    );
    refused(status, en, fr)
}

impl Receiver {
    /// Takes the body of a request.
    ///
    /// # Errors
    /// Why not; what has come stays for being gone on with, unless it is of no use.
    pub async fn take(
        &self,
        sent: &Sent<'_>,
        body: Body,
        place: OwnedSemaphorePermit,
    ) -> Result<Received, Refused> {
        let mut body = body;
        let result = self.try_take(sent, &mut body, place).await;
        if result.is_err() {
            linger(&mut body).await;
        }
        result
    }

    /// Checks an upload of `total` bytes that are all here: the connection that brought the last of
    /// them broke, or the check did not come to its end. `package` is the one that the client says
    /// it is.
    ///
    /// # Errors
    /// Why not; what has come stays, unless it is of no use.
    pub async fn finish(
        &self,
        name: &Name,
        total: u64,
        package: Option<&str>,
        place: OwnedSemaphorePermit,
    ) -> Result<Received, Refused> {
        let writing = self.writing(name)?;
        if self.store.whole_length(name) == Some(total) {
            return Ok(Received::Whole { version: None });
        }
        if self.here(name)? != total {
            return Err(elsewhere());
        }
        let found = self.judge(name, total).await?;
        if package.is_some_and(|claimed| claimed != found) {
            return Err(another_package());
        }
        self.check(writing, place).await
    }

    pub(super) fn writing(&self, name: &Name) -> Result<Writing, Refused> {
        self.store.write(name).ok_or_else(|| {
            refused(
                StatusCode::CONFLICT,
                "another connection is sending this upload, or it is being checked",
                "une autre connexion est en train d’envoyer ce fichier, ou il est en cours de vérification",
            )
        })
    }

    /// Bytes that are here.
    fn here(&self, name: &Name) -> Result<u64, Refused> {
        self.store.offset(name).ok_or_else(|| {
            refused(
                StatusCode::NOT_FOUND,
                "there is no such upload",
                "cet envoi n’existe pas",
            )
        })
    }

    async fn try_take(
        &self,
        sent: &Sent<'_>,
        body: &mut Body,
        place: OwnedSemaphorePermit,
    ) -> Result<Received, Refused> {
        let writing = self.writing(sent.name)?;
        let mut package = self.same_package(sent).await?;
        self.fits(sent.part.total - sent.part.first)?;
        let mut file = self.open(sent).await.map_err(|error| disk(&error))?;
        let mut offset = sent.part.first;
        let mut looked = offset;
        let mut pace = Pace::begin();
        while offset < sent.part.end() {
            // Where the client has gone, what has come is kept.
            let Came::Bytes(bytes) = pace.next(body).await? else {
                break;
            };
            if bytes.len() as u64 > sent.part.end() - offset {
                return Err(refused(
                    StatusCode::BAD_REQUEST,
                    "more bytes came than were announced",
                    "plus d’octets sont venus qu’annoncé",
                ));
            }
            file.write_all(&bytes).await.map_err(|error| disk(&error))?;
            offset += bytes.len() as u64;
            if offset - looked >= LOOK_AGAIN {
                looked = offset;
                self.fits(sent.part.total - offset)?;
            }
            if package.is_none() && offset >= HEAD {
                file.flush().await.map_err(|error| disk(&error))?;
                package = Some(self.judge(sent.name, sent.part.total).await?);
            }
        }
        file.flush().await.map_err(|error| disk(&error))?;
        drop(file);
        if offset < sent.part.total {
            if package.is_none() && self.head_is_complete(sent.name).await {
                package = Some(self.judge(sent.name, sent.part.total).await?);
            }
            return Ok(Received::Part { offset, package });
        }
        if package.is_none() {
            self.judge(sent.name, sent.part.total).await?;
        }
        self.check(writing, place).await
    }

    /// Whoever goes on must go on with the same package: what it says must be what is here.
    async fn same_package(&self, sent: &Sent<'_>) -> Result<Option<String>, Refused> {
        let here = self.here(sent.name)?;
        if sent.part.first == 0 {
            return Ok(None);
        }
        if sent.part.first != here {
            return Err(elsewhere());
        }
        let Some(claimed) = sent.package else {
            return Err(refused(
                StatusCode::PRECONDITION_REQUIRED,
                "say which package goes on (If-Match)",
                "dites quel paquet continue (If-Match)",
            ));
        };
        let package = self.judge(sent.name, sent.part.total).await?;
        if claimed != package {
            return Err(another_package());
        }
        Ok(Some(package))
    }

    pub(super) fn fits(&self, bytes: u64) -> Result<(), Refused> {
        if bytes <= self.store.room() {
            return Ok(());
        }
        Err(no_room())
    }

    async fn open(&self, sent: &Sent<'_>) -> io::Result<File> {
        let mut options = File::options();
        let mut file = options.write(true).open(self.store.part(sent.name)).await?;
        // Beginning again, nothing of what was there before may be left.
        file.set_len(sent.part.first).await?;
        file.seek(SeekFrom::Start(sent.part.first)).await?;
        Ok(file)
    }

    /// Whether a NUL ends the comment already; nothing more is looked at here.
    async fn head_is_complete(&self, name: &Name) -> bool {
        let mut head = Vec::new();
        let Ok(file) = File::open(self.store.part(name)).await else {
            return false;
        };
        let read = file.take(HEAD).read_to_end(&mut head).await.is_ok();
        read && head
            .get(FIXED..)
            .is_some_and(|comment| comment.contains(&0))
    }

    /// Which package the beginning of an upload is, where this machine takes it.
    pub(super) async fn judge(&self, name: &Name, total: u64) -> Result<String, Refused> {
        let verdict = self.head(name).await?;
        if verdict["length"].as_u64() != Some(total) {
            self.store.abort(name);
            return Err(not_as_long());
        }
        Ok(verdict["package"].as_str().unwrap_or_default().to_owned())
    }

    /// What the updater says of the beginning of an upload, where this machine takes it.
    pub(super) async fn head(&self, name: &Name) -> Result<Value, Refused> {
        let request = json!({"verb": "judge", "upload": name.as_str()});
        self.verdict(name, &request).await
    }

    /// Checks what is complete. It goes on where whoever sent it has gone: the upload and its place
    /// are nobody else's meanwhile.
    pub(super) async fn check(
        &self,
        writing: Writing,
        place: OwnedSemaphorePermit,
    ) -> Result<Received, Refused> {
        let receiver = self.clone();
        let task = tokio::spawn(async move {
            let (writing, _place) = (writing, place);
            receiver.check_all(writing.name()).await
        });
        task.await
            .unwrap_or_else(|error| Err(disk(&io::Error::other(error))))
    }

    async fn check_all(&self, name: &Name) -> Result<Received, Refused> {
        let request = json!({"verb": "check", "upload": name.as_str()});
        let verdict = self.verdict(name, &request).await?;
        self.store.finish(name).map_err(|error| disk(&error))?;
        let version = verdict["version"].as_str().map(str::to_owned);
        Ok(Received::Whole { version })
    }

    /// What the updater says; an upload that it refuses for good is removed. Where something else
    /// went wrong it stays, and can be asked about again.
    async fn verdict(&self, name: &Name, request: &Value) -> Result<Value, Refused> {
        let no = |why: Failure| Refused {
            status: match why.refused {
                true => StatusCode::UNPROCESSABLE_ENTITY,
                false => StatusCode::SERVICE_UNAVAILABLE,
            },
            why,
        };
        let told = self.updater.events(request).await.map_err(|why| {
            if why.refused {
                self.store.abort(name);
            }
            no(why)
        })?;
        let package = |event: &Value| event["event"] == "package";
        let verdict = told.into_iter().find(package).unwrap_or_default();
        if verdict["accepted"] == true || verdict["later"] == true {
            return Ok(verdict);
        }
        self.store.abort(name);
        Err(no(Failure::of(&verdict)))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use axum::body::{Bytes, HttpBody};
    use hyper::body::Frame;
    use tokio::sync::Semaphore;
    use tokio::time::{Instant, Sleep, sleep};

    use super::super::pace::{LINGER, WINDOW};
    use super::*;

    /// A byte a second, without end.
    struct Dripping(Pin<Box<Sleep>>);

    impl HttpBody for Dripping {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            ready!(self.0.as_mut().poll(context));
            self.0 = Box::pin(sleep(Duration::from_secs(1)));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn c63_a_client_that_sends_a_byte_a_second_is_given_up() {
        let dir = tempfile::tempdir().expect("folder");
        let receiver = Receiver {
            store: Store::new(dir.path().to_owned()),
            updater: Updater::new(dir.path().join("none")),
        };
        let total = 3_000_000;
        let name = receiver.store.create(total).expect("created");
        let name = name.expect("it fits");
        let sent = Sent {
            name: &name,
            part: Part {
                first: 0,
                length: total,
                total,
            },
            package: None,
        };
        let begun = Instant::now();
        let body = Body::new(Dripping(Box::pin(sleep(Duration::ZERO))));
        let places = Arc::new(Semaphore::new(1));
        let place = places.try_acquire_owned().expect("free");
        let taken = receiver.take(&sent, body, place).await;
        let refused = taken.expect_err("too slow");
        assert_eq!(refused.status, StatusCode::REQUEST_TIMEOUT);
        let took = begun.elapsed();
        assert!((WINDOW..WINDOW + 2 * LINGER).contains(&took), "{took:?}");
        // What came is kept, and the upload is free again.
        let offset = receiver.store.offset(&name);
        assert!(offset.is_some_and(|offset| (1..100).contains(&offset)));
        assert!(receiver.store.write(&name).is_some());
    }
}
