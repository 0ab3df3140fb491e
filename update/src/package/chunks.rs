//! The body as it may be looked at: chunk after chunk, each hashed before anyone sees it.

use std::io::{BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::{Digest, Sha256};
use vigie_disk::Bytes;

use super::error::PackageError;
use super::header::Header;
use crate::writer::Sha;

/// Chunks that are read and hashed before they are asked for.
const AHEAD: usize = 1;
/// What [`compare`] reads at once, in bytes.
const PIECE: usize = 64 << 10;

/// The authenticated body of a package.
///
/// It is read by a second thread ([`Feeder::run`]), so that hashing and writing happen at once;
/// used buffers go back to it, so that memory is three chunks.
#[derive(Debug)]
pub struct Chunks {
    good: Receiver<Result<Vec<u8>, PackageError>>,
    used: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
}

/// The two ends of an authenticated body: what reads it, and what a thread must run.
pub fn channel() -> (Chunks, Feeder) {
    let (send, good) = sync_channel(AHEAD);
    let (used, returned) = sync_channel(AHEAD + 2);
    let chunks = Chunks {
        good,
        used,
        current: Vec::new(),
        at: 0,
    };
    (chunks, Feeder { send, returned })
}

/// The reading end's counterpart.
#[derive(Debug)]
pub struct Feeder {
    send: SyncSender<Result<Vec<u8>, PackageError>>,
    returned: Receiver<Vec<u8>>,
}

impl Feeder {
    /// Reads and checks all chunks of a body, and that nothing follows it. What is wrong goes to
    /// the other end in its place; it ends early where nobody listens any more.
    pub fn run(self, header: &Header, input: &mut dyn Read) {
        let mut at = 0;
        for (index, expected) in header.chunks.iter().enumerate() {
            let length = u64::from(header.chunk).min(header.body - at);
            let mut buffer = self.returned.try_recv().unwrap_or_default();
            buffer.resize(length as usize, 0);
            let chunk = read_chunk(input, at, header.body, &mut buffer)
                .and_then(|()| same(Sha256::digest(&buffer).into(), expected, index, header))
                .map(|()| buffer);
            let failed = chunk.is_err();
            if self.send.send(chunk).is_err() || failed {
                return;
            }
            at += length;
        }
        if let Err(error) = expect_end(input, header.body) {
            let _ = self.send.send(Err(error));
        }
    }
}

/// Compares a body with its header, and that nothing follows it. Of each chunk no more than a
/// piece is in memory. `note` is told the bytes done.
///
/// # Errors
/// The first thing that is not as the header says.
pub fn compare(
    header: &Header,
    input: &mut dyn Read,
    note: &mut dyn FnMut(Bytes),
) -> Result<(), PackageError> {
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    for (index, expected) in header.chunks.iter().enumerate() {
        let end = header.body.min(at + u64::from(header.chunk));
        let mut digest = Sha256::new();
        while at < end {
            let piece = &mut buffer[..PIECE.min((end - at) as usize)];
            read_chunk(input, at, header.body, piece)?;
            digest.update(&*piece);
            at += piece.len() as u64;
        }
        same(digest.finalize().into(), expected, index, header)?;
        note(Bytes::new(at));
    }
    expect_end(input, header.body)
}

fn read_chunk(
    input: &mut dyn Read,
    at: u64,
    body: u64,
    buffer: &mut [u8],
) -> Result<(), PackageError> {
    let mut got = 0;
    while got < buffer.len() {
        match input.read(&mut buffer[got..]) {
            Ok(0) => {
                return Err(PackageError::Short {
                    at: at + got as u64,
                    length: body,
                });
            }
            Ok(step) => got += step,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => {
                let at = at + got as u64;
                return Err(PackageError::Read { at, source });
            }
        }
    }
    Ok(())
}

fn same(found: Sha, expected: &Sha, index: usize, header: &Header) -> Result<(), PackageError> {
    if found == *expected {
        return Ok(());
    }
    Err(PackageError::Chunk {
        index: index + 1,
        count: header.chunks.len(),
    })
}

fn expect_end(input: &mut dyn Read, length: u64) -> Result<(), PackageError> {
    let mut more = [0];
    loop {
        match input.read(&mut more) {
            Ok(0) => return Ok(()),
            Ok(_) => return Err(PackageError::Trailing { length }),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(PackageError::Read { at: length, source }),
        }
    }
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.at == self.current.len() {
            // The feeder has gone when everything is read.
            if let Ok(next) = self.good.recv() {
                let next = next.map_err(PackageError::into_io)?;
                let used = std::mem::replace(&mut self.current, next);
                self.at = 0;
                let _ = self.used.try_send(used);
            }
        }
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.current.len());
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let piece = self.fill_buf()?;
        let step = piece.len().min(buffer.len());
        buffer[..step].copy_from_slice(&piece[..step]);
        self.consume(step);
        Ok(step)
    }
}
