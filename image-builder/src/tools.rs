//! Programs from locked packages, run by their own loader: the host's versions never matter.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cache::Key;
use crate::packages::Packages;
use crate::tree::{MERGED, export};

/// An unpacked package set.
#[derive(Debug, Clone)]
pub struct Tools {
    root: PathBuf,
}

impl Tools {
    /// Fetches and unpacks a set, once.
    ///
    /// # Errors
    /// A download or a package that is broken.
    pub fn prepare(packages: &Packages<'_>, set: &str) -> Result<Self> {
        let mut key = Key::new("tools", 3);
        for package in packages.lock.set(set) {
            key = key.with("package", &package.sha256);
        }
        let root = packages.cache.step(&format!("set-{set}"), &key, |folder| {
            let mut tree = packages.tree(set)?;
            for name in MERGED {
                tree.link(name, &format!("usr/{name}"))?;
            }
            let phase = packages.reporter.phase(&format!("unpacking {set}"), None);
            export::folder(&tree, folder)?;
            phase.done();
            Ok(())
        })?;
        Ok(Self { root })
    }

    /// The folder that holds the unpacked set.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file of the set.
    ///
    /// # Errors
    /// The set has no such file.
    pub fn file(&self, path: &str) -> Result<PathBuf> {
        let file = self.root.join(path);
        if !file.exists() {
            bail!("the locked tools have no file {path}: is its package in the definition?");
        }
        Ok(file)
    }

    /// A program of the set, ready to be given arguments. Its environment is empty but for
    /// what makes its output the same everywhere.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let lib = self.root.join("usr/lib/x86_64-linux-gnu");
        let path = ["usr/bin", "usr/sbin", "usr/lib/systemd"]
            .iter()
            .map(|folder| self.root.join(folder).join(program))
            .find(|p| p.exists())
            .unwrap_or_else(|| self.root.join("usr/bin").join(program));
        let mut command = Command::new(self.root.join("usr/lib64/ld-linux-x86-64.so.2"));
        command
            .arg("--library-path")
            .arg(format!("{0}:{0}/systemd", lib.display()))
            .args(["--argv0", program])
            .arg(path)
            .env_clear()
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .env("MKE2FS_CONFIG", self.root.join("etc/mke2fs.conf"))
            .env("GCONV_PATH", lib.join("gconv"))
            .env("MTOOLSRC", "/dev/null")
            .env("MTOOLS_SKIP_CHECK", "1");
        command
    }
}

/// Runs a program quietly; a failure carries what it printed.
///
/// # Errors
/// It cannot be started, or does not exit with 0.
pub fn run(task: &str, command: &mut Command) -> Result<Vec<u8>> {
    run_with(task, command, &[0])
}

/// As [`run`], with a list of exit codes that are good.
///
/// # Errors
/// It cannot be started, or exits with another code.
pub fn run_with(task: &str, command: &mut Command, good: &[i32]) -> Result<Vec<u8>> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{task}: starting {}", command.get_program().display()))?;
    if output
        .status
        .code()
        .is_some_and(|code| good.contains(&code))
    {
        return Ok(output.stdout);
    }
    bail!("{}", failure(task, command, &output))
}

/// What is said of a program that failed: the task, its arguments, its last words.
#[must_use]
pub fn failure(task: &str, command: &Command, output: &std::process::Output) -> String {
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let said = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines: Vec<_> = said.lines().collect();
    let tail = lines[lines.len().saturating_sub(20)..].join("\n  ");
    format!(
        "{task} failed ({})\n  command: {}\n  {tail}",
        output.status,
        arguments.join(" ")
    )
}
