//! What `cargo ci --bench` runs to measure updates: see `ci/src/bench_update.rs`.
//!
//! Updates as `vigie-update apply` does, by the same library and the real unpacking process, but
//! into files instead of the partitions of an appliance; makes packages; and tells what any
//! program has cost.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use ed25519_dalek::SigningKey;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::json;
use vigie_disk::{FileDevice, SectorSize};
use vigie_update::apply::sandboxed::Sandboxed;
use vigie_update::apply::target::{OpenSlot, Target};
use vigie_update::apply::{self, ApplyError, Context};
use vigie_update::machine::Machine;
use vigie_update::package::make::{BaseImages, Recipe, compressor, make};
use vigie_update::package::member::Slots;
use vigie_update::package::signature::{PublicKey, TrustedKey, sign};
use vigie_update::package::{Keyring, Manifest};
use vigie_update::policy::{Reached, Standing};
use vigie_update::{BootState, Slot, Version};

/// The version that runs.
const RUNNING: Version = Version([1, 0, 0, 0]);

/// Measures updates.
#[derive(Parser)]
enum Bench {
    /// Runs a program and writes what it and its children have cost into a file, as JSON.
    Run {
        /// The file.
        report: PathBuf,
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Makes a package of FOLDER/system and FOLDER/boot.
    Make {
        /// Where they lie.
        folder: PathBuf,
        /// The package.
        out: PathBuf,
        /// The folder of the images to build on.
        #[arg(long)]
        base: Option<PathBuf>,
        /// The version of the images.
        #[arg(long, default_value = "2.0.0.0")]
        version: Version,
        /// Which key signs.
        #[arg(long, default_value_t = TRUSTED)]
        key: u8,
    },
    /// Compresses files as `make` does, and throws the result away.
    Compress {
        /// The files.
        files: Vec<PathBuf>,
    },
    /// Applies a package; prints what became of it, as JSON.
    Apply {
        /// The program vigie-update.
        program: PathBuf,
        /// The package.
        package: PathBuf,
        /// The folder of the files system and boot that are written.
        slot: PathBuf,
        /// The folder of those that run.
        #[arg(long)]
        base: Option<PathBuf>,
    },
}

fn main() -> Result<()> {
    match Bench::parse() {
        Bench::Run { report, command } => run(&report, &command),
        Bench::Make {
            folder,
            out,
            base,
            version,
            key,
        } => make_package(&folder, &out, base.as_deref(), version, key),
        Bench::Compress { files } => files.iter().try_for_each(|file| {
            let mut out = compressor(io::sink())?;
            io::copy(&mut File::open(file)?, &mut out)?;
            out.finish()?;
            Ok(())
        }),
        Bench::Apply {
            program,
            package,
            slot,
            base,
        } => apply_package(&program, &package, Files::new(slot, base)),
    }
}

fn run(report: &Path, command: &[OsString]) -> Result<()> {
    let begun = Instant::now();
    let status = Command::new(&command[0])
        .args(&command[1..])
        .status()
        .with_context(|| format!("starting {}", command[0].display()))?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "{}: {status}", command[0].display());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time() + usage.system_time();
    let cpu = Duration::from_micros(cpu.num_microseconds().try_into()?).as_secs_f64();
    let text = json!({"seconds": seconds, "cpu": cpu, "peak": peak(&usage)?});
    fs::write(report, text.to_string()).with_context(|| format!("writing {}", report.display()))
}

/// Largest resident memory of one process, in bytes.
fn peak(usage: &Usage) -> Result<u64> {
    // getrusage(2) counts it in units of 1024 bytes.
    Ok(u64::try_from(usage.max_rss())? * 1024)
}

/// The key that the machine trusts; every other number is one that it does not.
const TRUSTED: u8 = 7;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn make_package(
    folder: &Path,
    out: &Path,
    base: Option<&Path>,
    version: Version,
    number: u8,
) -> Result<()> {
    let images = |folder: &Path| [folder.join("system"), folder.join("boot")];
    let [system, boot] = &images(folder);
    let base = base.map(images);
    let recipe = Recipe {
        product: "vigie".into(),
        arch: "amd64".into(),
        hardware: vec!["any".into()],
        version,
        min_from: RUNNING,
        security_epoch: 0,
        build_time: 1_700_000_000,
        changelog: BTreeMap::new(),
        system,
        boot,
        base: base.as_ref().map(|[system, boot]| BaseImages {
            version: RUNNING,
            system,
            boot,
        }),
    };
    let scratch = out.parent().context("the package has no folder")?;
    let mut package = make(&recipe, scratch)?;
    let signature = sign(&key(number), &package.header.encode());
    package.write(&[signature], &mut File::create(out)?)?;
    Ok(())
}

fn apply_package(program: &Path, package: &Path, mut files: Files) -> Result<()> {
    let mut package =
        File::open(package).with_context(|| format!("opening {}", package.display()))?;
    let mut unpacker = Sandboxed::start(program, &package, None)?;
    let result = apply::open(&mut unpacker, &keys())
        .map_err(ApplyError::from)
        .and_then(|opened| {
            let (forget, ignore) = (&mut |_, _| (), &mut |_, _, _| ());
            apply::apply(
                &opened,
                &context(),
                &mut unpacker,
                &mut files,
                forget,
                ignore,
            )
            .map(|done| done.manifest)
        });
    // Waits for the unpacking process, which getrusage(2) counts only then.
    drop(unpacker);
    let told = json!({
        "refused": result.as_ref().err().map(ToString::to_string),
        "stored": result.as_ref().map_or(0, stored),
        // The unpacking process reads through the same open file, so this is where it stopped.
        "read": package.stream_position()?,
        "updater": peak(&getrusage(UsageWho::RUSAGE_SELF)?)?,
        "unpacker": peak(&getrusage(UsageWho::RUSAGE_CHILDREN)?)?,
    });
    println!("{told}");
    Ok(())
}

/// Bytes of the images as they lie in the package.
fn stored(manifest: &Manifest) -> u64 {
    let sizes = manifest.members.iter().map(|member| member.size.get());
    sizes.sum()
}

fn keys() -> Keyring {
    Keyring {
        threshold: 1,
        revoked: Default::default(),
        keys: vec![TrustedKey {
            name: "bench".into(),
            public: PublicKey::of(&key(TRUSTED)),
            development: true,
        }],
    }
}

fn context() -> Context {
    Context {
        machine: Machine {
            product: "vigie".into(),
            arch: "amd64".into(),
            hardware: "any".into(),
            version: RUNNING,
            security_epoch: 0,
        },
        standing: Standing {
            reached: Reached::default(),
            confirmed: true,
            waiting: None,
            licensed_major: u32::MAX,
            reinstall: false,
        },
        running: Slot::A,
    }
}

/// Slots in files; the boot state is only kept in memory.
struct Files {
    slot: PathBuf,
    base: Option<PathBuf>,
    state: BootState,
}

impl Files {
    fn new(slot: PathBuf, base: Option<PathBuf>) -> Self {
        let mut state = BootState::default();
        state.mark_good(Slot::A);
        Self { slot, base, state }
    }
}

impl Target for Files {
    fn load(&self) -> Result<BootState, ApplyError> {
        Ok(self.state.clone())
    }

    fn save(&mut self, state: &BootState) -> Result<(), ApplyError> {
        self.state = state.clone();
        Ok(())
    }

    fn open(&mut self, _: Slot, write: bool) -> Result<OpenSlot, ApplyError> {
        let folder = match &self.base {
            Some(base) if !write => base,
            _ => &self.slot,
        };
        let open = |name: &str| {
            let path = folder.join(name);
            let device = if write {
                FileDevice::open(&path, SectorSize::S512)?
            } else {
                FileDevice::open_read_only(&path, SectorSize::S512)?
            };
            let file = device.file().try_clone();
            let file = file.map_err(|source| ApplyError::Descriptor {
                name: path.display().to_string(),
                source,
            })?;
            Ok::<_, ApplyError>((device, file))
        };
        let ((system, system_file), (boot, boot_file)) = (open("system")?, open("boot")?);
        Ok(OpenSlot {
            devices: Slots {
                system: Box::new(system),
                boot: Box::new(boot),
            },
            files: Some(Slots {
                system: system_file,
                boot: boot_file,
            }),
        })
    }
}
