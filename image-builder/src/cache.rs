//! Steps whose results are kept by the content of what went into them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Collects what a result depends on.
#[derive(Clone, Default)]
pub struct Key(Sha256);

impl Key {
    /// A key for one kind of result; `revision` rises when the way of making it changes.
    #[must_use]
    pub fn new(kind: &str, revision: u32) -> Self {
        Self::default()
            .with("kind", kind)
            .with("revision", revision.to_string())
    }

    /// The key with one more input.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.update((name.len() as u64).to_le_bytes());
        self.0.update(name);
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    /// The key with the content of a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn with_file(self, name: &str, path: &Path) -> Result<Self> {
        Ok(self.with(name, sha256_file(path)?))
    }

    /// The key in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(self.0.clone().finalize())
    }
}

/// SHA-256 of a file.
///
/// # Errors
/// The file cannot be read.
pub fn sha256_file(path: &Path) -> Result<[u8; 32]> {
    let mut file =
        std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = std::io::Read::read(&mut file, &mut buffer)
            .with_context(|| format!("reading {}", path.display()))?;
        if n == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&buffer[..n]);
    }
}

/// A folder of results.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// A cache in a folder.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The folder that `make` filled for this key, now or earlier. A result appears whole:
    /// it is made under another name and renamed.
    ///
    /// # Errors
    /// What `make` fails with; nothing of the attempt stays.
    pub fn step(
        &self,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let kept = self
            .root
            .join("steps")
            .join(format!("{name}-{}", &key.digest()[..32]));
        if kept.exists() {
            return Ok(kept);
        }
        let scratch = self.scratch()?;
        make(scratch.path()).with_context(|| format!("making {name}"))?;
        std::fs::create_dir_all(self.root.join("steps"))?;
        std::fs::rename(scratch.keep(), &kept)
            .with_context(|| format!("keeping {}", kept.display()))?;
        Ok(kept)
    }

    /// An empty folder that vanishes when it is dropped.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn scratch(&self) -> Result<tempfile::TempDir> {
        let folder = self.root.join("scratch");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("making the folder {}", folder.display()))?;
        tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(&folder)
            .with_context(|| format!("making a folder in {}", folder.display()))
    }

    /// Removes what a killed run has left. Only for the holder of the workspace's lock.
    ///
    /// # Errors
    /// The folder cannot be emptied.
    pub fn sweep(&self) -> Result<()> {
        let scratch = self.root.join("scratch");
        if scratch.exists() {
            std::fs::remove_dir_all(&scratch)
                .with_context(|| format!("emptying {}", scratch.display()))?;
        }
        Ok(())
    }

    /// Keeps the newest `keep` results of each name and removes the others.
    ///
    /// # Errors
    /// A folder cannot be read or removed.
    pub fn prune(&self, keep: usize) -> Result<()> {
        let steps = self.root.join("steps");
        let mut by_name: std::collections::BTreeMap<String, Vec<_>> =
            std::collections::BTreeMap::new();
        for entry in std::fs::read_dir(&steps).into_iter().flatten() {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let stem = name
                .rsplit_once('-')
                .map_or(name.as_str(), |(stem, _)| stem)
                .to_owned();
            by_name
                .entry(stem)
                .or_default()
                .push((entry.metadata()?.modified()?, entry.path()));
        }
        for mut results in by_name.into_values() {
            results.sort();
            let surplus = results.len().saturating_sub(keep);
            for (_, path) in results.into_iter().take(surplus) {
                std::fs::remove_dir_all(&path)
                    .with_context(|| format!("removing {}", path.display()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_made_once_and_a_failed_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let key = Key::new("test", 1).with("a", "b");
        assert!(cache.step("thing", &key, |_| anyhow::bail!("no")).is_err());
        assert_eq!(
            std::fs::read_dir(folder.path().join("scratch"))
                .unwrap()
                .count(),
            0
        );
        let made = cache
            .step("thing", &key, |dir| Ok(std::fs::write(dir.join("x"), "1")?))
            .unwrap();
        let again = cache.step("thing", &key, |_| panic!("made twice")).unwrap();
        assert_eq!(made, again);
        assert_eq!(std::fs::read(made.join("x")).unwrap(), b"1");
    }

    #[test]
    fn keys_tell_inputs_apart() {
        let key = || Key::new("k", 1);
        assert_ne!(
            key().with("a", "bc").digest(),
            key().with("ab", "c").digest()
        );
        assert_ne!(
            key().with("a", "").with("b", "").digest(),
            key().with("a", "b").digest()
        );
    }
}
