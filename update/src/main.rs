//! The command `vigie-update`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use vigie_disk::sysfs::Sysfs;
use vigie_update::running::{BOOT_JSON, Mode, Running};
use vigie_update::status::{Copy, Status};
use vigie_update::{BootState, esp};

/// Slots of this appliance: which one runs, which one is good.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows version, slots and what the next start will boot.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Records that the running slot has come up healthy. Run once a boot by
    /// vigie-mark-good.service, after boot-complete.target.
    MarkGood,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Status { json } => status(json),
        Command::MarkGood => mark_good(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vigie-update: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn status(json: bool) -> Result<()> {
    let running = Running::load(Path::new(BOOT_JSON))?;
    let sysfs = Sysfs::default();
    let os_release = std::fs::read_to_string("/usr/lib/os-release").unwrap_or_default();
    let state = match running.mode {
        Mode::Live => None,
        Mode::Installed => Some(load_state(&running, &sysfs)?),
    };
    let mut status = Status::new(&running, &os_release, state.as_ref());
    if let Some(state) = &state {
        let others = esp::other_disks(&running, &sysfs).into_iter();
        let copies = others.map(|disk| {
            let found = esp::open_on(&disk, &sysfs, false).and_then(|esp| esp::load(&esp));
            Copy::new(&disk, found, state)
        });
        status.copies = copies.collect();
    }
    if json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        println!("{}", status.lines().join("\n"));
    }
    Ok(())
}

fn load_state(running: &Running, sysfs: &Sysfs) -> Result<BootState> {
    let esp = esp::open(running, sysfs, false)?;
    esp::load(&esp).context("reading the boot state")
}

fn mark_good() -> Result<()> {
    let running = Running::load(Path::new(BOOT_JSON))?;
    if running.mode == Mode::Live {
        println!("the live system has no slot to mark");
        return Ok(());
    }
    let slot = running
        .slot
        .with_context(|| format!("{BOOT_JSON} names no slot"))?;
    let sysfs = Sysfs::default();
    let mut state = load_state(&running, &sysfs)?;
    state.mark_good(slot);
    // The started disk comes last: see `esp`.
    let others = esp::other_disks(&running, &sysfs).into_iter();
    let esps = others
        .map(|disk| esp::open_on(&disk, &sysfs, true))
        .chain(std::iter::once_with(|| esp::open(&running, &sysfs, true)));
    let failures = esp::save_on_all(esps, &state);
    if failures.is_empty() {
        println!("slot {slot} is marked good");
        return Ok(());
    }
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    bail!("writing the boot state: {}", texts.join("; "))
}
