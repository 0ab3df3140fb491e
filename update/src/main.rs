//! The command `vigie-update`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use, 3 what was asked for was refused and nothing was
//! changed, 4 there is nothing to go back to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use vigie_settings::Language;
use vigie_update::appliance::This;
use vigie_update::apply::{ApplyError, child};
use vigie_update::commands::apply::{ApplyArguments, Asked, Order, PROGRAM};
use vigie_update::commands::serve::restart;
use vigie_update::commands::{
    apply, automatic, check, forget, list, open_package, password, serve, show, slots,
};
use vigie_update::doors::login::Gate;
use vigie_update::doors::look;
use vigie_update::doors::session::BROKER;
use vigie_update::fate::FateError;
use vigie_update::history::{Door, Outcome, Reason};
use vigie_update::media::place;
use vigie_update::progress::Progress;
use vigie_update::spoken::{self, Spoken};
use vigie_update::{say, warn};

const WRONG_USE: u8 = 2;
const REFUSED: u8 = 3;
const NOTHING_THERE: u8 = 4;

/// Updates of this appliance: packages, and which slot runs.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// Language of what people read, "en" or "fr"; that of the environment where not given.
    #[arg(long, global = true)]
    language: Option<Language>,
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
    /// Checks a whole package, without writing anything.
    Verify {
        /// The package; - reads it from standard input.
        file: PathBuf,
        /// Print JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Checks a package and shows what is in it.
    Show {
        /// The package; - reads it from standard input.
        file: PathBuf,
    },
    /// Lists the packages that lie in the folders for them and on plugged-in sticks and discs.
    List {
        /// Print JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Deletes what somebody sent by scp or sftp, by the name that `list` shows.
    Forget {
        /// The file's name, without its folder.
        name: OsString,
    },
    /// Asks the server of the settings what it offers, and says what this machine makes of it.
    Check {
        /// Fetch what it offers, so that it can be installed.
        #[arg(long)]
        fetch: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Installs what came by itself and restarts, where the settings say so. Run by
    /// vigie-auto-update.service.
    Auto,
    /// Writes what the account that fetches packages may know. Run by vigie-pull@.service.
    #[command(hide = true)]
    Situation,
    /// Writes a package into the other slot, which the next start will try.
    Apply(ApplyArguments),
    /// Goes back to the other slot, or takes back what was installed and not yet started.
    Rollback {
        /// Restart at once.
        #[arg(long)]
        restart: bool,
        /// Who asks, for the history.
        #[arg(long)]
        who: Option<String>,
    },
    /// Shows what was installed, and what became of it.
    History {
        /// Print JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Shows the lowest version that is accepted.
    Floor {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Records that the running slot has come up healthy. Run once a boot by
    /// vigie-mark-good.service, after boot-complete.target.
    MarkGood,
    /// Records that the running slot is not healthy; restarts into the other one where that was
    /// good. Run by vigie-give-up.service.
    GiveUp {
        /// Why; systemd tells it where a unit has failed.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Mounts a stick or disc, by its kernel name, where it may be mounted. Run by
    /// vigie-media@.service.
    MediaMount {
        /// Such as sdb1 or sr0.
        name: String,
    },
    /// Takes a stick or disc away again. Run by vigie-media@.service.
    MediaUnmount {
        /// Such as sdb1 or sr0.
        name: String,
    },
    /// Asks for root's password; exits 0 when it is right. Run by the console menu.
    #[command(hide = true)]
    AskPassword,
    /// Answers one request from the socket on standard input; run by vigie-update@.service.
    #[command(hide = true)]
    Serve {
        /// Where the broker listens, which knows who is logged in to the web interface.
        #[arg(long, default_value = BROKER)]
        broker: PathBuf,
    },
    /// The unpacking process; started by apply and verify.
    #[command(hide = true)]
    Unwrap,
    /// Looks into a folder of a medium; started by whoever lists packages.
    #[command(hide = true)]
    Look {
        /// The folder.
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let language = cli.language.unwrap_or_else(Language::from_environment);
    match run(cli.command, language) {
        Ok(code) => code,
        Err(error) => {
            warn!("vigie-update: {}", spoken::to(&error, language));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(error), _) if ApplyError::is_refusal(error) => REFUSED,
        (_, Some(FateError::Unsafe { .. })) => REFUSED,
        (_, Some(FateError::NothingThere { .. })) => NOTHING_THERE,
        _ => 1,
    }
}

fn run(command: Command, language: Language) -> Result<ExitCode> {
    match command {
        Command::Status { json } => slots::status(json, language)?,
        Command::Verify { file, json } => return verify(&file, json, language),
        Command::Show { file } => show_package(&file, language)?,
        Command::List { json } => list::run(json, language)?,
        Command::Forget { name } => say!("{}", forget::run(&name, language)?),
        Command::Check { fetch, json } => return check::run(json, fetch, language).map(code_of),
        Command::Auto => automatic::run()?,
        Command::Situation => automatic::tell_situation()?,
        Command::Apply(arguments) => return apply_package(&arguments, language),
        Command::Rollback { restart: now, who } => rollback(now, who, language)?,
        Command::History { json } => slots::history(json, language)?,
        Command::Floor { json } => slots::floor(json, language)?,
        Command::MarkGood => slots::mark_good(language)?,
        Command::GiveUp { reason } => {
            let reason = reason.map(|written| Reason::from(&*written));
            if slots::give_up(reason.unwrap_or_else(reason_of_systemd), language)? {
                restart()?;
            }
        }
        Command::MediaMount { name } => say!("{}", place::plugged_in(&name)?),
        Command::MediaUnmount { name } => place::pulled_out(&name)?,
        Command::AskPassword => {
            if !password::run(&Gate::default(), language)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Serve { broker } => serve::run(&broker)?,
        Command::Unwrap => child::run().context("unpacking")?,
        Command::Look { folder } => look::run(&folder).context("looking into a medium")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(file: &Path, json: bool, language: Language) -> Result<ExitCode> {
    let package = open_package(file)?;
    let this = This::load()?;
    match show::check(&this, &package, &mut progress(json, language)) {
        Ok(checked) if json => say!("{}", show::json(&checked)),
        Ok(checked) => say!("{}", show::lines(&checked, language).join("\n")),
        Err(error) if json => {
            say!("{}", apply::failure_event(&error));
            return Ok(ExitCode::from(exit_code(&error.into())));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn show_package(file: &Path, language: Language) -> Result<()> {
    let package = open_package(file)?;
    let checked = show::check(&This::load()?, &package, &mut progress(false, language))?;
    say!("{}", show::lines(&checked, language).join("\n"));
    Ok(())
}

fn apply_package(arguments: &ApplyArguments, language: Language) -> Result<ExitCode> {
    if arguments.reinstall && arguments.door != Door::Console {
        let door = arguments.door.name();
        warn!(
            "vigie-update: {}",
            match language {
                Language::En => format!("--reinstall is for the console, not for the door {door}"),
                Language::Fr =>
                    format!("--reinstall est pour la console, pas pour la porte {door}"),
            }
        );
        return Ok(ExitCode::from(WRONG_USE));
    }
    let mut this = This::load()?;
    let (package, expected, door) = match &arguments.id {
        Some(id) => {
            let found = list::by_id(&this, id)?;
            let (found, file) = found.ok_or_else(|| {
                Spoken::new(
                    "this package is not there any more; look at the list again (vigie-update list)",
                    "ce paquet n'est plus là ; regardez de nouveau la liste (vigie-update list)",
                )
            })?;
            (file, found.package, found.door)
        }
        None => {
            let file = arguments.file.as_deref();
            let package = open_package(file.unwrap_or(Path::new("-")))?;
            (package, None, arguments.door)
        }
    };
    let asked = Asked {
        door,
        who: arguments.who.clone(),
        reinstall: arguments.reinstall,
    };
    let order = Order {
        package,
        expected,
        asked,
    };
    let mut progress = progress(arguments.json, language);
    match apply::run(&mut this, Path::new(PROGRAM), &order, &mut progress) {
        Ok(applied) => {
            if arguments.json {
                say!("{}", apply::success_event(&applied));
            } else {
                say!("{}", apply::success(&applied, language));
            }
            if arguments.restart {
                restart()?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            if arguments.json {
                say!("{}", apply::failure_event(&error));
            } else {
                warn!("{}", apply::failure(&error, language));
            }
            Ok(ExitCode::from(exit_code(&error.into())))
        }
    }
}

fn progress(json: bool, language: Language) -> Progress {
    Progress::new(json).in_french(language == Language::Fr)
}

fn rollback(now: bool, who: Option<String>, language: Language) -> Result<()> {
    let cancelled = slots::rollback(Door::Console, who)? == Outcome::Cancelled;
    if now && !cancelled {
        return restart();
    }
    let words = match (cancelled, language) {
        (true, Language::En) => "what was to be started next is taken back; nothing changes",
        (true, Language::Fr) => "ce qui devait démarrer ensuite est annulé ; rien ne change",
        (false, Language::En) => {
            "the next start is the other slot; restart to use it (systemctl reboot)"
        }
        (false, Language::Fr) => {
            "le prochain démarrage est l'autre emplacement ; redémarrez pour l'utiliser \
             (systemctl reboot)"
        }
    };
    say!("{words}");
    Ok(())
}

/// Failed where it was not well.
fn code_of(well: bool) -> ExitCode {
    match well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What systemd says of the unit whose failure has started this (systemd.exec(5), `$MONITOR_…`).
fn reason_of_systemd() -> Reason {
    let said = |name| std::env::var(name).ok();
    match (said("MONITOR_UNIT"), said("MONITOR_SERVICE_RESULT")) {
        (Some(unit), Some(result)) => Reason {
            english: format!("{unit} failed ({result})"),
            french: format!("{unit} a échoué ({result})"),
        },
        _ => Reason {
            english: "it was not healthy in time".to_owned(),
            french: "elle n'a pas donné signe de bonne santé à temps".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use vigie_update::Slot;

    use super::*;

    #[test]
    fn what_cannot_be_meant_together_is_wrong_use() {
        let parsed = |line: &str| Cli::try_parse_from(line.split(' '));
        for (line, right) in [
            ("vigie-update apply --id ab12", true),
            ("vigie-update apply --reinstall x.tgz", true),
            ("vigie-update apply --id ab12 --reinstall", false),
            ("vigie-update apply --id ab12 x.tgz", false),
            ("vigie-update apply", false),
        ] {
            assert_eq!(parsed(line).is_ok(), right, "{line}");
        }
        let again = parsed("vigie-update apply --reinstall --door web x.tgz").unwrap();
        let Command::Apply(arguments) = again.command else {
            panic!("another command");
        };
        let code = apply_package(&arguments, Language::En).unwrap();
        assert_eq!(code, ExitCode::from(WRONG_USE));
    }

    #[test]
    fn exit_codes_tell_what_became_of_it() {
        let version = vigie_update::Version([1, 0, 0, 0]);
        let slot = Slot::B;
        for (error, code) in [
            (ApplyError::Live.into(), REFUSED),
            (
                ApplyError::BootState(vigie_settings::Said::same("")).into(),
                1,
            ),
            (
                FateError::Unsafe {
                    slot,
                    version: Some(version),
                }
                .into(),
                REFUSED,
            ),
            (FateError::NothingThere { slot }.into(), NOTHING_THERE),
            (anyhow::anyhow!("no such file"), 1),
        ] {
            assert_eq!(exit_code(&error), code, "{error}");
        }
    }
}
