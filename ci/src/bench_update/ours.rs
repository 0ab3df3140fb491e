//! Our updater, and what any program costs: through `update/examples/bench.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::images::Images;
use crate::checks::cargo_command;
use crate::context::Context;
use crate::process;

/// The key that the measured updater trusts.
pub const TRUSTED: u8 = 7;
/// Compiling on two slow cores.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// What a program and its children have cost.
#[derive(Debug, Deserialize)]
pub struct Cost {
    /// From its start to its end.
    pub seconds: f64,
    /// Processor time in seconds.
    pub cpu: f64,
    /// Peak memory of the largest process, in bytes.
    pub peak: u64,
}

/// What became of a package.
#[derive(Debug, Deserialize)]
pub struct Applied {
    /// Why it was refused.
    pub refused: Option<String>,
    /// Bytes of its images as they lie in it.
    pub stored: u64,
    /// Bytes that were read of it.
    pub read: u64,
    /// Peak memory of the process that verifies and reads back, in bytes.
    pub updater: u64,
    /// Peak memory of the unpacking process, in bytes.
    pub unpacker: u64,
}

/// The compiled programs.
pub struct Ours {
    folder: PathBuf,
    report: PathBuf,
}

impl Ours {
    /// Compiles them in the image's profile. The folder outlives runs.
    pub fn compile(ctx: &Context) -> Result<Ours> {
        let target = ctx.folder_of("programs");
        let mut cargo = cargo_command(ctx);
        cargo.args(["build", "--locked", "--profile", "image"]);
        cargo.args(["--package", "vigie-update", "--bins", "--example", "bench"]);
        cargo.arg("--target-dir").arg(&target);
        let log = ctx.folder().join("programs.log");
        process::run("compiling the updater", &mut cargo, &log, LIMIT)?;
        Ok(Ours {
            folder: target.join("image"),
            report: ctx.folder().join("cost.json"),
        })
    }

    /// The program `vigie-update`.
    pub fn program(&self) -> PathBuf {
        self.folder.join("vigie-update")
    }

    fn bench(&self) -> PathBuf {
        self.folder.join("examples/bench")
    }

    /// Runs a command, in no environment but its own; its cost, and what it prints.
    pub fn cost(&self, command: &Command) -> Result<(Cost, String)> {
        let mut run = Command::new(self.bench());
        run.arg("run").arg(&self.report);
        run.arg(command.get_program()).args(command.get_args());
        run.env_clear();
        run.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let printed = process::output("measuring", &mut run)?;
        let text = fs::read_to_string(&self.report)
            .with_context(|| format!("reading {}", self.report.display()))?;
        let cost = serde_json::from_str(&text).context("understanding what it cost")?;
        Ok((cost, printed))
    }

    /// Makes a full package.
    pub fn make(&self, images: &Images, out: &Path, key: u8) -> Result<Cost> {
        Ok(self.cost(&self.making(images, out, key))?.0)
    }

    /// Makes a full package of another version.
    pub fn make_version(&self, images: &Images, out: &Path, key: u8, version: &str) -> Result<()> {
        let mut make = self.making(images, out, key);
        process::output("making a package", make.args(["--version", version]))?;
        Ok(())
    }

    /// Makes a package that carries what differs from `base`.
    pub fn make_delta(&self, images: &Images, base: &Images, out: &Path) -> Result<()> {
        let mut make = self.making(images, out, TRUSTED);
        process::output("making a delta", make.arg("--base").arg(&base.folder))?;
        Ok(())
    }

    fn making(&self, images: &Images, out: &Path, key: u8) -> Command {
        let mut make = Command::new(self.bench());
        make.arg("make").arg(&images.folder).arg(out);
        make.args(["--key", &key.to_string()]);
        make
    }

    /// Compresses the images as a package's are, and nothing else.
    pub fn compress(&self, images: &Images) -> Result<Cost> {
        let mut compress = Command::new(self.bench());
        compress.arg("compress");
        compress.args(Images::NAMES.map(|name| images.path(name)));
        Ok(self.cost(&compress)?.0)
    }

    /// Tries to apply a package to a slot in files.
    pub fn apply(
        &self,
        package: &Path,
        slot: &Path,
        base: Option<&Images>,
    ) -> Result<(Cost, Applied)> {
        let mut apply = Command::new(self.bench());
        apply
            .arg("apply")
            .arg(self.program())
            .arg(package)
            .arg(slot);
        if let Some(base) = base {
            apply.arg("--base").arg(&base.folder);
        }
        let (cost, told) = self.cost(&apply)?;
        Ok((
            cost,
            serde_json::from_str(&told).context("understanding the updater")?,
        ))
    }

    /// Applies a package that is good.
    pub fn install(
        &self,
        package: &Path,
        slot: &Path,
        base: Option<&Images>,
    ) -> Result<(Cost, Applied)> {
        let (cost, told) = self.apply(package, slot, base)?;
        ensure!(
            told.refused.is_none(),
            "a good package is refused: {told:?}"
        );
        Ok((cost, told))
    }
}
