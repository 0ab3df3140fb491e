//! `vigie-update check`: what the server of the settings offers.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::appliance::settings;
use crate::pulled::{FOLDER, Report};

/// Asks under its own account: this program speaks to no network.
const UNIT: &str = "vigie-pull@check.service";

/// Has the server asked, and prints what came of it.
///
/// # Errors
/// The settings name no server; the program that asks could not run.
pub fn run(json: bool) -> Result<()> {
    ensure!(
        settings(Path::new("/")).pulls(),
        "the settings name no server to ask; give [update] source"
    );
    let status = Command::new("systemctl").args(["start", UNIT]).status();
    let status = status.context("having systemd ask the server")?;
    ensure!(
        status.success(),
        "{UNIT} failed; see `journalctl -u {UNIT}`"
    );
    let report = Report::load(Path::new(FOLDER)).context("reading what came of it")?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        println!("{}", report.words(now.map_or(0, |now| now.as_secs())));
    }
    Ok(())
}
