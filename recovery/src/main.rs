//! The command `vigie-recovery`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::messages;
use vigie_recovery::{volumes, words};
use vigie_settings::Language;

/// Looks at the installations on this machine's disks.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// Language of messages, "en" or "fr"; that of the environment where not given.
    #[arg(long, global = true, value_parser = messages::parse_language)]
    language: Option<Language>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the volumes of each installation and how they are. Nothing is written.
    Volumes {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let language = cli.language.unwrap_or_else(messages::from_environment);
    let outcome = match cli.command {
        Command::Volumes { json } => list(json, language),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vigie-recovery: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list(json: bool, language: Language) -> Result<()> {
    let found = volumes::find(&Sysfs::default(), &volumes::open_kernel);
    if json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        println!("{}", words::lines(&found, language).join("\n"));
    }
    Ok(())
}
