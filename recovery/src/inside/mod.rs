//! Looks into file systems without mounting them: nothing is written, no kernel parses what is
//! damaged, and there is no privilege to be had. What is read is hostile: files are read up to a
//! bound, and what cannot be understood is an error.

mod ext4;
mod squashfs;

pub use ext4::Files;
pub use squashfs::read_file;

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading {path} of {device}: {why}")]
pub struct Unreadable {
    /// The file; "/" for the file system itself.
    pub path: String,
    /// The device that it lies on.
    pub device: String,
    /// What is wrong.
    pub why: String,
}
