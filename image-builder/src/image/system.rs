//! The system image: a squashfs from a tar stream, and the dm-verity tree behind it.

use std::io::BufWriter;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use vigie_disk::{Bytes, FileDevice, SectorSize, verity};

use crate::definition::Image;
use crate::tools::{Tools, failure};
use crate::tree::{Tree, export};

/// A written system image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SystemImage {
    /// What the verity tree hangs on, in hexadecimal.
    pub root_hash: String,
    /// Where the verity superblock lies, in bytes; the squashfs ends there.
    pub hash_offset: u64,
}

/// Writes a tree as a squashfs.
///
/// # Errors
/// sqfstar(1) fails: a full disk, for example.
pub fn squashfs(tree: &Tree, out: &Path, how: &[&str], time: u64, tools: &Tools) -> Result<()> {
    let mut command = tools.command("sqfstar");
    command
        .args([
            "-quiet",
            "-no-progress",
            "-exports",
            "-root-mode",
            "755",
            "-root-uid",
            "0",
            "-root-gid",
            "0",
        ])
        .args([
            "-mkfs-time",
            &time.to_string(),
            "-all-time",
            &time.to_string(),
            "-root-time",
            &time.to_string(),
        ])
        .args(how)
        .arg(out)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("starting sqfstar")?;
    let stdin = child.stdin.take().context("sqfstar has no input")?;
    let fed = export::tar(tree, time, BufWriter::with_capacity(1 << 20, stdin));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{}",
            failure(&format!("writing {}", out.display()), &command, &output)
        );
    }
    fed.context("feeding sqfstar")
}

/// Arguments of sqfstar(1) for the compressor of a definition.
#[must_use]
pub fn compression(image: &Image) -> Vec<String> {
    let name = image.compression.get_ref().as_str();
    let mut arguments = vec![
        "-comp".to_owned(),
        name.to_owned(),
        "-b".into(),
        "128K".into(),
    ];
    if name != "xz" {
        let level = (*image.level.get_ref()).min(if name == "gzip" { 9 } else { 22 });
        arguments.extend(["-Xcompression-level".to_owned(), level.to_string()]);
    }
    arguments
}

/// Puts the verity tree behind a squashfs. Salt and id come from its content, so the same
/// squashfs always gives the same image.
///
/// # Errors
/// The file cannot be read or written.
pub fn seal(image: &Path) -> Result<SystemImage> {
    let length = image.metadata()?.len();
    let data = Bytes::new(length.next_multiple_of(4096));
    let content = crate::cache::sha256_file(image)?;
    let salt = Sha256::new()
        .chain_update(b"vigie verity salt")
        .chain_update(content)
        .finalize()
        .to_vec();
    let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &content);
    let params = verity::Params {
        salt,
        uuid: *uuid.as_bytes(),
    };
    let file = std::fs::OpenOptions::new().write(true).open(image)?;
    file.set_len(verity::formatted_size(data).get())?;
    drop(file);
    let mut device = FileDevice::open(image, SectorSize::S512)?;
    let formatted = verity::format(&mut device, data, &params)?;
    Ok(SystemImage {
        root_hash: hex::encode(formatted.root_hash),
        hash_offset: formatted.hash_offset.get(),
    })
}
