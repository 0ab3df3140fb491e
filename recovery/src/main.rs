//! The command `vigie-recovery`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused and nothing was changed; those of `check` are
//! its own (`check::command`).

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use vigie_recovery::check::command;
use vigie_recovery::tell::Tell;
use vigie_recovery::update::{self, Source};
use vigie_recovery::waiting::Waiting;
use vigie_recovery::{
    disks, export, held, password, rescue, reset, rollback, screen, volumes, words,
};
use vigie_settings::Language;
use vigie_update::apply::ApplyError;
use vigie_update::commands::apply;
use vigie_update::progress::Progress;

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
    Update(Update),
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
}

#[derive(clap::Args)]
struct Update {
    /// A package instead of the medium's own version.
    package: Option<PathBuf>,
    /// The system disk of the installation, where there are several.
    #[arg(long, value_parser = vigie_recovery::choose::named)]
    disk: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
    /// Who asks, for the history.
    #[arg(long)]
    who: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let language = cli.language.unwrap_or_else(Language::from_environment);
    let outcome = match cli.command {
        Command::Volumes(arguments) => {
            volumes::command::run(&arguments, language).map(|()| ExitCode::SUCCESS)
        }
        Command::Update(arguments) => put(arguments, language),
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
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("vigie-recovery: {error:#}");
        ExitCode::FAILURE
    })
}

fn put(arguments: Update, language: Language) -> Result<ExitCode> {
    let Update {
        package,
        disk,
        yes,
        json,
        who,
    } = arguments;
    let source = package.map_or(Source::Medium, Source::Package);
    let mut waiting = Waiting::new(json, language);
    // A system volume that was not unmounted is repaired for it.
    let held = held::quietly(&mut Tell::new(json, language));
    let mut opened = match update::open(disk.as_deref(), &source, &mut waiting) {
        Ok(opened) => opened,
        Err(error) => return Ok(refused(error, json, language)),
    };
    drop(held);
    opened.state.tell(&mut Tell::new(json, language));
    if !json {
        println!(
            "{}",
            words::before_update(&opened, &source, language)?.join("\n")
        );
    }
    if !yes && !agreed(language)? {
        println!("{}", words::not_asked(language));
        return Ok(ExitCode::SUCCESS);
    }
    let _held = held::hold_off_for(json, language);
    let from = opened.version();
    let mut progress = Progress::new(json).in_french(language == Language::Fr);
    match update::run(&mut opened, &source, who, &mut progress) {
        Ok(applied) if json => println!("{}", apply::success_event(&applied)),
        Ok(applied) => {
            println!("{}", words::after_update(&applied, from, language));
            if let Some(warning) = apply::warning(&applied, language) {
                eprintln!("vigie-recovery: {warning}");
            }
        }
        Err(error) => return Ok(refused(error, json, language)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for the word that means yes.
fn agreed(language: Language) -> Result<bool> {
    let (question, yes) = words::question(language);
    if !std::io::stdin().is_terminal() {
        eprintln!("vigie-recovery: {}", words::needs_yes(language));
        std::process::exit(2);
    }
    print!("{question}");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().take(100).read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case(&yes))
}

fn refused(error: anyhow::Error, json: bool, language: Language) -> ExitCode {
    let Some(told) = error.downcast_ref::<ApplyError>() else {
        return Tell::new(json, language).failed(&error).into();
    };
    if json {
        println!("{}", apply::failure_event(told));
    } else if language == Language::Fr {
        eprintln!("vigie-recovery: {}", told.french());
    } else {
        eprintln!("vigie-recovery: {told}");
    }
    ExitCode::from(if told.is_refusal() { 3 } else { 1 })
}
