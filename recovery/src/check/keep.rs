//! Where reports are kept: in a folder of the state volume, and where a person says.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::MountFlags;
use vigie_installer::clock;
use vigie_settings::Language;

use crate::full::{self, Freed};
use crate::mounted::Mounted;

use super::report::Report;

/// The folder of reports below the root of a state volume, which is mounted at /var.
pub const ON_STATE: &str = "lib/vigie/recovery";
/// So many reports stay; each has at most a few hundred kilobytes for each volume.
const KEPT: usize = 20;
const BEGINS: &str = "check-";
/// A file of JSON and one of text in each language for each report.
const ENDS: [&str; 3] = [".json", ".en.txt", ".fr.txt"];

/// Writes a report into a folder, made where it is not there; the path of its JSON. Old ones of
/// ours go.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(report: &Report, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let name = name(report);
    let texts = [
        serde_json::to_string_pretty(report)?,
        report.text(Language::En),
        report.text(Language::Fr),
    ];
    for (end, text) in ENDS.iter().zip(texts) {
        put(&folder.join(format!("{name}{end}")), &text)?;
    }
    forget_old(folder)?;
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("flushing {}", folder.display()))?;
    Ok(folder.join(format!("{name}{}", ENDS[0])))
}

/// A report that is kept, by the path of its JSON.
#[derive(Debug)]
pub struct Saved {
    /// Where it is.
    pub path: PathBuf,
    /// What went for it, because the volume was full.
    pub freed: Option<Freed>,
}

impl From<PathBuf> for Saved {
    fn from(path: PathBuf) -> Self {
        Self { path, freed: None }
    }
}

/// Mounts a state volume, writes the report into its folder and unmounts it. Its path is that on the appliance.
///
/// # Errors
/// It cannot be mounted or written to.
pub fn write_on_state(report: &Report, device: &Path) -> Result<Saved> {
    let state = Mounted::new(device, "report", "ext4", MountFlags::empty())?;
    let saved = write_in(report, &state.folder)?;
    let name = saved.path.file_name().unwrap_or_default();
    let path = Path::new("/var").join(ON_STATE).join(name);
    Ok(Saved { path, ..saved })
}

/// Writes the report into the folder of a state volume whose root is the folder `root`. On a full volume old
/// logs go for it.
///
/// # Errors
/// It cannot be written to.
pub fn write_in(report: &Report, root: &Path) -> Result<Saved> {
    let mut write = || write(report, &root.join(ON_STATE));
    let (path, freed) = full::with_room(root, |room| room.saving(&mut write))?;
    Ok(Saved { path, freed })
}

/// Takes reports that were written where a state volume could not be written to, each into a folder of its own
/// below `from`, onto that whose root is the folder `root`: the initrd's, of that volume itself. On a full volume
/// old logs go for them, which are returned.
///
/// # Errors
/// They cannot be read, or the volume cannot be written to.
pub fn take(from: &Path, root: &Path) -> Result<Option<Freed>> {
    let folder = root.join(ON_STATE);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let reports = reports_below(from)?;
    let take_all = |room: &mut full::Room<'_>| {
        let one = |(from, name): &(PathBuf, String)| room.saving(&mut || copy(from, name, &folder));
        reports.iter().try_for_each(one)
    };
    let ((), freed) = full::with_room(root, take_all)?;
    forget_old(&folder)?;
    Ok(freed)
}

/// The reports in the folders of a folder: where each is, and its name.
fn reports_below(from: &Path) -> Result<Vec<(PathBuf, String)>> {
    let doing = || format!("reading {}", from.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(from).with_context(doing)? {
        let folder = entry.with_context(doing)?.path();
        let names = names_in(&folder)?;
        found.extend(names.into_iter().map(|name| (folder.clone(), name)));
    }
    found.sort();
    Ok(found)
}

/// Copies a report under its name, or one beside it where another check began in the same second.
fn copy(from: &Path, name: &str, folder: &Path) -> Result<()> {
    let is_free = |new: &String| !folder.join(format!("{new}{}", ENDS[0])).exists();
    let others = (2..=KEPT).map(|number| format!("{name}-{number}"));
    let new = [name.to_owned()].into_iter().chain(others).find(is_free);
    let new = new.with_context(|| format!("too many reports are named {name}"))?;
    // The JSON last: without it the report is not there, and its name is free.
    for end in ENDS.iter().rev() {
        let path = from.join(format!("{name}{end}"));
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        put(&folder.join(format!("{new}{end}")), &text)?;
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("flushing {}", folder.display()))
}

/// "check-20261123T023000Z": names of reports sort by their time. One about a single volume has
/// its name, too: a start checks several at a time.
fn name(report: &Report) -> String {
    let ((year, month, day), (hour, minute, second)) = clock::civil(report.began);
    let time = format!("{BEGINS}{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z");
    let [volume] = &report.volumes[..] else {
        return time;
    };
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c,
        false => '-',
    };
    let name: String = volume.name.chars().map(plain).take(32).collect();
    format!("{time}-{name}")
}

/// Written beside and renamed, so that what has the name is whole.
fn put(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    let written = write();
    if written.is_err() {
        // On a full volume the half of it would take the room.
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("writing {}", path.display()))
}

fn forget_old(folder: &Path) -> Result<()> {
    let reports = names_in(folder)?;
    let old = reports.len().saturating_sub(KEPT);
    for name in &reports[..old] {
        for end in ENDS {
            // A file that is not there is as good as gone.
            let _ = fs::remove_file(folder.join(format!("{name}{end}")));
        }
    }
    Ok(())
}

/// The names of the reports in a folder, the oldest first.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut reports: Vec<String> = names
        .filter_map(|name| {
            let name = name.strip_suffix(ENDS[0])?;
            name.starts_with(BEGINS).then(|| name.to_owned())
        })
        .collect();
    reports.sort();
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Mode;

    fn report(began: u64) -> Report {
        Report {
            program: "0.1.0".to_owned(),
            mode: Mode::Repair,
            began,
            seconds: 1.0,
            disks: Vec::new(),
            volumes: Vec::new(),
        }
    }

    #[test]
    fn reports_are_written_whole_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("lib/vigie/recovery");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("aaa.json"), "not ours").unwrap();
        for began in 0..30 {
            write(&report(1_700_000_000 + began), &folder).unwrap();
        }
        let names: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(names.len(), 3 * KEPT + 1);
        let newest = folder.join("check-20231114T221349Z.json");
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(newest).unwrap()).unwrap();
        assert_eq!(
            (&json["began"], &json["mode"]),
            (&1_700_000_029.into(), &"repair".into())
        );
        let file = folder.join("aaa.json");
        let error = write(&report(0), &file).unwrap_err();
        assert!(error.to_string().contains("aaa.json"), "{error}");
    }

    #[test]
    fn reports_of_the_initrd_are_taken_onto_the_volume_and_none_takes_the_place_of_another() {
        let volume = crate::full::tests::volume();
        let run = tempfile::tempdir().unwrap();
        // A preen, and the repair that began in the same second.
        for (check, mode) in [("1", Mode::Preen), ("2", Mode::Repair)] {
            let report = Report {
                mode,
                ..report(1_700_000_000)
            };
            write(&report, &run.path().join(check)).unwrap();
        }
        let folder = volume.path().join(ON_STATE);
        let full = folder.join("check-20231114T221320Z.fr.new");
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("/dev/full", &full).unwrap();
        let freed = take(run.path(), volume.path()).unwrap();
        assert!(freed.is_some(), "old logs go for them");
        let mode = |name: &str| {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            json["mode"].clone()
        };
        assert_eq!(mode("check-20231114T221320Z.json"), "preen");
        assert_eq!(mode("check-20231114T221320Z-2.json"), "repair");
        assert!(folder.join("check-20231114T221320Z-2.fr.txt").exists());
        assert!(take(&run.path().join("none"), volume.path()).is_err());
    }
}
