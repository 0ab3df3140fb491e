//! The command `vigie-install`.
//!
//! Exit codes: 0 done, 1 failed or refused, 2 wrong use.

mod commands;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::no_medium;
use vigie_installer::payload::ON_MEDIUM;
use vigie_installer::report::cause;
use vigie_settings::Language;

/// Installs an appliance onto a disk of this machine.
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
    /// Installs as an answer file says.
    Run {
        /// The answer file.
        #[arg(long)]
        answers: PathBuf,
        /// Folder with what is to be installed.
        #[arg(long, default_value = ON_MEDIUM)]
        payload: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Print plan, progress and result as JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Asks a person everything, then installs.
    Screen {
        /// Folder with what is to be installed.
        #[arg(long, default_value = ON_MEDIUM)]
        payload: PathBuf,
        /// Numbered lines only, for a terminal that cannot move its cursor.
        #[arg(long)]
        plain: bool,
    },
    /// Lists the machine's disks and what is on them.
    Devices {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says whether an answer file is good, with the line of what is not.
    Check {
        /// The answer file.
        file: PathBuf,
    },
    /// Prints the JSON schema of answer files.
    Schema,
    /// Signs an answer file for vigie.answers-key; the signature goes into FILE.sig.
    SignAnswers {
        /// Private key, ed25519 in PEM (openssl genpkey -algorithm ed25519).
        #[arg(long)]
        key: PathBuf,
        /// The answer file.
        file: PathBuf,
    },
    /// Installs as a volume labelled PROVISION, the kernel command line or the medium says; does
    /// nothing where there are no answers.
    Provision {
        /// Folder with what is to be installed.
        #[arg(long, default_value = ON_MEDIUM)]
        payload: PathBuf,
    },
}

impl Command {
    /// Whether it could write a disk.
    const fn installs(&self) -> bool {
        match self {
            Self::Run { .. } | Self::Screen { .. } | Self::Provision { .. } => true,
            Self::Devices { .. } | Self::Check { .. } | Self::Schema | Self::SignAnswers { .. } => {
                false
            }
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let language = cli.language.unwrap_or_else(Language::from_environment);
    if cli.command.installs()
        && let Some(code) = no_medium::refuse(Path::new(no_medium::RECOVERY), language)
    {
        return code;
    }
    let outcome = match cli.command {
        Command::Run {
            answers,
            payload,
            dry_run,
            json,
        } => commands::run::run(&answers, &payload, dry_run, json, language),
        Command::Screen { payload, plain } => commands::screen::screen(&payload, plain, language),
        Command::Devices { json } => commands::devices::devices(json, language),
        Command::Check { file } => commands::check::check(&file, language),
        Command::Schema => commands::schema::schema(),
        Command::SignAnswers { key, file } => commands::sign::sign_answers(&file, &key, language),
        Command::Provision { payload } => commands::provision::provision(&payload, cli.language),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vigie-install: {error:#}");
            if let Some(cause) = cause::of(&error) {
                eprintln!("{}", cause.to(language));
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_write_a_disk_is_known() {
        for (words, installs) in [
            ("run --answers a.toml", true),
            ("run --answers a.toml --dry-run", true),
            ("screen --payload /mnt", true),
            ("provision", true),
            ("devices --json", false),
            ("check a.toml", false),
            ("schema", false),
            ("sign-answers --key k a.toml", false),
        ] {
            let words = ["vigie-install"].into_iter().chain(words.split(' '));
            let cli = Cli::try_parse_from(words).unwrap();
            assert_eq!(cli.command.installs(), installs);
        }
    }
}
