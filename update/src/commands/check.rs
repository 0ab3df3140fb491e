//! `vigie-update check`: what the server of the settings offers.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::appliance::settings;
use crate::pulled::{FOLDER, Report};
use crate::say;

/// Asks under its own account: this program speaks to no network.
const CHECK: &str = "vigie-pull@check.service";
/// The same, and fetches what is offered.
const FETCH: &str = "vigie-pull@fetch.service";

/// Has the server asked, and perhaps what it offers fetched; prints what came of it.
///
/// # Errors
/// The settings name no server; the program that asks could not run.
pub fn run(json: bool, fetch: bool) -> Result<()> {
    ensure!(
        settings(Path::new("/")).pulls(),
        "the settings name no server to ask; give [update] source"
    );
    let unit = if fetch { FETCH } else { CHECK };
    let status = Command::new("systemctl").args(["start", unit]).status();
    let status = status.context("having systemd ask the server")?;
    ensure!(
        status.success(),
        "{unit} failed; see `journalctl -u {unit}`"
    );
    let report = Report::load(Path::new(FOLDER)).context("reading what came of it")?;
    if json {
        say!("{}", serde_json::to_string(&report)?);
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        say!("{}", report.words(now.map_or(0, |now| now.as_secs())));
    }
    Ok(())
}
