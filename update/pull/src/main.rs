//! The command `vigie-pull`, run by `vigie-pull@.service` under an account of its own.
//!
//! Exit codes: 0 done, 1 failed and worth another try, 2 wrong use, 3 failed and not.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use vigie_pull::http::{Client, Patience, Trouble};
use vigie_pull::store::Store;
use vigie_pull::{Pull, hawkbit, report, run};
use vigie_settings::{Automatic, Language, Update, read_toml};
use vigie_update::machine;
use vigie_update::pulled::{Answer, FOLDER, Report};
use vigie_update::situation::{self, Situation};

const LASTING: u8 = 3;

/// Asks the server of the settings for updates, and fetches them.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// What to do.
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Ask, and leave a report.
    Check,
    /// Ask, and fetch what is offered.
    Fetch,
    /// What the settings say, when it is time.
    Timer,
}

fn main() -> ExitCode {
    let mode = Cli::parse().mode;
    match pull(mode) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vigie-pull: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn pull(mode: Mode) -> Result<ExitCode> {
    let settings = settings()?;
    let store = Store::new(Path::new(FOLDER));
    let _lock = store.lock()?;
    if mode == Mode::Timer && settings.hawkbit.is_some() && !hawkbit::is_due(&store) {
        return Ok(ExitCode::SUCCESS);
    }
    let result = ask(mode, &settings, &store)?;
    let told = match &result {
        Ok(told) => told.clone(),
        Err(trouble) => report(Answer::Failed).because(&*trouble.text, &*trouble.french),
    };
    store.report(&told)?;
    println!("{}", told.words(told.time, Language::En));
    Ok(match result {
        Err(trouble) if mode == Mode::Timer && trouble.passing => ExitCode::FAILURE,
        Err(_) if mode == Mode::Timer => ExitCode::from(LASTING),
        // Whoever asked reads the report.
        _ => ExitCode::SUCCESS,
    })
}

fn ask(mode: Mode, settings: &Update, store: &Store) -> Result<Result<Report, Trouble>> {
    let folder = Path::new(situation::FOLDER);
    let situation = Situation::load(folder)
        .with_context(|| format!("reading {}/{}", situation::FOLDER, situation::FILE))?;
    let mut keys = machine::keys(Path::new("/"))?;
    keys.revoked.extend(&situation.revoked);
    let authorization = settings.hawkbit.as_ref().map(hawkbit::authorization);
    let authorities = settings.ca.as_ref().map(|ca| ca.as_str());
    let client = Client::new(authorities, authorization.as_deref(), Patience::default());
    let fetch = match mode {
        Mode::Check => false,
        Mode::Fetch => true,
        Mode::Timer => settings.automatic != Automatic::No,
    };
    Ok(client.and_then(|client| {
        run(&Pull {
            settings,
            situation: &situation,
            keys: &keys,
            store,
            client: &client,
            fetch,
        })
    }))
}

/// The settings, which only root may read: systemd hands them on (systemd.exec(5),
/// `LoadCredential=`).
fn settings() -> Result<Update> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
    let folder = folder.context("no settings were handed on; it is run by vigie-pull@.service")?;
    let path = PathBuf::from(folder).join("settings");
    let text = std::fs::read_to_string(path).context("reading the settings")?;
    read_toml(&text).context("understanding the settings")
}
