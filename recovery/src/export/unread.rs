//! What could not be read of what was asked for, and the list of it that lies beside a copy.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vigie_disk::Bytes;

/// The list.
pub const UNREADABLE: &str = "UNREADABLE.txt";

/// A file or folder that could not be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its path below the volume's root; of the root itself empty.
    pub path: PathBuf,
    /// So much of it was read before that; none where it could not be opened.
    pub offset: Option<Bytes>,
    /// What the kernel said.
    pub reason: String,
}

impl Unread {
    /// One that could not be opened or listed.
    #[must_use]
    pub fn unopened(path: &Path, error: &io::Error) -> Self {
        Self::at(path, None, error)
    }

    /// One that could not be read from a place on.
    #[must_use]
    pub fn at(path: &Path, offset: Option<Bytes>, error: &io::Error) -> Self {
        Self {
            path: path.to_owned(),
            offset,
            reason: error.to_string(),
        }
    }

    /// In a line, for a person.
    #[must_use]
    pub fn line(&self) -> String {
        let (path, reason) = (self.path.display(), &self.reason);
        match self.offset {
            Some(at) => format!("{path}, byte {}: {reason}", at.get()),
            None => format!("{path}: {reason}"),
        }
    }
}

/// The list: path, the first byte that could not be read ("-" where the file could not be opened) and why,
/// with tabs between. Names are escaped as in the list of digests, and a tab is `\t`.
#[must_use]
pub fn list(all: &[Unread]) -> Vec<u8> {
    let mut list = Vec::new();
    for one in all {
        for byte in one.path.as_os_str().as_bytes() {
            match byte {
                b'\n' => list.extend(b"\\n"),
                b'\t' => list.extend(b"\\t"),
                b'\\' => list.extend(b"\\\\"),
                byte => list.push(*byte),
            }
        }
        let offset = one.offset.map(|at| at.get().to_string());
        let offset = offset.unwrap_or_else(|| "-".to_owned());
        list.extend(format!("\t{offset}\t{}\n", one.reason).bytes());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_list_is_one_whatever_the_name() {
        let error = io::Error::from_raw_os_error(5);
        let broken = Unread::at(Path::new("a\nb\tc\\d"), Some(Bytes::kib(4)), &error);
        let list = String::from_utf8(list(&[broken])).unwrap();
        assert_eq!(list, format!("a\\nb\\tc\\\\d\t4096\t{error}\n"));
    }
}
