//! `vigie-update status`, `mark-good`, `give-up`, `rollback`, `history`, `floor`.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use vigie_disk::sysfs::Sysfs;

use crate::appliance::This;
use crate::apply::lock::{self, LOCK};
use crate::boot_state::BootState;
use crate::esp;
use crate::fate;
use crate::history::{self, Door, Outcome, Record};
use crate::machine::OS_RELEASE;
use crate::reached::{self, Floor};
use crate::running::{BOOT_JSON, Mode, Running};
use crate::status::{Copy, Status};

/// Version, slots and what the next start will boot.
pub fn status(json: bool) -> Result<()> {
    let status = status_now()?;
    if json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        println!("{}", status.lines().join("\n"));
    }
    Ok(())
}

/// The same, as it is now.
pub fn status_now() -> Result<Status> {
    let running = Running::load(Path::new(BOOT_JSON))?;
    let sysfs = Sysfs::default();
    let os_release = std::fs::read_to_string(OS_RELEASE).unwrap_or_default();
    let state = match running.mode {
        Mode::Live => None,
        Mode::Installed => Some(load_state(&running, &sysfs)?),
    };
    let mut status = Status::new(&running, &os_release, state.as_ref());
    if let Some(state) = &state {
        let others = esp::other_disks(&running, &sysfs).into_iter();
        let copies = others.map(|disk| {
            let found = esp::open_on(&disk, &sysfs, false).and_then(|esp| esp::load(&esp));
            let expected = esp::state_on(&disk, &running, &sysfs, state);
            Copy::new(&disk, found, &expected)
        });
        status.copies = copies.collect();
        status.holds = fate::facts(&reached::folder(Path::new("/")));
        status.waiting = running.slot.is_some_and(|slot| fate::waiting(state, slot));
    }
    Ok(status)
}

fn load_state(running: &Running, sysfs: &Sysfs) -> Result<BootState> {
    let esp = esp::open(running, sysfs, false)?;
    esp::load(&esp).context("reading the boot state")
}

/// The running slot has come up healthy.
pub fn mark_good() -> Result<()> {
    if is_live()? {
        println!("the live system has no slot to mark");
        return Ok(());
    }
    let mut this = This::load()?;
    let slot = this.slot;
    let told = fate::mark_good(
        &mut this.target,
        slot,
        &this.machine,
        &this.keys,
        &this.folder,
    )?;
    println!("slot {slot} is marked good");
    if told == Some(Outcome::Returned) {
        println!("the version that was installed last did not come up; this is the one before");
    }
    Ok(())
}

fn is_live() -> Result<bool> {
    Ok(Running::load(Path::new(BOOT_JSON))?.mode == Mode::Live)
}

/// The running slot is not healthy; says whether a restart leads to the other one.
pub fn give_up(reason: &str) -> Result<bool> {
    let mut this = This::load()?;
    let slot = this.slot;
    let gone = fate::give_up(&mut this.target, slot, &this.machine, &this.folder, reason)?;
    if gone {
        println!(
            "slot {slot} is given up: {reason}; the next start is slot {}",
            slot.other()
        );
    } else {
        println!("slot {slot} is not healthy ({reason}), and there is no better one to start");
    }
    Ok(gone)
}

/// Back to the other slot.
pub fn rollback(door: Door, who: Option<String>) -> Result<Outcome> {
    let mut this = This::load()?;
    let _lock = lock::take(Path::new(LOCK), "rollback")?;
    let (slot, asked) = (this.slot, (door, who));
    Ok(fate::rollback(
        &mut this.target,
        slot,
        &this.machine,
        &this.folder,
        asked,
    )?)
}

/// All records.
pub fn history(json: bool) -> Result<()> {
    for record in history::load(&reached::folder(Path::new("/"))) {
        if json {
            println!("{}", serde_json::to_string(&record)?);
        } else {
            println!("{}", line(&record));
        }
    }
    Ok(())
}

fn line(record: &Record) -> String {
    let outcome = serde_json::to_value(record.outcome).unwrap_or_default();
    let mut line = format!("{} {}", record.time, outcome.as_str().unwrap_or_default());
    line.push_str(&format!(" {}", record.from));
    if let Some(to) = record.to {
        line.push_str(&format!(" -> {to}"));
    }
    if let Some(door) = record.door {
        line.push_str(&format!(", {door:?}").to_lowercase());
    }
    if let Some(who) = &record.who {
        line.push_str(&format!(" by {who}"));
    }
    if let Some(reason) = &record.reason {
        line.push_str(&format!(": {reason}"));
    }
    line
}

/// The lowest version and epoch that are accepted.
pub fn floor(json: bool) -> Result<()> {
    let floor = Floor::load(&reached::folder(Path::new("/")));
    let revoked: Vec<String> = floor.revoked.iter().map(ToString::to_string).collect();
    if json {
        let (version, epoch) = (floor.reached.version, floor.reached.security_epoch);
        println!(
            "{}",
            json!({"version": version, "security_epoch": epoch, "revoked": revoked})
        );
    } else {
        println!("highest good version: {}", floor.reached.version);
        println!("security epoch: {}", floor.reached.security_epoch);
        println!(
            "revoked keys: {}",
            if revoked.is_empty() {
                "none".to_owned()
            } else {
                revoked.join(", ")
            }
        );
    }
    Ok(())
}
