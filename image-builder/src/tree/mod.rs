//! A file tree in memory: owners, modes and attributes are data, so that making an image
//! needs no root. Paths have no leading slash; `/usr` is merged.

mod entry;
pub mod export;
pub mod import;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

pub use entry::{Content, Kind, Node};

/// Folders that are links into `/usr` (file-hierarchy(7)).
pub(crate) const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// A file tree.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// The node at a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The node at a path, to be changed.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.nodes.get_mut(path)
    }

    /// All nodes by path; a folder comes before what it holds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Puts a node at a path, with the folders above it; a folder over a folder keeps its content.
    ///
    /// # Errors
    /// Something that is not a folder lies above the path.
    pub fn insert(&mut self, path: &str, node: Node) -> Result<()> {
        let path = merge_usr(path);
        ensure!(!path.is_empty(), "the root of the tree is always a folder");
        self.make_parents(&path)?;
        let clash = matches!(self.nodes.get(&path), Some(n) if n.is_folder() != node.is_folder());
        if clash {
            bail!("{path} is a folder in one package and something else in another");
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    fn make_parents(&mut self, path: &str) -> Result<()> {
        for (at, _) in path.match_indices('/') {
            let above = &path[..at];
            match self.nodes.get(above) {
                None => {
                    self.nodes.insert(above.to_owned(), Node::folder(0o755));
                }
                Some(node) if node.is_folder() => {}
                Some(_) => bail!("{above} is not a folder, so {path} cannot be below it"),
            }
        }
        Ok(())
    }

    /// Puts a file that belongs to root.
    ///
    /// # Errors
    /// As [`Tree::insert`].
    pub fn file(&mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Result<()> {
        self.insert(path, Node::file(mode, Content::bytes(content.into())))
    }

    /// Puts a symbolic link.
    ///
    /// # Errors
    /// As [`Tree::insert`].
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.insert(path, Node::link(target))
    }

    /// Removes a node and everything below it.
    pub fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.nodes
            .retain(|p, _| p != path && !p.starts_with(&below));
    }

    /// Keeps the nodes that `keep` says yes to; folders that became empty go too, unless
    /// `keep` asks for them by name.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Node) -> bool) {
        self.nodes.retain(|path, node| keep(path, node));
        let paths: Vec<_> = self.nodes.keys().cloned().collect();
        for path in paths {
            // What lost its folder gets it back.
            let _ = self.make_parents(&path);
        }
    }

    /// Follows symbolic links, in every part of the path, to the path of a node that is none.
    #[must_use]
    pub fn follow(&self, path: &str) -> Option<String> {
        let mut path = merge_usr(path);
        'again: for _ in 0..40 {
            let ends = path
                .match_indices('/')
                .map(|(at, _)| at)
                .chain([path.len()]);
            for end in ends {
                let Some(Node {
                    kind: Kind::Link(target),
                    ..
                }) = self.nodes.get(&path[..end])
                else {
                    continue;
                };
                let base = path[..end]
                    .rsplit_once('/')
                    .map_or("", |(folder, _)| folder);
                path = merge_usr(&format!("{}{}", join(base, target), &path[end..]));
                continue 'again;
            }
            return self.nodes.contains_key(&path).then_some(path);
        }
        None
    }

    /// The content of a file, links followed.
    ///
    /// # Errors
    /// No such file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let node = self.follow(path).and_then(|p| self.nodes.get(&p));
        match node.map(|n| &n.kind) {
            Some(Kind::File(content)) => content.read(),
            _ => bail!("the packages hold no file {path}"),
        }
    }

    /// The content of a text file, links followed.
    ///
    /// # Errors
    /// No such file, or not UTF-8.
    pub fn text(&self, path: &str) -> Result<String> {
        String::from_utf8(self.read(path)?).with_context(|| format!("{path} is not text"))
    }

    /// The names directly below a folder.
    pub fn children<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let below = format!("{folder}/");
        let from = below.clone();
        self.nodes
            .range(from..)
            .take_while({
                let below = below.clone();
                move |(path, _)| path.starts_with(&below)
            })
            .filter_map(move |(path, node)| {
                let name = &path[below.len()..];
                (!name.contains('/')).then_some((name, node))
            })
    }
}

/// Resolves `target` as seen from the folder `base`.
fn join(base: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') {
        vec![]
    } else {
        base.split('/').collect()
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.retain(|p| !p.is_empty());
    parts.join("/")
}

/// A clean relative path, below `/usr` where the folders are merged.
fn merge_usr(path: &str) -> String {
    let clean = join("", path);
    let first = clean.split('/').next().unwrap_or("");
    if MERGED.contains(&first) && clean.len() > first.len() {
        format!("usr/{clean}")
    } else {
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_clean_and_merged() {
        for (path, expected) in [
            ("./usr/bin/a", "usr/bin/a"),
            ("/bin/a", "usr/bin/a"),
            ("lib64", "lib64"),
            ("a/../b", "b"),
        ] {
            assert_eq!(merge_usr(path), expected);
        }
    }

    #[test]
    fn links_are_followed_in_every_part() {
        let mut tree = Tree::default();
        tree.file("usr/lib/real/a", 0o644, "x").unwrap();
        tree.link("usr/lib/dir", "real").unwrap();
        tree.link("etc/b", "/usr/lib/dir/a").unwrap();
        tree.link("etc/loop", "loop").unwrap();
        assert_eq!(tree.follow("etc/b").as_deref(), Some("usr/lib/real/a"));
        assert_eq!(tree.follow("etc/loop"), None);
        assert_eq!(tree.text("/etc/b").unwrap(), "x");
        assert_eq!(
            tree.children("usr/lib").map(|(n, _)| n).collect::<Vec<_>>(),
            ["dir", "real"]
        );
    }

    #[test]
    fn a_file_cannot_become_a_folder() {
        let mut tree = Tree::default();
        tree.file("a", 0o644, "x").unwrap();
        assert!(tree.file("a/b", 0o644, "x").is_err());
        assert!(tree.insert("a", Node::folder(0o755)).is_err());
    }
}
