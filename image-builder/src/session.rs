//! One run of the builder: its folders, its definition, its mirrors.

use std::path::PathBuf;

use anyhow::Result;
use vigie_update::Version;

use crate::archive::lock::Lock;
use crate::build::{Build, Built};
use crate::cache::Cache;
use crate::definition::Definition;
use crate::fetch::Fetcher;
use crate::keys::Trust;
use crate::packages::Packages;
use crate::progress::Reporter;
use crate::tools::Tools;
use crate::vm::Emulator;
use crate::workspace::Workspace;

/// What a run may be told; everything has a default.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The repository; default: the one that this program was built from.
    pub repository: Option<PathBuf>,
    /// The definition; default: the repository's.
    pub definition: Option<PathBuf>,
    /// The cache; default: `target/image-cache`.
    pub cache: Option<PathBuf>,
    /// Mirrors that are asked first.
    pub mirrors: Vec<String>,
    /// Never use the network.
    pub offline: bool,
    /// The development key; default: `keys/development.pem` in the repository.
    pub development_key: Option<PathBuf>,
}

/// What is built.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// Version of the image; default: the definition's.
    pub version: Option<Version>,
    /// Refuse whatever must not leave the house.
    pub release: bool,
    /// Secret keys that sign the update package; none: the development key, where the image
    /// trusts that.
    pub keys: Vec<PathBuf>,
}

/// What commands work with.
pub struct Session {
    /// Folders.
    pub workspace: Workspace,
    /// What is built.
    pub definition: Definition,
    /// Mirrors that are asked first.
    pub mirrors: Vec<String>,
    /// Downloads.
    pub fetcher: Fetcher,
    /// Intermediate results.
    pub cache: Cache,
    /// Who is told.
    pub reporter: Reporter,
    offline: bool,
    development_key: PathBuf,
}

impl Session {
    /// Opens the workspace and reads the definition.
    ///
    /// # Errors
    /// A definition that is refused, with its line; a cache that cannot be written.
    pub fn new(options: Options, reporter: Reporter) -> Result<Self> {
        let workspace = Workspace::new(options.repository, options.cache)?;
        let path = options.definition.unwrap_or_else(|| workspace.definition());
        Ok(Self {
            definition: Definition::load(&path)?,
            fetcher: Fetcher::new(&workspace.downloads(), options.offline, reporter)?,
            mirrors: options.mirrors,
            cache: Cache::new(&workspace.cache),
            offline: options.offline,
            development_key: options
                .development_key
                .unwrap_or_else(|| workspace.development_key()),
            workspace,
            reporter,
        })
    }

    /// Where the lock lies: beside the definition.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.definition.resolve("packages.lock")
    }

    /// The lock.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn lock(&self) -> Result<Lock> {
        Lock::load(&self.lock_path())
    }

    /// The packages of a lock.
    #[must_use]
    pub fn packages<'a>(&'a self, lock: &'a Lock) -> Packages<'a> {
        Packages {
            definition: &self.definition,
            lock,
            fetcher: &self.fetcher,
            mirrors: &self.mirrors,
            cache: &self.cache,
            reporter: self.reporter,
        }
    }

    /// Whose packages the image believes.
    ///
    /// # Errors
    /// See [`Trust::new`].
    pub fn trust(&self, release: bool) -> Result<Trust> {
        Trust::new(&self.definition, &self.development_key, release)
    }

    /// Builds everything that is not there yet; says so where that trusts a development key.
    ///
    /// # Errors
    /// What a step fails with.
    pub fn build(&self, order: &Order) -> Result<Built> {
        let trust = self.trust(order.release)?;
        let signers = trust.signers(&order.keys)?;
        if let Some(key) = &trust.development {
            self.reporter.warn(&format!(
                "the image and its package trust the development key {}: whoever has that file can update \
                 every machine that runs this image; a release needs its own keys, see update/KEYS.md",
                key.path.display()
            ));
        }
        let lock = self.lock()?;
        let version = order
            .version
            .map_or_else(|| self.definition.version(), Ok)?;
        let packages = self.packages(&lock);
        Build::new(&self.workspace, &packages, version, self.offline)?.run(&trust.ring, &signers)
    }

    /// The locked tools.
    ///
    /// # Errors
    /// A download or a package that is broken.
    pub fn tools(&self) -> Result<Tools> {
        Tools::prepare(&self.packages(&self.lock()?), "tools")
    }

    /// The locked QEMU.
    ///
    /// # Errors
    /// A download or a package that is broken.
    pub fn emulator(&self) -> Result<Emulator> {
        Emulator::prepare(&self.packages(&self.lock()?), &self.tools()?)
    }
}
