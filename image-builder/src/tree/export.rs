//! Trees as tar and cpio streams, and as folders for tools that want one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};

use super::{Content, Kind, Node, Tree};

/// Writes a tree as a tar archive; every time is `mtime` (seconds since 1970).
///
/// # Errors
/// A content that cannot be read, or a failing write.
pub fn tar(tree: &Tree, mtime: u64, out: impl Write) -> Result<()> {
    let mut builder = tar::Builder::new(out);
    for (path, node) in tree.iter() {
        let attributes: Vec<_> = node
            .xattrs
            .iter()
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_slice()))
            .collect();
        if !attributes.is_empty() {
            builder.append_pax_extensions(attributes.iter().map(|(n, v)| (n.as_str(), *v)))?;
        }
        let mut header = tar::Header::new_gnu();
        header.set_mode(node.mode);
        header.set_uid(u64::from(node.uid));
        header.set_gid(u64::from(node.gid));
        header.set_mtime(mtime);
        append(&mut builder, &mut header, path, node)
            .with_context(|| format!("adding {path} to an archive"))?;
    }
    builder.into_inner()?.flush()?;
    Ok(())
}

fn append<W: Write>(
    builder: &mut tar::Builder<W>,
    header: &mut tar::Header,
    path: &str,
    node: &Node,
) -> Result<()> {
    header.set_size(0);
    match &node.kind {
        Kind::Folder => {
            header.set_entry_type(tar::EntryType::Directory);
            builder.append_data(header, format!("{path}/"), io::empty())?;
        }
        Kind::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            builder.append_link(header, path, target)?;
        }
        Kind::File(content) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(content.len());
            builder.append_data(header, path, reader(content)?)?;
        }
    }
    Ok(())
}

fn reader(content: &Content) -> Result<Box<dyn Read + '_>> {
    Ok(match content {
        Content::Bytes(bytes) => Box::new(bytes.as_ref()),
        Content::Stretch {
            file,
            offset,
            length,
        } => {
            let mut opened =
                File::open(file).with_context(|| format!("opening {}", file.display()))?;
            opened.seek(SeekFrom::Start(*offset))?;
            Box::new(opened.take(*length))
        }
    })
}

/// Writes a tree as a cpio archive in the kernel's `newc` form
/// (Documentation/driver-api/early-userspace/buffer-format.rst); times are zero.
///
/// # Errors
/// As [`tar`]; also a file of 4 GiB or more.
pub fn cpio(tree: &Tree, out: &mut impl Write) -> Result<()> {
    for (number, (path, node)) in tree.iter().enumerate() {
        let (kind, content) = match &node.kind {
            Kind::Folder => (0o040_000, Vec::new()),
            Kind::Link(target) => (0o120_000, target.clone().into_bytes()),
            Kind::File(content) => (0o100_000, content.read()?),
        };
        cpio_entry(
            out,
            u32::try_from(number)? + 1,
            path,
            kind | node.mode,
            &content,
        )?;
    }
    cpio_entry(out, 0, "TRAILER!!!", 0, &[])
}

fn cpio_entry(
    out: &mut impl Write,
    inode: u32,
    path: &str,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
    let fields = [
        inode,
        mode,
        0,
        0,
        links,
        0,
        u32::try_from(content.len())?,
        0,
        0,
        0,
        0,
        u32::try_from(path.len())? + 1,
        0,
    ];
    let mut head = String::from("070701");
    for field in fields {
        head.push_str(&format!("{field:08x}"));
    }
    head.push_str(path);
    head.push('\0');
    out.write_all(head.as_bytes())?;
    pad(out, head.len())?;
    out.write_all(content)?;
    pad(out, content.len())
}

fn pad(out: &mut impl Write, length: usize) -> Result<()> {
    out.write_all(&[0; 3][..length.next_multiple_of(4) - length])?;
    Ok(())
}

/// Writes a tree as a folder: owners and attributes are lost, everything is readable and
/// writable by whoever runs this.
///
/// # Errors
/// As [`tar`].
pub fn folder(tree: &Tree, root: &Path) -> Result<()> {
    std::fs::create_dir_all(root)?;
    for (path, node) in tree.iter() {
        let at = root.join(path);
        let result = match &node.kind {
            Kind::Folder => std::fs::create_dir_all(&at).map_err(Into::into),
            Kind::Link(target) => symlink(target, &at).map_err(Into::into),
            Kind::File(content) => write_file(&at, node.mode | 0o600, content),
        };
        result.with_context(|| format!("writing {}", at.display()))?;
    }
    Ok(())
}

fn write_file(at: &Path, mode: u32, content: &Content) -> Result<()> {
    let mut file = File::create(at)?;
    io::copy(&mut reader(content)?, &mut file)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::default();
        tree.file("usr/bin/a", 0o755, "hello").unwrap();
        tree.link("usr/bin/b", "a").unwrap();
        if let Some(node) = tree.get_mut("usr/bin/a") {
            node.xattrs
                .push(("security.capability".into(), vec![1, 0, 255]));
        }
        tree
    }

    #[test]
    fn a_tar_archive_keeps_everything() {
        let mut bytes = Vec::new();
        tar(&tree(), 7, &mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let attributes = entry.pax_extensions().unwrap().map_or(0, |e| e.count());
            let mode = entry.header().mode().unwrap();
            seen.push(format!(
                "{} {mode:o} {attributes}",
                entry.path().unwrap().display()
            ));
        }
        assert_eq!(
            seen,
            [
                "usr/ 755 0",
                "usr/bin/ 755 0",
                "usr/bin/a 755 1",
                "usr/bin/b 777 0"
            ]
        );
    }

    #[test]
    fn a_cpio_archive_is_aligned_and_ends() {
        let mut bytes = Vec::new();
        cpio(&tree(), &mut bytes).unwrap();
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.starts_with(b"070701"));
        assert!(String::from_utf8_lossy(&bytes).contains("TRAILER!!!"));
    }
}
