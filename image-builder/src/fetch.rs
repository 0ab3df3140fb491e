//! Downloads: in parallel, resumed, over a list of mirrors, and never kept unless the
//! content has the expected SHA-256.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use reqwest::StatusCode;
use reqwest::blocking::Client;
use reqwest::header::RANGE;
use sha2::{Digest, Sha256};

use crate::progress::{Phase, Reporter};

/// Connections that are open at once.
const PARALLEL: usize = 6;

/// One file to have: what it must be, and where it may be found.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Name for messages.
    pub name: String,
    /// Addresses, tried in this order: `http:`, `https:` or `file:`.
    pub urls: Vec<String>,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// No mirror of a file could be reached: nothing is known of what it has.
#[derive(Debug)]
pub struct Unreached(String);

impl Unreached {
    /// With what is said of it.
    #[must_use]
    pub fn of(said: impl Into<String>) -> Self {
        Self(said.into())
    }
}

impl std::fmt::Display for Unreached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreached {}

/// Fetches files into a folder where each is named by its SHA-256.
pub struct Fetcher {
    client: Client,
    store: PathBuf,
    offline: bool,
    reporter: Reporter,
}

impl Fetcher {
    /// A fetcher over the store `store`; `offline` never asks a mirror.
    ///
    /// # Errors
    /// The store cannot be made.
    pub fn new(store: &Path, offline: bool, reporter: Reporter) -> Result<Self> {
        std::fs::create_dir_all(store)
            .with_context(|| format!("making the folder {}", store.display()))?;
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(15))
            .timeout(Duration::from_secs(60))
            .user_agent(concat!("vigie-image-builder/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("preparing the HTTP client")?;
        Ok(Self {
            client,
            store: store.to_owned(),
            offline,
            reporter,
        })
    }

    /// Where a file of that SHA-256 lies, or would.
    #[must_use]
    pub fn path(&self, sha256: &str) -> PathBuf {
        self.store.join(sha256)
    }

    /// Makes sure that a file in the store is still what it was when it arrived.
    ///
    /// # Errors
    /// It has changed; it is then removed, so that the next run fetches it again.
    pub fn check(&self, sha256: &str) -> Result<()> {
        let path = self.path(sha256);
        if hex::encode(crate::cache::sha256_file(&path)?) == sha256 {
            return Ok(());
        }
        std::fs::remove_file(&path)?;
        bail!(
            "{} has changed since it was fetched; it is removed, run this again",
            path.display()
        )
    }

    /// A small file whose content is checked by other means (a signature).
    ///
    /// # Errors
    /// No mirror has it.
    pub fn text(&self, name: &str, urls: &[String]) -> Result<Vec<u8>> {
        ensure!(
            !self.offline,
            "{name} is needed from the network, which --offline forbids"
        );
        let mut failures = Vec::new();
        for url in urls {
            match self.open(url, 0) {
                Ok((mut body, _)) => {
                    let mut content = Vec::new();
                    match body.by_ref().take(64 << 20).read_to_end(&mut content) {
                        Ok(_) => return Ok(content),
                        Err(e) => failures.push(format!("{url}: {e}")),
                    }
                }
                Err(e) => failures.push(format!("{url}: {e:#}")),
            }
        }
        Err(no_mirror(name, &failures))
    }

    /// Makes sure that all files are in the store.
    ///
    /// # Errors
    /// A file that no mirror has, or only with another content. Files that did arrive stay.
    pub fn all(&self, phase: &str, wanted: &[Wanted]) -> Result<()> {
        let missing: Vec<_> = wanted
            .iter()
            .filter(|w| !self.path(&w.sha256).exists())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        if self.offline {
            bail!(
                "--offline: {} of {} files are not in {}; the first is {}. Run once without --offline",
                missing.len(),
                wanted.len(),
                self.store.display(),
                missing[0].name
            );
        }
        let phase = self
            .reporter
            .phase(phase, Some(missing.iter().map(|w| w.size).sum()));
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..PARALLEL.min(missing.len()) {
                scope.spawn(|| {
                    while let Some(file) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(e) = self.one(file, &phase) {
                            if let Ok(mut failures) = failures.lock() {
                                failures.push(e);
                            }
                            return;
                        }
                    }
                });
            }
        });
        phase.done();
        match failures.into_inner().unwrap_or_default().into_iter().next() {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn one(&self, file: &Wanted, phase: &Phase) -> Result<()> {
        let part = self.store.join(format!("{}.part", file.sha256));
        let (mut failures, mut reached) = (Vec::new(), false);
        for url in &file.urls {
            // A second try at the same mirror goes on where a broken connection stopped.
            for _ in 0..2 {
                match self.try_one(file, url, &part, phase) {
                    Ok(()) => {
                        return std::fs::rename(&part, self.path(&file.sha256))
                            .with_context(|| format!("keeping {}", file.name));
                    }
                    Err(e) => {
                        reached |= !e.is::<reqwest::Error>();
                        failures.push(format!("{url}: {e:#}"));
                    }
                }
            }
        }
        match no_mirror(&file.name, &failures) {
            error if reached => Err(error),
            error => Err(Unreached::of(error.to_string()).into()),
        }
    }

    /// Fetches one file from one mirror into its part file and checks it.
    fn try_one(&self, file: &Wanted, url: &str, part: &Path, phase: &Phase) -> Result<()> {
        let mut hash = Sha256::new();
        let mut have = hash_of_part(part, file.size, &mut hash)?;
        if have < file.size {
            let (mut body, resumed) = self.open(url, have)?;
            if !resumed {
                (have, hash) = (0, Sha256::new());
            }
            let mut out = OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(false)
                .open(part)?;
            out.set_len(have)?;
            std::io::Seek::seek(&mut out, std::io::SeekFrom::End(0))?;
            let copied = copy_hashed(&mut body, &mut out, file.size - have, &mut hash, phase);
            if let Err(e) = copied {
                return Err(e.context("the connection broke"));
            }
            have = out.metadata()?.len();
            if body.read(&mut [0])? > 0 {
                phase.retreat(have);
                std::fs::remove_file(part)?;
                bail!("longer than the {} bytes that the lock has", file.size);
            }
        }
        if have != file.size {
            bail!("ended after {have} of {} bytes", file.size);
        }
        let found = hex::encode(hash.finalize());
        if found != file.sha256 {
            phase.retreat(file.size);
            std::fs::remove_file(part)?;
            bail!(
                "its content is not what the lock says: sha256 {found}, expected {}",
                file.sha256
            );
        }
        Ok(())
    }

    /// Opens an address from byte `from` on; says whether the answer starts there.
    fn open(&self, url: &str, from: u64) -> Result<(Box<dyn Read>, bool)> {
        if let Some(path) = url.strip_prefix("file://") {
            let mut file = File::open(path)?;
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(from))?;
            return Ok((Box::new(file), true));
        }
        let mut request = self.client.get(url);
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let answer = request.send()?;
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => Ok((Box::new(answer), true)),
            StatusCode::OK => Ok((Box::new(answer), from == 0)),
            status => bail!("the mirror answered {status}"),
        }
    }
}

fn no_mirror(name: &str, failures: &[String]) -> anyhow::Error {
    anyhow!(
        "{name} could not be fetched:\n  {}\nCheck the network, or name another mirror with --mirror URL",
        failures.join("\n  ")
    )
}

/// Hashes what an earlier run has left of a file.
fn hash_of_part(part: &Path, size: u64, hash: &mut Sha256) -> Result<u64> {
    let Ok(mut file) = File::open(part) else {
        return Ok(0);
    };
    if file.metadata()?.len() > size {
        std::fs::remove_file(part)?;
        return Ok(0);
    }
    let mut buffer = vec![0; 1 << 16];
    let mut have = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(have);
        }
        hash.update(&buffer[..n]);
        have += n as u64;
    }
}

fn copy_hashed(
    body: &mut dyn Read,
    out: &mut File,
    limit: u64,
    hash: &mut Sha256,
    phase: &Phase,
) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    let mut body = body.take(limit);
    loop {
        let n = body.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..n])?;
        hash.update(&buffer[..n]);
        phase.advance(n as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(url: &Path, content: &[u8]) -> Wanted {
        Wanted {
            name: "thing".into(),
            urls: vec![format!("file://{}", url.display())],
            size: content.len() as u64,
            sha256: hex::encode(Sha256::digest(content)),
        }
    }

    #[test]
    fn keeps_only_what_has_the_expected_content() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let origin = folder.path().join("origin");
        let fetcher = Fetcher::new(&store, false, Reporter::new(false)).unwrap();
        let good = b"the right content".as_slice();
        for (served, expected) in [
            (b"the wrong content".as_slice(), "is not what the lock says"),
            (b"the right conten".as_slice(), "ended after 16 of 17 bytes"),
            (
                b"the right content and more".as_slice(),
                "longer than the 17 bytes",
            ),
        ] {
            std::fs::write(&origin, served).unwrap();
            let error = fetcher.all("fetch", &[wanted(&origin, good)]).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
            assert!(!error.is::<Unreached>());
            assert!(!fetcher.path(&wanted(&origin, good).sha256).exists());
        }
        // The truncated part stays, and is resumed from the whole file.
        std::fs::write(&origin, good).unwrap();
        fetcher.all("fetch", &[wanted(&origin, good)]).unwrap();
        assert_eq!(
            std::fs::read(fetcher.path(&wanted(&origin, good).sha256)).unwrap(),
            good
        );
    }

    #[test]
    fn a_mirror_that_cannot_be_reached_is_told_from_one_with_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let fetcher = Fetcher::new(folder.path(), false, Reporter::new(false)).unwrap();
        // Nobody listens there any more.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut thing = wanted(Path::new("/nowhere"), b"x");
        thing.urls = vec![format!("http://{address}/thing")];
        let error = fetcher.all("fetch", &[thing]).unwrap_err();
        assert!(error.is::<Unreached>(), "{error:#}");
    }

    #[test]
    fn offline_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let fetcher = Fetcher::new(folder.path(), true, Reporter::new(false)).unwrap();
        let error = fetcher
            .all("fetch", &[wanted(Path::new("/nowhere"), b"x")])
            .unwrap_err();
        assert!(error.to_string().contains("the first is thing"));
    }
}
