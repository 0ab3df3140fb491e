//! What a tree is made of.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

/// Content of a file: in memory, or a stretch of a file that stays where it is.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// `length` bytes from `offset` on of a file.
    Stretch {
        /// The file, such as an unpacked `data.tar`.
        file: Arc<Path>,
        /// Where the content starts, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        length: u64,
    },
}

impl Content {
    /// Content in memory.
    #[must_use]
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// All of a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        let length = path
            .metadata()
            .with_context(|| format!("reading {}", path.display()))?
            .len();
        Ok(Self::Stretch {
            file: path.into(),
            offset: 0,
            length,
        })
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Stretch { length, .. } => *length,
        }
    }

    /// Whether the file is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes.
    ///
    /// # Errors
    /// The file behind them cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.to_vec()),
            Self::Stretch {
                file,
                offset,
                length,
            } => {
                let opened =
                    File::open(file).with_context(|| format!("opening {}", file.display()))?;
                let mut bytes = vec![0; usize::try_from(*length)?];
                opened
                    .read_exact_at(&mut bytes, *offset)
                    .with_context(|| format!("reading {}", file.display()))?;
                Ok(bytes)
            }
        }
    }
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File(Content),
    /// A symbolic link with its target.
    Link(String),
}

/// A node of a tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with set-uid, set-gid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

impl Node {
    /// A folder that belongs to root.
    #[must_use]
    pub fn folder(mode: u32) -> Self {
        Self {
            kind: Kind::Folder,
            mode,
            uid: 0,
            gid: 0,
            xattrs: Vec::new(),
        }
    }

    /// A file that belongs to root.
    #[must_use]
    pub fn file(mode: u32, content: Content) -> Self {
        Self {
            kind: Kind::File(content),
            mode,
            uid: 0,
            gid: 0,
            xattrs: Vec::new(),
        }
    }

    /// A symbolic link.
    #[must_use]
    pub fn link(target: &str) -> Self {
        Self {
            kind: Kind::Link(target.to_owned()),
            mode: 0o777,
            uid: 0,
            gid: 0,
            xattrs: Vec::new(),
        }
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder)
    }
}
