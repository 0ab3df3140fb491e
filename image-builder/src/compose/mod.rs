//! The system tree: the packages' files, and the declarative part of what their maintainer
//! scripts would have done. No maintainer script runs.

pub mod files;
pub mod identity;
pub mod kernel;
pub mod units;
pub mod users;

use std::path::PathBuf;

use anyhow::{Context, Result};
use vigie_update::Version;
use vigie_update::package::Keyring;

use crate::definition::Definition;
use crate::packages::Packages;
use crate::tools::Tools;
use crate::tree::{Content, Node, Tree, import};

/// Empty folders that something is mounted on, with their modes.
const MOUNT_POINTS: [(&str, u32); 11] = [
    ("dev", 0o755),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var", 0o755),
];

/// What the system tree is made from, apart from the packages.
pub struct Ingredients<'a> {
    /// The locked packages.
    pub packages: &'a Packages<'a>,
    /// The unpacked tools.
    pub tools: &'a Tools,
    /// The version that the image gets.
    pub version: Version,
    /// Our own programs: name and file.
    pub programs: &'a [(String, PathBuf)],
    /// Whose update packages the image accepts.
    pub keys: &'a Keyring,
}

/// Composes the system tree.
///
/// `raw` is the tree of the system's packages as they are; `modules` the selected kernel
/// modules with their indexes.
///
/// # Errors
/// A file that the definition names and no package has; a user without a number; a tool that fails.
pub fn system(of: &Ingredients<'_>, raw: &Tree, modules: &Tree) -> Result<Tree> {
    let definition = of.packages.definition;
    let mut tree = files::shipped(raw, definition)?;
    import::add_folder(&mut tree, &definition.resolve("overlay"), |path| {
        path != "README.md"
    })?;
    add_tree(&mut tree, modules)?;
    files::copies_and_links(&mut tree, raw, definition)?;
    add_programs(&mut tree, of.programs)?;
    identity::os_release(&mut tree, definition, of.version)?;
    identity::update_keys(&mut tree, of.keys)?;
    identity::certificates(&mut tree, raw)?;
    identity::package_records(&mut tree, of.packages)?;
    users::databases(&mut tree, raw, definition)?;
    units::hardware_database(&mut tree, of.packages.cache, of.tools)?;
    units::catalog(&mut tree, of.packages.cache, of.tools)?;
    units::presets(&mut tree, of.packages.cache, of.tools)?;
    files::capabilities(&mut tree, definition)?;
    mount_points(&mut tree)?;
    Ok(tree)
}

fn add_tree(tree: &mut Tree, other: &Tree) -> Result<()> {
    other.iter().try_for_each(|(path, node)| {
        if node.is_folder() && tree.get(path).is_some() {
            Ok(())
        } else {
            tree.insert(path, node.clone())
        }
    })
}

fn add_programs(tree: &mut Tree, programs: &[(String, PathBuf)]) -> Result<()> {
    programs.iter().try_for_each(|(name, file)| {
        tree.insert(
            &format!("usr/bin/{name}"),
            Node::file(0o755, Content::of_file(file)?),
        )
        .with_context(|| format!("adding the program {name}"))
    })
}

fn mount_points(tree: &mut Tree) -> Result<()> {
    for (path, mode) in MOUNT_POINTS {
        match tree.get_mut(path) {
            Some(node) => node.mode = mode,
            None => tree.insert(path, Node::folder(mode))?,
        }
    }
    Ok(())
}

/// Whether any of the patterns matches a path.
pub(crate) fn matches(patterns: &[String], path: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| glob_match::glob_match(pattern, path))
}

/// Where the licences of everything shipped lie: kept with the packages' own files.
#[must_use]
pub fn licence_path(definition: &Definition) -> String {
    format!("usr/share/doc/{}", definition.product.id.get_ref())
}
