//! A digest that only this boot can compute, for those who may know whether something is still the
//! same, and not what it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{FlockOperation, flock};
use sha2::Sha256;

/// The key's length in bytes.
const LENGTH: usize = 32;

/// The key in a file that only this account reads; it is made when it is not there or not whole.
///
/// # Errors
/// It cannot be read or kept.
pub fn key(path: &Path) -> io::Result<[u8; LENGTH]> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file: File = options.mode(0o600).open(path)?;
    // Two that come first together must not make two.
    flock(&file, FlockOperation::LockExclusive)?;
    let mut kept = Vec::new();
    file.read_to_end(&mut kept)?;
    if let Ok(kept) = kept.try_into() {
        return Ok(kept);
    }
    let mut key = [0; LENGTH];
    getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(&key)?;
    Ok(key)
}

/// HMAC-SHA-256 in hexadecimal digits.
///
/// # Errors
/// None for a key of this length.
pub fn keyed(key: &[u8; LENGTH], text: &str) -> io::Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(io::Error::other)?;
    mac.update(text.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}
