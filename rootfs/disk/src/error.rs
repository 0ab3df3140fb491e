//! What can go wrong on a disk, told for the person who must act.

use crate::units::Bytes;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a disk operation failed. What the kernel said is part of the sentence, and therefore no
/// `source`: a chain of errors would say it twice.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused or failed an operation.
    #[error("{doing} {device} at byte {offset}: {error}")]
    Io {
        /// What was being done, as "reading" or "writing".
        doing: &'static str,
        /// The device or file, as its owner named it.
        device: String,
        /// Where, in bytes from the start of the device.
        offset: u64,
        /// What the kernel said.
        error: std::io::Error,
    },
    /// A device or file could not be opened.
    #[error("opening {device}: {error}{}", advice(error))]
    Open {
        /// The path.
        device: String,
        /// What the kernel said.
        error: std::io::Error,
    },
    /// An access beyond the end of the device.
    #[error("{device} has {size} bytes; bytes {offset} to {end} lie outside", size = size.get())]
    OutOfRange {
        /// The device.
        device: String,
        /// Its size.
        size: Bytes,
        /// First byte asked for.
        offset: u64,
        /// One past the last byte asked for.
        end: u64,
    },
    /// What is on the disk is not what it must be.
    #[error("{what} of {device}: {why}")]
    Format {
        /// The structure that was read or written, as "the partition table".
        what: &'static str,
        /// The device.
        device: String,
        /// What is wrong with it.
        why: String,
    },
    /// A size, version or other word could not be read.
    #[error("{0}")]
    Parse(String),
}

impl Error {
    /// An error about a structure found on (or meant for) a device.
    pub fn format(what: &'static str, device: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Format {
            what,
            device: device.into(),
            why: why.into(),
        }
    }
}

/// What to do about the two refusals that people meet.
fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::ResourceBusy => {
            " (something on it is mounted or assembled: unmount it or stop the array, then try again)"
        }
        std::io::ErrorKind::PermissionDenied => " (this needs root, or a file of your own)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_errors_says_once_what_the_kernel_said() {
        let kernel = || std::io::Error::from_raw_os_error(5);
        let said = kernel().to_string();
        let device = || "/dev/sda".to_owned();
        for error in [
            Error::Io {
                doing: "writing",
                device: device(),
                offset: 4096,
                error: kernel(),
            },
            Error::Open {
                device: device(),
                error: kernel(),
            },
        ] {
            assert!(error.to_string().contains(&said), "{error}");
            assert!(std::error::Error::source(&error).is_none(), "{error}");
        }
    }
}
