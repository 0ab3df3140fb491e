//! A file of a squashfs image.

use std::io::{BufReader, Read};
use std::path::Path;

use backhand::{FilesystemReader, InnerNode};
use vigie_disk::BlockDevice;
use vigie_disk::device::Cursor;

use super::Unreadable;

/// Reads a file from an absolute path, at most `most` bytes of it.
///
/// # Errors
/// There is no squashfs, no such file, or it is damaged.
pub fn read_file(device: &dyn BlockDevice, path: &str, most: usize) -> Result<Vec<u8>, Unreadable> {
    let failed = |why: String| Unreadable {
        path: path.to_owned(),
        device: device.name().to_owned(),
        why,
    };
    let reader = BufReader::new(Cursor::new(device));
    let image = FilesystemReader::from_reader(reader);
    let image = image.map_err(|error| failed(error.to_string()))?;
    let mut files = image.files();
    let found = files.find_map(|node| match &node.inner {
        InnerNode::File(file) if node.fullpath == Path::new(path) => Some(file),
        _ => None,
    });
    let file = found.ok_or_else(|| failed("there is no such file".to_owned()))?;
    let mut bytes = Vec::new();
    let mut reader = image.file(file).reader().take(most as u64);
    let read = reader.read_to_end(&mut bytes);
    read.map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}
