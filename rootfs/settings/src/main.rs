//! `vigie-settings`: the settings document from the command line and from the initrd.

mod commands;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use vigie_settings::Language;

use commands::backup::Passphrase;
use commands::change::{How, Site};
use commands::live::Trial;
use commands::{Failure, Out, backup, change, live, show};

/// Reads, checks, changes and applies the appliance's settings.
///
/// Exit codes: 0 done; 1 failed; 2 wrong use; 3 refused, the settings are unchanged; 4 there is no
/// such field or generation; 5 made by a newer version; 6 a backup that is damaged, or not its
/// passphrase.
#[derive(Parser)]
#[command(name = "vigie-settings", version)]
struct Arguments {
    /// Say it as JSON, refusals too, on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Language of what is said; default that of the environment.
    #[arg(long, global = true, value_name = "en|fr")]
    language: Option<Language>,
    /// The root of the system.
    #[arg(long, global = true, default_value = "/")]
    root: PathBuf,
    /// Whose change it is, for the history; default who is logged in.
    #[arg(long, global = true, value_name = "NAME")]
    by: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make /etc follow the settings, writing only what differs.
    Apply {
        /// At boot, before the first service: no running service is told.
        #[arg(long, required_unless_present = "live", conflicts_with = "live")]
        early: bool,
        /// In the running system, whose services follow, too. What may cut you off goes on trial, as with
        /// `set --now`.
        #[arg(long)]
        live: bool,
    },
    /// A change of the networks that is in force and not saved yet.
    Trial {
        /// What becomes of it.
        #[command(subcommand)]
        what: Trial,
    },
    /// Check a settings document without using it.
    Validate {
        /// The document, - for standard input; default the settings in use.
        file: Option<PathBuf>,
    },
    /// Print one value, such as `system.hostname` or `users.anna.role`, unless it is a secret.
    Get {
        /// The field's path.
        key: String,
    },
    /// Print the settings in use as a document, without secrets.
    Show,
    /// Set one value; what results is checked as a whole and saved as a new generation.
    Set {
        /// The field's path; `+` at its end puts one more into a list.
        key: String,
        /// A word or TOML: hall, true, 15, '["a", "b"]'; - reads it from standard input, as a
        /// secret must be.
        #[arg(allow_hyphen_values = true)]
        value: String,
        #[command(flatten)]
        how: How,
    },
    /// Take one value away, so that its default holds.
    Unset {
        /// The field's path.
        key: String,
        #[command(flatten)]
        how: How,
    },
    /// Print what differs between a generation and the settings in use, without secrets.
    Diff {
        /// Its number in the history; default the one before.
        generation: Option<u32>,
    },
    /// List the generations that are kept, the newest first.
    History,
    /// Write a backup of the settings into a new file.
    Backup {
        /// The file, - for standard output.
        file: PathBuf,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Take the settings from a backup, or from a generation that is kept. Data volumes and licence
    /// stay those of this machine.
    Restore {
        /// The backup, - for standard input.
        #[arg(required_unless_present = "generation", conflicts_with = "generation")]
        file: Option<PathBuf>,
        /// The number of a generation.
        #[arg(long)]
        generation: Option<u32>,
        /// Have the running system follow at once, as with `set --now`.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Print the JSON schema of the document.
    Schema,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let out = Out {
        json: arguments.json,
        language: arguments
            .language
            .unwrap_or_else(Language::from_environment),
    };
    let by = arguments.by.unwrap_or_else(commands::who);
    match run(arguments.command, &arguments.root, &by, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.fail(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn run(command: Command, root: &Path, by: &str, out: Out) -> Result<(), Failure> {
    let site = Site { root, by };
    match command {
        Command::Apply { early: true, .. } => show::apply_early(root),
        Command::Apply { .. } => live::apply(site, out),
        Command::Trial { what } => live::trial(site, what, out),
        Command::Validate { file } => show::validate(root, file.as_deref(), out),
        Command::Get { key } => show::get(root, &key, out),
        Command::Show => show::show(root, out),
        Command::Set { key, value, how } => change::set(site, &key, &value, &how, out),
        Command::Unset { key, how } => change::unset(site, &key, &how, out),
        Command::Diff { generation } => show::diff(root, generation, out),
        Command::History => show::history(root, out),
        Command::Backup { file, passphrase } => backup::backup(root, &file, &passphrase, out),
        Command::Restore {
            file: Some(file),
            passphrase,
            now,
            ..
        } => backup::restore(site, &file, &passphrase, now, out),
        Command::Restore {
            generation, now, ..
        } => backup::restore_generation(site, generation.unwrap_or_default(), now, out),
        Command::Schema => show::schema(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
