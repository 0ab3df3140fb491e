//! `vigie-settings`: the settings document from the command line and from the initrd.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use vigie_settings::apply::apply;
use vigie_settings::{Settings, Store};

/// Reads, checks and applies the appliance's settings.
///
/// Exit codes: 0 done, 1 failed or refused, 2 wrong use.
#[derive(Parser)]
#[command(name = "vigie-settings", version)]
struct Arguments {
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
        /// The root of the system.
        #[arg(long, default_value = "/")]
        root: PathBuf,
    },
    /// Check a settings document without using it.
    Validate {
        /// The document.
        file: PathBuf,
    },
    /// Print one value, such as `system.hostname`; the default where the document has none.
    Get {
        /// The field's path.
        field: String,
        /// The root of the system.
        #[arg(long, default_value = "/")]
        root: PathBuf,
    },
    /// Print the settings in use as a document, without secrets.
    Show {
        /// The root of the system.
        #[arg(long, default_value = "/")]
        root: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Apply { early: _, root } => apply_early(&root),
        Command::Validate { file } => validate(&file),
        Command::Get { field, root } => get(&field, &root),
        Command::Show { root } => show(&root),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vigie-settings: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A damaged document is a warning: the system comes up with the generation before it. Only
/// files that could not be written are a failure.
fn apply_early(root: &Path) -> anyhow::Result<()> {
    let report = apply(root);
    for warning in &report.warnings {
        eprintln!("vigie-settings: {warning}");
    }
    if report.failed {
        bail!(
            "not every file below {} could be written",
            root.join("etc").display()
        );
    }
    Ok(())
}

fn validate(file: &Path) -> anyhow::Result<()> {
    Settings::from_file(file).with_context(|| format!("{} is refused", file.display()))?;
    println!("{}: good", file.display());
    Ok(())
}

fn loaded(root: &Path) -> Settings {
    let loaded = Store::of_system(root).load();
    for warning in loaded.warnings() {
        eprintln!("vigie-settings: {warning}");
    }
    loaded.settings
}

fn get(field: &str, root: &Path) -> anyhow::Result<()> {
    let document =
        toml::Value::try_from(loaded(root)).context("writing the settings as a document")?;
    let value = field
        .split('.')
        .try_fold(&document, |value, key| value.get(key));
    match value {
        Some(toml::Value::String(text)) => println!("{text}"),
        Some(value @ (toml::Value::Table(_) | toml::Value::Array(_))) => {
            println!("{}", value.to_string().trim_end())
        }
        Some(value) => println!("{value}"),
        None => bail!("{field} is not set; `vigie-settings show` prints what is"),
    }
    Ok(())
}

fn show(root: &Path) -> anyhow::Result<()> {
    let mut settings = loaded(root);
    let access = &mut settings.access;
    let has_password = [
        ("root", access.root_password_hash.take().is_some()),
        ("service", access.service_password_hash.take().is_some()),
    ];
    let token = settings.update.hawkbit.as_mut().map(|hawkbit| {
        // Shown as a document that can still be read.
        hawkbit.token = "(not-shown)".parse().map_err(anyhow::Error::from)?;
        anyhow::Ok(())
    });
    token.transpose()?;
    print!(
        "{}",
        settings
            .to_text()
            .context("writing the settings as a document")?
    );
    for (account, has) in has_password {
        let word = if has {
            "set (its hash is not shown)"
        } else {
            "none"
        };
        println!("# password of {account}: {word}");
    }
    Ok(())
}
