//! Another image than the one under test: a changed copy of its definition, built by the builder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::builds::builder;
use crate::context::Context;
use crate::process;

/// What a definition consists of, below `rootfs/`.
const DEFINITION: [&str; 5] = ["appliance.toml", "packages.lock", "keys", "grub", "overlay"];

/// Builds the definition as `change` leaves its copy; gives the folder with what came out.
pub(super) fn build(
    ctx: &Context,
    version: &str,
    change: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let rootfs = ctx.folder().join("rootfs");
    fs::create_dir_all(&rootfs).with_context(|| format!("making {}", rootfs.display()))?;
    let mut copy = Command::new("cp");
    copy.args(["-a", "--"]);
    copy.args(DEFINITION.map(|name| ctx.root().join("rootfs").join(name)));
    process::output("copying the definition", copy.arg(&rootfs))?;
    change(&rootfs)?;
    let out = ctx.folder().join("out");
    let mut build = Command::new(builder(ctx)?);
    build
        .current_dir(ctx.root())
        .args(["build", "--version", version]);
    build.arg("--definition").arg(rootfs.join("appliance.toml"));
    build.arg("--out").arg(&out);
    process::output("building another version", &mut build)?;
    Ok(out)
}

/// The package of what [`build`] has built that holds only what differs from an older one.
pub(super) fn delta(ctx: &Context, version: &str, base: &Path) -> Result<PathBuf> {
    let out = ctx.folder().join("delta-upd.tgz");
    let mut package = Command::new(builder(ctx)?);
    package
        .current_dir(ctx.root())
        .args(["package", "--version", version]);
    package.arg("--definition");
    package.arg(ctx.folder().join("rootfs/appliance.toml"));
    package.arg("--base").arg(base).arg("--out").arg(&out);
    process::output("making a package of changes", &mut package)?;
    Ok(out)
}
