//! The command `vigie-recovery`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused and nothing was changed; those of `check` are
//! its own (`check::command`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use vigie_recovery::check::{command, keep};
use vigie_recovery::message::words_of;
use vigie_recovery::tell::Tell;
use vigie_recovery::{disks, export, password, rescue, reset, rollback, screen, update, volumes};
use vigie_settings::Language;

/// Works on the installations on this machine's disks.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// Language of messages, "en" or "fr"; that of the environment where not given.
    #[arg(long, global = true)]
    language: Option<Language>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the volumes of each installation and how they are. Nothing is written or mounted.
    Volumes(volumes::command::Arguments),
    /// Puts the version of this medium, or a package, into the other slot of an installation.
    /// In recovery there is no medium, so a package is needed. Settings and recordings stay.
    Update(update::command::Arguments),
    /// Checks volumes and, with --repair, repairs them: the system volume first, then those of
    /// recordings. Exit codes: 0 all clean, 1 repaired, 2 wrong use, 4 damage left or a volume
    /// lost, 8 a volume could not be checked.
    Check(command::Arguments),
    /// Sets a new password of root or of the service account.
    Password(password::command::Arguments),
    /// Goes back to the version in the other slot, where that is whole.
    Rollback(rollback::command::Arguments),
    /// Resets an installation to the settings of a new appliance; with "all" its recordings are
    /// erased, too. The host name or serial number is typed to confirm.
    Reset(reset::command::Arguments),
    /// Takes settings, logs or recordings out of an installation; nothing is written to it.
    Export(export::command::Arguments),
    /// All of this as a menu, for a person at the machine.
    Screen(screen::Arguments),
    /// Says how the disks are, as they tell of it themselves (SMART). Nothing is written.
    Disks(disks::command::Arguments),
    /// Lets somebody in as root over SSH, once, by a password that is made for this and shown.
    Rescue(rescue::command::Arguments),
    /// Asked by PAM while rescue access is open.
    #[command(hide = true)]
    Door,
    /// For the initrd: takes the reports of its checks onto the state volume, which is mounted by now.
    #[command(hide = true)]
    KeepReports {
        /// The folder with a folder for each check.
        from: PathBuf,
        /// The root of the state volume.
        volume: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let language = cli.language.unwrap_or_else(Language::from_environment);
    let outcome = match cli.command {
        Command::Volumes(arguments) => {
            volumes::command::run(&arguments, language).map(|()| ExitCode::SUCCESS)
        }
        Command::Update(arguments) => Ok(update::command::run(arguments, language).into()),
        Command::Check(arguments) => command::run(&arguments, language).map(ExitCode::from),
        Command::Password(arguments) => Ok(password::command::run(&arguments, language).into()),
        Command::Rollback(arguments) => Ok(rollback::command::run(&arguments, language).into()),
        Command::Export(arguments) => Ok(export::command::run(&arguments, language).into()),
        Command::Reset(arguments) => Ok(reset::command::run(&arguments, language).into()),
        Command::Screen(arguments) => Ok(screen::command(&arguments, language).into()),
        Command::Disks(arguments) => {
            disks::command::run(&arguments, language).map(|()| ExitCode::SUCCESS)
        }
        Command::Rescue(arguments) => Ok(rescue::command::run(&arguments, language).into()),
        Command::Door => Ok(rescue::door::run().into()),
        Command::KeepReports { from, volume } => keep_reports(&from, &volume, language),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("vigie-recovery: {}", words_of(&error, language));
        ExitCode::FAILURE
    })
}

fn keep_reports(from: &Path, volume: &Path, language: Language) -> anyhow::Result<ExitCode> {
    let freed = keep::take(from, volume)?;
    Tell::new(false, language).freed(freed.as_ref());
    Ok(ExitCode::SUCCESS)
}
