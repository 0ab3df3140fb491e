//! A package that is half there. Its file holds the authenticated head and chunks that were
//! checked, and nothing else; so it can be taken up again whatever happened in between.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use vigie_settings::Said;
use vigie_update::apply::Opened;
use vigie_update::package::PackageError;
use vigie_update::package::envelope::Envelope;

/// What a head is accepted by: authenticated, the one that was asked for, for this machine.
pub type Accept<'a> = dyn Fn(&Envelope) -> Result<Opened, Said> + 'a;

/// The file, and what is known of it.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    file: File,
    head: Option<(Opened, u64)>,
    at: u64,
}

impl Part {
    /// Opens or makes the file, and keeps of it what is good.
    ///
    /// # Errors
    /// The folder or the file.
    pub fn open(path: &Path, accept: &Accept<'_>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
        let mut part = Self {
            path: path.to_owned(),
            file: options.open(path)?,
            head: None,
            at: 0,
        };
        part.recover(accept)?;
        part.file.set_len(part.at)?;
        Ok(part)
    }

    /// Reads what is there as far as it is good.
    fn recover(&mut self, accept: &Accept<'_>) -> io::Result<()> {
        let mut input = BufReader::new(&self.file);
        let Ok(envelope) = Envelope::read(&mut input) else {
            return Ok(());
        };
        let Ok(opened) = accept(&envelope) else {
            return Ok(());
        };
        let mut at = envelope.length;
        let mut buffer = Vec::new();
        for index in 0..opened.header.chunks.len() {
            buffer.resize(chunk_length(&opened, index), 0);
            match input.read_exact(&mut buffer) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
            if !is_chunk(&opened, index, &buffer) {
                break;
            }
            at += buffer.len() as u64;
        }
        self.at = at;
        self.head = Some((opened, envelope.length));
        Ok(())
    }

    /// How many bytes are here.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The whole length in bytes, once the head is here.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        let (opened, head) = self.head.as_ref()?;
        Some(head.saturating_add(opened.header.body))
    }

    /// The length in bytes of the chunk that comes next; none where the head comes, or nothing.
    #[must_use]
    pub fn next_chunk(&self) -> Option<usize> {
        let (opened, index) = self.next()?;
        Some(chunk_length(opened, index))
    }

    fn next(&self) -> Option<(&Opened, usize)> {
        let (opened, head) = self.head.as_ref()?;
        let index = ((self.at - head) / u64::from(opened.header.chunk)) as usize;
        let left = self.at - head < opened.header.body;
        left.then_some((opened, index))
    }

    /// Throws away what is here.
    ///
    /// # Errors
    /// The file.
    pub fn start_over(&mut self) -> io::Result<()> {
        (self.at, self.head) = (0, None);
        self.file.set_len(0)
    }

    /// Takes the head, which was accepted.
    ///
    /// # Errors
    /// The file.
    pub fn put_head(&mut self, envelope: &Envelope, opened: Opened) -> io::Result<()> {
        let bytes = Envelope::encode(&envelope.signatures, &envelope.signed);
        self.write(&bytes)?;
        self.head = Some((opened, envelope.length));
        Ok(())
    }

    /// Takes the next chunk; answers whether it is what was signed.
    ///
    /// # Errors
    /// The file.
    pub fn put_chunk(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let good = self
            .next()
            .is_some_and(|(opened, index)| is_chunk(opened, index, bytes));
        if good {
            self.write(bytes)?;
        }
        Ok(good)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.at))?;
        self.file.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Gives the complete file its name, when all of it is on the disk.
    ///
    /// # Errors
    /// The file or the folder.
    pub fn complete(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

fn chunk_length(opened: &Opened, index: usize) -> usize {
    let header = &opened.header;
    let before = index as u64 * u64::from(header.chunk);
    u64::from(header.chunk).min(header.body - before) as usize
}

fn is_chunk(opened: &Opened, index: usize, bytes: &[u8]) -> bool {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    opened.header.chunks.get(index) == Some(&digest)
}

/// Reads the head of a package: at most 60,011 bytes, whatever comes.
///
/// # Errors
/// The connection ([`Head::Broken`]), or what is no package.
pub fn read_head(input: &mut impl io::BufRead) -> Result<Envelope, Head> {
    match Envelope::read(input) {
        Ok(envelope) => Ok(envelope),
        Err(PackageError::Read { source, .. }) => Err(Head::Broken(source)),
        Err(other) => Err(Head::Wrong(Said::new(other.to_string(), other.french()))),
    }
}

/// Why a head was not read.
#[derive(Debug)]
pub enum Head {
    /// The connection.
    Broken(io::Error),
    /// It is none.
    Wrong(Said),
}
