//! Where things lie: the repository, the cache and the output folder.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

/// The folders of a run.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The repository.
    pub root: PathBuf,
    /// Downloads, unpacked packages, intermediate results: everything here can be made anew.
    pub cache: PathBuf,
}

impl Workspace {
    /// The workspace of a repository, by default the one that this program was built from;
    /// `cache` overrides the default, `target/image-cache`.
    ///
    /// # Errors
    /// There is no repository at that place (any more).
    pub fn new(repository: Option<PathBuf>, cache: Option<PathBuf>) -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = repository.unwrap_or_else(|| here.parent().unwrap_or(here).to_owned());
        if !root.join("Cargo.toml").exists() {
            bail!("there is no repository at {}", root.display());
        }
        let root = root.canonicalize()?;
        let cache = cache.unwrap_or_else(|| root.join("target/image-cache"));
        std::fs::create_dir_all(&cache)
            .with_context(|| format!("making the cache folder {}", cache.display()))?;
        let cache = cache.canonicalize()?;
        Ok(Self { root, cache })
    }

    /// The definition in the repository.
    #[must_use]
    pub fn definition(&self) -> PathBuf {
        self.root.join("rootfs/appliance.toml")
    }

    /// Where results go unless `--out` says otherwise.
    #[must_use]
    pub fn out(&self) -> PathBuf {
        self.root.join("target/image")
    }

    /// The secret key that builds make for themselves: outside git, and outside what `cargo clean`
    /// and `cargo image clean` remove, as machines trust it.
    #[must_use]
    pub fn development_key(&self) -> PathBuf {
        self.root.join("keys/development.pem")
    }

    /// Downloads, each named by its SHA-256.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.cache.join("downloads")
    }

    /// Keeps a second run out of the cache until the guard is dropped.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn lock(&self) -> Result<File> {
        let path = self.cache.join("lock");
        let file = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            eprintln!("waiting for another run that uses {}", self.cache.display());
            flock(&file, FlockOperation::LockExclusive).context("waiting for the cache")?;
        }
        Ok(file)
    }
}
