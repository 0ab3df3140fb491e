//! Backups, and taking the settings from one or from a generation that is kept.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use vigie_settings::backup::{BACKUP_MAX, Making, made_by_newer, make, onto, read};
use vigie_settings::{Changing, Said, Settings, Store, here, said, seconds_now};

use super::change::{Deed, Site, save};
use super::show::numbered;
use super::{Failure, Out, input};

/// No passphrase is longer.
const PASSPHRASE_MAX: u64 = 1024;

/// Where a passphrase is read from: never an argument, which every process of the machine sees.
#[derive(clap::Args, Debug)]
pub struct Passphrase {
    /// The backup is sealed with a passphrase, the first line of standard input.
    #[arg(long)]
    passphrase_stdin: bool,
    /// The same, from an open file descriptor.
    #[arg(long, value_name = "FD", conflicts_with = "passphrase_stdin")]
    passphrase_fd: Option<u32>,
}

impl Passphrase {
    /// Reads it; nothing where none was asked for. `file` is what else may be standard input.
    fn read(&self, file: Option<&Path>) -> Result<Option<Vec<u8>>, Failure> {
        let mut bytes = Vec::new();
        match (self.passphrase_stdin, self.passphrase_fd) {
            (false, None) => return Ok(None),
            (true, _) if file.is_some_and(|file| file.as_os_str() == "-") => {
                return Err(Failure::refused("", said("command.stdin-twice", &[])));
            }
            (true, _) => first_line(io::stdin().lock(), &mut bytes)?,
            (_, Some(number)) => {
                let path = PathBuf::from(format!("/proc/self/fd/{number}"));
                let file = File::open(&path).map_err(|error| {
                    let values = [
                        ("file", Said::same(path.display())),
                        ("error", Said::same(error)),
                    ];
                    Failure::Failed(said("command.reading", &values))
                })?;
                first_line(BufReader::new(file), &mut bytes)?
            }
        };
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
    }
}

/// Whoever types it has nothing else to say: the end is not waited for.
fn first_line(from: impl BufRead, bytes: &mut Vec<u8>) -> io::Result<usize> {
    from.take(PASSPHRASE_MAX).read_until(b'\n', bytes)
}

/// Writes a backup into a new file, for root alone.
pub fn backup(root: &Path, file: &Path, passphrase: &Passphrase, out: Out) -> Result<(), Failure> {
    let loaded = Store::of_system(root).load();
    out.warn(&loaded);
    if !loaded.origin.is_document() {
        return Err(Failure::Failed(said("command.nothing-to-back-up", &[])));
    }
    let passphrase = passphrase.read(None)?;
    let system = here::system_version(root);
    let making = Making {
        at: seconds_now(),
        system: system.as_deref(),
    };
    let bytes = make(&loaded.settings, making, passphrase.as_deref())?;
    if file.as_os_str() == "-" {
        io::stdout().write_all(&bytes)?;
        return Ok(());
    }
    write_new(file, &bytes).map_err(|error| {
        let values = [
            ("file", Said::same(file.display())),
            ("error", Said::same(error)),
        ];
        Failure::Failed(said("command.writing", &values))
    })?;
    let sealed = passphrase.is_some();
    let value = json!({ "file": file, "bytes": bytes.len(), "sealed": sealed });
    out.say(&value, || {
        let key = match sealed {
            true => "command.backup-sealed",
            false => "command.backup-plain",
        };
        let name = [("file", Said::same(file.display()))];
        format!("{}\n", said(key, &name).to(out.language))
    });
    Ok(())
}

/// What is half written is taken away: a backup is whole or not there.
fn write_new(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut new = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    let written = new.write_all(bytes).and_then(|()| new.sync_all());
    if written.is_err() {
        std::fs::remove_file(file)?;
    }
    written
}

/// Takes the settings from a backup.
pub fn restore(
    site: Site<'_>,
    file: &Path,
    passphrase: &Passphrase,
    now: bool,
    out: Out,
) -> Result<(), Failure> {
    let passphrase = passphrase.read(Some(file))?;
    let bytes = input(file, BACKUP_MAX)?;
    let settings = read(&bytes, passphrase.as_deref())?;
    let own = here::system_version(site.root).unwrap_or_default();
    if let Some(newer) = made_by_newer(&bytes, &own).filter(|_| !own.is_empty()) {
        eprintln!("vigie-settings: {}", newer.to(out.language));
    }
    let deed = Deed {
        action: "restore",
        about: None,
    };
    take(site, deed, settings, now, out)
}

/// Takes the settings from a generation that is kept.
pub fn restore_generation(site: Site<'_>, number: u32, now: bool, out: Out) -> Result<(), Failure> {
    let settings = numbered(&Store::of_system(site.root), number)?;
    let deed = Deed {
        action: "settings-restore",
        about: Some(number.to_string()),
    };
    take(site, deed, settings, now, out)
}

/// Damaged settings are no hindrance: a backup is what mends them.
fn take(
    site: Site<'_>,
    deed: Deed,
    settings: Settings,
    now: bool,
    out: Out,
) -> Result<(), Failure> {
    let changing = Changing::mending(site.root, site.by)?;
    let new = onto(settings, &changing.old.settings);
    save(site, deed, &changing, (&new, now), out)
}
