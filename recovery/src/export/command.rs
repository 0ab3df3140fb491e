//! `vigie-recovery export`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use jiff::tz::TimeZone;
use serde_json::json;
use vigie_disk::KernelDevice;
use vigie_disk::ext4::{Health, Superblock};
use vigie_installer::toolbox::{HostTools, Toolbox};
use vigie_settings::{Language, Store};

use super::recordings::{self, Room, Selection};
use super::{bundle, create, settings, time};
use crate::check::array::{self, Started};
use crate::message::Message;
use crate::mounted::Mounted;
use crate::refusal::Refusal;
use crate::reset::{Data, Scope, plan};
use crate::site::{Does, Site, Which};
use crate::stop;
use crate::tell::{Tell, exit};

/// So many of the newest lines of the journal.
const LINES: &str = "200000";
/// And no more bytes.
const MOST: u64 = 64 << 20;

/// The same of the running appliance.
const LINES_HERE: &str = "20000";
/// And no more bytes.
const MOST_HERE: u64 = 8 << 20;
/// Where its state volume is.
const STATE_HERE: &str = "/var";

/// Takes things out of an installation; nothing is written to it.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    which: Which,
    /// Print JSON lines.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// A backup of the settings. The hashes of passwords are in it.
    Settings {
        /// The new file.
        file: PathBuf,
    },
    /// Logs, history, reports and settings for whoever helps, without secrets (tar.gz).
    Logs {
        /// The new file; with --here, - for standard output.
        file: PathBuf,
        /// Of the running appliance; otherwise of the installation on a disk.
        #[arg(long)]
        here: bool,
    },
    /// Recordings of a time.
    Recordings(Recordings),
}

#[derive(clap::Args, Debug)]
struct Recordings {
    /// The folder, of a stick for example, in which a new folder is made for them.
    to: PathBuf,
    /// Only of this data volume, as data-1.
    #[arg(long)]
    volume: Option<String>,
    /// Only below this folder of the volume, such as that of a camera.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Written to at this time or later: 2026-11-22T15:04, in the appliance's time zone.
    #[arg(long)]
    from: Option<String>,
    /// Written to before this time.
    #[arg(long)]
    until: Option<String>,
}

/// Runs it; the exit code.
pub fn run(arguments: &Arguments, language: Language) -> u8 {
    let mut tell = Tell::new(arguments.json, language);
    match act(arguments, &mut tell) {
        Ok(()) => exit::DONE,
        Err(error) => tell.failed(&error),
    }
}

fn act(arguments: &Arguments, tell: &mut Tell) -> Result<()> {
    if let What::Logs { file, here: true } = &arguments.what {
        return of_the_running(file, tell);
    }
    let site = Site::open(&arguments.which, Does::Reads)?;
    let device = site.state_device()?;
    let state = reading(&device, "state", tell)?;
    match &arguments.what {
        What::Settings { file } => {
            let loaded = settings(&state.folder, file)?;
            for warning in loaded.warnings() {
                tell.warn(&Message::new("export.warning").with("warning", warning));
            }
            done(tell, file);
        }
        What::Logs { file, here: _ } => logs(&site, &state.folder, file, tell)?,
        What::Recordings(asked) => {
            // The zone is asked for; the volume is not needed any longer.
            let zone = Store::on_state_volume(&state.folder).load().settings;
            let name = zone.system.timezone;
            drop(state);
            let zone = TimeZone::get(name.as_str()).unwrap_or_else(|_| {
                tell.warn(&Message::new("export.no-zone").with("zone", &name));
                TimeZone::UTC
            });
            copy(&site, asked, &zone, tell)?;
        }
    }
    Ok(())
}

fn done(tell: &mut Tell, path: &Path) {
    let message = Message::new("export.done").with("path", path.display());
    tell.with("done", &message, json!({"path": path}));
}

/// Mounts a volume so that nothing is written to it, not even what is in its journal.
fn reading(device: &Path, name: &str, tell: &mut Tell) -> Result<Mounted> {
    let superblock = Superblock::read(&KernelDevice::open_read_only(device)?)?;
    if superblock.is_some_and(|one| one.health != Health::Clean) {
        tell.warn(&Message::new("export.not-clean").with("device", device.display()));
    }
    stop::hold_off();
    Mounted::reading(device, name)
}

/// The bundle of the appliance that runs. Its services are bounded in memory, and so is its journal here.
fn of_the_running(file: &Path, tell: &mut Tell) -> Result<()> {
    let state = Path::new(STATE_HERE);
    let journal = journal(state, LINES_HERE, MOST_HERE);
    let journal = journal.unwrap_or_else(|error| format!("{error:#}\n").into_bytes());
    let more = [("journal.txt", journal)];
    if file.as_os_str() == "-" {
        bundle::write(std::io::stdout().lock(), state, &more)?;
        return Ok(());
    }
    let out = create(file)?;
    bundle::write(&out, state, &more)?;
    out.sync_all().context("writing the bundle")?;
    done(tell, file);
    Ok(())
}

fn logs(site: &Site, state: &Path, file: &Path, tell: &mut Tell) -> Result<()> {
    let out = create(file)?;
    let volumes = serde_json::to_vec_pretty(&site.inventory)?;
    let journal = journal(state, LINES, MOST);
    let journal = journal.unwrap_or_else(|error| format!("{error:#}\n").into_bytes());
    let more = [("volumes.json", volumes), ("journal.txt", journal)];
    let contents = bundle::write(&out, state, &more)?;
    out.sync_all().context("writing the bundle")?;
    for line in &contents.removed {
        tell.say(
            "removed",
            &Message::new("export.removed").with("what", line),
        );
    }
    done(tell, file);
    Ok(())
}

/// The newest lines of the installation's journal.
fn journal(state: &Path, lines: &str, most: u64) -> Result<Vec<u8>> {
    let folder = state.join("log/journal");
    let mut command = HostTools.command("journalctl");
    command
        .arg("--directory")
        .arg(&folder)
        .args([
            "--no-pager",
            "--quiet",
            "--output=short-iso",
            "--lines",
            lines,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().context("reading the journal: journalctl")?;
    let mut bytes = Vec::new();
    let Some(output) = child.stdout.take() else {
        bail!("reading the journal: journalctl has no output");
    };
    let read = std::io::Read::read_to_end(&mut std::io::Read::take(output, most), &mut bytes);
    // Whether or not all was read, it is not waited for what nobody reads.
    let _ = child.kill();
    child.wait().context("reading the journal")?;
    read.context("reading the journal")?;
    Ok(bytes)
}

fn copy(site: &Site, asked: &Recordings, zone: &TimeZone, tell: &mut Tell) -> Result<()> {
    let moment = |word: &Option<String>| {
        let word = word.as_deref();
        word.map(|word| time::moment(word, zone)).transpose()
    };
    let selection = Selection {
        folder: asked.folder.clone(),
        from: moment(&asked.from)?,
        until: moment(&asked.until)?,
    };
    let volumes = wanted(site, asked.volume.as_deref())?;
    let mut some = false;
    for data in &volumes {
        let name = data.purpose.name();
        let (device, _array) = open(site, data)?;
        let mounted = reading(&device, &name, tell)?;
        let found = match recordings::find(&mounted.folder, &selection) {
            Err(error) if error.downcast_ref() == Some(&Refusal::NothingFound) => continue,
            found => found?,
        };
        for error in &found.unreadable {
            tell.warn(&Message::new("export.unreadable").with("error", error));
        }
        if found.files.is_empty() {
            continue;
        }
        some = true;
        recordings::fits(&found, Room::of(&asked.to)?, &asked.to)?;
        let into = recordings::free_name(&asked.to, &format!("{}-{name}", site.host()))?;
        let (total, what) = (
            found.total(),
            Message::new("export.copying").with("name", &name),
        );
        let mut note = |bytes| {
            tell.progress(&what, bytes, total);
            !stop::asked()
        };
        recordings::copy(&mounted.folder, &found, &into, &mut note)?;
        done(tell, &into);
    }
    match some {
        true => Ok(()),
        false => Err(Refusal::NothingFound.into()),
    }
}

/// The data volumes that are asked for.
fn wanted(site: &Site, name: Option<&str>) -> Result<Vec<Data>, Refusal> {
    let all = plan(Scope::All, &site.installation).data;
    let Some(name) = name else { return Ok(all) };
    let (is, others): (Vec<Data>, Vec<Data>) =
        all.into_iter().partition(|one| one.purpose.name() == name);
    match is.is_empty() {
        true => {
            let names = others.iter().map(|one| one.purpose.name()).collect();
            Err(Refusal::NoVolume(name.to_owned(), names))
        }
        false => Ok(is),
    }
}

/// The device of a data volume; its array is started read-only.
fn open(site: &Site, data: &Data) -> Result<(PathBuf, Option<Started<'static>>)> {
    let started = array::of_member(&HostTools, &site.sysfs, &data.node, false)?;
    let device = started.as_ref().map_or(&data.node, |array| &array.device);
    Ok((device.clone(), started))
}
