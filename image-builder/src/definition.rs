//! The definition, `rootfs/appliance.toml`: what goes into the image.
//!
//! Everything wrong with it is reported with file, line and what is allowed, before
//! anything is fetched or built.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use toml::Spanned;
use vigie_disk::Bytes;
use vigie_update::Version;

pub use update::{Update, UpdateKey};

mod update;

/// The package sets that a definition has to list, in the order in which they are resolved.
pub const SETS: [&str; 8] = [
    "system", "initrd", "tools", "emulator", "sysroot", "peers", "browser", "python",
];

/// The definition as it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// What is built.
    pub product: Product,
    /// Where packages come from.
    pub archive: Archive,
    /// The package lists, by set name.
    pub packages: BTreeMap<Spanned<String>, PackageList>,
    /// What is done with the packages' files.
    pub files: Files,
    /// Fixed numbers of the users and groups that packages create by name.
    pub users: BTreeMap<String, u32>,
    /// Programs of this repository.
    pub programs: Programs,
    /// Kernel modules.
    pub kernel: Kernel,
    /// Firmware and microcode.
    pub firmware: Firmware,
    /// How the system image is written.
    pub image: Image,
    /// What update packages say, and who signs them.
    pub update: Update,
    /// The file it was read from; filled in by [`Definition::load`].
    #[serde(skip)]
    pub path: PathBuf,
}

/// Name and version of the appliance.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Identifier in lower case: file names, `os-release` `ID`.
    pub id: Spanned<String>,
    /// Name for people.
    pub name: String,
    /// Version x.y.z.w.
    pub version: Spanned<String>,
    /// Debian architecture; `amd64` only.
    pub arch: Spanned<String>,
}

/// The Debian archive.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Armoured OpenPGP keys that may sign a Release file, relative to the definition.
    pub keys: PathBuf,
    /// The suites that packages are taken from.
    pub suite: Vec<Suite>,
}

/// One suite of the archive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Suite or code name, the folder below `dists/`.
    pub name: String,
    /// Name of the archive that the suite lies in; suites with the same one share a pool.
    pub directory: String,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// Addresses of the archive, tried in this order.
    pub mirrors: Vec<String>,
}

/// One package set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageList {
    /// Packages asked for; their dependencies follow.
    pub install: Vec<Spanned<String>>,
    /// Dependencies that are not followed.
    #[serde(default)]
    pub without: Vec<Spanned<String>>,
}

/// Which files of the packages are shipped, and what maintainer scripts would have done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Patterns of files that are left out.
    pub drop: Vec<String>,
    /// Patterns of files that stay although a pattern of `drop` matches.
    pub keep: Vec<String>,
    /// Copies: target, source.
    pub copy: BTreeMap<String, String>,
    /// Symbolic links: path, target.
    pub links: BTreeMap<String, String>,
    /// File capabilities: path, text form as of cap_from_text(3).
    pub capabilities: BTreeMap<String, String>,
}

/// Programs built from this repository.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// Cargo packages whose binaries go to `/usr/bin`.
    pub packages: Vec<Spanned<String>>,
    /// Cargo package whose binary `init` is the initrd's first program.
    pub initrd: String,
}

/// Which kernel modules are shipped.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Modules of the system: names, or directories below `kernel/` ending with a slash.
    pub modules: Vec<Spanned<String>>,
    /// Modules of the initrd.
    pub initrd: Vec<Spanned<String>>,
    /// Modules that the initrd loads first.
    pub initrd_load: Vec<Spanned<String>>,
    /// What is left out, and why.
    #[serde(default)]
    pub left_out: BTreeMap<String, String>,
}

/// Which firmware is shipped.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firmware {
    /// Patterns below `/usr/lib/firmware`.
    pub files: Vec<String>,
    /// Whether the boot image carries the processors' microcode.
    pub microcode: bool,
    /// What is left out, and why.
    #[serde(default)]
    pub left_out: BTreeMap<String, String>,
}

/// How the system image is compressed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Squashfs compressor.
    pub compression: Spanned<String>,
    /// Its level.
    pub level: Spanned<u32>,
    /// Largest data volume that installations make, unless their answers say otherwise.
    #[serde(default)]
    pub data_volume_max: Option<Bytes>,
}

/// A definition that cannot be used: where, and why.
#[derive(Debug)]
pub struct DefinitionError {
    path: PathBuf,
    line: usize,
    message: String,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

impl std::error::Error for DefinitionError {}

/// Line (from 1) of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

impl Definition {
    /// Reads and checks a definition.
    ///
    /// # Errors
    /// The file cannot be read; [`DefinitionError`] names the line of the first fault.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("reading the definition {}", path.display()))?;
        Ok(Self::parse(&text, path)?)
    }

    /// Parses and checks the text of a definition; `path` is for messages and relative paths.
    ///
    /// # Errors
    /// [`DefinitionError`] with the line of the first fault.
    pub fn parse(text: &str, path: &Path) -> Result<Self, DefinitionError> {
        let fault = |offset: usize, message: String| DefinitionError {
            path: path.to_owned(),
            line: line_of(text, offset),
            message,
        };
        let mut definition: Self = toml::from_str(text).map_err(|e| {
            let message = e.message().trim_end().replace('\n', "; ");
            fault(e.span().map_or(0, |s| s.start), message)
        })?;
        definition.path = path.to_owned();
        definition
            .check()
            .map_err(|(offset, message)| fault(offset, message))?;
        Ok(definition)
    }

    /// The rules that types cannot say; the error carries a byte offset.
    fn check(&self) -> Result<(), (usize, String)> {
        let version = &self.product.version;
        if let Err(e) = version.get_ref().parse::<Version>() {
            return Err((version.span().start, format!("product.version: {e}")));
        }
        let id = &self.product.id;
        let letters = id.get_ref().bytes().all(|b| b.is_ascii_lowercase());
        if !letters || !(1..=32).contains(&id.get_ref().len()) {
            return Err((
                id.span().start,
                "product.id: 1 to 32 lower-case letters".into(),
            ));
        }
        let arch = &self.product.arch;
        if arch.get_ref() != "amd64" {
            let message = format!(
                "product.arch: {:?} is not supported; allowed: \"amd64\"",
                arch.get_ref()
            );
            return Err((arch.span().start, message));
        }
        let compression = &self.image.compression;
        if !["zstd", "xz", "gzip"].contains(&compression.get_ref().as_str()) {
            let message = format!(
                "image.compression: {:?}; allowed: zstd, xz, gzip",
                compression.get_ref()
            );
            return Err((compression.span().start, message));
        }
        if !(1..=22).contains(self.image.level.get_ref()) {
            return Err((
                self.image.level.span().start,
                "image.level: allowed: 1 to 22".into(),
            ));
        }
        self.update.check(self.product.version.get_ref())?;
        for name in self.packages.keys() {
            if !SETS.contains(&name.get_ref().as_str()) {
                let message = format!(
                    "packages.{}: unknown package set; allowed: {}",
                    name.get_ref(),
                    SETS.join(", ")
                );
                return Err((name.span().start, message));
            }
        }
        for set in SETS {
            if !self.packages.keys().any(|k| k.get_ref() == set) {
                return Err((
                    0,
                    format!("[packages.{set}] is missing; needed: {}", SETS.join(", ")),
                ));
            }
        }
        Ok(())
    }

    /// The version of the definition.
    ///
    /// # Errors
    /// None after [`Definition::load`], which has checked it.
    pub fn version(&self) -> Result<Version> {
        Ok(self.product.version.get_ref().parse::<Version>()?)
    }

    /// A path that stands in the definition, relative to its folder.
    #[must_use]
    pub fn resolve(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder().join(relative)
    }

    /// The folder of the definition.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The package list of a set.
    #[must_use]
    pub fn list(&self, set: &str) -> Option<&PackageList> {
        self.packages
            .iter()
            .find(|(k, _)| k.get_ref() == set)
            .map(|(_, v)| v)
    }

    /// An error at a value of the definition.
    #[must_use]
    pub fn fault<T>(&self, at: &Spanned<T>, message: String) -> DefinitionError {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        DefinitionError {
            path: self.path.clone(),
            line: line_of(&text, at.span().start),
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../rootfs/appliance.toml");

    fn refused(from: &str, to: &str) -> String {
        assert!(
            GOOD.contains(from),
            "the definition has no {from:?} any more"
        );
        let text = GOOD.replacen(from, to, 1);
        Definition::parse(&text, Path::new("a.toml"))
            .map(|_| ())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_definition_in_the_repository_is_good() {
        Definition::parse(GOOD, Path::new("a.toml")).unwrap();
    }

    /// A start that asks for a module which is not there is not clean.
    #[test]
    fn modules_that_the_start_loads_are_shipped() {
        let definition = Definition::parse(GOOD, Path::new("x")).unwrap();
        let loaded = include_str!("../../rootfs/overlay/usr/lib/modules-load.d/vigie.conf");
        let names = loaded.lines().filter(|line| !line.starts_with('#'));
        let shipped = |name: &&str| {
            let mut modules = definition.kernel.modules.iter();
            modules.any(|module| module.get_ref() == name)
        };
        let names: Vec<&str> = names.collect();
        assert_eq!(names, ["drivetemp"]);
        assert!(names.iter().all(shipped), "{names:?}");
    }

    #[test]
    fn faults_are_named_with_line_and_what_is_allowed() {
        let cases = [
            (
                "name = \"Vigie\"",
                "nom = \"Vigie\"",
                "a.toml:6: unknown field `nom`, expected one of `id`, `name`",
            ),
            ("\"0.1.0.0\"", "\"0.1.0\"", "a.toml:7: product.version"),
            (
                "\"amd64\"",
                "\"riscv64\"",
                "a.toml:8: product.arch: \"riscv64\" is not supported; allowed: \"amd64\"",
            ),
            (
                "[packages.emulator]",
                "[packages.emulators]",
                "unknown package set; allowed: system, initrd",
            ),
            ("level = 9", "level = 99", "image.level: allowed: 1 to 22"),
            ("[product]", "[product", "a.toml:4: "),
        ];
        for (from, to, expected) in cases {
            let message = refused(from, to);
            assert!(
                message.contains(expected),
                "{message:?} does not contain {expected:?}"
            );
        }
    }
}
