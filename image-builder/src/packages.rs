//! The locked packages on this machine: fetched, decompressed, read into trees.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow};

use crate::archive::deb;
use crate::archive::lock::{Lock, LockedPackage};
use crate::cache::{Cache, Key};
use crate::definition::Definition;
use crate::fetch::{Fetcher, Wanted};
use crate::lock_packages::urls;
use crate::progress::Reporter;
use crate::tree::{Tree, import};

/// Access to the locked packages.
pub struct Packages<'a> {
    /// The definition that names the mirrors.
    pub definition: &'a Definition,
    /// The lock.
    pub lock: &'a Lock,
    /// How files come from mirrors.
    pub fetcher: &'a Fetcher,
    /// Mirrors given by hand.
    pub mirrors: &'a [String],
    /// Where decompressed packages are kept.
    pub cache: &'a Cache,
    /// Who is told.
    pub reporter: Reporter,
}

impl<'a> Packages<'a> {
    /// Addresses of a file of an archive, over all its suites, as it was when the lock was made.
    ///
    /// # Errors
    /// The definition has no suite in that archive.
    pub fn urls(&self, archive: &str, path: &str) -> Result<Vec<String>> {
        self.urls_at(archive, path, &self.lock.snapshot)
    }

    fn urls_at(&self, archive: &str, path: &str, snapshot: &str) -> Result<Vec<String>> {
        let suite = self
            .definition
            .archive
            .suite
            .iter()
            .find(|s| s.directory == archive)
            .ok_or_else(|| anyhow!("the lock names the archive {archive:?}, the definition does not: run `cargo image lock`"))?;
        Ok(urls(suite, self.mirrors, path, snapshot))
    }

    /// Fetches the packages of a set and decompresses them; both are kept.
    ///
    /// # Errors
    /// A download or a package that is broken.
    pub fn prepare(&self, set: &str) -> Result<Vec<(&'a LockedPackage, PathBuf)>> {
        let packages = self.lock.set(set);
        let wanted = packages
            .iter()
            .map(|p| self.wanted(p))
            .collect::<Result<Vec<_>>>()?;
        self.fetcher.all(&format!("packages: {set}"), &wanted)?;
        let next = AtomicUsize::new(0);
        let results = Mutex::new(vec![None; packages.len()]);
        let failure = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(package) = packages.get(index) else {
                            return;
                        };
                        match (self.data_tar(package), results.lock(), failure.lock()) {
                            (Ok(path), Ok(mut results), _) => results[index] = Some(path),
                            (Err(error), _, Ok(mut failure)) => *failure = Some(error),
                            _ => return,
                        }
                    }
                });
            }
        });
        if let Some(error) = failure.into_inner().unwrap_or_default() {
            return Err(error);
        }
        let tars = results.into_inner().unwrap_or_default();
        packages
            .into_iter()
            .zip(tars)
            .map(|(p, tar)| Ok((p, tar.context("a package was not unpacked")?)))
            .collect()
    }

    fn wanted(&self, p: &LockedPackage) -> Result<Wanted> {
        let snapshot = p.snapshot.as_ref().unwrap_or(&self.lock.snapshot);
        Ok(Wanted {
            name: format!("{} {}", p.name, p.version),
            urls: self.urls_at(&p.archive, &p.path, snapshot)?,
            size: p.size,
            sha256: p.sha256.clone(),
        })
    }

    fn data_tar(&self, package: &LockedPackage) -> Result<PathBuf> {
        let key = Key::new("data.tar", 1).with("package", &package.sha256);
        let folder = self
            .cache
            .step(&format!("unpacked-{}", package.name), &key, |folder| {
                self.fetcher.check(&package.sha256)?;
                let mut out =
                    std::io::BufWriter::new(std::fs::File::create(folder.join("data.tar"))?);
                deb::write_data_tar(&self.fetcher.path(&package.sha256), &mut out)?;
                Ok(std::io::Write::flush(&mut out)?)
            })?;
        Ok(folder.join("data.tar"))
    }

    /// The files of a set as one tree. base-files comes first: it makes the folders that are links.
    ///
    /// # Errors
    /// As [`Packages::prepare`]; also packages that contradict each other.
    pub fn tree(&self, set: &str) -> Result<Tree> {
        let mut prepared = self.prepare(set)?;
        prepared.sort_by_key(|(p, _)| (p.name != "base-files", &p.name));
        let mut tree = Tree::default();
        for (package, tar) in prepared {
            import::add_tar(&mut tree, &tar, |_| true)
                .with_context(|| format!("package {}", package.name))?;
        }
        Ok(tree)
    }

    /// The control stanza of a package.
    ///
    /// # Errors
    /// The package is broken.
    pub fn control(&self, package: &LockedPackage) -> Result<String> {
        deb::control(&self.fetcher.path(&package.sha256))
    }
}
