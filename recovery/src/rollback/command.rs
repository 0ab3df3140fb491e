//! `vigie-recovery rollback`.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use vigie_settings::Language;
use vigie_update::apply::lock::{self, LOCK};
use vigie_update::fate::FateError;

use super::{Done, run as go_back};
use crate::audit::{self, Entry};
use crate::held;
use crate::message::Message;
use crate::site::{Does, Site, Which};
use crate::tell::{Tell, exit};

/// Goes back to the version in the other slot of an installation.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Who asks, for the history.
    #[arg(long)]
    who: Option<String>,
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
}

/// Runs it; the exit code.
pub fn run(arguments: &Arguments, language: Language) -> u8 {
    let mut tell = Tell::new(arguments.json, language);
    match act(arguments, &mut tell) {
        Ok(done) => {
            say(&done, &mut tell);
            exit::DONE
        }
        Err(error) => match error.downcast_ref::<FateError>() {
            Some(refused @ (FateError::NothingThere { .. } | FateError::Unsafe { .. })) => {
                tell.refused(&refused.to_string(), &refused.french())
            }
            _ => tell.failed(&error),
        },
    }
}

fn act(arguments: &Arguments, tell: &mut Tell) -> Result<Done> {
    let site = Site::open(&arguments.which, Does::Writes)?;
    site.warn_of_disks(tell);
    let _lock = lock::take(Path::new(LOCK), "rollback")?;
    let _held = held::hold_off(tell);
    let device = site.state_device()?;
    let state = site.state(tell)?;
    state.tell(tell);
    let mut target = site.appliance(Some(device));
    let what = Message::new("rollback.verifying");
    let folder = state.updates();
    let mut note = |done, total| tell.progress(&what, done, total);
    let done = go_back(&mut target, &folder, arguments.who.clone(), &mut note)?;
    let to = format!("slot {}", done.plan.to);
    let entry = Entry::now("rollback", to, Some(site.medium.to_string()));
    audit::tell(state.folder(), &entry, tell);
    Ok(done)
}

fn say(done: &Done, tell: &mut Tell) {
    if let Some(error) = &done.elsewhere {
        let words = Message::new("rollback.elsewhere");
        tell.warn(&words.both("error", error.to_string(), error.french()));
    }
    let key = match done.plan.takes_back {
        true => Message::new("rollback.taken-back"),
        false => Message::new("rollback.done"),
    };
    let message = key.with("slot", done.plan.to);
    let values = json!({"slot": done.plan.to, "outcome": done.outcome});
    tell.with("done", &message, values);
}
