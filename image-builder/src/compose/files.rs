//! Which files are shipped; copies, links and capabilities that scripts would have made.

use anyhow::{Context, Result, bail};

use super::matches;
use crate::definition::Definition;
use crate::tree::{Kind, Node, Tree};

/// The files of the packages that the definition lets through.
///
/// # Errors
/// None; the form is that of its callers.
pub fn shipped(raw: &Tree, definition: &Definition) -> Result<Tree> {
    let mut tree = raw.clone();
    tree.retain(|path, node| {
        let firmware = path
            .strip_prefix("usr/lib/firmware/")
            .is_some_and(|name| !node.is_folder() && matches(&definition.firmware.files, name));
        // A folder matters only by what it holds: it comes back when something below it stays.
        let dropped =
            matches(&definition.files.drop, path) || is_dropped_folder(definition, path, node);
        firmware || !dropped || matches(&definition.files.keep, path)
    });
    dangling_links(&mut tree);
    Ok(tree)
}

/// `usr/share/man/**` drops the folder `usr/share/man` too.
fn is_dropped_folder(definition: &Definition, path: &str, node: &Node) -> bool {
    node.is_folder()
        && definition
            .files
            .drop
            .iter()
            .any(|p| p.strip_suffix("/**").is_some_and(|p| p == path))
}

/// Links into what was dropped would only confuse.
fn dangling_links(tree: &mut Tree) {
    let dangling: Vec<String> = tree
        .iter()
        .filter(|(path, node)| {
            path.starts_with("usr/")
                && matches!(node.kind, Kind::Link(_))
                && tree.follow(path).is_none()
        })
        .map(|(path, _)| path.to_owned())
        .collect();
    for path in dangling {
        tree.remove(&path);
    }
}

/// The definition's copies and links.
///
/// # Errors
/// A source that no package has.
pub fn copies_and_links(tree: &mut Tree, raw: &Tree, definition: &Definition) -> Result<()> {
    for (target, source) in &definition.files.copy {
        if tree.get(target).is_some() {
            continue; // the overlay has its own
        }
        let content = raw
            .read(source)
            .with_context(|| format!("files.copy: {target}"))?;
        tree.file(target, 0o644, content)?;
    }
    for (path, target) in &definition.files.links {
        if tree.get(path).is_none() {
            tree.link(path, target)?;
        }
    }
    Ok(())
}

/// File capabilities, as setcap(8) would store them.
///
/// # Errors
/// A file that is not there, or a capability that is not known.
pub fn capabilities(tree: &mut Tree, definition: &Definition) -> Result<()> {
    for (path, text) in &definition.files.capabilities {
        let value = capability_attribute(text)?;
        let node = tree
            .get_mut(path)
            .with_context(|| format!("files.capabilities: the image has no {path}"))?;
        node.xattrs.push(("security.capability".into(), value));
    }
    Ok(())
}

/// The attribute for `NAME[,NAME...]=ep`: vfs_cap_data, revision 2, effective bit set
/// (linux/capability.h).
fn capability_attribute(text: &str) -> Result<Vec<u8>> {
    const NAMES: [(&str, u32); 4] = [
        ("cap_net_bind_service", 10),
        ("cap_net_admin", 12),
        ("cap_net_raw", 13),
        ("cap_sys_time", 25),
    ];
    let Some(names) = text.strip_suffix("=ep") else {
        bail!("files.capabilities: {text:?}; allowed is NAME[,NAME...]=ep");
    };
    let mut permitted = 0_u32;
    for name in names.split(',') {
        let Some((_, bit)) = NAMES.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = NAMES.iter().map(|(n, _)| *n).collect();
            bail!(
                "files.capabilities: {name:?} is not known; allowed: {}",
                known.join(", ")
            );
        };
        permitted |= 1 << bit;
    }
    let words = [0x0200_0001, permitted, 0, 0, 0];
    Ok(words.iter().flat_map(|w: &u32| w.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_stored_as_setcap_does() {
        // setcap cap_net_raw=ep FILE; getfattr -e hex -n security.capability FILE
        let expected = hex::decode("0100000200200000000000000000000000000000").unwrap();
        assert_eq!(capability_attribute("cap_net_raw=ep").unwrap(), expected);
        assert!(capability_attribute("cap_net_raw+p").is_err());
        assert!(capability_attribute("cap_magic=ep").is_err());
    }
}
