//! A second build from a clean cache, in another folder, under another umask and time zone,
//! by an unprivileged user who can gain no privilege, gives the same bytes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::builder;
use crate::context::Context;
use crate::process;
use crate::step::{Load, Step};

/// Compiling the image's programs on two slow cores.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// The user `nobody` of Debian, for when the tests run as root.
const NOBODY: u32 = 65534;

/// The step.
pub fn step() -> Step {
    Step {
        name: "reproducible",
        proves: "an unprivileged user with no_new_privs builds the same bytes elsewhere",
        smoke: true,
        load: Load::Whole,
        needs: &["image"],
        run: Box::new(run),
    }
}

fn run(ctx: &Context) -> Result<()> {
    let elsewhere = tempfile::Builder::new()
        .prefix("vigie elsewhere ")
        .tempdir()?;
    let place = Place::prepare(ctx, elsewhere.path())?;
    let log = ctx.folder().join("build.log");
    process::run("the second build", &mut place.command(ctx)?, &log, LIMIT)?;
    let first = sums(&ctx.folder_of("medium"))?;
    let second = sums(&place.out)?;
    ensure!(
        first == second,
        "the two builds differ\nhere:\n{first}\nelsewhere:\n{second}"
    );
    ctx.note(format!("{} files agree", first.lines().count()));
    Ok(())
}

fn sums(folder: &Path) -> Result<String> {
    let path = folder.join("SHA256SUMS");
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Everything that the second build uses.
struct Place {
    root: PathBuf,
    builder: PathBuf,
    out: PathBuf,
    as_nobody: bool,
}

impl Place {
    fn prepare(ctx: &Context, root: &Path) -> Result<Place> {
        let as_nobody = rustix::process::geteuid().is_root();
        open(root)?;
        let place = Place {
            root: root.to_owned(),
            builder: root.join("image-builder"),
            out: root.join("out"),
            as_nobody,
        };
        fs::copy(builder(ctx)?, &place.builder)?;
        place.copy_sources(ctx)?;
        place.copy_development_key(ctx)?;
        place.link(
            &ctx.root().join("target/image-cache/downloads"),
            "cache/downloads",
        )?;
        if as_nobody {
            // The user `nobody` cannot reach root's home: the same files under other names.
            place.link(&sysroot()?, "toolchain")?;
            place.link(&cargo_home()?.join("registry"), "cargo/registry")?;
            for folder in ["source", "cache", "cargo"] {
                give_away(&place.root.join(folder))?;
            }
            chown(&place.root, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(place)
    }

    /// Copies what git knows of, with what it would add.
    fn copy_sources(&self, ctx: &Context) -> Result<()> {
        let list = process::output(
            "listing the sources",
            Command::new("git").current_dir(ctx.root()).args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ]),
        )?;
        for name in list.split('\0').filter(|name| !name.is_empty()) {
            let (from, to) = (ctx.root().join(name), self.root.join("source").join(name));
            fs::create_dir_all(to.parent().context("a path without a folder")?)?;
            match fs::read_link(&from) {
                Ok(target) => std::os::unix::fs::symlink(target, &to)?,
                Err(_) if from.exists() => drop(fs::copy(&from, &to)?),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// The image has the public half of the key, its package the signature: both must be the same.
    /// A definition with keys of its own needs none.
    fn copy_development_key(&self, ctx: &Context) -> Result<()> {
        let from = ctx.root().join("keys/development.pem");
        if !from.exists() {
            return Ok(());
        }
        let to = self.development_key();
        fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
        if self.as_nobody {
            // Its mode lets only its owner read it.
            chown(&to, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(())
    }

    fn development_key(&self) -> PathBuf {
        self.root.join("development.pem")
    }

    /// The same files under another name, or copies on another file system.
    fn link(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.root.join(to);
        fs::create_dir_all(to.parent().context("a path without a folder")?)?;
        for how in ["-al", "-a"] {
            let copied = Command::new("cp").arg(how).arg(from).arg(&to).output()?;
            if copied.status.success() {
                return Ok(());
            }
            let _ = fs::remove_dir_all(&to);
        }
        anyhow::bail!("{} could not be copied", from.display())
    }

    /// The build, stripped of every privilege.
    fn command(&self, ctx: &Context) -> Result<Command> {
        let time = process::output(
            "reading the commit's time",
            Command::new("git")
                .current_dir(ctx.root())
                .args(["log", "-1", "--format=%ct"]),
        )?;
        let mut command = Command::new("setpriv");
        command.args(["--no-new-privs", "--inh-caps=-all"]);
        if self.as_nobody {
            let (uid, gid) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            command
                .args([uid, gid])
                .args(["--clear-groups", "--bounding-set=-all"]);
            let bin = self.root.join("toolchain/bin");
            command
                .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
                .env("CARGO", bin.join("cargo"))
                .env("RUSTC", bin.join("rustc"))
                .env("CARGO_HOME", self.root.join("cargo"))
                .env("HOME", &self.root)
                .env_remove("RUSTUP_HOME");
        }
        command
            .env("SOURCE_DATE_EPOCH", time.trim())
            .env("TZ", "Pacific/Kiritimati")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("CARGO_TARGET_DIR")
            .current_dir("/")
            .args(["sh", "-c", "umask 077; exec \"$@\"", "sh"])
            .arg(&self.builder)
            .args(["build", "--offline", "--repository"])
            .arg(self.root.join("source"))
            .arg("--cache")
            .arg(self.root.join("cache"))
            .arg("--out")
            .arg(&self.out)
            .arg("--development-key")
            .arg(self.development_key());
        Ok(command)
    }
}

fn open(folder: &Path) -> Result<()> {
    Ok(fs::set_permissions(
        folder,
        fs::Permissions::from_mode(0o755),
    )?)
}

fn sysroot() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]);
    Ok(process::output("asking rustc for its folder", &mut rustc)?
        .trim()
        .into())
}

fn cargo_home() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")
}

/// Folders change hands; files stay root's, as they may be links to the originals. Those that only
/// their owner may read become copies: to this user, cargo would have unpacked them as its own.
fn give_away(folder: &Path) -> Result<()> {
    const READ_BY_ALL: u32 = 0o004;
    chown(folder, Some(NOBODY), Some(NOBODY))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            give_away(&entry.path())?;
        } else if kind.is_file() && entry.metadata()?.mode() & READ_BY_ALL == 0 {
            own_copy(&entry.path())?;
        }
    }
    Ok(())
}

fn own_copy(path: &Path) -> Result<()> {
    let copying = || format!("copying {}", path.display());
    let (bytes, mode) = (
        fs::read(path).with_context(copying)?,
        fs::metadata(path)?.permissions(),
    );
    fs::remove_file(path).with_context(copying)?;
    fs::write(path, bytes).with_context(copying)?;
    fs::set_permissions(path, mode)?;
    chown(path, Some(NOBODY), Some(NOBODY)).with_context(copying)
}
