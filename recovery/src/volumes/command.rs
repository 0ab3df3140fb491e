//! `vigie-recovery volumes`.

use anyhow::Result;
use vigie_disk::sysfs::Sysfs;
use vigie_settings::Language;

use super::{inventory, open_kernel};
use crate::message::Message;
use crate::site::machine_serial;
use crate::tell::Tell;
use crate::words;

/// Lists the volumes of each installation and how they are.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Read each slot and say whether it is whole.
    #[arg(long)]
    verify: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// None but of writing JSON.
pub fn run(arguments: &Arguments, language: Language) -> Result<()> {
    let sysfs = Sysfs::default();
    let mut found = inventory(&sysfs, &open_kernel, machine_serial().as_deref());
    if arguments.verify {
        // Progress is for people: a script gets one document.
        let mut tell = (!arguments.json).then(|| Tell::new(false, language));
        for installation in &mut found.installations {
            let disk = installation.disk.display().to_string();
            installation.verify(&open_kernel, &mut |slot, done, total| {
                let what = Message::new("volumes.verifying");
                let what = what.with("slot", slot).with("disk", &disk);
                if let Some(tell) = &mut tell {
                    tell.progress(&what, done, total);
                }
            });
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        println!("{}", words::lines(&found, language).join("\n"));
    }
    Ok(())
}
