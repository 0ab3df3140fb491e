//! `vigie-settings`: the settings document from the command line and from the initrd.

mod commands;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use vigie_settings::Language;

use commands::backup::Passphrase;
use commands::{Failure, Out, backup, change, show};

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
        #[arg(long, required = true)]
        early: bool,
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
    },
    /// Take one value away, so that its default holds.
    Unset {
        /// The field's path.
        key: String,
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
    match command {
        Command::Apply { early: _ } => show::apply_early(root),
        Command::Validate { file } => show::validate(root, file.as_deref(), out),
        Command::Get { key } => show::get(root, &key, out),
        Command::Show => show::show(root, out),
        Command::Set { key, value } => change::set(root, by, &key, &value, out),
        Command::Unset { key } => change::unset(root, by, &key, out),
        Command::Diff { generation } => show::diff(root, generation, out),
        Command::History => show::history(root, out),
        Command::Backup { file, passphrase } => backup::backup(root, &file, &passphrase, out),
        Command::Restore {
            file: Some(file),
            passphrase,
            ..
        } => backup::restore(root, by, &file, &passphrase, out),
        Command::Restore { generation, .. } => {
            backup::restore_generation(root, by, generation.unwrap_or_default(), out)
        }
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
