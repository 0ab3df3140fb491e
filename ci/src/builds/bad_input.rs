//! What the builder refuses, and that a refusal leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use image_builder::archive::lock::Lock;

use super::{builder, is_empty, words};
use crate::context::Context;
use crate::step::{Load, Step, skip};

/// How long a build may take to begin with a step that can be interrupted.
const BEGIN: Duration = Duration::from_secs(300);
/// How often the folder is looked at meanwhile: the builder does not call us.
const LOOK: Duration = Duration::from_millis(20);

fn step(name: &'static str, proves: &'static str, run: fn(&Context) -> Result<()>) -> Step {
    Step {
        name,
        proves,
        smoke: true,
        load: Load::Whole,
        needs: &["image"],
        run: Box::new(run),
    }
}

/// Wrong definitions.
pub fn definition_step() -> Step {
    step(
        "bad-definition",
        "a wrong definition is refused with file, line and what is allowed",
        definitions,
    )
}

/// Tampered, truncated and absent packages.
pub fn mirror_step() -> Step {
    step(
        "bad-mirror",
        "a tampered, truncated or absent package is refused by name, and nothing is built",
        mirrors,
    )
}

/// Ctrl-C.
pub fn interrupted_step() -> Step {
    step(
        "interrupted-build",
        "Ctrl-C leaves nothing half-made, and the next run works",
        interrupted,
    )
}

/// No space left.
pub fn full_disk_step() -> Step {
    step(
        "full-disk",
        "a full disk is said plainly and leaves nothing half-made",
        full_disk,
    )
}

/// A wrong definition: text in the good one, text in its place, command, exit code, words expected.
type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    i32,
    &'static str,
);

const DEFINITIONS: [Case; 7] = [
    (
        "[product]",
        "[product]\ncolour = \"red\"",
        &["build"],
        2,
        "unknown field `colour`, expected one of `id`, `name`",
    ),
    (
        "\"0.1.0.0\"",
        "\"0.1.x.0\"",
        &["build"],
        2,
        "product.version",
    ),
    (
        "\"less\",",
        "\"lesss\",",
        &["lock"],
        2,
        "packages.system: unknown package \"lesss\"",
    ),
    (
        "\"less\",",
        "\"less\", \"screen\",",
        &["build"],
        1,
        "run `cargo image lock`",
    ),
    (
        "\"megaraid_sas\", \"megaraid_mbox\",",
        "\"megaraid_sass\", \"megaraid_mbox\",",
        &["build"],
        2,
        "\"megaraid_sass\" is not a module of the kernel",
    ),
    (
        "threshold = 1",
        "threshold = 3",
        &["build"],
        2,
        "update.threshold: 3",
    ),
    (
        "revoked = []",
        "revoked = []",
        &["build", "--release"],
        2,
        "update: a release needs keys",
    ),
];

fn definitions(ctx: &Context) -> Result<()> {
    let builder = builder(ctx)?;
    let rootfs = copy_rootfs(ctx)?;
    let file = rootfs.join("appliance.toml");
    let good = fs::read_to_string(&file)?;
    let lock = fs::read(rootfs.join("packages.lock"))?;
    for (from, to, command, code, expected) in DEFINITIONS {
        ensure!(
            good.contains(from),
            "the definition has no {from:?} any more"
        );
        fs::write(&file, good.replacen(from, to, 1))?;
        let out = ctx.folder().join("out");
        let mut run = Command::new(&builder);
        run.args(command).arg("--definition").arg(&file);
        if command[0] == "build" {
            run.arg("--out").arg(&out);
        }
        let (found, said) = words(&mut run)?;
        ensure!(
            found == Some(code),
            "{to:?}: exit code {found:?}, expected {code}\n{said}"
        );
        ensure!(
            said.contains(expected),
            "{to:?}: {expected:?} was not said\n{said}"
        );
        let place = format!("{}:", file.display());
        ensure!(
            code == 1 || said.contains(&place),
            "{to:?}: no file and line\n{said}"
        );
        ensure!(
            is_empty(&out),
            "{to:?}: something lies in the output folder"
        );
        ensure!(
            fs::read(rootfs.join("packages.lock"))? == lock,
            "{to:?}: the lock was changed"
        );
    }
    ctx.note(format!("{} cases", DEFINITIONS.len()));
    Ok(())
}

/// The definition with all that belongs to it, to be spoilt.
fn copy_rootfs(ctx: &Context) -> Result<PathBuf> {
    let to = ctx.folder().join("rootfs");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(ctx.root().join("rootfs"))
        .arg(&to)
        .status()?;
    ensure!(copied.success(), "copying rootfs failed");
    Ok(to)
}

/// The package that is spoilt: small, and of the first set that a build fetches.
const SPOILT: &str = "kmod";

fn mirrors(ctx: &Context) -> Result<()> {
    let builder = builder(ctx)?;
    let rootfs = copy_rootfs(ctx)?;
    let mirror = ctx.folder().join("mirror");
    only_mirror(&rootfs.join("appliance.toml"), &mirror)?;
    let lock = Lock::load(&rootfs.join("packages.lock"))?;
    let package = lock
        .package
        .iter()
        .find(|p| p.name == SPOILT)
        .context("the lock has no kmod")?;
    let download = ctx
        .root()
        .join("target/image-cache/downloads")
        .join(&package.sha256);
    let good = fs::read(&download).with_context(|| format!("reading {}", download.display()))?;
    let served = mirror.join(&package.archive).join(&package.path);
    fs::create_dir_all(served.parent().context("a path without a folder")?)?;
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let cases: [(&str, Option<&[u8]>, &str); 4] = [
        (
            "tampered",
            Some(&flipped),
            "its content is not what the lock says",
        ),
        ("truncated", Some(&good[..good.len() - 1]), "ended after"),
        (
            "too long",
            Some(&[good.as_slice(), b"x"].concat()),
            "longer than",
        ),
        ("absent", None, "could not be fetched"),
    ];
    for (what, content, expected) in cases {
        match content {
            Some(content) => fs::write(&served, content)?,
            None => fs::remove_file(&served)?,
        }
        let cache = ctx.folder().join("cache");
        fill_downloads(ctx, &cache, &lock)?;
        let out = ctx.folder().join("out");
        let mut run = Command::new(&builder);
        run.args(["build", "--definition"])
            .arg(rootfs.join("appliance.toml"));
        run.arg("--cache").arg(&cache).arg("--out").arg(&out);
        let (code, said) = words(&mut run)?;
        ensure!(code == Some(1), "{what}: exit code {code:?}\n{said}");
        ensure!(
            said.contains(expected) && said.contains(SPOILT),
            "{what}: {expected:?} was not said\n{said}"
        );
        ensure!(
            is_empty(&out),
            "{what}: something lies in the output folder"
        );
        let kept = cache.join("downloads").join(&package.sha256);
        ensure!(!kept.exists(), "{what}: the bad file was kept");
        fs::remove_dir_all(&cache)?;
    }
    Ok(())
}

/// Lets the definition ask one mirror only.
fn only_mirror(definition: &Path, mirror: &Path) -> Result<()> {
    let text = fs::read_to_string(definition)?;
    let mut lines = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        let is_mirror = trimmed.starts_with("\"http://");
        match (
            is_mirror,
            trimmed.contains("snapshot"),
            trimmed.contains("debian-security"),
        ) {
            (true, true, _) => {}
            (true, false, true) => {
                lines.push(format!("\"file://{}/debian-security\",", mirror.display()))
            }
            (true, false, false) => lines.push(format!("\"file://{}/debian\",", mirror.display())),
            (false, ..) => lines.push(line.to_owned()),
        }
    }
    fs::write(definition, lines.join("\n")).context("writing the definition")
}

/// A cache that has everything but the spoilt package.
fn fill_downloads(ctx: &Context, cache: &Path, lock: &Lock) -> Result<()> {
    let downloads = cache.join("downloads");
    fs::create_dir_all(&downloads)?;
    for package in lock.package.iter().filter(|p| p.name != SPOILT) {
        let from = ctx
            .root()
            .join("target/image-cache/downloads")
            .join(&package.sha256);
        let to = downloads.join(&package.sha256);
        if from.exists() {
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
        }
    }
    Ok(())
}

fn interrupted(ctx: &Context) -> Result<()> {
    let builder = builder(ctx)?;
    let out = ctx.folder().join("out");
    let scratch = ctx.root().join("target/image-cache/scratch");
    let build = || {
        let mut run = Command::new(&builder);
        run.args(["build", "--version", "0.1.0.99", "--out"])
            .arg(&out);
        run.stdout(Stdio::piped()).stderr(Stdio::piped());
        run
    };
    let mut child = build().spawn().context("starting the builder")?;
    let deadline = Instant::now() + BEGIN;
    while is_empty(&scratch) {
        if let Some(status) = child.try_wait()? {
            bail!("the build ended with {status} before it could be interrupted");
        }
        ensure!(
            Instant::now() < deadline,
            "the build made nothing that could be interrupted"
        );
        std::thread::sleep(LOOK);
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()?;
    ensure!(sent.success(), "sending SIGINT failed");
    let output = child.wait_with_output()?;
    let code = output.status.code();
    ensure!(code == Some(130), "exit code {code:?}, expected 130");
    ensure!(
        is_empty(&out),
        "the interrupted build left something in the output folder"
    );
    let (code, said) = words(&mut build())?;
    ensure!(code == Some(0), "the next run failed with {code:?}\n{said}");
    ensure!(
        out.join("SHA256SUMS").exists(),
        "the next run left no SHA256SUMS"
    );
    Ok(())
}

fn full_disk(ctx: &Context) -> Result<()> {
    let out = ctx.folder().join("small");
    fs::create_dir_all(&out)?;
    let script = format!(
        "mount -t tmpfs -o size=20m none '{0}' || exit 77; '{1}' build --out '{0}'; echo \"code $?\"; ls -A '{0}'",
        out.display(),
        builder(ctx)?.display()
    );
    let mut run = Command::new("unshare");
    run.args(["--mount", "sh", "-c", &script]);
    let (code, said) = words(&mut run)?;
    if code != Some(0) || said.contains("permission denied") {
        return Err(skip("a small file system can be mounted by root only"));
    }
    ensure!(said.contains("code 1"), "the build did not fail\n{said}");
    ensure!(
        said.contains("No space left on device"),
        "the reason was not said\n{said}"
    );
    let after = said.rsplit("code 1").next().unwrap_or_default().trim();
    let left: Vec<_> = after.lines().filter(|l| !l.ends_with(".img")).collect();
    ensure!(
        !after.contains(".partial-"),
        "something half-made stays: {left:?}"
    );
    Ok(())
}
