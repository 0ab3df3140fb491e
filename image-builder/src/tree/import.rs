//! Trees from the tar archives inside packages, and from folders of the repository.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::{Content, Kind, Node, Tree};

/// Adds an uncompressed tar archive; file contents stay in it.
///
/// # Errors
/// Not a tar archive; an entry that is neither file, folder nor link; a clash with what is there.
pub fn add_tar(tree: &mut Tree, tar: &Path, mut wanted: impl FnMut(&str) -> bool) -> Result<()> {
    let shared: Arc<Path> = tar.into();
    let file = File::open(tar).with_context(|| format!("opening {}", tar.display()))?;
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry.with_context(|| format!("reading {}", tar.display()))?;
        let path =
            String::from_utf8(entry.path_bytes().into_owned()).context("a path is not UTF-8")?;
        let clean = super::merge_usr(&path);
        if clean.is_empty() || !wanted(&clean) {
            continue;
        }
        let header = entry.header();
        let kind = match header.entry_type() {
            tar::EntryType::Directory => Kind::Folder,
            tar::EntryType::Regular => Kind::File(Content::Stretch {
                file: shared.clone(),
                offset: entry.raw_file_position(),
                length: entry.size(),
            }),
            tar::EntryType::Symlink => Kind::Link(link_target(&entry)?),
            tar::EntryType::Link => {
                let target = super::merge_usr(&link_target(&entry)?);
                match tree.get(&target) {
                    Some(node) => node.kind.clone(),
                    None => bail!("{clean} is a hard link to {target}, which is not there"),
                }
            }
            other => bail!("{clean} is a {other:?}: packages ship files, folders and links only"),
        };
        let node = Node {
            kind,
            mode: header.mode()? & 0o7777,
            uid: u32::try_from(header.uid()?)?,
            gid: u32::try_from(header.gid()?)?,
            xattrs: Vec::new(),
        };
        // A folder that another package made keeps its mode: base-files comes first.
        if node.is_folder() && tree.get(&clean).is_some() {
            continue;
        }
        tree.insert(&clean, node)?;
    }
    Ok(())
}

fn link_target<R: std::io::Read>(entry: &tar::Entry<'_, R>) -> Result<String> {
    let target = entry.link_name_bytes().context("a link without a target")?;
    String::from_utf8(target.into_owned()).context("the target of a link is not UTF-8")
}

/// Adds a folder of the repository: everything belongs to root, files are 0644 or 0755.
///
/// # Errors
/// A file that cannot be read, or a clash with what is there.
pub fn add_folder(
    tree: &mut Tree,
    folder: &Path,
    mut wanted: impl FnMut(&str) -> bool,
) -> Result<()> {
    walk(folder, folder, &mut |path, relative| {
        if !wanted(relative) {
            return Ok(());
        }
        let meta = path.symlink_metadata()?;
        if meta.is_symlink() {
            let target = std::fs::read_link(path)?;
            tree.link(
                relative,
                target
                    .to_str()
                    .context("the target of a link is not UTF-8")?,
            )
        } else if meta.is_dir() {
            if tree.get(relative).is_none() {
                tree.insert(relative, Node::folder(0o755))
            } else {
                Ok(())
            }
        } else {
            let mode = if meta.permissions().mode() & 0o100 == 0 {
                0o644
            } else {
                0o755
            };
            tree.insert(
                relative,
                Node::file(mode, Content::bytes(std::fs::read(path)?)),
            )
        }
    })
}

fn walk(root: &Path, folder: &Path, see: &mut dyn FnMut(&Path, &str) -> Result<()>) -> Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?
        .collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let relative = path
            .strip_prefix(root)?
            .to_str()
            .context("a file name is not UTF-8")?;
        see(&path, relative).with_context(|| format!("adding {}", path.display()))?;
        if entry.file_type()?.is_dir() {
            walk(root, &path, see)?;
        }
    }
    Ok(())
}
