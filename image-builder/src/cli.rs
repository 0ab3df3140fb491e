//! The command line: what can be asked for, and exit codes.
//!
//! 0 done, 1 failed, 2 wrong use.

mod update;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use image_builder::build::{self, Built};
use image_builder::definition::DefinitionError;
use image_builder::interrupt;
use image_builder::lock_packages::{self, Outcome};
use image_builder::machine;
use image_builder::progress::Reporter;
use image_builder::provision;
use image_builder::session::{Options, Order, Session};
use image_builder::sources;
use image_builder::virtual_disk::{self, Format};
use image_builder::vm::Emulator;
use image_builder::vm::command::Firmware;
use vigie_disk::{Bytes, SectorSize};
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
    /// The repository [default: the one that this program was built from]
    #[arg(long, global = true, value_name = "DIR")]
    repository: Option<PathBuf>,
    /// Where downloads and intermediate results are kept [default: target/image-cache]
    #[arg(long, global = true, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Ask this mirror first; below it are the folders debian and debian-security (repeatable)
    #[arg(long, global = true, value_name = "URL")]
    mirror: Vec<String>,
    /// Never use the network
    #[arg(long, global = true)]
    offline: bool,
    /// The key that builds use while the definition has none; made if it is not there
    /// [default: keys/development.pem]
    #[arg(long, global = true, value_name = "FILE")]
    development_key: Option<PathBuf>,
    /// Report progress and results as JSON lines
    #[arg(long, global = true)]
    json: bool,
}

impl Common {
    fn options(&self) -> Options {
        Options {
            repository: self.repository.clone(),
            definition: self.definition.clone(),
            cache: self.cache.clone(),
            mirrors: self.mirror.clone(),
            offline: self.offline,
            development_key: self.development_key.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Resolve the package lists against the archive and write rootfs/packages.lock
    Lock {
        /// Take the newest version of everything, even if the lock fits the lists, or all but
        /// a new set of them
        #[arg(long)]
        update: bool,
    },
    /// Build the medium, the images, the update package and the bill of materials
    Build {
        /// Where the results go [default: target/image]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        #[command(flatten)]
        order: BuildArgs,
        /// Sign the update package with this secret key (repeatable)
        #[arg(long, value_name = "FILE")]
        key: Vec<PathBuf>,
    },
    /// Make an update package of the build, signed here or elsewhere
    Package(update::PackageArgs),
    /// Make a key that signs update packages
    Keygen(update::KeygenArgs),
    /// Say what the header of a package or an index says, and sign it where the key is
    Sign(update::SignArgs),
    /// List the packages of a folder for machines that fetch them, and sign the list
    Index(update::IndexArgs),
    /// Make a disk with the appliance installed on it, in a file
    Disk {
        /// The file; it must not exist yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Size of the disk
        #[arg(long, value_name = "SIZE", default_value = "16GB")]
        size: Bytes,
        /// Format of the file
        #[arg(long, value_enum, default_value_t = Format::Raw)]
        format: Format,
        /// Sector size of the disk: 512 or 4096
        #[arg(long, value_name = "BYTES", default_value = "512")]
        sectors: u64,
        /// The installer's answers (install.toml); without, nobody can log in to the result
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
    },
    /// Start the medium or a disk in the locked QEMU, serial console on this terminal
    Run {
        /// Start the medium, as a CD [default unless --disk is given]
        #[arg(long)]
        medium: bool,
        /// Start this disk; with --medium, the disk that the medium finds
        #[arg(long, value_name = "FILE")]
        disk: Option<PathBuf>,
        /// What starts the machine
        #[arg(long, value_enum, default_value_t = FirmwareName::Uefi)]
        firmware: FirmwareName,
        /// The screen
        #[arg(long, value_enum, default_value_t = DisplayName::None)]
        display: DisplayName,
    },
    /// Build, install onto a virtual disk, start it, and say where it can be reached
    Demo {
        /// What starts the machine
        #[arg(long, value_enum, default_value_t = FirmwareName::Uefi)]
        firmware: FirmwareName,
        /// End with 0 once it is healthy, instead of staying until Ctrl-C
        #[arg(long)]
        exit_when_healthy: bool,
    },
    /// Copy a medium, with the answers of an unattended installation in the copy
    Provision {
        /// The medium
        #[arg(long, value_name = "FILE")]
        iso: PathBuf,
        /// The installer's answers (install.toml); they are checked first
        #[arg(long, value_name = "FILE", required_unless_present = "show")]
        answers: Option<PathBuf>,
        /// The copy; it must not exist yet
        #[arg(long, value_name = "FILE", required_unless_present = "show")]
        out: Option<PathBuf>,
        /// Only print the answers that are in the medium
        #[arg(long, conflicts_with_all = ["answers", "out"])]
        show: bool,
    },
    /// Fetch the source packages of everything that is shipped
    Sources {
        /// Where they go [default: target/image/sources]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Only these source packages
        #[arg(value_name = "PACKAGE")]
        only: Vec<String>,
    },
    /// Remove the results and the cache
    Clean {
        /// Keep the downloads
        #[arg(long)]
        keep_downloads: bool,
    },
}

#[derive(Debug, Args)]
struct BuildArgs {
    /// Version of the image, x.y.z.w [default: the definition's]
    #[arg(long = "version", value_name = "X.Y.Z.W")]
    image_version: Option<Version>,
    /// Refuse a build that trusts a development key
    #[arg(long)]
    release: bool,
}

impl BuildArgs {
    fn order(&self, keys: &[PathBuf]) -> Order {
        Order {
            version: self.image_version,
            release: self.release,
            keys: keys.to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FirmwareName {
    Bios,
    Uefi,
    Secureboot,
}

impl From<FirmwareName> for Firmware {
    fn from(name: FirmwareName) -> Self {
        match name {
            FirmwareName::Bios => Self::Bios,
            FirmwareName::Uefi => Self::Uefi,
            FirmwareName::Secureboot => Self::SecureBoot,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DisplayName {
    None,
    Vnc,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let reporter = Reporter::new(cli.common.json);
    interrupt::listen();
    match run(&cli, reporter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            reporter.error(&format!("{error:#}"));
            ExitCode::from(if error.is::<DefinitionError>() { 2 } else { 1 })
        }
    }
}

fn run(cli: &Cli, reporter: Reporter) -> Result<()> {
    match &cli.command {
        // Where a secret key is, there need be no definition and no cache.
        Command::Keygen(args) => return update::keygen(args, reporter),
        Command::Sign(args) => return update::sign(args, reporter),
        _ => {}
    }
    let session = Session::new(cli.common.options(), reporter)?;
    let guard = session.workspace.lock()?;
    session.cache.sweep()?;
    match &cli.command {
        Command::Lock { update } => lock(&session, *update),
        Command::Build { out, order, key } => {
            build(&session, out.as_deref(), &order.order(key)).map(|_| ())
        }
        Command::Package(args) => update::package(args, &session),
        Command::Index(args) => update::index(args, &session),
        Command::Keygen(_) | Command::Sign(_) => Ok(()),
        Command::Disk {
            out,
            size,
            format,
            sectors,
            answers,
        } => {
            let sectors = SectorSize::try_from(*sectors)?;
            let order = virtual_disk::Order {
                out,
                size: *size,
                format: *format,
                sectors,
                answers: answers.as_deref(),
            };
            disk(&session, &order, cli.common.json).map(|_| ())
        }
        Command::Run {
            medium,
            disk,
            firmware,
            display,
        } => {
            let (emulator, iso) = match (medium, disk) {
                (false, Some(_)) => (session.emulator()?, None),
                _ => {
                    let built = build(&session, None, &Order::default())?;
                    (session.emulator()?, Some(built.iso))
                }
            };
            drop(guard);
            let order = machine::Order {
                medium: iso,
                disk: disk.clone(),
                firmware: (*firmware).into(),
                vnc: *display == DisplayName::Vnc,
            };
            machine::run(&order, &emulator, reporter)
        }
        Command::Demo {
            firmware,
            exit_when_healthy,
        } => {
            let (order, emulator, log) =
                prepare_demo(&session, (*firmware).into(), cli.common.json)?;
            drop(guard);
            machine::demo(&order, &emulator, &log, *exit_when_healthy, reporter)
        }
        Command::Provision {
            iso, answers, out, ..
        } => {
            drop(guard);
            provision(reporter, iso, answers.as_deref(), out.as_deref())
        }
        Command::Sources { out, only } => sources(&session, out.as_deref(), only),
        Command::Clean { keep_downloads } => clean(&session, *keep_downloads),
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

fn build(session: &Session, out: Option<&Path>, order: &Order) -> Result<Built> {
    let built = session.build(order)?;
    let out = out.map_or_else(|| session.workspace.out(), Path::to_owned);
    for file in build::publish(&built, &out)? {
        say_file(session.reporter, &file)?;
    }
    if built.package.is_none() {
        session.reporter.say(
            "package",
            "no update package is made, as nobody signs it here: see `cargo image package`",
        );
    }
    Ok(built)
}

fn say_file(reporter: Reporter, file: &Path) -> Result<()> {
    let megabytes = file.metadata()?.len() as f64 / 1e6;
    reporter.say("file", &format!("{} ({megabytes:.1} MB)", file.display()));
    Ok(())
}

fn disk(session: &Session, order: &virtual_disk::Order<'_>, json: bool) -> Result<Emulator> {
    let built = build(session, None, &Order::default())?;
    let (tools, emulator) = (session.tools()?, session.emulator()?);
    virtual_disk::make(order, &built.payload, &tools, &emulator, json)?;
    session
        .reporter
        .say("disk", &format!("{}", order.out.display()));
    Ok(emulator)
}

fn prepare_demo(
    session: &Session,
    firmware: Firmware,
    json: bool,
) -> Result<(machine::Order, Emulator, PathBuf)> {
    let out = session.workspace.out();
    std::fs::create_dir_all(&out)?;
    let file = out.join("demo.raw");
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    let order = virtual_disk::Order {
        out: &file,
        size: Bytes::gb(16),
        format: Format::Raw,
        sectors: SectorSize::S512,
        answers: None,
    };
    let emulator = disk(session, &order, json)?;
    let order = machine::Order {
        medium: None,
        disk: Some(file),
        firmware,
        vnc: false,
    };
    Ok((order, emulator, out.join("demo-console.log")))
}

fn provision(
    reporter: Reporter,
    iso: &Path,
    answers: Option<&Path>,
    out: Option<&Path>,
) -> Result<()> {
    let (Some(answers), Some(out)) = (answers, out) else {
        match provision::show(iso)? {
            Some(answers) => print!("{}", answers.trim_start_matches('\n')),
            None => reporter.say("provision", "the medium has no answers"),
        }
        return Ok(());
    };
    let version = provision::make(&provision::Order { iso, answers, out })?;
    let said = format!("{} has version {version} and the answers", out.display());
    reporter.say("provision", &said);
    Ok(())
}

fn sources(session: &Session, out: Option<&Path>, only: &[String]) -> Result<()> {
    let lock = session.lock()?;
    let out = out.map_or_else(|| session.workspace.out().join("sources"), Path::to_owned);
    let count = sources::fetch(&session.packages(&lock), only, &out)?;
    session.reporter.say(
        "sources",
        &format!("{count} source packages are in {}", out.display()),
    );
    Ok(())
}

fn clean(session: &Session, keep_downloads: bool) -> Result<()> {
    let mut doomed = vec![session.workspace.out()];
    for entry in std::fs::read_dir(&session.workspace.cache)? {
        let path = entry?.path();
        if !(keep_downloads && path == session.workspace.downloads()) {
            doomed.push(path);
        }
    }
    for path in doomed.into_iter().filter(|p| p.exists()) {
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.with_context(|| format!("removing {}", path.display()))?;
    }
    session
        .reporter
        .say("clean", "the results and the cache are removed");
    Ok(())
}
