//! `vigie-update check`: what the server of the settings offers.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use vigie_settings::Language;

use crate::appliance::settings;
use crate::doors::serve::Failure;
use crate::package::error::Fault;
use crate::pulled::{self, Answer, FOLDER, Report};
use crate::say;
use crate::spoken::Spoken;

/// Asks under its own account: this program speaks to no network.
const CHECK: &str = "vigie-pull@check.service";
/// The same, and fetches what is offered.
const FETCH: &str = "vigie-pull@fetch.service";

/// Has the server asked, and perhaps what it offers fetched; prints what came of it, and says
/// whether it could be asked.
///
/// # Errors
/// The settings name no server; the program that asks could not run.
pub fn run(json: bool, fetch: bool, language: Language) -> Result<bool> {
    let report = ask(fetch).map_err(|failure| Spoken::new(failure.english, failure.french))?;
    if json {
        say!("{}", serde_json::to_string(&report)?);
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        say!(
            "{}",
            report.words(now.map_or(0, |now| now.as_secs()), language)
        );
    }
    Ok(report.answer != Answer::Failed)
}

/// Whether the settings name a server.
#[must_use]
pub fn is_possible() -> bool {
    settings(Path::new("/")).pulls()
}

/// Has the server asked, and perhaps what it offers fetched.
///
/// # Errors
/// The settings name no server; it is being asked already; the program that asks could not run.
pub fn ask(fetch: bool) -> Result<Report, Failure> {
    if !is_possible() {
        return Err(Failure::refused(
            "the settings name no server to ask; give [update] source",
            "les réglages ne nomment aucun serveur ; donnez [update] source",
        ));
    }
    if pulled::is_busy(Path::new(FOLDER)) {
        return Err(Failure::refused(
            "the server is being asked or a package is being fetched already; look again later",
            "le serveur est déjà interrogé, ou un paquet en cours de téléchargement ; réessayez plus tard",
        ));
    }
    let unit = if fetch { FETCH } else { CHECK };
    let status = Command::new("systemctl").args(["start", unit]).status();
    let status = status.map_err(|error| {
        Failure::of_machine(
            format!("having systemd ask the server: {error}"),
            format!("faire interroger le serveur par systemd : {error}"),
        )
    })?;
    if !status.success() {
        return Err(Failure {
            refused: false,
            fault: Fault::Machine,
            ..Failure::refused(
                format!("{unit} failed; see `journalctl -u {unit}`"),
                format!("{unit} a échoué ; voyez « journalctl -u {unit} »"),
            )
        });
    }
    Report::load(Path::new(FOLDER)).map_err(|error| {
        Failure::of_machine(
            format!("reading what came of it: {error}"),
            format!("lecture du résultat : {error}"),
        )
    })
}
