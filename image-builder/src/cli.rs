//! The command line: what can be asked for, and exit codes.
//!
//! 0 done, 1 failed, 2 wrong use.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use image_builder::archive::lock::Lock;
use image_builder::build::{self, Build, Built};
use image_builder::cache::Cache;
use image_builder::definition::{Definition, DefinitionError};
use image_builder::fetch::Fetcher;
use image_builder::lock_packages::{self, Outcome};
use image_builder::packages::Packages;
use image_builder::progress::Reporter;
use image_builder::workspace::Workspace;
use vigie_update::Version;

/// Builds the Vigie appliance image, installs it onto a virtual disk, and runs it.
///
/// Nothing here needs root, containers or the host's package manager: packages come from
/// the Debian archive by the sha256 in rootfs/packages.lock, tools are locked packages too.
#[derive(Debug, Parser)]
#[command(name = "cargo image", bin_name = "cargo image", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// The definition [default: rootfs/appliance.toml]
    #[arg(long, global = true, value_name = "FILE")]
    definition: Option<PathBuf>,
    /// Where downloads and intermediate results are kept [default: target/image-cache]
    #[arg(long, global = true, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Ask this mirror first; below it are the folders debian and debian-security (repeatable)
    #[arg(long, global = true, value_name = "URL")]
    mirror: Vec<String>,
    /// Never use the network
    #[arg(long, global = true)]
    offline: bool,
    /// Report progress and results as JSON lines
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Resolve the package lists against the archive and write rootfs/packages.lock
    Lock {
        /// Take the newest version of everything, even if the lock fits the lists
        #[arg(long)]
        update: bool,
    },
    /// Build the medium, the system image, the boot image and the bill of materials
    Build {
        /// Where the results go [default: target/image]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Version of the image, x.y.z.w [default: the definition's]
        #[arg(long = "version", value_name = "X.Y.Z.W")]
        image_version: Option<Version>,
    },
}

/// What a command works with.
struct Session {
    workspace: Workspace,
    definition: Definition,
    mirrors: Vec<String>,
    fetcher: Fetcher,
    cache: Cache,
    offline: bool,
    reporter: Reporter,
}

impl Session {
    fn new(common: &Common, reporter: Reporter) -> Result<Self> {
        let workspace = Workspace::new(common.cache.clone())?;
        let path = common
            .definition
            .clone()
            .unwrap_or_else(|| workspace.definition());
        Ok(Self {
            definition: Definition::load(&path)?,
            fetcher: Fetcher::new(&workspace.downloads(), common.offline, reporter)?,
            mirrors: common.mirror.clone(),
            cache: Cache::new(&workspace.cache),
            offline: common.offline,
            workspace,
            reporter,
        })
    }

    fn packages<'a>(&'a self, lock: &'a Lock) -> Packages<'a> {
        Packages {
            definition: &self.definition,
            lock,
            fetcher: &self.fetcher,
            mirrors: &self.mirrors,
            cache: &self.cache,
            reporter: self.reporter,
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.definition.resolve("packages.lock")
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let reporter = Reporter::new(cli.common.json);
    match run(&cli, reporter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            reporter.error(&format!("{error:#}"));
            ExitCode::from(if error.is::<DefinitionError>() { 2 } else { 1 })
        }
    }
}

fn run(cli: &Cli, reporter: Reporter) -> Result<()> {
    let session = Session::new(&cli.common, reporter)?;
    let _guard = session.workspace.lock()?;
    session.cache.sweep()?;
    match &cli.command {
        Command::Lock { update } => lock(&session, *update),
        Command::Build { out, image_version } => {
            build(&session, out.as_deref(), *image_version).map(|_| ())
        }
    }
}

fn lock(session: &Session, update: bool) -> Result<()> {
    let path = session.lock_path();
    match lock_packages::lock(
        &session.definition,
        &path,
        &session.mirrors,
        &session.fetcher,
        update,
    )? {
        Outcome::Unchanged => {
            session.reporter.say(
                "lock",
                "the lock fits the definition; --update takes newer versions",
            );
        }
        Outcome::Written(changes) => {
            for change in &changes {
                session.reporter.say("package", change);
            }
            session.reporter.say(
                "lock",
                &format!("{} written, {} changes", path.display(), changes.len()),
            );
        }
    }
    Ok(())
}

fn build(session: &Session, out: Option<&Path>, version: Option<Version>) -> Result<Built> {
    let lock = Lock::load(&session.lock_path())?;
    let packages = session.packages(&lock);
    let version = version.map_or_else(|| session.definition.version(), Ok)?;
    let built = Build::new(&session.workspace, &packages, version, session.offline)?.run()?;
    let out = out.map_or_else(|| session.workspace.out(), Path::to_owned);
    for file in build::publish(&built, &out)? {
        let megabytes = file.metadata()?.len() as f64 / 1e6;
        session
            .reporter
            .say("file", &format!("{} ({megabytes:.1} MB)", file.display()));
    }
    Ok(built)
}
