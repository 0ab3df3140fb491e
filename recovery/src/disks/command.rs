//! `vigie-recovery disks`.

use anyhow::Result;
use serde_json::json;
use vigie_disk::sysfs::{Sysfs, node};
use vigie_installer::toolbox::HostTools;
use vigie_settings::Language;

use super::ask::{LIMIT, ask};
use super::{under, words};
use crate::message::Message;

/// Says how the disks of this machine are, as they tell of it themselves (SMART).
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it. How the disks are is no failure of the command.
///
/// # Errors
/// None but of writing JSON.
pub fn run(arguments: &Arguments, language: Language) -> Result<()> {
    let names = under::all(&Sysfs::default());
    let nodes: Vec<_> = names.iter().map(|name| node(name)).collect();
    let disks = ask(&HostTools, &nodes, LIMIT);
    if arguments.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&json!({"disks": disks}))?
        );
        return Ok(());
    }
    if disks.is_empty() {
        println!("{}", Message::new("disks.none").to(language));
    }
    for disk in &disks {
        println!("{}", words::line(disk).to(language));
    }
    if let Some(advice) = words::advice(&disks) {
        println!("{}", advice.to(language));
    }
    Ok(())
}
