//! `vigie-recovery export`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use jiff::tz::TimeZone;
use serde_json::json;
use vigie_installer::toolbox::{HostTools, Toolbox};
use vigie_settings::Language;

use super::recordings::Selection;
use super::sources::{Source, sources};
use super::take::take;
use super::{bundle, create, live, settings, time};
use crate::message::Message;
use crate::site::{Disks, Does, Site, Which, chosen};
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
    /// Only of this volume, and also of one that no installation lists: data-1, a device (/dev/sdb1,
    /// /dev/disk/by-uuid/...), the label or id of its file system. May be said several times.
    #[arg(long = "volume")]
    volumes: Vec<String>,
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
    if let What::Recordings(asked) = &arguments.what {
        return recordings(&arguments.which, asked, tell);
    }
    let site = Site::open(&arguments.which, Does::Reads)?;
    let device = site.state_device()?;
    let state = live::reading(&device, "state", tell)?;
    match &arguments.what {
        What::Settings { file } => {
            let loaded = settings(&state.folder, file)?;
            for warning in loaded.warnings() {
                tell.warn(&Message::new("export.warning").with("warning", warning));
            }
            done(tell, file);
        }
        What::Logs { file, here: _ } => logs(&site, &state.folder, file, tell)?,
        What::Recordings(_) => {}
    }
    Ok(())
}

fn done(tell: &mut Tell, path: &Path) {
    let message = Message::new("export.done").with("path", path.display());
    tell.with("done", &message, json!({"path": path}));
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

/// Needs no installation where volumes are named, and no settings but for times.
fn recordings(which: &Which, asked: &Recordings, tell: &mut Tell) -> Result<()> {
    let disks = Disks::look()?;
    let one = chosen(&disks.inventory, disks.medium, which, Does::Reads);
    let zone = one.as_ref().ok().and_then(|one| one.facts.zone.clone());
    let sources = sources(&asked.volumes, one, &disks.inventory)?;
    for (nodes, key) in [
        (&sources.assumed, Message::new("export.assumed")),
        (&sources.left_out, Message::new("export.left-out")),
    ] {
        if !nodes.is_empty() {
            let nodes = nodes.iter().map(|node| node.display().to_string());
            tell.warn(&key.with("devices", nodes.collect::<Vec<_>>().join(", ")));
        }
    }
    let selection = asked.selection(zone.as_deref(), tell)?;
    let mut open = |source: &Source, tell: &mut Tell| live::open(source, &disks.sysfs, tell);
    take(&sources.all, &mut open, &selection, &asked.to, tell)
}

impl Recordings {
    /// Which files; times are those of a zone, of UTC where none is known.
    fn selection(&self, zone: Option<&str>, tell: &mut Tell) -> Result<Selection> {
        let zone = match zone.map(TimeZone::get) {
            Some(Ok(zone)) => zone,
            _ => {
                if self.from.is_some() || self.until.is_some() {
                    tell.warn(&time::without_zone(zone));
                }
                TimeZone::UTC
            }
        };
        let moment = |word: &Option<String>| {
            let word = word.as_deref();
            word.map(|word| time::moment(word, &zone)).transpose()
        };
        Ok(Selection {
            folder: self.folder.clone(),
            from: moment(&self.from)?,
            until: moment(&self.until)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_where_the_settings_are_lost() {
        let asked = Recordings {
            to: PathBuf::new(),
            volumes: Vec::new(),
            folder: None,
            from: Some("2026-11-22T16:00".to_owned()),
            until: None,
        };
        let mut tell = Tell::new(true, Language::En);
        let utc = time::moment("2026-11-22T16:00Z", &TimeZone::UTC).unwrap();
        for zone in [None, Some("Nowhere/Else")] {
            let selection = asked.selection(zone, &mut tell).unwrap();
            assert_eq!(selection.from, Some(utc), "{zone:?}");
            for language in [Language::En, Language::Fr] {
                assert!(time::without_zone(zone).to(language).contains("UTC"));
            }
        }
    }
}
