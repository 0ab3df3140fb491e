//! The lock, `rootfs/packages.lock`: every package by name, version, size and sha256.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::definition::{Definition, SETS};

/// First lines of the file.
const HEAD: &str =
    "# Made by `cargo image lock`; do not edit. Every package is fetched by its sha256.\n\n";

/// The lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Format of this file.
    pub format: u32,
    /// When the indexes were read, as `YYYYMMDDTHHMMSSZ`: snapshot archives know this name.
    pub snapshot: String,
    /// SHA-256 over the package lists that were resolved.
    pub lists: String,
    /// The binary packages, by name.
    pub package: Vec<LockedPackage>,
    /// The source packages that they were built from, by name.
    pub source: Vec<LockedSource>,
}

/// A binary package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Name of the archive that it comes from.
    pub archive: String,
    /// Path below the archive's root.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Name of the source package.
    pub source: String,
    /// Version of the source package.
    pub source_version: String,
    /// When the indexes were read, where the package was added after the lock's own moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The package sets that need it.
    pub sets: Vec<String>,
}

/// A source package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Name of the archive that it comes from.
    pub archive: String,
    /// The `.dsc` and what it names.
    pub files: Vec<LockedFile>,
}

/// A file of a source package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// Path below the archive's root.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl LockedPackage {
    /// Whether something of the package is on the medium: then its source is owed too.
    #[must_use]
    pub fn is_shipped(&self) -> bool {
        const BOOT_LOADERS: [&str; 3] = ["grub-efi-amd64-signed", "grub-pc-bin", "shim-signed"];
        self.sets.iter().any(|s| s == "system" || s == "initrd")
            || BOOT_LOADERS.contains(&self.name.as_str())
    }
}

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    /// No such file, not a lock, or one of another format.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "reading the lock {}: make it with `cargo image lock`",
                path.display()
            )
        })?;
        let lock: Self = toml::from_str(&text).with_context(|| {
            format!(
                "{} is not a lock: make it anew with `cargo image lock --update`",
                path.display()
            )
        })?;
        ensure!(
            lock.format == 1,
            "{}: format {} is not known",
            path.display(),
            lock.format
        );
        Ok(lock)
    }

    /// Writes the lock in one step: the old file stays whole until the new one is.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        crate::output::replace_file(path, text.as_bytes())
    }

    /// Refuses a lock that was made for other package lists.
    ///
    /// # Errors
    /// The definition's lists have changed since.
    pub fn fits(&self, definition: &Definition) -> Result<()> {
        ensure!(
            self.lists == lists_digest(definition),
            "the package lists in {} have changed since the lock was made: run `cargo image lock`",
            definition.path.display()
        );
        Ok(())
    }

    /// The sets that are new in the definition, where the lock fits the lists of all others.
    #[must_use]
    pub fn new_sets(&self, definition: &Definition) -> Vec<&'static str> {
        let (old, new): (Vec<_>, Vec<_>) = SETS
            .into_iter()
            .partition(|name| !self.set(name).is_empty());
        let fits = self.lists == digest_of(definition, &old);
        if fits { new } else { Vec::new() }
    }

    /// The packages of one set, by name.
    #[must_use]
    pub fn set(&self, set: &str) -> Vec<&LockedPackage> {
        self.package
            .iter()
            .filter(|p| p.sets.iter().any(|s| s == set))
            .collect()
    }
}

/// Digest over everything in the definition that the lock depends on.
#[must_use]
pub fn lists_digest(definition: &Definition) -> String {
    digest_of(definition, &SETS)
}

/// The same with the lists of some sets alone.
pub(crate) fn digest_of(definition: &Definition, sets: &[&str]) -> String {
    let mut hash = Sha256::new();
    for suite in &definition.archive.suite {
        hash.update(format!(
            "suite {} {} {}\n",
            suite.name,
            suite.directory,
            suite.components.join(" ")
        ));
    }
    for set in sets {
        let Some(list) = definition.list(set) else {
            continue;
        };
        for (kind, names) in [("install", &list.install), ("without", &list.without)] {
            let mut names: Vec<_> = names.iter().map(|n| n.get_ref().as_str()).collect();
            names.sort_unstable();
            names.dedup();
            hash.update(format!("{set} {kind} {}\n", names.join(" ")));
        }
    }
    hex::encode(hash.finalize())
}
