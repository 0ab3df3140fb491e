//! `vigie-recovery reset`.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::{Context, Result};
use serde_json::json;
use vigie_disk::md::Superblock;
use vigie_disk::{BlockDevice, KernelDevice};
use vigie_installer::Ids;
use vigie_installer::toolbox::HostTools;
use vigie_settings::Language;

use super::{Data, Names, Plan, Scope, can_make, make, plan, settings};
use crate::audit::{self, Entry};
use crate::check::array::{self, Started};
use crate::held;
use crate::message::Message;
use crate::site::{Does, Site, Which};
use crate::tell::{Tell, exit};

/// Resets an installation: it begins with the settings of a new appliance.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// What: the settings, or all (recordings are erased, too).
    pub scope: Scope,
    #[command(flatten)]
    which: Which,
    /// For scripts: the serial number of the installation's system disk, or its host name, in place of
    /// typing it.
    #[arg(long)]
    confirm: Option<String>,
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
}

/// Runs it; the exit code.
pub fn run(arguments: &Arguments, language: Language) -> u8 {
    let mut tell = Tell::new(arguments.json, language);
    let outcome = act(arguments, &mut tell);
    outcome.unwrap_or_else(|error| tell.failed(&error))
}

fn act(arguments: &Arguments, tell: &mut Tell) -> Result<u8> {
    let from_person = arguments.confirm.is_none();
    if from_person && (arguments.json || !io::stdin().is_terminal()) {
        tell.warn(&Message::new("reset.needs-confirm"));
        return Ok(exit::USAGE);
    }
    let site = Site::open(&arguments.which, Does::Writes)?;
    let plan = plan(arguments.scope, &site.installation);
    site.warn_of_disks(tell);
    before(&site, &plan, tell);
    let names = Names::of(&site.installation, &site.inventory.installations);
    let typed = match &arguments.confirm {
        Some(typed) => typed.clone(),
        None => ask(&names.question().to(tell.language))?,
    };
    names.confirm(&typed)?;
    let ids = Ids::random();
    // What may refuse does so before anything is changed.
    let mut opened = Vec::new();
    if plan.scope == Scope::All {
        for data in &plan.data {
            let volume = open(&site, data)?;
            can_make(data, volume.device.size())?;
            opened.push(volume);
        }
    }
    let _held = held::hold_off(tell);
    let state = site.state(tell)?;
    state.tell(tell);
    let freed = settings(state.folder(), &plan, &ids, site.running())?;
    tell.freed(freed.as_ref());
    let entry = Entry::now("reset", plan.scope.name(), Some(site.medium.to_string()));
    audit::tell(state.folder(), &entry, tell);
    drop(state);
    for (data, opened) in plan.data.iter().zip(&mut opened) {
        let name = data.purpose.name();
        tell.say("making", &Message::new("reset.making").with("name", name));
        let member = opened.member.as_ref();
        make(data, member, &ids, &HostTools, &mut opened.device)?;
    }
    tell.say("done", &Message::new("reset.done"));
    Ok(exit::DONE)
}

/// A data volume, opened alone for writing.
struct Opened {
    device: KernelDevice,
    member: Option<Superblock>,
    _array: Option<Started<'static>>,
}

fn open(site: &Site, data: &Data) -> Result<Opened> {
    let member = Superblock::read(&KernelDevice::open_read_only(&data.node)?)?;
    let started = array::of_member(&HostTools, &site.sysfs, &data.node, true)?;
    let path = started.as_ref().map_or(&data.node, |array| &array.device);
    let device = KernelDevice::open_exclusive(path)
        .with_context(|| format!("opening {}", data.purpose.name()))?;
    // Who has it open keeps its name from being given to another.
    site.still(&data.node)?;
    Ok(Opened {
        device,
        member,
        _array: started,
    })
}

/// Says what will be done.
fn before(site: &Site, plan: &Plan, tell: &mut Tell) {
    let names = plan.data.iter().map(|data| {
        let node = data.node.display();
        format!("{} ({node})", data.purpose.name())
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let message = match plan.scope {
        Scope::Settings => Message::new("reset.settings"),
        Scope::All => Message::new("reset.all").with("volumes", &names),
    };
    let message = message
        .with("host", site.host())
        .with("disk", site.installation.place());
    tell.with(
        "plan",
        &message,
        json!({"scope": plan.scope.name(), "volumes": names}),
    );
}

/// Asks for a name.
fn ask(question: &str) -> Result<String> {
    print!("{question}");
    io::stdout().flush()?;
    let mut typed = String::new();
    io::stdin().lock().take(300).read_line(&mut typed)?;
    Ok(typed)
}
