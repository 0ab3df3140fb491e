//! The image under test: built by the step `image`, or given by hand.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::checks::cargo_command;
use crate::context::Context;
use crate::process;
use crate::step::{Load, Step};

/// The step.
pub fn step() -> Step {
    Step {
        name: "image",
        proves: "the medium builds",
        smoke: true,
        load: Load::Whole,
        needs: &[],
        run: Box::new(run),
    }
}

/// Names a medium (an ISO file) to test instead of building one.
const GIVEN: &str = "VIGIE_CI_ISO";

/// What is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The medium.
    pub iso: PathBuf,
    /// The folder /vigie of the medium: system image, boot image, boot loaders.
    pub payload: PathBuf,
    /// Its version.
    pub version: String,
}

const LIMIT: Duration = Duration::from_secs(40 * 60);

fn run(ctx: &Context) -> Result<()> {
    let iso = match env::var_os(GIVEN) {
        Some(iso) => PathBuf::from(iso),
        None => build(ctx)?,
    };
    let payload = ctx.folder().join("payload");
    extract(ctx, &iso, "/vigie", &payload)?;
    let version = version(&payload)?;
    let megabytes = fs::metadata(&iso).map_or(0, |meta| meta.len()) / 1_000_000;
    ctx.note(format!("version {version}, {megabytes} MB"));
    ctx.set_image(Image {
        iso,
        payload,
        version,
    });
    Ok(())
}

/// Builds the medium; the folder outlives runs, so that a build with nothing changed is quick.
fn build(ctx: &Context) -> Result<PathBuf> {
    let out = ctx.folder_of("medium");
    let mut command = cargo_command(ctx);
    command.args(["image", "build", "--out"]).arg(&out);
    let log = ctx.folder().join("build.log");
    process::run("building the image", &mut command, &log, LIMIT)?;
    newest_iso(&out)
}

/// The medium of the last build, where several versions lie side by side.
fn newest_iso(folder: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "iso") {
            found.push((fs::metadata(&path)?.modified()?, path));
        }
    }
    match found.into_iter().max() {
        Some((_, iso)) => Ok(iso),
        None => bail!("the build left no ISO file in {}", folder.display()),
    }
}

/// Copies a folder out of the medium, as a user's own tools see it.
fn extract(ctx: &Context, iso: &Path, from: &str, to: &Path) -> Result<()> {
    let mut command = ctx.programs()?.command("xorriso");
    command.args(["-osirrox", "on", "-indev"]).arg(iso);
    command.args(["-extract", from]).arg(to);
    process::run(
        "reading the medium",
        &mut command,
        &ctx.folder().join("xorriso.log"),
        LIMIT,
    )
}

fn version(payload: &Path) -> Result<String> {
    let path = payload.join("payload.json");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("JSON of {}", path.display()))?;
    let version = json["version"].as_str();
    version
        .map(str::to_owned)
        .with_context(|| format!("{}: no version", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_medium_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert!(newest_iso(folder.path()).is_err());
        for name in ["SHA256SUMS", "vigie-0.1.0.0.iso"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let newest = newest_iso(folder.path()).unwrap();
        assert!(newest.ends_with("vigie-0.1.0.0.iso"));
    }

    #[test]
    fn the_version_comes_from_the_payload() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload.json");
        fs::write(&path, r#"{"product":"vigie","version":"0.1.0.0"}"#).unwrap();
        assert_eq!(version(folder.path()).unwrap(), "0.1.0.0");
        fs::write(&path, "{}").unwrap();
        assert!(version(folder.path()).is_err());
    }
}
