//! A package in a form, as a browser sends it where no script runs: how long it is, is known when its head is
//! there, and nobody goes on with it where the line breaks. So nothing of it is kept but a whole one.

use axum::http::StatusCode;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::OwnedSemaphorePermit;

use super::pace::{Came, Pace, Pieces};
use super::receive::{
    HEAD, LOOK_AGAIN, Received, Receiver, Refused, disk, no_room, not_as_long, refused,
};
use super::store::{Name, Store, Writing};

/// An upload that is removed unless it comes to its check.
struct Fleeting<'a> {
    store: &'a Store,
    writing: Option<Writing>,
}

impl Fleeting<'_> {
    fn keep(mut self) -> Option<Writing> {
        self.writing.take()
    }
}

impl Drop for Fleeting<'_> {
    fn drop(&mut self) {
        if let Some(writing) = &self.writing {
            self.store.abort(writing.name());
        }
    }
}

fn broken() -> Refused {
    refused(
        StatusCode::BAD_REQUEST,
        "the file did not come to its end; send it again",
        "le fichier n’est pas venu jusqu’au bout ; envoyez-le de nouveau",
    )
}

/// Too few bytes came.
pub fn slow() -> Refused {
    refused(
        StatusCode::REQUEST_TIMEOUT,
        "too few bytes came; send it again over a faster line, or use a stick",
        "trop peu d’octets sont venus ; renvoyez-le par une ligne plus rapide, ou prenez une clé USB",
    )
}

impl Receiver {
    /// Takes a form's file, which has `most` bytes at most.
    ///
    /// # Errors
    /// Why not; nothing is left of it then.
    pub async fn take_form(
        &self,
        most: u64,
        file: &mut impl Pieces,
        place: OwnedSemaphorePermit,
    ) -> Result<Received, Refused> {
        let name = self.store.create(most).map_err(|error| disk(&error))?;
        let name = name.ok_or_else(no_room)?;
        let coming = Fleeting {
            store: &self.store,
            writing: Some(self.writing(&name)?),
        };
        self.write_form(&name, most, file).await?;
        let Some(writing) = coming.keep() else {
            return Err(broken());
        };
        let checked = self.check(writing, place).await;
        if checked.is_err() {
            // Nobody asks for another check of it.
            self.store.abort(&name);
        }
        checked
    }

    /// All of it into its file, of a package that this machine takes.
    async fn write_form(
        &self,
        name: &Name,
        most: u64,
        pieces: &mut impl Pieces,
    ) -> Result<(), Refused> {
        let part = self.store.part(name);
        let file = File::options().write(true).open(part).await;
        let mut file = file.map_err(|error| disk(&error))?;
        let (mut offset, mut looked, mut length) = (0, 0, None);
        let mut pace = Pace::begin();
        loop {
            let bytes = match pace.next(pieces).await.map_err(|_| slow())? {
                Came::Bytes(bytes) => bytes,
                Came::End => break,
                Came::Broken => return Err(broken()),
            };
            file.write_all(&bytes).await.map_err(|error| disk(&error))?;
            offset += bytes.len() as u64;
            if offset - looked >= LOOK_AGAIN {
                looked = offset;
                self.fits(most.saturating_sub(offset))?;
            }
            if length.is_none() && offset >= HEAD {
                file.flush().await.map_err(|error| disk(&error))?;
                length = Some(
                    self.head(name).await?["length"]
                        .as_u64()
                        .unwrap_or_default(),
                );
            }
            if length.is_some_and(|length| offset > length) {
                return Err(not_as_long());
            }
        }
        file.flush().await.map_err(|error| disk(&error))?;
        match length {
            Some(length) if length == offset => Ok(()),
            Some(_) => Err(not_as_long()),
            None => self.judge(name, offset).await.map(drop),
        }
    }
}
